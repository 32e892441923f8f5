/**
 * GuestRun: what runs on this member for whom. Namespaced, in the guest namespace of the member; written by the agent and
 * owner of the Kubernetes Job, so that deleting it evicts the guest even with the agent dead.
 * Invariant: the spec is what was ordered under one fence and never changes. Leaves out secrets: attachments are not part
 * of the order kept here.
 */
import { z } from 'zod';
import type { Result } from '../../std/result.ts';
import {
  choice,
  count,
  flag,
  integer,
  labelName,
  list,
  object,
  objectName,
  openObject,
  text,
  timestamp,
  withRules,
  word,
} from '../schema/fields.ts';
import { decodeObject, type FieldProblem, type KindDefinition } from '../schema/kind.ts';
import {
  API_GROUP,
  API_GROUP_VERSION,
  type ApiObject,
  type ApiResource,
  type DeepReadonly,
} from '../schema/kube-object.ts';
import { frozenLease, ON_PARTITION, runNodes } from '../schema/shared-fields.ts';

export const GUEST_RUN_RESOURCE: ApiResource = {
  group: API_GROUP,
  version: API_GROUP_VERSION,
  plural: 'guestruns',
  kind: 'GuestRun',
  namespaced: true,
};

/** What the agent says of a run; the same words as on the wire. */
export const GUEST_PHASES = ['Accepted', 'Starting', 'Running', 'Stopping', 'Unknown', 'Ended'] as const;

export const guestRunSpec = withRules(
  object('What was ordered, frozen under its fence.', {
    jobUid: text('UID of the ComputeJob on the hub.', { min: 1, max: 63 }),
    fence: integer('Fence of the run.', { min: 1, max: Number.MAX_SAFE_INTEGER }),
    jobNamespace: labelName('Namespace of the ComputeJob on the hub.'),
    jobName: objectName('Name of the ComputeJob on the hub.'),
    attempt: integer('Number of the attempt, from 1.', { min: 1, max: 1_000_000 }),
    tenant: text('Tenant that it runs for.', { min: 1, max: 63 }),
    pool: objectName('GpuPool that it was placed from.'),
    workers: integer('Workers of the gang.', { min: 1, max: 4096 }),
    gpusPerWorker: integer('GPUs of each worker.', { min: 1, max: 64 }),
    gpuModel: text('Canonical model of its GPUs.', { min: 1, max: 63 }),
    nodes: runNodes,
    onPartition: choice('What happens to it while hub and member cannot hear each other.', ON_PARTITION),
    maxRuntimeSeconds: integer('Longest time that it may run, in seconds.', { min: 1, max: 604_800 }),
    startTimeoutSeconds: integer('Longest time until all workers run, in seconds.', { min: 1, max: 86_400 }),
    graceSeconds: integer('Time between SIGTERM and SIGKILL, clamped by the LendingPolicy, in seconds.', {
      min: 0,
      max: 3600,
    }),
    lease: frozenLease,
    templateHash: text('SHA-256 of the template, in hexadecimal.', { min: 1, max: 128 }),
    order: openObject(
      'The order as received, so that the agent can act on it after a restart; without attachments.',
      {},
    ),
  }),
  [
    {
      rule: 'self.jobUid == oldSelf.jobUid && self.fence == oldSelf.fence && self.templateHash == oldSelf.templateHash',
      message: 'jobUid, fence and templateHash cannot change: a new run has a new fence',
    },
  ],
);

export const guestRunStatus = object('What the agent observes.', {
  phase: z.exactOptional(choice('Where the run is.', GUEST_PHASES)),
  cause: z.exactOptional(word('Why it ended or is ending, as one CamelCase word.')),
  message: z.exactOptional(text('Where it is and why, as a sentence.', { max: 4096 })),
  startedAt: z.exactOptional(timestamp('When the start of this fence was recorded.')),
  allRunningAt: z.exactOptional(timestamp('When all workers first ran together.')),
  finishedAt: z.exactOptional(timestamp('When the last worker ended.')),
  workers: z.exactOptional(
    object('Workers by state.', {
      pending: count('Not running yet.'),
      running: count('Running.'),
      succeeded: count('Exited with 0.'),
      failed: count('Exited otherwise.'),
    }),
  ),
  outcomeAcknowledged: z.exactOptional(flag('True once the hub has recorded the outcome.')),
  exits: z.exactOptional(
    list(
      'How workers ended; at most 256, failures first.',
      object('One worker.', {
        index: integer('Index of the worker.', { min: 0, max: 4095 }),
        exitCode: integer('Exit code of its GPU container.', { min: -2_147_483_648, max: 2_147_483_647 }),
        reason: text('Reason given by Kubernetes, such as OOMKilled.', { max: 128 }),
      }),
      { max: 256 },
    ),
  ),
});

export const GUEST_RUN_KIND: KindDefinition<typeof guestRunSpec, typeof guestRunStatus> = {
  resource: GUEST_RUN_RESOURCE,
  singular: 'guestrun',
  shortName: 'gr',
  description: 'A run that this cluster executes for a tenant of the pool. Deleting it evicts the guest.',
  spec: guestRunSpec,
  status: guestRunStatus,
  rootRules: [],
  columns: [
    { name: 'Tenant', type: 'string', jsonPath: '.spec.tenant', description: 'Tenant that it runs for.' },
    { name: 'Job', type: 'string', jsonPath: '.spec.jobName', description: 'ComputeJob on the hub.' },
    { name: 'Attempt', type: 'integer', jsonPath: '.spec.attempt', description: 'Number of the attempt.' },
    { name: 'Workers', type: 'integer', jsonPath: '.spec.workers', description: 'Workers of the gang.' },
    { name: 'Model', type: 'string', jsonPath: '.spec.gpuModel', description: 'Model of its GPUs.' },
    { name: 'Phase', type: 'string', jsonPath: '.status.phase', description: 'Where the run is.' },
    { name: 'Cause', type: 'string', jsonPath: '.status.cause', description: 'Why it ended or is ending.' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since creation.' },
    { name: 'Fence', type: 'integer', jsonPath: '.spec.fence', description: 'Fence of the run.', priority: 1 },
    { name: 'Message', type: 'string', jsonPath: '.status.message', description: 'Where it is and why.', priority: 1 },
  ],
};

export type GuestRunSpec = DeepReadonly<z.output<typeof guestRunSpec>>;
export type GuestRunStatus = DeepReadonly<z.output<typeof guestRunStatus>>;
export type GuestRun = ApiObject<'GuestRun', GuestRunSpec, GuestRunStatus>;

/** Decodes a GuestRun from raw JSON; every problem is reported with its path. */
export function decodeGuestRun(raw: unknown): Result<GuestRun, readonly FieldProblem[]> {
  return decodeObject(GUEST_RUN_KIND, raw);
}
