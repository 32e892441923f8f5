/** Arbitrary core values within what the federation link carries. Used by the codecs' round-trip and fuzz tests. */
import fc from 'fast-check';
import { CAUSES } from '../../src/core/model/cause.ts';
import type { Desired } from '../../src/core/model/desired.ts';
import * as ids from '../../src/core/model/ids.ts';
import type { GpuCounts, MemberReport, NodeOffer } from '../../src/core/model/member.ts';
import type { LeaseTerms, NodeShare, RunOrder, RunReport } from '../../src/core/model/run.ts';
import type { AgentMessage, HubMessage } from '../../src/wire/session-messages.ts';

const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?$/);
const uid = fc.uuid();
const natural = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const small = fc.integer({ min: 0, max: 1000 });
const message = fc.string({ maxLength: 40 }).filter((text) => !text.includes('\u0000'));
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const jurisdiction = fc.constantFrom('ID', 'SG', 'DE').map(ids.jurisdiction);
const hash = bytes(32).map((raw) => Buffer.from(raw).toString('hex'));

const runId = fc.record({
  jobUid: uid.map(ids.jobUid),
  fence: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }).map(ids.fence),
});
const job = fc.record({ namespace: label, name: label });
const generation = fc.record({ incarnation: uid, term: natural, counter: natural });
/** A core value with `undefined` left out, as exact optional fields demand. */
const without = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const labels = fc.dictionary(fc.stringMatching(/^[a-z][a-z./-]{0,20}$/), fc.stringMatching(/^[a-z0-9-]{0,20}$/), {
  maxKeys: 4,
});
const resources = fc.dictionary(fc.constantFrom('cpu', 'memory', 'pods', 'nvidia.com/gpu', 'rdma/hca'), natural, {
  maxKeys: 5,
});

const nodes: fc.Arbitrary<readonly NodeShare[]> = fc
  .uniqueArray(label, { minLength: 1, maxLength: 4 })
  .chain((names) =>
    fc.tuple(
      ...names.map((name) =>
        fc.record({ node: fc.constant(ids.nodeName(name)), workers: fc.integer({ min: 1, max: 1000 }) }),
      ),
    ),
  );

const offer: fc.Arbitrary<NodeOffer> = fc.record({
  node: label.map(ids.nodeName),
  vendor: fc.constantFrom('nvidia', 'amd'),
  gpuModel: fc.constantFrom('H100-80GB', 'T4').map(ids.gpuModel),
  gpuMemoryBytes: natural,
  gpuResource: fc.constant('nvidia.com/gpu'),
  totalGpus: small,
  free: resources,
  allocatable: resources,
  labels,
  taints: fc.array(
    fc.record({ key: label, value: label, effect: fc.constantFrom('NoSchedule', 'PreferNoSchedule', 'NoExecute') }),
    { maxLength: 2 },
  ),
});

const gpuCounts: fc.Arbitrary<GpuCounts> = fc
  .record({
    gpuModel: fc.constantFrom('H100-80GB', 'T4', 'L4').map(ids.gpuModel),
    owner: small,
    parked: small,
    idle: small,
    lent: small,
    unhealthy: small,
    unknown: small,
    part: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ part, ...states }) => ({
    vendor: 'nvidia',
    gpuMemoryBytes: 80 * 2 ** 30,
    ...states,
    total: states.owner + states.parked + states.idle + states.lent + states.unhealthy + states.unknown,
    offered: Math.floor(states.idle * part),
  }));

const policy = fc
  .record({
    state: fc.constantFrom('Lending', 'Paused', 'Absent', 'Invalid', 'OutsideWindow'),
    message,
    jurisdiction: maybe(jurisdiction),
    dataJurisdictions: fc.array(jurisdiction, { maxLength: 3 }),
    tenants: maybe(fc.array(label.map(ids.tenantName), { maxLength: 3 })),
    imagePatterns: maybe(fc.array(label, { maxLength: 3 })),
    requireDigest: fc.boolean(),
    logsAllowed: fc.boolean(),
  })
  .map((value) => without(value) as MemberReport['policy']);

const window = fc
  .record({
    availableUntilMs: maybe(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
    edges: fc.array(fc.record({ atMs: natural, kind: fc.constantFrom('opens', 'closes'), gpus: small }), {
      maxLength: 4,
    }),
  })
  .map((value) => without(value) as MemberReport['window']);

const end = fc.record({
  outcome: fc.constantFrom('Succeeded', 'Failed', 'Stopped', 'Refused'),
  cause: fc.constantFrom(...CAUSES),
  message,
  everStarted: fc.boolean(),
  exits: fc.array(
    fc.record({
      index: fc.integer({ min: 0, max: 4095 }),
      exitCode: fc.integer({ min: -255, max: 255 }),
      reason: label,
    }),
    { maxLength: 3 },
  ),
  endedAtMs: natural,
});

const runReport: fc.Arbitrary<RunReport> = fc
  .record({
    id: runId,
    job,
    tenant: label.map(ids.tenantName),
    pool: label.map(ids.poolName),
    attempt: fc.integer({ min: 1, max: 1000 }),
    templateHash: hash,
    gpuModel: fc.constant(ids.gpuModel('H100-80GB')),
    gpusPerWorker: fc.integer({ min: 1, max: 64 }),
    phase: fc.constantFrom('Accepted', 'Starting', 'Running', 'Stopping', 'Unknown', 'Ended'),
    workers: fc.record({ pending: small, running: small, succeeded: small, failed: small }),
    nodes,
    allRunningAtMs: maybe(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
    gpuSeconds: natural,
    deadlineArmed: fc.boolean(),
    end,
    message,
  })
  .map(({ end: ended, ...run }) => without(run.phase === 'Ended' ? { ...run, end: ended } : run) as RunReport);

export const memberReport: fc.Arbitrary<MemberReport> = fc
  .record({
    clusterUid: uid.map(ids.clusterUid),
    agentVersion: label,
    kubernetesVersion: label,
    epoch: natural,
    sequence: natural,
    acknowledged: maybe(generation),
    policy,
    window,
    offers: fc.uniqueArray(offer, { maxLength: 4, selector: ({ node, gpuModel }) => `${node}/${gpuModel}` }),
    gpus: fc.uniqueArray(gpuCounts, { maxLength: 3, selector: ({ gpuModel }) => gpuModel }),
    runs: fc.uniqueArray(runReport, { maxLength: 3, selector: ({ id }) => ids.runKey(id) }),
  })
  .map((value) => without(value) as MemberReport);

const lease: fc.Arbitrary<LeaseTerms> = fc
  .record({
    durationMs: fc.integer({ min: 1, max: 600_000_000 }),
    terminationGraceMs: fc.integer({ min: 0, max: 1_000_000 }),
    marginMs: fc.integer({ min: 0, max: 1_000_000 }),
    maxClockDriftPercent: fc.integer({ min: 0, max: 25 }),
  })
  .map((terms) => ({
    ...terms,
    replaceAfterMs:
      Math.ceil((terms.durationMs * (100 + 2 * terms.maxClockDriftPercent)) / 100) +
      terms.terminationGraceMs +
      terms.marginMs,
  }));

const template = fc
  .dictionary(fc.stringMatching(/^[a-zA-Z]{1,8}$/), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 4 })
  .map((value) => JSON.parse(JSON.stringify(value)) as unknown)
  .filter((value) => !JSON.stringify(value).includes('__proto__'));

export const runOrder: fc.Arbitrary<RunOrder> = nodes.chain((placed) =>
  fc.record({
    id: runId,
    job,
    attempt: fc.integer({ min: 1, max: 1000 }),
    pool: label.map(ids.poolName),
    tenant: label.map(ids.tenantName),
    member: label.map(ids.memberName),
    workers: fc.constant(placed.reduce((sum, share) => sum + share.workers, 0)),
    gpusPerWorker: fc.integer({ min: 1, max: 64 }),
    gpuModel: fc.constant(ids.gpuModel('H100-80GB')),
    nodes: fc.constant(placed),
    lease,
    onPartition: fc.constantFrom('KeepAndWait' as const, 'Fence' as const, 'AllowDuplicate' as const),
    maxRuntimeMs: fc.integer({ min: 1, max: 604_800_000 }),
    startTimeoutMs: fc.integer({ min: 1, max: 86_400_000 }),
    checkpointGraceMs: fc.integer({ min: 0, max: 3_600_000 }),
    templateHash: hash,
    priority: fc.integer({ min: -1000, max: 1000 }),
    gpuResource: fc.constant('nvidia.com/gpu'),
    gpuContainer: label,
    rendezvous: fc.constantFrom('Torch' as const, 'None' as const),
    jurisdictions: fc.array(jurisdiction, { maxLength: 3 }),
    template,
    attachments: fc.uniqueArray(
      fc.record({
        kind: fc.constantFrom('ConfigMap' as const, 'Secret' as const),
        name: label,
        type: label,
        sealed: fc.uint8Array({ maxLength: 40 }),
      }),
      { maxLength: 2, selector: ({ kind, name }) => `${kind}/${name}` },
    ),
  }),
);

export const desired: fc.Arbitrary<Desired> = fc.record({
  generation,
  runs: fc.uniqueArray(runOrder, { maxLength: 3, selector: ({ id }) => ids.runKey(id) }),
  cancels: fc.array(fc.record({ id: runId, cause: fc.constantFrom(...CAUSES), message }), { maxLength: 3 }),
  outcomeAcks: fc.array(runId, { maxLength: 3 }),
  goneJobUids: fc.array(uid.map(ids.jobUid), { maxLength: 3 }),
  cordoned: fc.boolean(),
});

const sessionId = fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/);

export const agentMessage: fc.Arbitrary<AgentMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('hello' as const),
    hello: fc.record({
      protocolVersion: small,
      oldestProtocolVersion: small,
      clusterUid: uid,
      epoch: natural,
      agentVersion: label,
      kubernetesVersion: label,
      sealingPublicKey: bytes(32),
    }),
  }),
  fc.record({
    kind: fc.constant('report' as const),
    report: memberReport,
    inventoryHash: hash,
    inventoryOmitted: fc.constant(false),
  }),
  fc.record({
    kind: fc.constant('logRefusal' as const),
    sessionId,
    reason: fc.constantFrom(
      'ForbiddenByOwner' as const,
      'NotFound' as const,
      'Expired' as const,
      'NotStarted' as const,
      'TooManySessions' as const,
    ),
    message,
  }),
  fc.record({ kind: fc.constant('pong' as const), nonce: natural }),
);

const pem = label.map((text) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`);

export const hubMessage: fc.Arbitrary<HubMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('welcome' as const),
    welcome: fc.record({
      protocolVersion: small,
      hubVersion: label,
      incarnation: uid,
      term: natural,
      reportIntervalMs: fc.integer({ min: 1, max: 60_000 }),
    }),
  }),
  fc.record({ kind: fc.constant('desired' as const), desired }),
  fc.record({
    kind: fc.constant('reportAck' as const),
    epoch: natural,
    sequence: natural,
    inventoryKnown: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('logRequest' as const),
    request: fc
      .record({
        sessionId,
        run: runId,
        worker: fc.integer({ min: 0, max: 4095 }),
        container: fc.oneof(fc.constant(''), label),
        follow: fc.boolean(),
        tailLines: maybe(fc.integer({ min: 1, max: 1000 })),
        sinceSeconds: maybe(fc.integer({ min: 1, max: 1000 })),
        timestamps: fc.boolean(),
        user: label,
      })
      .map((value) => without(value) as Extract<HubMessage, { kind: 'logRequest' }>['request']),
  }),
  fc.record({
    kind: fc.constant('goodbye' as const),
    reason: fc.constantFrom(
      'NotLeader' as const,
      'Superseded' as const,
      'Revoked' as const,
      'UnsupportedVersion' as const,
      'Malformed' as const,
      'Draining' as const,
      'NotAccepted' as const,
      'DeclaredLost' as const,
    ),
    message,
    retryAfterMs: small,
  }),
  fc.record({ kind: fc.constant('ping' as const), nonce: natural }),
  fc.record({ kind: fc.constant('trustUpdate' as const), trustBundle: fc.array(pem, { minLength: 1, maxLength: 3 }) }),
);
