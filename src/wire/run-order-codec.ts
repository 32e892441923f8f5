/**
 * One run that the hub orders. An order that this agent cannot read as a whole (a newer hub's enum value, a malformed
 * field) is refused by itself: the rest of the Desired still holds, and the refused run is reported with the cause
 * `Unsupported`.
 * Invariants: the template is a JSON object of bounded depth without `__proto__` keys; the nodes' workers sum to the gang;
 * the lease keeps its bound.
 */
import * as ids from '../core/model/ids.ts';
import type { LeaseTerms, OnPartition, RunOrder, SealedAttachment } from '../core/model/run.ts';
import { FieldChecks, type WireProblem } from './field-checks.ts';
import * as proto from './generated/lumbung/federation/v1/federation.ts';
import type { UnreadableOrder } from './session-messages.ts';
import { parseTemplate } from './template-json.ts';
import * as limits from './wire-limits.ts';
import {
  decodeJobKey,
  decodeJurisdictions,
  decodeLabelName,
  decodeName,
  decodeNodeShares,
  decodeRunId,
  encodeJobKey,
  encodeNodeShares,
  encodeRunId,
  enumTable,
} from './wire-values.ts';

const partitions = enumTable<OnPartition, proto.OnPartition>({
  KeepAndWait: proto.OnPartition.ON_PARTITION_KEEP_AND_WAIT,
  Fence: proto.OnPartition.ON_PARTITION_FENCE,
  AllowDuplicate: proto.OnPartition.ON_PARTITION_ALLOW_DUPLICATE,
});

const rendezvous = enumTable<RunOrder['rendezvous'], proto.Rendezvous>({
  Torch: proto.Rendezvous.RENDEZVOUS_TORCH,
  None: proto.Rendezvous.RENDEZVOUS_NONE,
});

const attachmentKinds = enumTable<SealedAttachment['kind'], proto.AttachmentKind>({
  ConfigMap: proto.AttachmentKind.ATTACHMENT_KIND_CONFIG_MAP,
  Secret: proto.AttachmentKind.ATTACHMENT_KIND_SECRET,
});

function encodeLease(lease: LeaseTerms): proto.LeaseTerms {
  return {
    durationMs: BigInt(lease.durationMs),
    terminationGraceMs: BigInt(lease.terminationGraceMs),
    marginMs: BigInt(lease.marginMs),
    maxClockDriftPercent: lease.maxClockDriftPercent,
    replaceAfterMs: BigInt(lease.replaceAfterMs),
  };
}

/** `templateJson` lets a sender encode a template once and send it many times; by default it is made here. */
export function encodeRunOrder(order: RunOrder, templateJson?: Uint8Array): proto.RunOrder {
  return {
    id: encodeRunId(order.id),
    job: encodeJobKey(order.job),
    attempt: order.attempt,
    pool: order.pool,
    tenant: order.tenant,
    workers: order.workers,
    gpusPerWorker: order.gpusPerWorker,
    gpuModel: order.gpuModel,
    nodes: encodeNodeShares(order.nodes),
    lease: encodeLease(order.lease),
    onPartition: partitions.encode(order.onPartition),
    maxRuntimeMs: BigInt(order.maxRuntimeMs),
    startTimeoutMs: BigInt(order.startTimeoutMs),
    checkpointGraceMs: BigInt(order.checkpointGraceMs),
    templateHash: order.templateHash,
    priority: order.priority,
    gpuResource: order.gpuResource,
    gpuContainer: order.gpuContainer,
    rendezvous: rendezvous.encode(order.rendezvous),
    jurisdictions: [...order.jurisdictions],
    templateJson: templateJson ?? Buffer.from(JSON.stringify(order.template), 'utf8'),
    attachments: order.attachments.map(({ kind, name, type, sealed }) => ({
      kind: attachmentKinds.encode(kind),
      name,
      type,
      sealed,
    })),
    member: order.member,
  };
}

const NO_LEASE: LeaseTerms = {
  durationMs: 1,
  terminationGraceMs: 0,
  marginMs: 0,
  maxClockDriftPercent: 0,
  replaceAfterMs: 1,
};

function decodeLease(checks: FieldChecks, path: string, raw: proto.LeaseTerms): LeaseTerms {
  const max = limits.LEASE_MS_MAX;
  const lease: LeaseTerms = {
    durationMs: checks.whole(`${path}.durationMs`, raw.durationMs, { min: 1, max }),
    terminationGraceMs: checks.whole(`${path}.terminationGraceMs`, raw.terminationGraceMs, { max }),
    marginMs: checks.whole(`${path}.marginMs`, raw.marginMs, { max }),
    maxClockDriftPercent: checks.whole(`${path}.maxClockDriftPercent`, raw.maxClockDriftPercent, { max: 25 }),
    replaceAfterMs: checks.whole(`${path}.replaceAfterMs`, raw.replaceAfterMs, { min: 1, max }),
  };
  const bound =
    lease.durationMs * (100 + 2 * lease.maxClockDriftPercent) + (lease.terminationGraceMs + lease.marginMs) * 100;
  if (lease.replaceAfterMs * 100 < bound) {
    checks.problem(
      `${path}.replaceAfterMs`,
      'must be at least durationMs x (1 + 2 x drift) + terminationGraceMs + marginMs',
    );
  }
  return lease;
}

/** An enum value; one that is not known here is a problem of this order alone. */
function known<T>(
  checks: FieldChecks,
  path: string,
  found: { readonly value: number; readonly name: T | undefined },
  placeholder: T,
): T {
  if (found.name === undefined) checks.problem(path, `${found.value} is not known to this version`);
  return found.name ?? placeholder;
}

function decodeAttachment(checks: FieldChecks, path: string, raw: proto.SealedAttachment): SealedAttachment {
  return {
    kind: known(checks, `${path}.kind`, { value: raw.kind, name: attachmentKinds.decode(raw.kind) }, 'Secret'),
    name: decodeName(checks, `${path}.name`, raw.name),
    type: checks.text(`${path}.type`, raw.type, { max: limits.NAME_MAX }),
    sealed: checks.bytes(`${path}.sealed`, raw.sealed, { max: limits.ATTACHMENT_BYTES_MAX }),
  };
}

type Frozen = Pick<
  RunOrder,
  'pool' | 'tenant' | 'member' | 'workers' | 'gpusPerWorker' | 'gpuModel' | 'nodes' | 'lease' | 'onPartition'
>;

function decodeFrozen(checks: FieldChecks, raw: proto.RunOrder): Frozen {
  const workers = checks.whole('workers', raw.workers, { min: 1, max: limits.WORKERS_MAX });
  const nodes = decodeNodeShares(checks, 'nodes', raw.nodes);
  const placed = nodes.reduce((sum, share) => sum + share.workers, 0);
  if (placed !== workers) checks.problem('nodes', `workers must sum to ${workers}, sum to ${placed}`);
  return {
    pool: ids.poolName(decodeName(checks, 'pool', raw.pool)),
    tenant: ids.tenantName(checks.text('tenant', raw.tenant, { min: 1, max: limits.NAME_MAX })),
    member: ids.memberName(decodeLabelName(checks, 'member', raw.member)),
    workers,
    gpusPerWorker: checks.whole('gpusPerWorker', raw.gpusPerWorker, { min: 1, max: limits.GPUS_PER_WORKER_MAX }),
    gpuModel: ids.gpuModel(checks.text('gpuModel', raw.gpuModel, { min: 1, max: 63 })),
    nodes,
    lease: checks.required('lease', raw.lease, (at, lease) => decodeLease(checks, at, lease), NO_LEASE),
    onPartition: known(
      checks,
      'onPartition',
      { value: raw.onPartition, name: partitions.decode(raw.onPartition) },
      'KeepAndWait',
    ),
  };
}

function decodeWhole(checks: FieldChecks, raw: proto.RunOrder): RunOrder {
  const attachments = checks.list('attachments', raw.attachments, limits.ATTACHMENTS_MAX, (at, item) =>
    decodeAttachment(checks, at, item),
  );
  return {
    id: decodeRunId(checks, 'id', raw.id),
    job: decodeJobKey(checks, 'job', raw.job),
    attempt: checks.whole('attempt', raw.attempt, { min: 1 }),
    ...decodeFrozen(checks, raw),
    maxRuntimeMs: checks.whole('maxRuntimeMs', raw.maxRuntimeMs, { min: 1, max: limits.RUNTIME_MS_MAX }),
    startTimeoutMs: checks.whole('startTimeoutMs', raw.startTimeoutMs, { min: 1, max: limits.DAY_MS }),
    checkpointGraceMs: checks.whole('checkpointGraceMs', raw.checkpointGraceMs, { max: limits.DAY_MS }),
    templateHash: checks.text('templateHash', raw.templateHash, { min: 1, max: 128 }),
    priority: checks.whole('priority', raw.priority, { min: -1000, max: 1000 }),
    gpuResource: checks.text('gpuResource', raw.gpuResource, { min: 1, max: limits.LABEL_KEY_MAX }),
    gpuContainer: decodeLabelName(checks, 'gpuContainer', raw.gpuContainer),
    rendezvous: known(checks, 'rendezvous', { value: raw.rendezvous, name: rendezvous.decode(raw.rendezvous) }, 'None'),
    jurisdictions: decodeJurisdictions(checks, 'jurisdictions', raw.jurisdictions),
    template: parseTemplate(checks, 'templateJson', raw.templateJson),
    attachments: checks.distinct('attachments', attachments, (item) => `${item.kind}/${item.name}`),
  };
}

/** What of an unreadable order a report of its refusal needs; undefined when even that cannot be read. */
function salvage(raw: proto.RunOrder, problems: readonly WireProblem[]): UnreadableOrder | undefined {
  const checks = new FieldChecks();
  const order: UnreadableOrder = {
    id: decodeRunId(checks, 'id', raw.id),
    job: decodeJobKey(checks, 'job', raw.job),
    tenant: ids.tenantName(checks.text('tenant', raw.tenant, { min: 1, max: limits.NAME_MAX })),
    pool: ids.poolName(decodeName(checks, 'pool', raw.pool)),
    attempt: checks.whole('attempt', raw.attempt, { min: 1 }),
    templateHash: checks.text('templateHash', raw.templateHash, { max: 128 }),
    gpuModel: ids.gpuModel(checks.text('gpuModel', raw.gpuModel, { min: 1, max: 63 })),
    gpusPerWorker: checks.whole('gpusPerWorker', raw.gpusPerWorker, { max: limits.GPUS_PER_WORKER_MAX }),
    problems,
  };
  return checks.failed ? undefined : order;
}

export type DecodedOrder =
  | { readonly kind: 'order'; readonly order: RunOrder }
  | { readonly kind: 'unreadable'; readonly order: UnreadableOrder }
  /** Not even the run it names can be told: the message as a whole is malformed. */
  | { readonly kind: 'malformed'; readonly problems: readonly WireProblem[] };

export function decodeRunOrder(raw: proto.RunOrder): DecodedOrder {
  const checks = new FieldChecks();
  const order = checks.finish(decodeWhole(checks, raw));
  if (order.ok) return { kind: 'order', order: order.value };
  const salvaged = salvage(raw, order.error);
  if (salvaged === undefined) return { kind: 'malformed', problems: order.error };
  return { kind: 'unreadable', order: salvaged };
}
