/**
 * ComputeJob: a gang of equal workers that needs GPUs somewhere. Namespaced, on the hub. This file is the spec and the
 * kind; the status is in compute-job-status.ts and the pod template in pod-template.ts.
 * Invariants: the spec describes the next run only (what was frozen for the live run is in status.run); a template that
 * names a GPU resource itself is refused, since GPUs are counted by gpusPerWorker alone.
 */
import { z } from 'zod';
import type { Result } from '../../std/result.ts';
import {
  choice,
  duration,
  flag,
  integer,
  jurisdiction,
  labelName,
  list,
  object,
  objectName,
  quantity,
  text,
  withRules,
} from '../schema/fields.ts';
import { decodeObject, type FieldProblem, type KindDefinition } from '../schema/kind.ts';
import {
  API_GROUP,
  API_GROUP_VERSION,
  type ApiObject,
  type ApiResource,
  type DeepReadonly,
} from '../schema/kube-object.ts';
import { gpuModels, labelSelector, ON_PARTITION } from '../schema/shared-fields.ts';
import { computeJobStatus, type ComputeJobStatus } from './compute-job-status.ts';
import { podTemplate } from './pod-template.ts';

export const COMPUTE_JOB_RESOURCE: ApiResource = {
  group: API_GROUP,
  version: API_GROUP_VERSION,
  plural: 'computejobs',
  kind: 'ComputeJob',
  namespaced: true,
};

const HOUR_SECONDS = 3600;
const NEXT_RUN = 'A change applies to the next run.';
const retryDefault = { limit: 3 };

export const computeJobSpec = withRules(
  object('The work and what it needs. Edits apply to the next run; a live run keeps what status.run froze.', {
    pool: objectName(`Name of the GpuPool that the job draws from. ${NEXT_RUN}`),
    priority: integer('Order among the jobs of one tenant; higher goes first. It does not order tenants.', {
      min: -1000,
      max: 1000,
    }).default(0),
    suspend: flag('True ends the live run and holds the job; false lets it wait for a new run.').default(false),
    workers: integer(`Size of the gang: workers that start together or not at all. ${NEXT_RUN}`, {
      min: 1,
      max: 4096,
    }).default(1),
    gpusPerWorker: integer(`Whole GPUs for each worker. ${NEXT_RUN}`, { min: 1, max: 64 }).default(1),
    gpuContainer: z.exactOptional(
      labelName('Name of the container that gets the GPUs. Absent: the first container of the template.'),
    ),
    gpu: object('What a GPU must be; what is absent or empty does not restrict.', {
      models: z.exactOptional(gpuModels('Canonical GPU models, any of which will do.')),
      minMemory: z.exactOptional(quantity('Least memory of one GPU, in bytes.')),
    }).default({}),
    template: podTemplate,
    placement: object('Where the job may run; what is absent or empty does not restrict.', {
      jurisdictions: z.exactOptional(
        list('Jurisdictions that the tenant allows.', jurisdiction('Country code.'), { max: 64, type: 'set' }),
      ),
      regions: z.exactOptional(
        list('Regions of members that will do.', text('Name of a region.', { min: 1, max: 63 }), {
          max: 32,
          type: 'set',
        }),
      ),
      memberSelector: z.exactOptional(labelSelector('Labels that the MemberCluster must have.')),
    }).default({}),
    rendezvous: choice(
      'How the workers find each other. Torch: MASTER_ADDR, MASTER_PORT, RANK, WORLD_SIZE and the PET_ variables of torchrun, with a headless Service. None: no variables and no Service.',
      ['Torch', 'None'],
    ).default('Torch'),
    maxRuntime: z.exactOptional(
      duration(
        "Longest time that one attempt may run, from when all workers run. Absent: the pool's defaultMaxRuntime.",
        {
          minSeconds: 1,
          maxSeconds: 168 * HOUR_SECONDS,
        },
      ),
    ),
    startTimeout: duration('Longest time from placement until all workers run; then the gang is released whole.', {
      minSeconds: 1,
      maxSeconds: 24 * HOUR_SECONDS,
    }).default('10m'),
    retry: object('What happens after a failed attempt.', {
      limit: integer(
        'Failed attempts after which another is made. Attempts ended by an owner, the pool or a lost node do not count.',
        {
          min: 0,
          max: 1000,
        },
      ).default(retryDefault.limit),
    }).default(retryDefault),
    checkpointGrace: duration(
      "Time between SIGTERM and SIGKILL for a worker to save its work; the owner's policy may shorten it.",
      {
        minSeconds: 0,
        maxSeconds: HOUR_SECONDS,
      },
    ).default('60s'),
    onPartition: choice(
      'What happens to a run while hub and member cannot hear each other. KeepAndWait: it goes on and is never placed elsewhere until the member is heard or declared lost. Fence: it stops at the end of its lease and is then placed elsewhere. AllowDuplicate: it goes on and is placed elsewhere at once.',
      ON_PARTITION,
    ).default('KeepAndWait'),
    ttlAfterFinished: z.exactOptional(
      duration('Time after which a finished job is deleted. Absent: it is kept.', {
        minSeconds: 0,
        maxSeconds: 8760 * HOUR_SECONDS,
      }),
    ),
  }),
  [
    {
      rule: '!has(self.gpuContainer) || self.template.spec.containers.exists(c, c.name == self.gpuContainer)',
      message: 'gpuContainer must name one of template.spec.containers',
      holds: (spec) =>
        spec.gpuContainer === undefined ||
        spec.template.spec.containers.some((container) => container.name === spec.gpuContainer),
    },
  ],
);

export const COMPUTE_JOB_KIND: KindDefinition<typeof computeJobSpec, typeof computeJobStatus> = {
  resource: COMPUTE_JOB_RESOURCE,
  singular: 'computejob',
  shortName: 'cpj',
  description: 'A gang of equal workers that runs on idle GPUs of a member cluster.',
  spec: computeJobSpec,
  status: computeJobStatus,
  rootRules: [
    {
      rule:
        '!has(oldSelf.status) || !has(oldSelf.status.completionTime) || (self.spec.pool == oldSelf.spec.pool && ' +
        'self.spec.workers == oldSelf.spec.workers && self.spec.gpusPerWorker == oldSelf.spec.gpusPerWorker)',
      message:
        'pool, workers and gpusPerWorker of a finished job cannot change: it has no next run; create a new ComputeJob',
    },
  ],
  columns: [
    { name: 'Pool', type: 'string', jsonPath: '.spec.pool', description: 'Pool that the job draws from.' },
    { name: 'Workers', type: 'integer', jsonPath: '.spec.workers', description: 'Size of the gang.' },
    { name: 'GPUs', type: 'integer', jsonPath: '.status.gpus', description: 'GPUs of the whole gang.' },
    { name: 'Phase', type: 'string', jsonPath: '.status.phase', description: 'Where the job is, for people.' },
    {
      name: 'Member',
      type: 'string',
      jsonPath: '.status.run.member',
      description: 'Member that executes the live run.',
    },
    { name: 'Wait', type: 'date', jsonPath: '.status.queue.since', description: 'How long it has waited.' },
    { name: 'Run', type: 'date', jsonPath: '.status.run.startedAt', description: 'How long all workers have run.' },
    { name: 'Reason', type: 'string', jsonPath: '.status.queue.reason', description: 'Why it waits.' },
    {
      name: 'Message',
      type: 'string',
      jsonPath: '.status.queue.message',
      description: 'Why it waits, in numbers.',
      priority: 1,
    },
    {
      name: 'Age',
      type: 'date',
      jsonPath: '.metadata.creationTimestamp',
      description: 'Time since creation.',
      priority: 1,
    },
  ],
};

export type ComputeJobSpec = DeepReadonly<z.output<typeof computeJobSpec>>;
export type ComputeJob = ApiObject<'ComputeJob', ComputeJobSpec, ComputeJobStatus>;

/** Decodes a ComputeJob from raw JSON; unknown fields of the pod template are kept, every problem is reported with its path. */
export function decodeComputeJob(raw: unknown): Result<ComputeJob, readonly FieldProblem[]> {
  return decodeObject(COMPUTE_JOB_KIND, raw);
}
