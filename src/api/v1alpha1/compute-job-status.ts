/**
 * Status of a ComputeJob: the durable truth of its runs. The fence and everything frozen beside it live in `run`, what
 * must outlive every run in `highestFence`.
 * Invariants: highestFence never falls; completionTime is written once; `phase` is an output for people and never read by
 * logic. Leaves out energy and estimates until they act.
 */
import { z } from 'zod';
import {
  choice,
  count,
  counter,
  flag,
  integer,
  jurisdiction,
  list,
  object,
  objectName,
  text,
  timestamp,
  withRules,
  word,
} from '../schema/fields.ts';
import type { DeepReadonly } from '../schema/kube-object.ts';
import { conditions, frozenLease, observedGeneration, ON_PARTITION, runNodes } from '../schema/shared-fields.ts';

export const JOB_PHASES = [
  'Pending',
  'Starting',
  'Running',
  'Stopping',
  'Succeeded',
  'Failed',
  'Suspended',
  'Unknown',
] as const;
export type JobPhase = (typeof JOB_PHASES)[number];

const message = (description: string) => text(description, { max: 4096 });
const fence = (description: string) => integer(description, { min: 1, max: Number.MAX_SAFE_INTEGER });
const attempt = (description: string) => integer(description, { min: 1, max: 1_000_000 });
const gpuModel = (description: string) => text(description, { min: 1, max: 63 });

const run = object('The live run, with everything that was frozen when its fence was issued.', {
  fence: fence('Fence of the run; higher than every earlier one of this job.'),
  attempt: attempt('Number of the attempt, from 1, for people.'),
  member: objectName('MemberCluster that executes it.'),
  pool: objectName('GpuPool it was placed from.'),
  tenant: text('Tenant it is charged to.', { min: 1, max: 63 }),
  workers: integer('Workers of the gang.', { min: 1, max: 4096 }),
  gpusPerWorker: integer('GPUs of each worker.', { min: 1, max: 64 }),
  gpuModel: gpuModel('Canonical model of its GPUs.'),
  gpuResource: z.exactOptional(
    text('Extended resource by which the GPUs are requested, such as nvidia.com/gpu.', { min: 1, max: 253 }),
  ),
  nodes: runNodes,
  lease: frozenLease,
  onPartition: choice('What happens to it while hub and member cannot hear each other.', ON_PARTITION),
  maxRuntimeSeconds: integer('Longest time that it may run, in seconds.', { min: 1, max: 604_800 }),
  startTimeoutSeconds: integer('Longest time from placement until all workers run, in seconds.', {
    min: 1,
    max: 86_400,
  }),
  checkpointGraceSeconds: integer('Time between SIGTERM and SIGKILL, in seconds.', { min: 0, max: 3600 }),
  templateHash: text('SHA-256 of the template that it executes, in hexadecimal.', { min: 1, max: 128 }),
  jurisdictions: z.exactOptional(
    list('Jurisdictions that the tenant allowed when it was placed.', jurisdiction('Country code.'), {
      max: 64,
      type: 'set',
    }),
  ),
  placedAt: timestamp('When the fence was issued.'),
  acceptedAt: z.exactOptional(timestamp('When the member first reported it.')),
  startedAt: z.exactOptional(timestamp('When all workers first ran together.')),
  deadlineArmed: z.exactOptional(
    flag(
      "True once the member's Job controller was seen to count the deadline; a Fence run is replaced after silence only then.",
    ),
  ),
  cancel: z.exactOptional(
    object('A stop that was requested and is not confirmed yet.', {
      cause: word('Why, as one CamelCase word.'),
      message: message('Why, as a sentence.'),
      requestedAt: timestamp('When it was requested.'),
    }),
  ),
});

const historyEntry = object('One finished attempt.', {
  attempt: attempt('Number of the attempt.'),
  fence: fence('Its fence.'),
  member: objectName('MemberCluster that executed it.'),
  placedAt: timestamp('When its fence was issued.'),
  startedAt: z.exactOptional(timestamp('When all workers first ran together; absent if they never did.')),
  stoppedAt: timestamp('When its end was recorded.'),
  outcome: word('How it ended: Succeeded, Failed, Stopped, Refused or Lost.'),
  cause: word('Why it ended, as one CamelCase word.'),
  message: message('Why it ended, as a sentence.'),
  superseded: z.exactOptional(
    z.boolean().meta({ description: 'True if a later fence had been issued before its end was known.' }),
  ),
});

export const computeJobStatus = withRules(
  object('What the hub has decided and observed.', {
    observedGeneration: z.exactOptional(observedGeneration),
    phase: z.exactOptional(
      choice('Where the job is, for people; never read by programs, which use the conditions.', JOB_PHASES),
    ),
    conditions: z.exactOptional(conditions),
    attempt: z.exactOptional(count('Attempts made so far, the live one included.')),
    retriesUsed: z.exactOptional(count('Attempts that counted against retry.limit.')),
    gpus: z.exactOptional(count('GPUs of the whole gang: workers x gpusPerWorker.')),
    run: z.exactOptional(run),
    highestFence: z.exactOptional(counter('Highest fence ever issued for this job; it never falls.')),
    placements: z.exactOptional(
      list(
        'Where the live run is.',
        object("One member's part of the run.", {
          member: objectName('MemberCluster.'),
          workers: integer('Workers there.', { min: 1, max: 4096 }),
          gpuModel: gpuModel('Canonical model of the GPUs.'),
          gpus: count('GPUs there.'),
        }),
        { max: 64, type: 'map', key: 'member' },
      ),
    ),
    queue: z.exactOptional(
      object('Why the job waits; absent while it has a run or is over.', {
        position: z.exactOptional(
          integer("Rank among the tenant's waiting jobs, from 1.", { min: 1, max: 2_147_483_647 }),
        ),
        reason: word('Why, as one CamelCase word.'),
        message: message('Why, in numbers.'),
        since: timestamp('Since when it waits; evictions keep it.'),
      }),
    ),
    usage: z.exactOptional(
      object('What all attempts together have used.', {
        gpuSeconds: counter('GPUs held x seconds held, summed over all attempts, in GPU-seconds.'),
      }),
    ),
    history: z.exactOptional(list('Finished attempts, the last ten, oldest first.', historyEntry, { max: 10 })),
    startTime: z.exactOptional(timestamp('When all workers of the first attempt first ran together.')),
    completionTime: z.exactOptional(timestamp('When the job succeeded or failed for good.')),
  }),
  [
    {
      rule: '!has(oldSelf.highestFence) || (has(self.highestFence) && self.highestFence >= oldSelf.highestFence)',
      message: 'highestFence must not fall',
    },
    {
      rule: '!has(self.run) || (has(self.highestFence) && self.run.fence <= self.highestFence)',
      message: 'run.fence must not be above highestFence',
      holds: (status) =>
        status.run === undefined || (status.highestFence !== undefined && status.run.fence <= status.highestFence),
    },
    {
      rule: '!has(oldSelf.completionTime) || (has(self.completionTime) && self.completionTime == oldSelf.completionTime)',
      message: 'completionTime is written once',
    },
  ],
);

export type ComputeJobStatus = DeepReadonly<z.output<typeof computeJobStatus>>;
/** The frozen run inside the status. */
export type ComputeJobRun = NonNullable<ComputeJobStatus['run']>;
export type ComputeJobHistoryEntry = NonNullable<ComputeJobStatus['history']>[number];
