/**
 * What the pods of a run say of its end: completed, or why not. Decides by exit states and by the Job's completedIndexes,
 * never by the Job's Failed condition alone: a late Job controller reports DeadlineExceeded for work that is finished.
 *
 * Invariants: an exit with 0 counts only if nobody had asked the pod to stop before (a worker that saves its state on SIGTERM
 * and exits 0 has not finished); the earliest event decides; when a disruption and an own failure share a second, the
 * disruption decides, since workers fail when their peers vanish. Leaves out what is done about it (agent-plan.ts).
 */
import type { Cause } from '../model/cause.ts';
import type { WorkerCounts, WorkerExit } from '../model/run.ts';
import { compareNumbers } from '../../std/ordering.ts';

/** `Gone`: the pod object vanished before its end was seen. */
export type WorkerState = 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Gone';

/** Who took a pod away, other than the agent: the scheduler for another pod, the eviction API, its node, or anybody. */
export type Disruption = 'Preempted' | 'Evicted' | 'NodeLost' | 'Deleted';

/** Why a pod failed by itself. `OwnLimits`: it outgrew its own storage. `KubeletRefused`: the node would not start it. */
export type WorkerFault = 'ExitCode' | 'OutOfMemory' | 'OwnLimits' | 'Deadline' | 'KubeletRefused';

/** Why a pending worker waits. `ImageError` and `ConfigError` do not heal by themselves. */
export interface WorkerWait {
  readonly kind: 'Unschedulable' | 'Creating' | 'ImagePull' | 'ImageError' | 'ConfigError';
  /** Kubernetes' reason and message. */
  readonly message: string;
}

export interface WorkerFacts {
  readonly index: number;
  readonly pod: string;
  readonly node?: string;
  readonly state: WorkerState;
  /** Member's wall clock: GPU container started. */
  readonly startedAtMs?: number;
  /** Member's wall clock: last container ended. */
  readonly finishedAtMs?: number;
  /** Of the container that decides: the first that failed, else the GPU container. */
  readonly exit?: { readonly exitCode: number; readonly reason: string };
  /** When the API server was asked to delete the pod; whole seconds, as it keeps them. */
  readonly deletionAskedAtMs?: number;
  /** Known only where Kubernetes says so (condition DisruptionTarget). */
  readonly disruption?: Disruption;
  /** Present for `Failed`. */
  readonly fault?: WorkerFault;
  /** Present for `Pending` where known. */
  readonly wait?: WorkerWait;
  /** Its node does not answer; whether it runs cannot be known. */
  readonly unreachable: boolean;
}

/** What the Job object adds. */
export interface JobVerdictFacts {
  /** Size of status.completedIndexes. */
  readonly completed: number;
  /** Reason of condition Failed or FailureTarget. */
  readonly failedReason?: string;
  /** What the Job's deadline counts from and to; absent until it has started. */
  readonly deadlineSeconds?: number;
  readonly sinceStartMs?: number;
}

/** Kubernetes keeps times in whole seconds. */
const CLOCK_GRAIN_MS = 1_000;

export type WorkerVerdict =
  /** No reason to end. */
  | { readonly kind: 'Live' }
  | { readonly kind: 'Completed' }
  | { readonly kind: 'Broken'; readonly cause: Cause; readonly message: string };

/** The pod object exists and has not reached its end. */
export function isLive(worker: WorkerFacts): boolean {
  return worker.state === 'Pending' || worker.state === 'Running';
}

/** Exited 0 before anybody asked it to stop. */
export function hasCompleted(worker: WorkerFacts): boolean {
  if (worker.state !== 'Succeeded') return false;
  if (worker.deletionAskedAtMs === undefined) return true;
  return worker.finishedAtMs !== undefined && worker.finishedAtMs < worker.deletionAskedAtMs;
}

/** Has it run at some time? */
export function hasStarted(worker: WorkerFacts): boolean {
  return worker.startedAtMs !== undefined || worker.state === 'Succeeded';
}

/** All workers have completed by their pods, or by the Job's word for those whose pods are gone. */
export function allCompleted(
  workers: readonly WorkerFacts[],
  count: number,
  job: JobVerdictFacts | undefined,
): boolean {
  const completed = new Set(workers.filter(hasCompleted).map((worker) => worker.index));
  if (completed.size === count) return !workers.some(isLive);
  const contradicted = workers.some((worker) => !hasCompleted(worker));
  return !contradicted && job !== undefined && job.completed >= count;
}

/** Judges a run that nobody has asked to stop. */
export function judgeWorkers(
  workers: readonly WorkerFacts[],
  count: number,
  job: JobVerdictFacts | undefined,
): WorkerVerdict {
  if (allCompleted(workers, count, job)) return { kind: 'Completed' };
  const [first] = workers.flatMap(eventOf).sort(byTime);
  if (first?.plainDeletion === true && isAtDeadline(job)) return deadlineVerdict();
  if (first !== undefined) {
    return { kind: 'Broken', cause: first.cause, message: `worker ${first.index}: ${first.detail}` };
  }
  // Jobs and pods are watched apart: a Job that failed may be seen before the pod that failed it.
  if (job?.failedReason === undefined || workers.some(isLive)) return { kind: 'Live' };
  if (job.failedReason === 'DeadlineExceeded') return deadlineVerdict();
  return {
    kind: 'Broken',
    cause: 'GuestDeleted',
    message: `the Job failed (${job.failedReason}) and its pods are gone without an exit state`,
  };
}

/** The Job controller says so; or its deadline is due, and the pods that it deleted are seen before its word is. */
function isAtDeadline(job: JobVerdictFacts | undefined): boolean {
  if (job?.failedReason !== undefined) return job.failedReason === 'DeadlineExceeded';
  const { deadlineSeconds, sinceStartMs } = job ?? {};
  if (deadlineSeconds === undefined || sinceStartMs === undefined) return false;
  return sinceStartMs >= deadlineSeconds * 1000 - CLOCK_GRAIN_MS;
}

function deadlineVerdict(): WorkerVerdict {
  return { kind: 'Broken', cause: 'MaxRuntimeExceeded', message: 'the Job reached its deadline' };
}

interface BreakEvent {
  readonly index: number;
  readonly atMs: number;
  /** 0 = disruption named by Kubernetes, 1 = own failure, 2 = a deletion by nobody knows whom. */
  readonly rank: number;
  readonly cause: Cause;
  readonly detail: string;
  readonly plainDeletion: boolean;
}

function byTime(a: BreakEvent, b: BreakEvent): number {
  return compareNumbers(a.atMs, b.atMs) || compareNumbers(a.rank, b.rank) || compareNumbers(a.index, b.index);
}

function eventOf(worker: WorkerFacts): readonly BreakEvent[] {
  if (hasCompleted(worker)) return [];
  const asked = worker.deletionAskedAtMs;
  const ended = worker.finishedAtMs ?? Number.POSITIVE_INFINITY;
  const ownFailure = worker.state === 'Failed' && (asked === undefined || ended < asked);
  if (worker.disruption !== undefined) return [disruptionEvent(worker, Math.min(asked ?? ended, ended))];
  if (ownFailure) return [failureEvent(worker, ended)];
  if (asked !== undefined || worker.state === 'Gone') return [disruptionEvent(worker, asked ?? ended)];
  return [];
}

const DISRUPTIONS: Readonly<Record<Disruption, { readonly cause: Cause; readonly detail: string }>> = {
  Preempted: { cause: 'Reclaimed', detail: 'the scheduler took its place for an owner pod' },
  Evicted: { cause: 'Reclaimed', detail: 'it was evicted on behalf of the owner' },
  NodeLost: { cause: 'NodeLost', detail: 'its node was lost or shut down' },
  Deleted: { cause: 'GuestDeleted', detail: 'its pod was deleted' },
};

function disruptionEvent(worker: WorkerFacts, atMs: number): BreakEvent {
  const disruption = worker.disruption ?? 'Deleted';
  const { cause, detail } = DISRUPTIONS[disruption];
  const plainDeletion = disruption === 'Deleted';
  return { index: worker.index, atMs, rank: plainDeletion ? 2 : 0, cause, detail, plainDeletion };
}

const FAULTS: Readonly<Record<WorkerFault, Cause>> = {
  ExitCode: 'NonZeroExit',
  OutOfMemory: 'OutOfMemory',
  OwnLimits: 'NonZeroExit',
  Deadline: 'MaxRuntimeExceeded',
  KubeletRefused: 'StaleOffer',
};

function failureEvent(worker: WorkerFacts, atMs: number): BreakEvent {
  const cause = FAULTS[worker.fault ?? 'ExitCode'];
  return { index: worker.index, atMs, rank: 1, cause, detail: exitText(worker), plainDeletion: false };
}

function exitText(worker: WorkerFacts): string {
  if (worker.exit === undefined) return `failed (${worker.fault ?? 'no exit state'})`;
  return `exited ${worker.exit.exitCode} (${worker.exit.reason})`;
}

/** How workers count in a report; those without a pod are pending. */
export function countWorkers(workers: readonly WorkerFacts[], count: number): WorkerCounts {
  const of = (...states: readonly WorkerState[]): number =>
    workers.filter((worker) => states.includes(worker.state)).length;
  const [running, succeeded, failed] = [of('Running'), of('Succeeded'), of('Failed', 'Gone')];
  return { pending: Math.max(0, count - running - succeeded - failed), running, succeeded, failed };
}

/** Exits that are known, by index. */
export function exitsOf(workers: readonly WorkerFacts[]): readonly WorkerExit[] {
  return workers
    .flatMap(({ index, exit }) => (exit === undefined ? [] : [{ index, exitCode: exit.exitCode, reason: exit.reason }]))
    .sort((a, b) => compareNumbers(a.index, b.index));
}

/** Why not all workers run, in the pods' own words, image pulls apart. Empty when none waits. */
export function waitingText(workers: readonly WorkerFacts[], count: number): string {
  const present = new Set(workers.map((worker) => worker.index));
  const waits = workers.filter((worker) => worker.state === 'Pending');
  const pulling = waits.filter((worker) => worker.wait?.kind === 'ImagePull');
  const others = waits.filter((worker) => worker.wait?.kind !== 'ImagePull');
  const absent = count - present.size;
  const parts: string[] = [];
  if (others.length > 0) parts.push(`${others.length} of ${count} workers pending${firstReason(others)}`);
  if (pulling.length > 0) parts.push(`${pulling.length} of ${count} workers pull their image${firstReason(pulling)}`);
  if (absent > 0) parts.push(`${absent} of ${count} workers have no pod yet`);
  return parts.join('; ');
}

function firstReason(workers: readonly WorkerFacts[]): string {
  const reason = workers.find((worker) => worker.wait !== undefined)?.wait;
  return reason === undefined ? '' : `: ${reason.message}`;
}
