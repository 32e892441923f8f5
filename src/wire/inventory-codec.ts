/**
 * The part of a report that seldom changes: policy, window, offers per node and GPU counts. It has a hash of its own, so
 * that an unchanged inventory crosses the wire once.
 * Invariants: the same inventory gives the same bytes and hash; the six states of a GPU model sum to its total and
 * `offered` is a part of `idle`; an unknown policy state reads as Invalid, so that a newer agent only lends nothing.
 */
import { createHash } from 'node:crypto';
import * as ids from '../core/model/ids.ts';
import type { GpuCounts, LendingWindow, MemberReport, NodeOffer, PolicySummary, Taint } from '../core/model/member.ts';
import type { Resources } from '../core/model/resources.ts';
import type { FieldChecks } from './field-checks.ts';
import * as proto from './generated/lumbung/federation/v1/federation.ts';
import * as limits from './wire-limits.ts';
import {
  decodeJurisdiction,
  decodeJurisdictions,
  decodeName,
  enumTable,
  sentence,
  sortedRecord,
} from './wire-values.ts';

export type Inventory = Pick<MemberReport, 'policy' | 'window' | 'offers' | 'gpus'>;

type ProtoInventory = Pick<proto.Report, 'policy' | 'window' | 'offers' | 'gpus'>;

/** What stands in a report whose inventory was left out; the hub puts in what it holds under the hash. */
export const OMITTED_INVENTORY: Inventory = {
  policy: { state: 'Absent', message: '', dataJurisdictions: [], requireDigest: false, logsAllowed: false },
  window: { edges: [] },
  offers: [],
  gpus: [],
};

const policyStates = enumTable<PolicySummary['state'], proto.PolicyState>({
  Lending: proto.PolicyState.POLICY_STATE_LENDING,
  Paused: proto.PolicyState.POLICY_STATE_PAUSED,
  Absent: proto.PolicyState.POLICY_STATE_ABSENT,
  Invalid: proto.PolicyState.POLICY_STATE_INVALID,
  OutsideWindow: proto.PolicyState.POLICY_STATE_OUTSIDE_WINDOW,
});

function encodePolicy(policy: PolicySummary): proto.PolicySummary {
  return {
    state: policyStates.encode(policy.state),
    message: sentence(policy.message),
    jurisdiction: policy.jurisdiction ?? '',
    dataJurisdictions: [...policy.dataJurisdictions],
    tenants: [...(policy.tenants ?? [])],
    tenantsLimited: policy.tenants !== undefined,
    imagePatterns: [...(policy.imagePatterns ?? [])],
    imagesLimited: policy.imagePatterns !== undefined,
    requireDigest: policy.requireDigest,
    logsAllowed: policy.logsAllowed,
  };
}

function decodePolicy(checks: FieldChecks, path: string, policy: proto.PolicySummary): PolicySummary {
  const state = policyStates.decode(policy.state);
  const tenants = checks.list(`${path}.tenants`, policy.tenants, limits.POLICY_ENTRIES_MAX, (at, name) =>
    ids.tenantName(checks.text(at, name, { min: 1, max: limits.NAME_MAX })),
  );
  const imagePatterns = checks.list(
    `${path}.imagePatterns`,
    policy.imagePatterns,
    limits.POLICY_ENTRIES_MAX,
    (at, pattern) => checks.text(at, pattern, { min: 1, max: limits.IMAGE_PATTERN_MAX }),
  );
  const message = checks.text(`${path}.message`, policy.message, { max: limits.MESSAGE_MAX });
  return {
    state: state ?? 'Invalid',
    message: state === undefined ? `policy state ${policy.state} is not known to this hub: ${message}` : message,
    ...(policy.jurisdiction === ''
      ? {}
      : { jurisdiction: decodeJurisdiction(checks, `${path}.jurisdiction`, policy.jurisdiction) }),
    dataJurisdictions: decodeJurisdictions(checks, `${path}.dataJurisdictions`, policy.dataJurisdictions),
    ...(policy.tenantsLimited ? { tenants } : {}),
    ...(policy.imagesLimited ? { imagePatterns } : {}),
    requireDigest: policy.requireDigest,
    logsAllowed: policy.logsAllowed,
  };
}

function encodeWindow(window: LendingWindow): proto.LendingWindow {
  return {
    availableUntilMs: BigInt(window.availableUntilMs ?? 0),
    edges: window.edges.map(({ atMs, kind, gpus }) => ({ atMs: BigInt(atMs), opens: kind === 'opens', gpus })),
  };
}

function decodeWindow(checks: FieldChecks, path: string, window: proto.LendingWindow): LendingWindow {
  const until = checks.whole(`${path}.availableUntilMs`, window.availableUntilMs);
  return {
    ...(until === 0 ? {} : { availableUntilMs: until }),
    edges: checks.list(`${path}.edges`, window.edges, limits.WINDOW_EDGES_MAX, (at, edge) => ({
      atMs: checks.whole(`${at}.atMs`, edge.atMs),
      kind: edge.opens ? 'opens' : 'closes',
      gpus: checks.whole(`${at}.gpus`, edge.gpus),
    })),
  };
}

/** Less than nothing free is nothing free: an overcommitted node must not make the whole report unsendable. */
function encodeResources(resources: Resources): Record<string, bigint> {
  return sortedRecord(
    Object.fromEntries(Object.entries(resources).map(([name, amount]) => [name, BigInt(Math.max(0, amount))])),
  );
}

function decodeResources(checks: FieldChecks, path: string, resources: Readonly<Record<string, bigint>>): Resources {
  const entries = checks.list(path, Object.entries(resources), limits.RESOURCES_PER_NODE_MAX, (at, [name, amount]) => {
    checks.text(at, name, { min: 1, max: limits.LABEL_KEY_MAX });
    return [name, checks.whole(at, amount)] as const;
  });
  return Object.fromEntries(entries);
}

function decodeLabels(
  checks: FieldChecks,
  path: string,
  labels: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  checks.list(path, Object.entries(labels), limits.LABELS_PER_NODE_MAX, (at, [key, value]) => {
    checks.text(at, key, { min: 1, max: limits.LABEL_KEY_MAX });
    checks.text(at, value, { max: limits.LABEL_VALUE_MAX });
  });
  return labels;
}

const TAINT_EFFECTS: readonly Taint['effect'][] = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

function decodeTaint(checks: FieldChecks, path: string, taint: proto.Taint): Taint {
  return {
    key: checks.text(`${path}.key`, taint.key, { min: 1, max: limits.LABEL_KEY_MAX }),
    value: checks.text(`${path}.value`, taint.value, { max: limits.LABEL_VALUE_MAX }),
    // An effect that is not known here must at least keep work away.
    effect: TAINT_EFFECTS.find((effect) => effect === taint.effect) ?? 'NoSchedule',
  };
}

function encodeOffer(offer: NodeOffer): proto.NodeOffer {
  return {
    node: offer.node,
    vendor: offer.vendor,
    gpuModel: offer.gpuModel,
    gpuMemoryBytes: BigInt(offer.gpuMemoryBytes),
    gpuResource: offer.gpuResource,
    totalGpus: offer.totalGpus,
    free: encodeResources(offer.free),
    allocatable: encodeResources(offer.allocatable),
    labels: sortedRecord(offer.labels),
    taints: offer.taints.map(({ key, value, effect }) => ({ key, value, effect })),
  };
}

function decodeOffer(checks: FieldChecks, path: string, offer: proto.NodeOffer): NodeOffer {
  return {
    node: ids.nodeName(decodeName(checks, `${path}.node`, offer.node)),
    vendor: checks.text(`${path}.vendor`, offer.vendor, { min: 1, max: 63 }),
    gpuModel: ids.gpuModel(checks.text(`${path}.gpuModel`, offer.gpuModel, { min: 1, max: 63 })),
    gpuMemoryBytes: checks.whole(`${path}.gpuMemoryBytes`, offer.gpuMemoryBytes),
    gpuResource: checks.text(`${path}.gpuResource`, offer.gpuResource, { min: 1, max: limits.LABEL_KEY_MAX }),
    totalGpus: checks.whole(`${path}.totalGpus`, offer.totalGpus, { max: 1024 }),
    free: decodeResources(checks, `${path}.free`, offer.free),
    allocatable: decodeResources(checks, `${path}.allocatable`, offer.allocatable),
    labels: decodeLabels(checks, `${path}.labels`, offer.labels),
    taints: checks.list(`${path}.taints`, offer.taints, limits.TAINTS_PER_NODE_MAX, (at, taint) =>
      decodeTaint(checks, at, taint),
    ),
  };
}

function encodeGpuCounts(counts: GpuCounts): proto.GpuCounts {
  return { ...counts, gpuMemoryBytes: BigInt(counts.gpuMemoryBytes) };
}

const GPU_STATES = ['owner', 'parked', 'idle', 'lent', 'unhealthy', 'unknown'] as const;

function decodeGpuCounts(checks: FieldChecks, path: string, raw: proto.GpuCounts): GpuCounts {
  const counts: GpuCounts = {
    vendor: checks.text(`${path}.vendor`, raw.vendor, { min: 1, max: 63 }),
    gpuModel: ids.gpuModel(checks.text(`${path}.gpuModel`, raw.gpuModel, { min: 1, max: 63 })),
    gpuMemoryBytes: checks.whole(`${path}.gpuMemoryBytes`, raw.gpuMemoryBytes),
    total: raw.total,
    owner: raw.owner,
    parked: raw.parked,
    idle: raw.idle,
    lent: raw.lent,
    unhealthy: raw.unhealthy,
    unknown: raw.unknown,
    offered: raw.offered,
  };
  const sum = GPU_STATES.reduce((total, state) => total + counts[state], 0);
  if (sum !== counts.total) checks.problem(path, `states must sum to total: ${sum} against ${counts.total}`);
  if (counts.offered > counts.idle)
    checks.problem(`${path}.offered`, `must be a part of idle: ${counts.offered} of ${counts.idle}`);
  return counts;
}

export function encodeInventory(inventory: Inventory): ProtoInventory {
  return {
    policy: encodePolicy(inventory.policy),
    window: encodeWindow(inventory.window),
    offers: inventory.offers.map(encodeOffer),
    gpus: inventory.gpus.map(encodeGpuCounts),
  };
}

export function decodeInventory(checks: FieldChecks, raw: ProtoInventory): Inventory {
  const offers = checks.list('offers', raw.offers, limits.NODES_MAX, (at, offer) => decodeOffer(checks, at, offer));
  const gpus = checks.list('gpus', raw.gpus, limits.GPU_MODELS_MAX, (at, counts) =>
    decodeGpuCounts(checks, at, counts),
  );
  return {
    policy: checks.required(
      'policy',
      raw.policy,
      (at, policy) => decodePolicy(checks, at, policy),
      OMITTED_INVENTORY.policy,
    ),
    window: checks.required(
      'window',
      raw.window,
      (at, window) => decodeWindow(checks, at, window),
      OMITTED_INVENTORY.window,
    ),
    offers: checks.distinct('offers', offers, (offer) => `${offer.node}/${offer.gpuModel}`),
    gpus: checks.distinct('gpus', gpus, (counts) => `${counts.vendor}/${counts.gpuModel}/${counts.gpuMemoryBytes}`),
  };
}

/** SHA-256 of an inventory, in hexadecimal: equal inventories have equal hashes. */
export function inventoryHash(inventory: Inventory): string {
  const whole: proto.Report = {
    epoch: 0n,
    sequence: 0n,
    acknowledged: undefined,
    clusterUid: '',
    agentVersion: '',
    kubernetesVersion: '',
    runs: [],
    unchangedInventoryHash: new Uint8Array(0),
    inventoryHash: new Uint8Array(0),
    ...encodeInventory(inventory),
  };
  return createHash('sha256').update(proto.Report.encode(whole).finish()).digest('hex');
}
