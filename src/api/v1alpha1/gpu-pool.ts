/**
 * GpuPool: which members and GPUs form a pool, and the rules of sharing. Cluster-scoped, on the hub.
 * Invariants: a namespace belongs to at most one tenant of a pool; the hub waits longer before it places work again than
 * the member may go on. Leaves out guarantees, budgets and objectives until they act.
 */
import { z } from 'zod';
import type { Result } from '../../std/result.ts';
import {
  choice,
  count,
  duration,
  integer,
  jurisdiction,
  labelName,
  list,
  object,
  quantity,
  withRules,
} from '../schema/fields.ts';
import { parseDurationSeconds } from '../schema/duration.ts';
import { decodeObject, type FieldProblem, type KindDefinition } from '../schema/kind.ts';
import {
  API_GROUP,
  API_GROUP_VERSION,
  type ApiObject,
  type ApiResource,
  type DeepReadonly,
} from '../schema/kube-object.ts';
import {
  conditions,
  GPU_VENDORS,
  gpuModels,
  gpuStates,
  labelSelector,
  observedGeneration,
} from '../schema/shared-fields.ts';

export const GPU_POOL_RESOURCE: ApiResource = {
  group: API_GROUP,
  version: API_GROUP_VERSION,
  plural: 'gpupools',
  kind: 'GpuPool',
  namespaced: false,
};

const WEIGHT = { min: 1, max: 1000 } as const;
const DAY_SECONDS = 86_400;

const tenants = withRules(
  list(
    'Parties that share the pool, by name.',
    object('One party of the pool.', {
      name: labelName('Name of the tenant.'),
      namespaces: list(
        "Namespaces of the hub whose jobs are this tenant's, by exact name.",
        labelName('Name of a namespace.'),
        {
          min: 1,
          max: 32,
          type: 'set',
        },
      ),
      weight: integer("Share of the pool relative to the other tenants' weights.", WEIGHT).default(1),
    }),
    { max: 64, type: 'map', key: 'name' },
  ),
  [
    {
      rule: 'self.all(t, t.namespaces.all(n, self.exists_one(u, n in u.namespaces)))',
      message: 'each namespace must belong to one tenant only',
      holds: (all) => {
        const names = all.flatMap((tenant) => tenant.namespaces);
        return new Set(names).size === names.length;
      },
    },
  ],
);

const leaseDefault = {
  duration: '40m',
  terminationGrace: '60s',
  margin: '30s',
  maxClockDriftPercent: 1,
  replaceAfter: '44m',
};

const seconds = (value: string): number => parseDurationSeconds(value) ?? Number.NaN;

const lease = withRules(
  object('Terms of the lease under which members execute runs; frozen for each run when it is placed.', {
    duration: duration('How long a member may go on with a Fence run without being acknowledged by the hub.', {
      minSeconds: 1,
      maxSeconds: 7 * DAY_SECONDS,
    }).default(leaseDefault.duration),
    terminationGrace: duration('How long the guests may take to stop at the end of the lease.', {
      minSeconds: 0,
      maxSeconds: 3600,
    }).default(leaseDefault.terminationGrace),
    margin: duration('Extra wait before the hub places the work again, for what is not modelled.', {
      minSeconds: 0,
      maxSeconds: 3600,
    }).default(leaseDefault.margin),
    maxClockDriftPercent: integer("Largest drift that a host's clock may have, in percent.", {
      min: 0,
      max: 25,
    }).default(leaseDefault.maxClockDriftPercent),
    replaceAfter: duration('Silence of a member after which the hub places a Fence run again.', {
      minSeconds: 1,
      maxSeconds: 14 * DAY_SECONDS,
    }).default(leaseDefault.replaceAfter),
  }),
  [
    {
      rule:
        'duration(self.replaceAfter).getSeconds() * 100 >= ' +
        'duration(self.duration).getSeconds() * (100 + 2 * self.maxClockDriftPercent) + ' +
        '(duration(self.terminationGrace).getSeconds() + duration(self.margin).getSeconds()) * 100',
      message:
        'replaceAfter must be at least duration x (1 + 2 x maxClockDriftPercent / 100) + terminationGrace + margin',
      holds: (l) =>
        seconds(l.replaceAfter) * 100 >=
        seconds(l.duration) * (100 + 2 * l.maxClockDriftPercent) +
          (seconds(l.terminationGrace) + seconds(l.margin)) * 100,
    },
  ],
);

const queueingDefault = { defaultMaxRuntime: '24h' };

export const gpuPoolSpec = object('Which members and GPUs form the pool, and the rules of sharing.', {
  memberSelector: labelSelector(
    'Labels of the MemberClusters that belong to the pool; empty selects every member. A member that two pools select counts in neither (PoolConflict).',
  ),
  gpus: object('Which GPUs of these members belong to the pool; what is absent or empty does not restrict.', {
    vendors: z.exactOptional(list('GPU vendors.', choice('Name of a vendor.', GPU_VENDORS), { max: 3, type: 'set' })),
    models: z.exactOptional(gpuModels('Canonical GPU models.')),
    minMemory: z.exactOptional(quantity('Least memory of one GPU, in bytes.')),
  }).default({}),
  tenants: tenants.default([]),
  defaultTenant: z.exactOptional(
    object(
      'Rules for namespaces that no tenant lists: each is a tenant of its own, named after the namespace. Absent: they may not use the pool.',
      { weight: integer("Share of the pool relative to the other tenants' weights.", WEIGHT).default(1) },
    ),
  ),
  queueing: object('Rules of the queue.', {
    defaultMaxRuntime: duration('Longest time that an attempt may run when the job names none.', {
      minSeconds: 1,
      maxSeconds: 7 * DAY_SECONDS,
    }).default(queueingDefault.defaultMaxRuntime),
  }).default(queueingDefault),
  residency: z.exactOptional(
    object('Where work of this pool may run.', {
      jurisdictions: list(
        'Jurisdictions in which members may take work; empty means anywhere.',
        jurisdiction('Country code.'),
        {
          max: 64,
          type: 'set',
        },
      ).default([]),
    }),
  ),
  lease: lease.default(leaseDefault),
});

export const gpuPoolStatus = object('What the hub observes of the pool.', {
  observedGeneration: z.exactOptional(observedGeneration),
  conditions: z.exactOptional(conditions),
  members: z.exactOptional(count('Members that the pool selects and that conflict with no other pool.')),
  gpus: z.exactOptional(object('GPUs of these members by state.', gpuStates)),
  queue: z.exactOptional(
    object('Jobs of the pool.', {
      pending: count('Jobs that wait.'),
      running: count('Jobs with a live run.'),
    }),
  ),
  tenants: z.exactOptional(
    list(
      'Tenants with jobs in the pool; at most 64, by name.',
      object('One tenant.', {
        name: labelName('Name of the tenant.'),
        weight: integer('Its weight.', WEIGHT),
        pending: count('Its jobs that wait.'),
        running: count('Its jobs with a live run.'),
        gpus: count('GPUs that its runs hold.'),
      }),
      { max: 64, type: 'map', key: 'name' },
    ),
  ),
});

export const GPU_POOL_KIND: KindDefinition<typeof gpuPoolSpec, typeof gpuPoolStatus> = {
  resource: GPU_POOL_RESOURCE,
  singular: 'gpupool',
  shortName: 'gp',
  description: 'A pool of idle GPUs of several member clusters, and the rules by which tenants share them.',
  spec: gpuPoolSpec,
  status: gpuPoolStatus,
  rootRules: [],
  columns: [
    { name: 'Members', type: 'integer', jsonPath: '.status.members', description: 'Members of the pool.' },
    { name: 'GPUs', type: 'integer', jsonPath: '.status.gpus.total', description: 'Physical GPUs.' },
    { name: 'Lent', type: 'integer', jsonPath: '.status.gpus.lent', description: 'GPUs held by guests.' },
    { name: 'Idle', type: 'integer', jsonPath: '.status.gpus.idle', description: 'GPUs that nobody holds.' },
    {
      name: 'Parked',
      type: 'integer',
      jsonPath: '.status.gpus.parked',
      description: 'GPUs held by owners and inactive.',
    },
    { name: 'Pending', type: 'integer', jsonPath: '.status.queue.pending', description: 'Jobs that wait.' },
    { name: 'Running', type: 'integer', jsonPath: '.status.queue.running', description: 'Jobs with a live run.' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since creation.' },
  ],
};

export type GpuPoolSpec = DeepReadonly<z.output<typeof gpuPoolSpec>>;
export type GpuPoolStatus = DeepReadonly<z.output<typeof gpuPoolStatus>>;
export type GpuPool = ApiObject<'GpuPool', GpuPoolSpec, GpuPoolStatus>;

/** Decodes a GpuPool from raw JSON; every problem is reported with its path. */
export function decodeGpuPool(raw: unknown): Result<GpuPool, readonly FieldProblem[]> {
  return decodeObject(GPU_POOL_KIND, raw);
}
