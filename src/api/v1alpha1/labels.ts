/**
 * Every label, annotation, finalizer, taint-like key and field manager that Lumbung writes. Names only, so that a selector
 * in one room and a writer in another cannot drift apart.
 */

/** Labels on namespaces, GuestRuns, Jobs, Pods, Services and copies on a member. */
export const LABELS = {
  /** `true` on everything that runs or exists for a tenant; what lacks it belongs to the owner. */
  guest: 'lumbung.dev/guest',
  /** metadata.uid of the ComputeJob on the hub. */
  jobUid: 'lumbung.dev/job-uid',
  /** Fence of the run, in decimal. */
  fence: 'lumbung.dev/fence',
  tenant: 'lumbung.dev/tenant',
  pool: 'lumbung.dev/pool',
  /** Index of the worker, in decimal. */
  workerIndex: 'lumbung.dev/worker-index',
  managedBy: 'app.kubernetes.io/managed-by',
} as const;

export const GUEST_LABEL_VALUE = 'true';
export const MANAGED_BY_VALUE = 'lumbung';

export const ANNOTATIONS = {
  /** `<namespace>/<name>` of the ComputeJob on the hub. */
  job: 'lumbung.dev/job',
  /** Number of the attempt, for people. */
  attempt: 'lumbung.dev/attempt',
  /** Canonical GPU model of a run. */
  gpuModel: 'lumbung.dev/gpu-model',
  /** What the agent clamped in the tenant's template, for people. */
  clamped: 'lumbung.dev/clamped',
  /** GuestRun: which process of the agent made it. Only that one may go on to make the Job. */
  startedBy: 'lumbung.dev/started-by',
  /** Job: the run's frozen terms as JSON, so that a run can be named though its GuestRun is gone. */
  terms: 'lumbung.dev/terms',
} as const;

export const FINALIZERS = {
  /** ComputeJob: held until every run is confirmed stopped or its member declared lost. GuestRun: until the kubelet said so. */
  runStopped: 'lumbung.dev/run-stopped',
  /** MemberCluster: held until its runs are confirmed stopped or it is declared lost. */
  memberDrained: 'lumbung.dev/member-drained',
} as const;

/** Server-side-apply field managers, one per writer. */
export const FIELD_MANAGERS = {
  hub: 'lumbung-hub',
  agent: 'lumbung-agent',
  cli: 'lumbung-cli',
} as const;
