/**
 * What the agent does next about one run: facts in, a phase for the report and at most one action out. The agent gathers,
 * asks this file, acts, and asks again, so that a crash between any two actions leads back here with true facts.
 *
 * Invariants: a fence is remembered before anything is made for it, and things are made only by the process that remembered
 * it (`startedHere`): whatever a dead process may have made is never made again. Lower fences and those remembered before are
 * refused. Absence from Desired stops nothing; only a cancel that names the run does, or a reason of this member's own. A run
 * starts only while its lease is valid. It has ended only when no pod of it lives and no Job of it can make one. The first
 * reason to stop stays; work that was complete before is complete.
 * Leaves out how facts are read, whether an order may start here (`gate`) and how actions are done (agent/runs).
 */
import { assertNever } from '../../std/assert-never.ts';
import { CAUSE_EFFECT, type Cause } from '../model/cause.ts';
import type { RunEnd, RunPhase, RunTerms } from '../model/run.ts';
import { adjustedJobDeadlineSeconds, initialJobDeadlineSeconds } from './dead-man.ts';
import {
  allCompleted,
  exitsOf,
  hasStarted,
  isLive,
  judgeWorkers,
  waitingText,
  type WorkerFacts,
} from './worker-verdict.ts';

/** How long a phase must last before it is written to the GuestRun for people: short runs cost no write. */
export const PHASE_SETTLE_MS = 10_000;
/** How long an outcome waits for the hub's acknowledgement before it is made durable on the member by a write of its own. */
export const OUTCOME_SETTLE_MS = 10_000;
/** How long a Job is given to notice that a worker failed before it is deleted. */
export const JOB_FAILURE_PATIENCE_MS = 10_000;
/** How long an image or configuration that cannot work is waited for. */
export const IMAGE_PATIENCE_MS = 120_000;
/** How often a stop that takes its time is looked at, so that a deletion without effect is asked for again. */
const STOP_REVIEW_MS = 10_000;
/** How long the end of a run that never started is reported to a hub that knows of it and is silent about it. */
export const ABANDONED_MS = 3_600_000;

export interface Reason {
  readonly cause: Cause;
  readonly message: string;
}

/** What fence memory holds for the job. `closed` = a fence that was turned away and never starts. */
export interface RememberedFence {
  readonly fence: number;
  readonly kind: 'started' | 'closed';
}

/** May the order start here and now? Asked only until the run is started. */
export type StartGate =
  | { readonly kind: 'open' }
  | { readonly kind: 'wait'; readonly message: string }
  | { readonly kind: 'refuse'; readonly reason: Reason };

/** How far this process has come in making the run. */
export type StartProgress = 'Nothing' | 'Remembered' | 'RecordMade' | 'PartsMade' | 'JobMade';

export interface JobFacts {
  /** Condition Complete, Failed, FailureTarget or SuccessCriteriaMet is true: it makes no more pods. */
  readonly finished: boolean;
  readonly failedReason?: string;
  /** Size of status.completedIndexes. */
  readonly completed: number;
  readonly deleting: boolean;
  readonly deadlineSeconds: number;
  /** Since status.startTime; absent before it was seen. */
  readonly sinceStartMs?: number;
}

export interface StopIntent extends Reason {
  /** Ms since it was decided. */
  readonly forMs: number;
  /** Written to the GuestRun, so that a restarted agent knows why. */
  readonly recorded: boolean;
}

export interface RunFacts {
  readonly terms: RunTerms;
  /** The hub's current Desired lists it. */
  readonly ordered: boolean;
  readonly cancel?: Reason;
  readonly acknowledged: boolean;
  readonly jobGone: boolean;
  /** A report of its end was acknowledged, and a later Desired neither orders nor cancels it. */
  readonly unmentioned: boolean;
  readonly remembered?: RememberedFence;
  readonly progress: StartProgress;
  readonly gate: StartGate;
  /** The GuestRun. `Unseen`: this process never saw it. `Gone`: it was here and is not any more. */
  readonly record: 'Unseen' | 'Present' | 'Gone';
  /** As above. `Uncertain`: its creation was asked for and no answer came. */
  readonly job: JobFacts | 'Unseen' | 'Gone' | 'Uncertain';
  /** The newest pod of each index, and what is remembered of those that vanished. */
  readonly workers: readonly WorkerFacts[];
  /** Live pods that nobody asked to stop yet. */
  readonly podsToStop: readonly string[];
  readonly stop?: StopIntent;
  /** Asked by this member itself: reclaim, policy, revocation. */
  readonly ownWish?: Reason;
  readonly end?: RunEnd;
  /** Ms since `end` was decided. */
  readonly endedForMs: number;
  /** What of the end stands in the GuestRun's status. */
  readonly endRecorded: 'Nothing' | 'Outcome' | 'Acknowledged';
  readonly recordedPhase?: RunPhase;
  /** Ms in the phase that `recordedPhase` would be replaced by; the keeper counts. */
  readonly phaseForMs: number;
  /** Since the order was taken. */
  readonly acceptedForMs: number;
  /** Since the fence was remembered. */
  readonly startedForMs: number;
  /** Since all workers have run. */
  readonly allRunningForMs?: number;
  /** Since a worker was first seen with an image or configuration that cannot work. */
  readonly imageTroubleForMs?: number;
  /** Absent while no report of this process was acknowledged. */
  readonly leaseRemainingMs?: number;
  readonly retentionMs: number;
  readonly nowWallMs: number;
}

export type RunAction =
  /** Persist that the fence starts. */
  | { readonly kind: 'remember' }
  /** Persist that the fence never starts here, then it has ended so. */
  | { readonly kind: 'close'; readonly end: RunEnd }
  | { readonly kind: 'makeRecord' }
  /** Copies of ConfigMaps and Secrets; Service and NetworkPolicy of a gang. */
  | { readonly kind: 'makeParts' }
  | { readonly kind: 'makeJob'; readonly deadlineSeconds: number }
  | { readonly kind: 'setDeadline'; readonly deadlineSeconds: number }
  /** Remember why, in the record too where there is one. */
  | { readonly kind: 'beginStop'; readonly reason: Reason }
  | { readonly kind: 'stop'; readonly pods: readonly string[]; readonly deleteJob: boolean }
  /** The outcome is known. */
  | { readonly kind: 'end'; readonly end: RunEnd }
  | { readonly kind: 'recordEnd'; readonly acknowledged: boolean }
  | { readonly kind: 'recordPhase'; readonly phase: RunPhase }
  /** Delete the GuestRun and with it all that it owns. */
  | { readonly kind: 'letGo' }
  /** Nothing of it is here any more: drop it from memory. */
  | { readonly kind: 'drop' };

export interface RunPlan {
  readonly phase: RunPhase;
  readonly message: string;
  readonly action?: RunAction;
  /** Ask again after this long even if nothing is heard. */
  readonly wakeAfterMs?: number;
}

/** The next step for a run. Total: every combination of facts has an answer. */
export function planRun(facts: RunFacts): RunPlan {
  if (facts.end !== undefined) return planEnded(facts, facts.end);
  if (isHere(facts)) return facts.stop === undefined ? planLive(facts) : planStopping(facts, facts.stop);
  return planUnstarted(facts);
}

/** Something of the run exists, or has existed in this process' lifetime. */
function isHere(facts: RunFacts): boolean {
  if (facts.progress !== 'Nothing') return true;
  return facts.record !== 'Unseen' || facts.job !== 'Unseen' || facts.workers.length > 0;
}

function planUnstarted(facts: RunFacts): RunPlan {
  const known = earlierWord(facts);
  if (known !== undefined) return { phase: 'Accepted', message: known.message, action: { kind: 'end', end: known } };
  const unwanted = facts.cancel ?? facts.ownWish;
  if (unwanted !== undefined) return closing(facts, unwanted, 'Stopped');
  // Never started and no longer wanted: nothing is owed to anybody.
  if (!facts.ordered) return { phase: 'Accepted', message: 'no longer ordered', action: { kind: 'drop' } };
  if (facts.gate.kind === 'refuse') return closing(facts, facts.gate.reason, 'Refused');
  const blocked = facts.gate.kind === 'wait' ? facts.gate.message : leaseBlock(facts);
  if (blocked === undefined) {
    return { phase: 'Accepted', message: 'starting', action: { kind: 'remember' } };
  }
  const leftMs = facts.terms.startTimeoutMs - facts.acceptedForMs;
  if (leftMs > 0) return { phase: 'Accepted', message: blocked, wakeAfterMs: leftMs };
  return closing(facts, { cause: 'StaleOffer', message: `could not start within startTimeout: ${blocked}` }, 'Refused');
}

/** What fence memory says of a run of which nothing is here. */
function earlierWord(facts: RunFacts): RunEnd | undefined {
  const { remembered, terms } = facts;
  const { fence } = terms.id;
  if (remembered === undefined || remembered.fence < fence) return undefined;
  if (remembered.fence > fence) {
    return endOf(facts, 'Refused', {
      cause: 'FencePassed',
      message: `fence ${fence} is refused: fence ${remembered.fence} of this job was seen here`,
    });
  }
  if (remembered.kind === 'closed') {
    return endOf(facts, 'Refused', { cause: 'FencePassed', message: `fence ${fence} was turned away here before` });
  }
  const message = `fence ${fence} was started here before and is never started again; its GuestRun is gone`;
  return { ...endOf(facts, 'Stopped', { cause: 'GuestDeleted', message }), everStarted: true };
}

function leaseBlock(facts: RunFacts): string | undefined {
  if (facts.leaseRemainingMs === undefined) return 'waits until the hub acknowledges a report, which starts the lease';
  return facts.leaseRemainingMs > 0 ? undefined : 'waits: the lease is over until the hub acknowledges a report';
}

function closing(facts: RunFacts, reason: Reason, outcome: 'Stopped' | 'Refused'): RunPlan {
  return { phase: 'Accepted', message: reason.message, action: { kind: 'close', end: endOf(facts, outcome, reason) } };
}

function planLive(facts: RunFacts): RunPlan {
  if (allCompleted(facts.workers, facts.terms.workers, jobOf(facts))) return ending(facts, completion(facts));
  const reason = reasonToStop(facts);
  if (reason !== undefined) {
    return { phase: 'Stopping', message: reason.message, action: { kind: 'beginStop', reason } };
  }
  const making = nextPart(facts);
  if (making !== undefined) return { phase: 'Starting', message: 'being made', ...making };
  return planRunning(facts);
}

/** Making goes on only in the process that remembered the start, and only under a valid lease. */
function nextPart(facts: RunFacts): Pick<RunPlan, 'action' | 'wakeAfterMs'> | undefined {
  const { progress } = facts;
  if (progress === 'Nothing' || progress === 'JobMade') return undefined;
  if (leaseBlock(facts) !== undefined)
    return { wakeAfterMs: Math.max(0, facts.terms.startTimeoutMs - facts.startedForMs) };
  switch (progress) {
    case 'Remembered':
      return { action: { kind: 'makeRecord' } };
    case 'RecordMade':
      return { action: { kind: 'makeParts' } };
    case 'PartsMade': {
      const deadlineSeconds = initialJobDeadlineSeconds(facts.terms, facts.leaseRemainingMs ?? 0);
      return { action: { kind: 'makeJob', deadlineSeconds } };
    }
    default:
      return assertNever(progress, 'progress');
  }
}

function planRunning(facts: RunFacts): RunPlan {
  const phase = livePhase(facts);
  const message = liveMessage(facts, phase);
  const deadlineSeconds =
    typeof facts.job === 'string'
      ? undefined
      : adjustedJobDeadlineSeconds(facts.terms, facts.job, facts.leaseRemainingMs);
  if (deadlineSeconds !== undefined) return { phase, message, action: { kind: 'setDeadline', deadlineSeconds } };
  const settleMs = PHASE_SETTLE_MS - facts.phaseForMs;
  const unsettled = facts.record === 'Present' && facts.recordedPhase !== phase;
  if (unsettled && settleMs <= 0) return { phase, message, action: { kind: 'recordPhase', phase } };
  const wakeAfterMs = Math.min(...timers(facts), unsettled ? settleMs : Number.POSITIVE_INFINITY);
  return { phase, message, ...(Number.isFinite(wakeAfterMs) ? { wakeAfterMs: Math.max(1, wakeAfterMs) } : {}) };
}

function livePhase(facts: RunFacts): RunPhase {
  if (facts.workers.some((worker) => worker.unreachable && isLive(worker))) return 'Unknown';
  return facts.allRunningForMs === undefined ? 'Starting' : 'Running';
}

function liveMessage(facts: RunFacts, phase: RunPhase): string {
  if (phase === 'Unknown') {
    const lost = facts.workers.filter((worker) => worker.unreachable && isLive(worker));
    return `${lost.length} of ${facts.terms.workers} workers are on nodes that do not answer: ${lost[0]?.node ?? ''}`;
  }
  const waiting = waitingText(facts.workers, facts.terms.workers);
  return waiting === '' ? `all ${facts.terms.workers} workers have started` : waiting;
}

/** Ms until each limit of a live run is reached. */
function timers(facts: RunFacts): readonly number[] {
  const { terms } = facts;
  const limits: number[] = [];
  if (terms.onPartition === 'Fence') {
    const leftMs = fenceRemainingMs(facts);
    if (leftMs !== undefined) limits.push(leftMs);
  }
  if (facts.allRunningForMs === undefined) limits.push(terms.startTimeoutMs - facts.startedForMs);
  else limits.push(terms.maxRuntimeMs - facts.allRunningForMs);
  if (facts.imageTroubleForMs !== undefined) limits.push(imagePatienceMs(terms) - facts.imageTroubleForMs);
  return limits;
}

/** The first reason to stop, in the order of whose word counts most. */
function reasonToStop(facts: RunFacts): Reason | undefined {
  return facts.cancel ?? facts.ownWish ?? vanished(facts) ?? broken(facts) ?? overdue(facts);
}

function vanished(facts: RunFacts): Reason | undefined {
  if (facts.record === 'Gone') return { cause: 'GuestDeleted', message: 'the GuestRun was deleted on the member' };
  // A Job that is gone or going took its word with it; what the workers did themselves is judged first.
  if (facts.job === 'Gone' || (typeof facts.job === 'object' && facts.job.deleting)) {
    return brokenByItself(facts) ?? { cause: 'GuestDeleted', message: 'the Job was deleted on the member' };
  }
  if (facts.progress !== 'Nothing') return undefined;
  if (facts.job === 'Unseen') {
    const message = 'the agent restarted before the Job was made, and a fence is started once only';
    return { cause: 'GangNotStarted', message };
  }
  return facts.record === 'Unseen' ? { cause: 'GuestDeleted', message: 'its GuestRun is gone' } : undefined;
}

function brokenByItself(facts: RunFacts): Reason | undefined {
  const reason = broken(facts);
  return reason?.cause === 'GuestDeleted' ? undefined : reason;
}

function broken(facts: RunFacts): Reason | undefined {
  const verdict = judgeWorkers(facts.workers, facts.terms.workers, jobOf(facts));
  if (verdict.kind !== 'Broken') return undefined;
  const { cause, message } = verdict;
  const early = (facts.allRunningForMs ?? 0) < facts.terms.maxRuntimeMs;
  if (cause === 'MaxRuntimeExceeded' && facts.terms.onPartition === 'Fence' && early) {
    return { cause: 'LeaseExpired', message: 'the Job reached the deadline that stands for the end of the lease' };
  }
  return { cause, message };
}

function overdue(facts: RunFacts): Reason | undefined {
  const { terms, allRunningForMs } = facts;
  if (terms.onPartition === 'Fence' && (fenceRemainingMs(facts) ?? 1) <= 0) {
    return { cause: 'LeaseExpired', message: `no acknowledgement of the hub for ${seconds(terms.lease.durationMs)} s` };
  }
  if (allRunningForMs !== undefined) {
    if (allRunningForMs < terms.maxRuntimeMs) return undefined;
    return { cause: 'MaxRuntimeExceeded', message: `maxRuntime of ${seconds(terms.maxRuntimeMs)} s is over` };
  }
  const waiting = waitingText(facts.workers, terms.workers);
  if ((facts.imageTroubleForMs ?? 0) >= imagePatienceMs(terms)) {
    return { cause: 'ImageError', message: waiting };
  }
  if (facts.startedForMs < terms.startTimeoutMs) return undefined;
  const message = `not all workers ran within ${seconds(terms.startTimeoutMs)} s: ${waiting}`;
  return { cause: facts.imageTroubleForMs === undefined ? 'GangNotStarted' : 'ImageError', message };
}

function imagePatienceMs(terms: RunTerms): number {
  return Math.min(IMAGE_PATIENCE_MS, terms.startTimeoutMs);
}

/** Lease left to a Fence run. A new process without an acknowledgement goes by the Job's own deadline. */
function fenceRemainingMs(facts: RunFacts): number | undefined {
  if (facts.leaseRemainingMs !== undefined) return facts.leaseRemainingMs;
  if (typeof facts.job === 'string' || facts.job.sinceStartMs === undefined) return undefined;
  return facts.job.deadlineSeconds * 1000 - facts.job.sinceStartMs;
}

function planStopping(facts: RunFacts, stop: StopIntent): RunPlan {
  const { job, podsToStop, terms } = facts;
  // Whoever had finished before being asked to stop has finished. The Job's own count may include those who were asked.
  if (allCompleted(facts.workers, terms.workers, undefined)) return ending(facts, completion(facts));
  const live = facts.workers.filter(isLive);
  const phase: RunPhase = live.some((worker) => worker.unreachable) ? 'Unknown' : 'Stopping';
  const patienceMs = isOwnFailure(stop.cause) ? JOB_FAILURE_PATIENCE_MS - stop.forMs : 0;
  const deleteJob = mayMakePods(job) && !isDeleting(job) && patienceMs <= 0;
  if (podsToStop.length > 0 || deleteJob) {
    return { phase, message: stop.message, action: { kind: 'stop', pods: podsToStop, deleteJob } };
  }
  if (live.length === 0 && !mayMakePods(job)) return ending(facts, endOf(facts, outcomeOf(stop.cause), stop));
  const message = live.length > 0 ? `${stop.message}; ${live.length} workers are still ending` : stop.message;
  return { phase, message, wakeAfterMs: patienceMs > 0 ? patienceMs : STOP_REVIEW_MS };
}

/** A Job that is not finished makes pods, and one whose creation was not answered may. */
function mayMakePods(job: RunFacts['job']): boolean {
  return job === 'Uncertain' || (typeof job === 'object' && !job.finished);
}

function isDeleting(job: RunFacts['job']): boolean {
  return typeof job === 'object' && job.deleting;
}

/** A worker's own failure: the Job notices by itself, and its finished pods stay for their logs. */
function isOwnFailure(cause: Cause): boolean {
  return CAUSE_EFFECT[cause] === 'retry';
}

function outcomeOf(cause: Cause): 'Failed' | 'Stopped' {
  const effect = CAUSE_EFFECT[cause];
  return effect === 'retry' || effect === 'fail' ? 'Failed' : 'Stopped';
}

function ending(facts: RunFacts, end: RunEnd): RunPlan {
  return {
    phase: facts.stop === undefined ? livePhase(facts) : 'Stopping',
    message: end.message,
    action: { kind: 'end', end },
  };
}

function completion(facts: RunFacts): RunEnd {
  const message = `all ${facts.terms.workers} workers exited 0`;
  return { ...endOf(facts, 'Stopped', { cause: 'Completed', message }), outcome: 'Succeeded', everStarted: true };
}

function endOf(facts: RunFacts, outcome: 'Failed' | 'Stopped' | 'Refused', reason: Reason): RunEnd {
  return {
    outcome,
    cause: reason.cause,
    message: reason.message,
    everStarted: isHere(facts),
    exits: exitsOf(facts.workers),
    endedAtMs: facts.nowWallMs,
  };
}

function planEnded(facts: RunFacts, end: RunEnd): RunPlan {
  const base = { phase: 'Ended', message: end.message } as const;
  const stray = strayStop(facts, end);
  if (stray !== undefined) return { ...base, action: stray };
  const released = facts.acknowledged || facts.jobGone || isAbandoned(facts, end);
  if (facts.record !== 'Present') return released ? { ...base, action: { kind: 'drop' } } : base;
  if (!released) {
    if (facts.endRecorded !== 'Nothing') return base;
    const leftMs = OUTCOME_SETTLE_MS - facts.endedForMs;
    if (leftMs > 0) return { ...base, wakeAfterMs: leftMs };
    return { ...base, action: { kind: 'recordEnd', acknowledged: false } };
  }
  const leftMs = facts.jobGone ? 0 : facts.retentionMs - facts.endedForMs;
  if (leftMs <= 0) return { ...base, action: { kind: 'letGo' } };
  if (facts.endRecorded !== 'Acknowledged') return { ...base, action: { kind: 'recordEnd', acknowledged: true } };
  return { ...base, wakeAfterMs: leftMs };
}

/** The hub knew of the end of a run that never started, and has not spoken of it for long: nobody will acknowledge it. */
function isAbandoned(facts: RunFacts, end: RunEnd): boolean {
  return facts.unmentioned && !end.everStarted && facts.endedForMs >= ABANDONED_MS;
}

/** A Job whose creation was asked for long ago may still appear: what ended stays ended. */
function strayStop(facts: RunFacts, end: RunEnd): RunAction | undefined {
  if (end.outcome === 'Succeeded' || facts.record === 'Gone') return undefined;
  const { job, podsToStop } = facts;
  const deleteJob = typeof job === 'object' && !job.finished && !job.deleting;
  return podsToStop.length > 0 || deleteJob ? { kind: 'stop', pods: podsToStop, deleteJob } : undefined;
}

function jobOf(facts: RunFacts): JobFacts | undefined {
  return typeof facts.job === 'string' ? undefined : facts.job;
}

/** Have all workers run, now or before? Gangs count from then. */
export function allHaveRun(workers: readonly WorkerFacts[], count: number): boolean {
  return new Set(workers.filter(hasStarted).map((worker) => worker.index)).size >= count;
}

function seconds(ms: number): number {
  return Math.round(ms / 1000);
}
