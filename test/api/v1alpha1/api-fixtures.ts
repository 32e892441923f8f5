/**
 * Objects that the API must accept and objects that it must refuse, one thing wrong in each. Judged by the decoder and by
 * the CRD alike; a fixture that only one of the two refuses is a bug.
 */
import type { KindDefinition } from '../../../src/api/schema/kind.ts';
import { COMPUTE_JOB_KIND } from '../../../src/api/v1alpha1/compute-job.ts';
import { GPU_POOL_KIND } from '../../../src/api/v1alpha1/gpu-pool.ts';
import { GUEST_RUN_KIND } from '../../../src/api/v1alpha1/guest-run.ts';
import { LENDING_POLICY_KIND } from '../../../src/api/v1alpha1/lending-policy.ts';
import { MEMBER_CLUSTER_KIND } from '../../../src/api/v1alpha1/member-cluster.ts';

export interface ApiFixture {
  readonly name: string;
  readonly kind: KindDefinition;
  readonly object: Record<string, unknown>;
  /** Where the decoder must point; absent = the object is accepted. */
  readonly refusedAt?: string;
}

type Json = Record<string, unknown>;

function wrap(kind: KindDefinition, name: string, parts: { spec: Json; status?: Json }): Json {
  return { apiVersion: 'lumbung.dev/v1alpha1', kind: kind.resource.kind, metadata: { name }, ...parts };
}

const SHA = 'a'.repeat(64);
const NOW = '2026-11-23T08:00:00Z';

const poolSpec: Json = { memberSelector: {} };
const container: Json = { name: 'main', image: 'registry.example/train:1' };
const template = (extra: Json = {}, spec: Json = {}): Json => ({
  spec: { containers: [{ ...container, ...extra }], ...spec },
});
const jobSpec: Json = { pool: 'research', template: template() };
const guestSpec: Json = {
  jobUid: '0d1c5c2e-7c0a-4d2b-9c39-5b8f4a6f5f10',
  fence: 3,
  jobNamespace: 'team-a',
  jobName: 'train',
  attempt: 2,
  tenant: 'team-a',
  pool: 'research',
  workers: 2,
  gpusPerWorker: 4,
  gpuModel: 'H100-80GB',
  nodes: [{ name: 'node-1', workers: 2 }],
  onPartition: 'Fence',
  maxRuntimeSeconds: 3600,
  startTimeoutSeconds: 600,
  graceSeconds: 60,
  lease: {
    durationSeconds: 2400,
    terminationGraceSeconds: 60,
    marginSeconds: 30,
    maxClockDriftPercent: 1,
    replaceAfterSeconds: 2640,
  },
  templateHash: SHA,
  order: { anything: { nested: [1, 'two'] } },
};
const run: Json = {
  fence: 3,
  attempt: 2,
  member: 'jakarta',
  pool: 'research',
  tenant: 'team-a',
  workers: 2,
  gpusPerWorker: 4,
  gpuModel: 'H100-80GB',
  nodes: [{ name: 'node-1', workers: 2 }],
  lease: guestSpec['lease'],
  onPartition: 'KeepAndWait',
  maxRuntimeSeconds: 3600,
  startTimeoutSeconds: 600,
  checkpointGraceSeconds: 60,
  templateHash: SHA,
  placedAt: NOW,
};
const gpuCounts: Json = { total: 8, owner: 2, parked: 1, idle: 3, lent: 2, unhealthy: 0, unknown: 0, offered: 1 };

type Case = readonly [name: string, spec: Json, refusedAt?: string];

function specCases(kind: KindDefinition, object: string, cases: readonly Case[]): ApiFixture[] {
  return cases.map(([name, spec, refusedAt]) => ({
    name: `${kind.resource.kind}: ${name}`,
    kind,
    object: wrap(kind, object, { spec }),
    ...(refusedAt === undefined ? {} : { refusedAt }),
  }));
}

function statusCases(kind: KindDefinition, base: { name: string; spec: Json }, cases: readonly Case[]): ApiFixture[] {
  return cases.map(([name, status, refusedAt]) => ({
    name: `${kind.resource.kind}: status ${name}`,
    kind,
    object: wrap(kind, base.name, { spec: base.spec, status }),
    ...(refusedAt === undefined ? {} : { refusedAt }),
  }));
}

const tenants = (...list: Json[]): Json => ({ ...poolSpec, tenants: list });
const lease = (terms: Json): Json => ({ ...poolSpec, lease: terms });

const pools = specCases(GPU_POOL_KIND, 'research', [
  ['the least pool', poolSpec],
  [
    'everything given',
    {
      memberSelector: {
        matchLabels: { tier: 'gold' },
        matchExpressions: [
          { key: 'zone', operator: 'NotIn', values: ['a'] },
          { key: 'x', operator: 'Exists' },
        ],
      },
      gpus: { vendors: ['nvidia', 'amd'], models: ['H100-80GB'], minMemory: '40Gi' },
      tenants: [
        { name: 'team-a', namespaces: ['team-a', 'team-a-ci'], weight: 3 },
        { name: 'team-b', namespaces: ['team-b'] },
      ],
      defaultTenant: {},
      queueing: { defaultMaxRuntime: '168h' },
      residency: { jurisdictions: ['ID', 'SG'] },
      lease: { duration: '10s', terminationGrace: '2s', margin: '1s', maxClockDriftPercent: 0, replaceAfter: '13s' },
    },
  ],
  ['no spec fields', {}, 'spec.memberSelector'],
  [
    'an In expression without values',
    { memberSelector: { matchExpressions: [{ key: 'zone', operator: 'In' }] } },
    'spec.memberSelector.matchExpressions[0]',
  ],
  [
    'an In expression with an empty list',
    { memberSelector: { matchExpressions: [{ key: 'zone', operator: 'In', values: [] }] } },
    'spec.memberSelector.matchExpressions[0]',
  ],
  [
    'an Exists expression with values',
    { memberSelector: { matchExpressions: [{ key: 'zone', operator: 'Exists', values: ['a'] }] } },
    'spec.memberSelector.matchExpressions[0]',
  ],
  [
    'an unknown operator',
    { memberSelector: { matchExpressions: [{ key: 'zone', operator: 'Like' }] } },
    'spec.memberSelector.matchExpressions[0].operator',
  ],
  ['a boolean label', { memberSelector: { matchLabels: { gold: true } } }, 'spec.memberSelector.matchLabels.gold'],
  ['an unknown vendor', { ...poolSpec, gpus: { vendors: ['voodoo'] } }, 'spec.gpus.vendors[0]'],
  ['a vendor twice', { ...poolSpec, gpus: { vendors: ['nvidia', 'nvidia'] } }, 'spec.gpus.vendors[1]'],
  ['a quantity as integer', { ...poolSpec, gpus: { minMemory: 42949672960 } }],
  ['a negative quantity', { ...poolSpec, gpus: { minMemory: '-1Gi' } }, 'spec.gpus.minMemory'],
  ['a quantity with a wrong suffix', { ...poolSpec, gpus: { minMemory: '40GiB' } }, 'spec.gpus.minMemory'],
  [
    'a tenant twice',
    tenants({ name: 'a', namespaces: ['x'] }, { name: 'a', namespaces: ['y'] }),
    'spec.tenants[1].name',
  ],
  [
    'a namespace in two tenants',
    tenants({ name: 'a', namespaces: ['x'] }, { name: 'b', namespaces: ['y', 'x'] }),
    'spec.tenants',
  ],
  ['a namespace twice in one tenant', tenants({ name: 'a', namespaces: ['x', 'x'] }), 'spec.tenants[0].namespaces[1]'],
  ['a tenant without namespaces', tenants({ name: 'a', namespaces: [] }), 'spec.tenants[0].namespaces'],
  ['a tenant with a bad name', tenants({ name: 'Team_A', namespaces: ['x'] }), 'spec.tenants[0].name'],
  ['a weight of 0', tenants({ name: 'a', namespaces: ['x'], weight: 0 }), 'spec.tenants[0].weight'],
  ['a weight of 1001', tenants({ name: 'a', namespaces: ['x'], weight: 1001 }), 'spec.tenants[0].weight'],
  ['a fractional weight', tenants({ name: 'a', namespaces: ['x'], weight: 1.5 }), 'spec.tenants[0].weight'],
  [
    '65 tenants',
    { ...poolSpec, tenants: Array.from({ length: 65 }, (_, i) => ({ name: `t${i}`, namespaces: [`n${i}`] })) },
    'spec.tenants',
  ],
  [
    'a default run time above 168h',
    { ...poolSpec, queueing: { defaultMaxRuntime: '169h' } },
    'spec.queueing.defaultMaxRuntime',
  ],
  [
    'a default run time of 0s',
    { ...poolSpec, queueing: { defaultMaxRuntime: '0s' } },
    'spec.queueing.defaultMaxRuntime',
  ],
  ['a duration in days', { ...poolSpec, queueing: { defaultMaxRuntime: '7d' } }, 'spec.queueing.defaultMaxRuntime'],
  [
    'a duration out of order',
    { ...poolSpec, queueing: { defaultMaxRuntime: '5s1h' } },
    'spec.queueing.defaultMaxRuntime',
  ],
  [
    'a lower-case jurisdiction',
    { ...poolSpec, residency: { jurisdictions: ['id'] } },
    'spec.residency.jurisdictions[0]',
  ],
  [
    'a lease at exactly its bound',
    lease({ duration: '100s', terminationGrace: '10s', margin: '5s', maxClockDriftPercent: 1, replaceAfter: '117s' }),
  ],
  [
    'a lease one second below its bound',
    lease({ duration: '100s', terminationGrace: '10s', margin: '5s', maxClockDriftPercent: 1, replaceAfter: '116s' }),
    'spec.lease',
  ],
  [
    'a bound that needs rounding up',
    lease({ duration: '1s', terminationGrace: '0s', margin: '0s', maxClockDriftPercent: 1, replaceAfter: '1s' }),
    'spec.lease',
  ],
  [
    'the same bound rounded up',
    lease({ duration: '1s', terminationGrace: '0s', margin: '0s', maxClockDriftPercent: 1, replaceAfter: '2s' }),
  ],
  ['a longer lease with the other defaults', lease({ duration: '50m' }), 'spec.lease'],
  ['a shorter lease with the other defaults', lease({ duration: '10s' })],
  ['a drift above 25', lease({ maxClockDriftPercent: 26 }), 'spec.lease.maxClockDriftPercent'],
]);

const poolStatus = statusCases(GPU_POOL_KIND, { name: 'research', spec: poolSpec }, [
  [
    'with everything',
    {
      observedGeneration: 3,
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'MembersReady',
          message: '2 members',
          lastTransitionTime: NOW,
          observedGeneration: 3,
        },
      ],
      members: 2,
      gpus: gpuCounts,
      queue: { pending: 4, running: 1 },
      tenants: [{ name: 'team-a', weight: 3, pending: 4, running: 1, gpus: 2 }],
    },
  ],
  ['with half of the GPU states', { gpus: { total: 1 } }, 'status.gpus.owner'],
  ['with a negative count', { members: -1 }, 'status.members'],
  [
    'with a condition twice',
    {
      conditions: [1, 2].map(() => ({
        type: 'Ready',
        status: 'True',
        reason: 'X',
        message: '',
        lastTransitionTime: NOW,
      })),
    },
    'status.conditions[1].type',
  ],
  [
    'with a condition of unknown status',
    { conditions: [{ type: 'Ready', status: 'Maybe', reason: 'X', message: '', lastTransitionTime: NOW }] },
    'status.conditions[0].status',
  ],
  [
    'with a time that is none',
    { conditions: [{ type: 'Ready', status: 'True', reason: 'X', message: '', lastTransitionTime: 'noon' }] },
    'status.conditions[0].lastTransitionTime',
  ],
]);

const job = (extra: Json): Json => ({ ...jobSpec, ...extra });
const limits = (resources: Json): Json => job({ template: template({ resources: { limits: resources } }) });

const jobs = specCases(COMPUTE_JOB_KIND, 'train', [
  ['the least job', jobSpec],
  [
    'everything given',
    {
      pool: 'research',
      priority: -1000,
      suspend: true,
      workers: 4096,
      gpusPerWorker: 64,
      gpuContainer: 'main',
      gpu: { models: ['H100-80GB', 'A100-80GB'], minMemory: '80Gi' },
      template: {
        metadata: { labels: { app: 'train' }, annotations: { note: 'y' } },
        spec: {
          containers: [
            {
              ...container,
              command: ['torchrun'],
              args: ['-m', 'train'],
              env: [
                { name: 'A', value: '1' },
                { name: 'B', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
              ],
              resources: { limits: { cpu: 4, memory: '16Gi', 'rdma/hca': 1 }, requests: { cpu: '500m' } },
            },
            { name: 'side', image: 'side' },
          ],
          initContainers: [{ name: 'fetch', image: 'fetch' }],
          volumes: [{ name: 'scratch', emptyDir: { medium: 'Memory' } }],
        },
      },
      placement: { jurisdictions: ['ID'], regions: [], memberSelector: { matchLabels: { tier: 'gold' } } },
      rendezvous: 'None',
      maxRuntime: '12h',
      startTimeout: '1h30m',
      retry: { limit: 0 },
      checkpointGrace: '0s',
      onPartition: 'AllowDuplicate',
      ttlAfterFinished: '24h',
    },
  ],
  ['no pool', { template: template() }, 'spec.pool'],
  ['no template', { pool: 'research' }, 'spec.template'],
  ['a pool that is no name', job({ pool: 'Research!' }), 'spec.pool'],
  ['a priority of 1001', job({ priority: 1001 }), 'spec.priority'],
  ['0 workers', job({ workers: 0 }), 'spec.workers'],
  ['4097 workers', job({ workers: 4097 }), 'spec.workers'],
  ['workers as text', job({ workers: '4' }), 'spec.workers'],
  ['0 GPUs per worker', job({ gpusPerWorker: 0 }), 'spec.gpusPerWorker'],
  ['half a GPU per worker', job({ gpusPerWorker: 0.5 }), 'spec.gpusPerWorker'],
  ['65 GPUs per worker', job({ gpusPerWorker: 65 }), 'spec.gpusPerWorker'],
  ['a GPU container that the template lacks', job({ gpuContainer: 'other' }), 'spec'],
  ['no containers', job({ template: { spec: { containers: [] } } }), 'spec.template.spec.containers'],
  [
    '17 containers',
    job({ template: { spec: { containers: Array.from({ length: 17 }, (_, i) => ({ name: `c${i}` })) } } }),
    'spec.template.spec.containers',
  ],
  [
    'two containers of one name',
    job({ template: { spec: { containers: [container, container] } } }),
    'spec.template.spec.containers[1].name',
  ],
  [
    'a container without a name',
    job({ template: { spec: { containers: [{ image: 'x' }] } } }),
    'spec.template.spec.containers[0].name',
  ],
  [
    'an environment value that is a number',
    job({ template: template({ env: [{ name: 'A', value: 1 }] }) }),
    'spec.template.spec.containers[0].env[0].value',
  ],
  [
    'a label that is a boolean',
    job({ template: { ...template(), metadata: { labels: { a: true } } } }),
    'spec.template.metadata.labels.a',
  ],
  ['CPU and memory only', limits({ cpu: '1', memory: '1Gi', 'ephemeral-storage': '5G' })],
  ['a network device of a GPU vendor', limits({ 'nvidia.com/hostdev': 1 })],
  ...[
    'nvidia.com/gpu',
    'nvidia.com/gpu.shared',
    'nvidia.com/mig-1g.10gb',
    'nvidia.com/pgpu',
    'amd.com/gpu',
    'amd.com/cpx_nps4',
    'gpu.intel.com/i915',
    'gpu.intel.com/xe',
  ].map((name): Case => [
    `${name} in the limits`,
    limits({ [name]: 1 }),
    'spec.template.spec.containers[0].resources.limits',
  ]),
  [
    'a GPU in the requests of an init container',
    job({
      template: template({}, { initContainers: [{ name: 'i', resources: { requests: { 'nvidia.com/gpu': '1' } } }] }),
    }),
    'spec.template.spec.initContainers[0].resources.requests',
  ],
  ['a resource amount that is none', limits({ cpu: 'lots' }), 'spec.template.spec.containers[0].resources.limits.cpu'],
  [
    'a jurisdiction of three letters',
    job({ placement: { jurisdictions: ['IDN'] } }),
    'spec.placement.jurisdictions[0]',
  ],
  ['an unknown rendezvous', job({ rendezvous: 'Mpi' }), 'spec.rendezvous'],
  ['a run time above 168h', job({ maxRuntime: '168h1s' }), 'spec.maxRuntime'],
  ['a run time of 1s', job({ maxRuntime: '1s' })],
  ['a start timeout of 25h', job({ startTimeout: '25h' }), 'spec.startTimeout'],
  ['an empty duration', job({ startTimeout: '' }), 'spec.startTimeout'],
  ['a fractional duration', job({ startTimeout: '1.5h' }), 'spec.startTimeout'],
  ['a duration in milliseconds', job({ startTimeout: '1500ms' }), 'spec.startTimeout'],
  ['a checkpoint grace above 1h', job({ checkpointGrace: '61m' }), 'spec.checkpointGrace'],
  ['1001 retries', job({ retry: { limit: 1001 } }), 'spec.retry.limit'],
  ['an unknown onPartition', job({ onPartition: 'Pray' }), 'spec.onPartition'],
  ['a time to live of a year and a second', job({ ttlAfterFinished: '8760h1s' }), 'spec.ttlAfterFinished'],
]);

const runStatus = (extra: Json, status: Json = {}): Json => ({ highestFence: 3, run: { ...run, ...extra }, ...status });

const jobStatus = statusCases(COMPUTE_JOB_KIND, { name: 'train', spec: jobSpec }, [
  ['empty', {}],
  [
    'with everything',
    {
      observedGeneration: 2,
      phase: 'Running',
      attempt: 2,
      retriesUsed: 1,
      gpus: 8,
      highestFence: 3,
      run: {
        ...run,
        gpuResource: 'nvidia.com/gpu',
        acceptedAt: NOW,
        startedAt: NOW,
        deadlineArmed: true,
        cancel: { cause: 'Preempted', message: 'm', requestedAt: NOW },
      },
      placements: [{ member: 'jakarta', workers: 2, gpuModel: 'H100-80GB', gpus: 8 }],
      queue: { position: 1, reason: 'WaitingForCapacity', message: '3 of 8 GPUs', since: NOW },
      usage: { gpuSeconds: 123456 },
      startTime: NOW,
      completionTime: NOW,
      history: [
        {
          attempt: 1,
          fence: 2,
          member: 'jakarta',
          placedAt: NOW,
          stoppedAt: NOW,
          outcome: 'Stopped',
          cause: 'Reclaimed',
          message: 'm',
          superseded: true,
        },
      ],
      conditions: [],
    },
  ],
  ['with an unknown phase', { phase: 'Dreaming' }, 'status.phase'],
  ['with a run but no highestFence', { run }, 'status'],
  ['with a run above highestFence', runStatus({ fence: 4 }), 'status'],
  ['with a fence of 0', runStatus({ fence: 0 }), 'status.run.fence'],
  [
    'with a run on a node twice',
    runStatus({
      nodes: [
        { name: 'n', workers: 1 },
        { name: 'n', workers: 1 },
      ],
    }),
    'status.run.nodes[1].name',
  ],
  ['with a run without a lease', runStatus({ lease: undefined }), 'status.run.lease'],
  [
    'with 11 entries of history',
    {
      history: Array.from({ length: 11 }, (_, i) => ({
        attempt: i + 1,
        fence: i + 1,
        member: 'm',
        placedAt: NOW,
        stoppedAt: NOW,
        outcome: 'Failed',
        cause: 'NonZeroExit',
        message: '',
      })),
    },
    'status.history',
  ],
  ['with fractional GPU-seconds', { usage: { gpuSeconds: 1.5 } }, 'status.usage.gpuSeconds'],
]);

const members = specCases(MEMBER_CLUSTER_KIND, 'jakarta', [
  ['the least member', {}],
  [
    'everything given',
    {
      accepted: true,
      cordoned: true,
      revoked: true,
      jurisdiction: 'ID',
      region: 'ap-southeast-3',
      invite: { tokenSha256: SHA, expiresAt: NOW, rejoin: true },
      declaredLost: { at: NOW, reason: 'flooded' },
    },
  ],
  ['accepted without a jurisdiction', { accepted: true }, 'spec'],
  ['a lower-case jurisdiction', { jurisdiction: 'id' }, 'spec.jurisdiction'],
  ['a token that is no hash', { invite: { tokenSha256: 'secret', expiresAt: NOW } }, 'spec.invite.tokenSha256'],
  ['an invitation without an end', { invite: { tokenSha256: SHA } }, 'spec.invite.expiresAt'],
  ['lost without a reason', { declaredLost: { at: NOW } }, 'spec.declaredLost.reason'],
  ['lost with an empty reason', { declaredLost: { at: NOW, reason: '' } }, 'spec.declaredLost.reason'],
]);

const memberNames: ApiFixture[] = [
  {
    name: 'MemberCluster: a name with a dot',
    kind: MEMBER_CLUSTER_KIND,
    object: wrap(MEMBER_CLUSTER_KIND, 'a.b', { spec: {} }),
    refusedAt: 'metadata.name',
  },
  {
    name: 'MemberCluster: a name of 64 characters',
    kind: MEMBER_CLUSTER_KIND,
    object: wrap(MEMBER_CLUSTER_KIND, 'a'.repeat(64), { spec: {} }),
    refusedAt: 'metadata.name',
  },
  {
    name: 'LendingPolicy: another name than default',
    kind: LENDING_POLICY_KIND,
    object: wrap(LENDING_POLICY_KIND, 'second', { spec: {} }),
    refusedAt: 'metadata.name',
  },
  { name: 'GpuPool: no spec at all', kind: GPU_POOL_KIND, object: { metadata: { name: 'x' } }, refusedAt: 'spec' },
];

const memberStatus = statusCases(MEMBER_CLUSTER_KIND, { name: 'jakarta', spec: {} }, [
  [
    'with everything',
    {
      observedGeneration: 1,
      conditions: [],
      clusterUid: 'u',
      agentVersion: '0.1.0',
      kubernetesVersion: 'v1.36.3',
      lastReportTime: NOW,
      certificateNotAfter: NOW,
      certificateFingerprint: SHA,
      pendingRequest: { publicKeySha256: SHA, requestedAt: NOW, jurisdiction: 'ID' },
      declaredLost: { at: NOW, by: 'admin', reason: 'r' },
      epoch: 4,
      gpus: [{ vendor: 'nvidia', model: 'H100-80GB', memory: '80Gi', ...gpuCounts }],
      gpuTotals: gpuCounts,
      pool: 'research',
      invite: { tokenSha256: SHA, expiresAt: NOW, usedBy: SHA },
      runs: 2,
    },
  ],
  [
    'with a model twice',
    { gpus: [1, 2].map(() => ({ vendor: 'nvidia', model: 'T4', memory: '16Gi', ...gpuCounts })) },
    'status.gpus[1].model',
  ],
  ['with a fingerprint in upper case', { certificateFingerprint: 'A'.repeat(64) }, 'status.certificateFingerprint'],
]);

const window = (extra: Json): Json => ({ windows: [{ start: '20:00', end: '06:00', ...extra }] });

const policies = specCases(LENDING_POLICY_KIND, 'default', [
  ['the least policy', {}],
  [
    'everything given',
    {
      paused: true,
      nodeSelector: { pool: 'gpu' },
      tolerations: [{ key: 'gpu', operator: 'Equal', value: 'yes', effect: 'NoSchedule' }, { operator: 'Exists' }],
      runtimeClassName: 'gvisor',
      reserve: { gpus: 2, cpu: '500m', memory: '8Gi' },
      cap: { percent: 50 },
      windows: [{ days: ['Mon', 'Sun'], start: '20:00', end: '24:00', timeZone: 'Asia/Jakarta' }],
      idleBeforeLend: '10m',
      reclaimGrace: '5s',
      tenants: [],
      jurisdiction: 'ID',
      dataJurisdictions: ['ID'],
      images: { allow: ['registry.example/*'], requireDigest: true },
      logs: 'Forbidden',
      templatePaths: { allow: ['spec.volumes.hostPath'] },
      podSecurity: 'baseline',
      egress: { allowPrivateRanges: false, allow: ['10.0.0.0/8', 'fd00::/8'] },
      finishedRetention: '24h',
    },
  ],
  ['a cap in both forms', { cap: { gpus: 1, percent: 50 } }, 'spec.cap'],
  ['a cap in no form', { cap: {} }, 'spec.cap'],
  ['a cap of 101 percent', { cap: { percent: 101 } }, 'spec.cap.percent'],
  ['a negative reserve', { reserve: { gpus: -1 } }, 'spec.reserve.gpus'],
  ['a window that starts at 24:00', window({ start: '24:00' }), 'spec.windows[0].start'],
  ['a window at half past', window({ start: '8:30' }), 'spec.windows[0].start'],
  ['a window without length', window({ end: '20:00' }), 'spec.windows[0]'],
  ['a window on no day', window({ days: [] }), 'spec.windows[0].days'],
  ['a window on an unknown day', window({ days: ['Monday'] }), 'spec.windows[0].days[0]'],
  ['a window in a zone with a space', window({ timeZone: 'Asia/ Jakarta' }), 'spec.windows[0].timeZone'],
  ['no windows but a list of them', { windows: [] }, 'spec.windows'],
  ['an Equal toleration without a key', { tolerations: [{ value: 'x' }] }, 'spec.tolerations[0]'],
  [
    'an Exists toleration with a value',
    { tolerations: [{ key: 'x', operator: 'Exists', value: 'y' }] },
    'spec.tolerations[0]',
  ],
  [
    'an unknown taint effect',
    { tolerations: [{ operator: 'Exists', effect: 'Sometimes' }] },
    'spec.tolerations[0].effect',
  ],
  ['a grace above 1h', { reclaimGrace: '2h' }, 'spec.reclaimGrace'],
  ['a retention above 24h', { finishedRetention: '25h' }, 'spec.finishedRetention'],
  ['an unknown Pod Security level', { podSecurity: 'lax' }, 'spec.podSecurity'],
  ['an unknown word for logs', { logs: 'Maybe' }, 'spec.logs'],
  ['a range that is none', { egress: { allow: ['10.0.0.0'] } }, 'spec.egress.allow[0]'],
  ['a template path with a space', { templatePaths: { allow: ['spec. hostNetwork'] } }, 'spec.templatePaths.allow[0]'],
  ['a tenant twice', { tenants: ['a', 'a'] }, 'spec.tenants[1]'],
]);

const policyStatus = statusCases(LENDING_POLICY_KIND, { name: 'default', spec: {} }, [
  [
    'with everything',
    {
      observedGeneration: 1,
      conditions: [],
      offeredGpus: 3,
      lentGpus: 1,
      blockedOwnerPods: [{ namespace: 'prod', name: 'web-0', reason: 'memory' }],
    },
  ],
  [
    'with 33 blocked pods',
    { blockedOwnerPods: Array.from({ length: 33 }, () => ({ namespace: 'a', name: 'b', reason: '' })) },
    'status.blockedOwnerPods',
  ],
]);

const guests = specCases(GUEST_RUN_KIND, 'run-1', [
  ['a whole run', guestSpec],
  ['a fence of 0', { ...guestSpec, fence: 0 }, 'spec.fence'],
  ['no order', { ...guestSpec, order: undefined }, 'spec.order'],
  [
    'a lease without a duration',
    { ...guestSpec, lease: { ...(guestSpec['lease'] as Json), durationSeconds: undefined } },
    'spec.lease.durationSeconds',
  ],
]);

const guestStatus = statusCases(GUEST_RUN_KIND, { name: 'run-1', spec: guestSpec }, [
  [
    'with everything',
    {
      phase: 'Ended',
      cause: 'Completed',
      message: 'done',
      startedAt: NOW,
      allRunningAt: NOW,
      finishedAt: NOW,
      workers: { pending: 0, running: 0, succeeded: 2, failed: 0 },
      outcomeAcknowledged: true,
      exits: [{ index: 0, exitCode: 0, reason: 'Completed' }],
    },
  ],
  ['with an unknown phase', { phase: 'Lost' }, 'status.phase'],
  ['with a cause of two words', { cause: 'Not good' }, 'status.cause'],
]);

/** JSON knows no undefined: what is set to it above is meant to be absent. */
function asJson(fixture: ApiFixture): ApiFixture {
  return { ...fixture, object: JSON.parse(JSON.stringify(fixture.object)) as Json };
}

export const API_FIXTURES: readonly ApiFixture[] = [
  ...pools,
  ...poolStatus,
  ...jobs,
  ...jobStatus,
  ...members,
  ...memberNames,
  ...memberStatus,
  ...policies,
  ...policyStatus,
  ...guests,
  ...guestStatus,
].map(asJson);

/** An update that a transition rule must refuse or allow. */
export interface UpdateFixture {
  readonly name: string;
  readonly kind: KindDefinition;
  readonly before: Record<string, unknown>;
  readonly after: Record<string, unknown>;
  readonly accepted: boolean;
}

const finished = (spec: Json): Json => wrap(COMPUTE_JOB_KIND, 'train', { spec, status: { completionTime: NOW } });
const waiting = (spec: Json): Json => wrap(COMPUTE_JOB_KIND, 'train', { spec, status: {} });
const withStatus = (status: Json): Json => wrap(COMPUTE_JOB_KIND, 'train', { spec: jobSpec, status });
const member = (spec: Json): Json => wrap(MEMBER_CLUSTER_KIND, 'jakarta', { spec });
const guest = (spec: Json): Json => wrap(GUEST_RUN_KIND, 'run-1', { spec: { ...guestSpec, ...spec } });

export const UPDATE_FIXTURES: readonly UpdateFixture[] = [
  {
    name: 'workers of a waiting job may change',
    kind: COMPUTE_JOB_KIND,
    before: waiting(job({ workers: 1 })),
    after: waiting(job({ workers: 2 })),
    accepted: true,
  },
  {
    name: 'the pool of a waiting job may change',
    kind: COMPUTE_JOB_KIND,
    before: waiting(jobSpec),
    after: waiting(job({ pool: 'other' })),
    accepted: true,
  },
  {
    name: 'workers of a finished job may not',
    kind: COMPUTE_JOB_KIND,
    before: finished(job({ workers: 1 })),
    after: finished(job({ workers: 2 })),
    accepted: false,
  },
  {
    name: 'the time to live of a finished job may',
    kind: COMPUTE_JOB_KIND,
    before: finished(job({ workers: 1 })),
    after: finished(job({ workers: 1, ttlAfterFinished: '1h' })),
    accepted: true,
  },
  {
    name: 'highestFence may rise',
    kind: COMPUTE_JOB_KIND,
    before: withStatus({ highestFence: 3 }),
    after: withStatus({ highestFence: 4 }),
    accepted: true,
  },
  {
    name: 'highestFence may not fall',
    kind: COMPUTE_JOB_KIND,
    before: withStatus({ highestFence: 3 }),
    after: withStatus({ highestFence: 2 }),
    accepted: false,
  },
  {
    name: 'highestFence may not vanish',
    kind: COMPUTE_JOB_KIND,
    before: withStatus({ highestFence: 3 }),
    after: withStatus({}),
    accepted: false,
  },
  {
    name: 'completionTime may be written',
    kind: COMPUTE_JOB_KIND,
    before: withStatus({}),
    after: withStatus({ completionTime: NOW }),
    accepted: true,
  },
  {
    name: 'completionTime may not move',
    kind: COMPUTE_JOB_KIND,
    before: withStatus({ completionTime: NOW }),
    after: withStatus({ completionTime: '2026-11-23T09:00:00Z' }),
    accepted: false,
  },
  {
    name: 'completionTime may not vanish',
    kind: COMPUTE_JOB_KIND,
    before: withStatus({ completionTime: NOW }),
    after: withStatus({}),
    accepted: false,
  },
  {
    name: 'a member may be accepted',
    kind: MEMBER_CLUSTER_KIND,
    before: member({ accepted: false }),
    after: member({ accepted: true, jurisdiction: 'ID' }),
    accepted: true,
  },
  {
    name: 'the jurisdiction of an accepted member may not change',
    kind: MEMBER_CLUSTER_KIND,
    before: member({ accepted: true, jurisdiction: 'ID' }),
    after: member({ accepted: true, jurisdiction: 'SG' }),
    accepted: false,
  },
  {
    name: 'the jurisdiction of a member that is not accepted may change',
    kind: MEMBER_CLUSTER_KIND,
    before: member({ accepted: false, jurisdiction: 'ID' }),
    after: member({ accepted: false, jurisdiction: 'SG' }),
    accepted: true,
  },
  {
    name: 'a member may be accepted anew with another jurisdiction',
    kind: MEMBER_CLUSTER_KIND,
    before: member({ accepted: false, jurisdiction: 'ID' }),
    after: member({ accepted: true, jurisdiction: 'SG' }),
    accepted: true,
  },
  {
    name: 'the fence of a guest may not change',
    kind: GUEST_RUN_KIND,
    before: guest({ fence: 3 }),
    after: guest({ fence: 4 }),
    accepted: false,
  },
  {
    name: 'the grace of a guest may',
    kind: GUEST_RUN_KIND,
    before: guest({ graceSeconds: 60 }),
    after: guest({ graceSeconds: 5 }),
    accepted: true,
  },
];
