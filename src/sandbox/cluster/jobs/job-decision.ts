/**
 * What a Job needs next: pods to make, pods to delete, counts and conditions to write, and when to look again.
 *
 * Invariants: pure; the same Job, pods, memory and time give the same plan. Deadlines and back-off limits are judged before
 * completion, as the real controller does, so that a late look at finished work past its deadline says DeadlineExceeded.
 * Complete and Failed are written only when no pod runs or terminates any more; SuccessCriteriaMet and FailureTarget at once.
 * Nothing is made for a Job that is suspended, being deleted or finished. Leaves out podFailurePolicy and successPolicy.
 */
import { formatTimestamp } from '../../../platform/clock/timestamp.ts';
import type { Job, JobStatus } from '../objects/job.ts';
import { isJobFinished } from '../objects/job.ts';
import { isTerminating } from '../objects/pod.ts';
import type { Pod, PodCondition } from '../objects/pod.ts';
import { formatIndexes, parseIndexes } from './completion-indexes.ts';
import { setCondition } from './job-conditions.ts';
import { nextBackoffMs, recordFailures } from './job-memory.ts';
import type { JobMemory } from './job-memory.ts';
import { choosePods } from './pod-choice.ts';
import { completionIndexOf, tallyPods } from './pod-tally.ts';
import type { PodTally } from './pod-tally.ts';

export interface JobView {
  readonly job: Job;
  /** Pods controlled by this Job, those just created and not yet seen included. */
  readonly pods: readonly Pod[];
  readonly memory: JobMemory;
  readonly nowMs: number;
}

export interface JobPlan {
  /** One entry per pod to make: its completion index, or undefined without indexes. */
  readonly create: readonly (number | undefined)[];
  readonly remove: readonly Pod[];
  /** The whole status as it should be. */
  readonly status: JobStatus;
  /** Pods whose finalizer may go once `status` is written. */
  readonly release: readonly Pod[];
  readonly memory: JobMemory;
  /** Look again after this long even if nothing is heard. */
  readonly recheckMs?: number;
}

export function planJob(view: JobView): JobPlan {
  const plan = planWhole(view);
  return { ...plan, status: withoutZeros(plan.status) };
}

/** Counts of nothing and empty lists are absent in what the real controller writes; `ready` and `terminating` are not. */
function withoutZeros(status: JobStatus): JobStatus {
  const empty = (field: string, value: unknown): boolean =>
    (value === 0 && field !== 'ready' && field !== 'terminating') || (Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(status).filter(([field, value]) => !empty(field, value)));
}

function planWhole(view: JobView): JobPlan {
  const { job, pods } = view;
  const tally = tallyPods(job, pods, view.memory.counted);
  const counts = countEnds(view, tally);
  const memory = recordFailures(view.memory, tally, job);
  const release = [...tally.releasable, ...tally.newlySucceeded, ...tally.newlyFailed];
  const base = { ...job.status, ...counts.status };
  if (isJobFinished(job)) return { create: [], remove: [], status: job.status ?? {}, release, memory };
  const { startTime, conditions } = startOrSuspend(job, view.nowMs);
  const started = { ...without(base, 'startTime'), ...(startTime === undefined ? {} : { startTime }), conditions };
  const verdict = judge({ view, tally, counts, startTime });
  if (verdict.kind === 'Going') {
    const choice = choosePods({ job, tally, succeeded: counts.succeeded, failed: counts.failedIndexes });
    const waitMs = choice.create.length === 0 ? 0 : nextBackoffMs(memory, view.nowMs);
    const create = waitMs > 0 ? [] : choice.create;
    const live = tally.active.length - choice.remove.length + create.length;
    return {
      create,
      remove: choice.remove,
      status: { ...started, ...liveCounts(tally, live, choice.remove.length) },
      release,
      memory,
      ...soonest(waitMs > 0 ? waitMs : undefined, deadlineInMs(job, startTime, view.nowMs)),
    };
  }
  const remove = tally.active;
  const quiet = remove.length === 0 && tally.terminating.length === 0;
  const ended = endConditions(conditions, verdict, { quiet, nowMs: view.nowMs });
  return {
    create: [],
    remove,
    status: {
      ...started,
      ...liveCounts(tally, 0, remove.length),
      conditions: ended,
      ...(quiet && verdict.kind === 'Succeeded' ? { completionTime: formatTimestamp(view.nowMs) } : {}),
    },
    release,
    memory,
  };
}

interface EndCounts {
  readonly status: JobStatus;
  /** Succeeded indexes; their number is what counts. For Jobs without indexes the set is 0..n-1. */
  readonly succeeded: ReadonlySet<number>;
  readonly failedIndexes: ReadonlySet<number>;
  readonly failed: number;
}

function countEnds(view: JobView, tally: PodTally): EndCounts {
  const { job } = view;
  const failed = (job.status?.failed ?? 0) + tally.newlyFailed.length;
  if (job.spec.completionMode !== 'Indexed') {
    const succeeded = (job.status?.succeeded ?? 0) + tally.newlySucceeded.length;
    const indexes = new Set(Array.from({ length: succeeded }, (_, i) => i));
    return { status: { succeeded, failed }, succeeded: indexes, failedIndexes: new Set(), failed };
  }
  const succeeded = succeededIndexes(job, tally);
  const perIndex = job.spec.backoffLimitPerIndex;
  const failedIndexes = perIndex === undefined ? new Set<number>() : indexesOutOfTries(view, tally, perIndex);
  const status: JobStatus = {
    succeeded: succeeded.size,
    failed,
    ...(succeeded.size > 0 ? { completedIndexes: formatIndexes(succeeded) } : {}),
    ...(perIndex === undefined ? {} : { failedIndexes: formatIndexes(failedIndexes) }),
  };
  return { status, succeeded, failedIndexes, failed };
}

function succeededIndexes(job: Job, tally: PodTally): ReadonlySet<number> {
  const completions = job.spec.completions ?? 0;
  const out = parseIndexes(job.status?.completedIndexes, completions);
  for (const pod of tally.newlySucceeded) {
    const index = completionIndexOf(pod);
    if (index !== undefined && index < completions) out.add(index);
  }
  return out;
}

function indexesOutOfTries(view: JobView, tally: PodTally, limit: number): Set<number> {
  const out = parseIndexes(view.job.status?.failedIndexes, view.job.spec.completions ?? 0);
  const tries = new Map(view.memory.failuresByIndex);
  for (const pod of tally.newlyFailed) {
    const index = completionIndexOf(pod);
    if (index === undefined) continue;
    tries.set(index, (tries.get(index) ?? 0) + 1);
    if ((tries.get(index) ?? 0) > limit) out.add(index);
  }
  return out;
}

type Verdict =
  | { readonly kind: 'Going' }
  | { readonly kind: 'Succeeded' }
  | { readonly kind: 'Failed'; readonly reason: string; readonly message: string };

interface Evidence {
  readonly view: JobView;
  readonly tally: PodTally;
  readonly counts: EndCounts;
  readonly startTime: string | undefined;
}

function judge({ view, tally, counts, startTime }: Evidence): Verdict {
  const { job, nowMs } = view;
  const interim = interimVerdict(job);
  if (interim !== undefined) return interim;
  if (counts.failed > backoffLimit(job) || restartsExceeded(job, tally)) {
    return failedWith('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  }
  const inMs = deadlineInMs(job, startTime, nowMs);
  if (inMs !== undefined && inMs <= 0) {
    return failedWith('DeadlineExceeded', 'Job was active longer than specified deadline');
  }
  const indexes = judgeFailedIndexes(job, counts);
  if (indexes !== undefined) return indexes;
  return isComplete(job, tally, counts) ? { kind: 'Succeeded' } : { kind: 'Going' };
}

function failedWith(reason: string, message: string): Verdict {
  return { kind: 'Failed', reason, message };
}

/** An end decided at an earlier look, while pods were still leaving. */
function interimVerdict(job: Job): Verdict | undefined {
  for (const { type, status, reason, message } of job.status?.conditions ?? []) {
    if (status !== 'True') continue;
    if (type === 'SuccessCriteriaMet') return { kind: 'Succeeded' };
    if (type === 'FailureTarget') return failedWith(reason ?? '', message ?? '');
  }
  return undefined;
}

function judgeFailedIndexes(job: Job, counts: EndCounts): Verdict | undefined {
  if (job.spec.backoffLimitPerIndex === undefined) return undefined;
  const { failedIndexes, succeeded } = counts;
  if (failedIndexes.size > (job.spec.maxFailedIndexes ?? Infinity)) {
    return failedWith('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes');
  }
  if (failedIndexes.size > 0 && failedIndexes.size + succeeded.size >= (job.spec.completions ?? 0)) {
    return failedWith('FailedIndexes', 'Job has failed indexes');
  }
  return undefined;
}

function isComplete(job: Job, tally: PodTally, counts: EndCounts): boolean {
  if (job.spec.suspend === true || isTerminating(job) || tally.active.length > 0) return false;
  const { completions } = job.spec;
  return completions === undefined ? counts.succeeded.size > 0 : counts.succeeded.size >= completions;
}

function backoffLimit(job: Job): number {
  return job.spec.backoffLimit ?? (job.spec.backoffLimitPerIndex === undefined ? 6 : Infinity);
}

/** With restartPolicy OnFailure the kubelet retries in place; its restarts count against the limit as well. */
function restartsExceeded(job: Job, tally: PodTally): boolean {
  if (job.spec.template.spec.restartPolicy !== 'OnFailure') return false;
  let restarts = 0;
  for (const pod of tally.active) {
    for (const status of [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]) {
      restarts += status.restartCount;
    }
  }
  const limit = backoffLimit(job);
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

/** Milliseconds until the active deadline; 0 or less when it has passed; undefined when none runs. */
function deadlineInMs(job: Job, startTime: string | undefined, nowMs: number): number | undefined {
  if (job.spec.activeDeadlineSeconds === undefined || startTime === undefined) return undefined;
  return Date.parse(startTime) + job.spec.activeDeadlineSeconds * 1000 - nowMs;
}

function startOrSuspend(
  job: Job,
  nowMs: number,
): { readonly startTime: string | undefined; readonly conditions: readonly PodCondition[] } {
  const conditions = job.status?.conditions ?? [];
  const wasSuspended = conditions.some((condition) => condition.type === 'Suspended' && condition.status === 'True');
  if (job.spec.suspend === true) {
    const condition = { type: 'Suspended', status: 'True', reason: 'JobSuspended', message: 'Job suspended' } as const;
    return { startTime: undefined, conditions: setCondition(conditions, condition, nowMs) };
  }
  const startTime = job.status?.startTime ?? formatTimestamp(nowMs);
  if (!wasSuspended) return { startTime, conditions };
  const condition = { type: 'Suspended', status: 'False', reason: 'JobResumed', message: 'Job resumed' } as const;
  return { startTime: formatTimestamp(nowMs), conditions: setCondition(conditions, condition, nowMs) };
}

function endConditions(
  conditions: readonly PodCondition[],
  verdict: Exclude<Verdict, { kind: 'Going' }>,
  end: { readonly quiet: boolean; readonly nowMs: number },
): readonly PodCondition[] {
  const succeeded = verdict.kind === 'Succeeded';
  const texts = succeeded
    ? { reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' }
    : { reason: verdict.reason, message: verdict.message };
  const interim = succeeded ? 'SuccessCriteriaMet' : 'FailureTarget';
  const known = conditions.some((condition) => condition.type === interim && condition.status === 'True');
  const noted = known ? conditions : setCondition(conditions, { type: interim, status: 'True', ...texts }, end.nowMs);
  if (!end.quiet) return noted;
  return setCondition(noted, { type: succeeded ? 'Complete' : 'Failed', status: 'True', ...texts }, end.nowMs);
}

function liveCounts(tally: PodTally, active: number, leaving: number): JobStatus {
  return {
    active,
    ready: Math.min(tally.ready, active),
    terminating: tally.terminating.length + leaving,
    uncountedTerminatedPods: {},
  };
}

function soonest(...waits: readonly (number | undefined)[]): { readonly recheckMs?: number } {
  const known = waits.filter((wait): wait is number => wait !== undefined);
  return known.length === 0 ? {} : { recheckMs: Math.max(0, Math.min(...known)) };
}

function without(status: JobStatus, field: 'startTime'): JobStatus {
  const { [field]: _gone, ...rest } = status;
  return rest;
}
