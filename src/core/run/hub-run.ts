/**
 * The hub's view of a run: what is persisted in ComputeJob.status.run and what may happen to it. The functions that
 * move it are in step-run.ts (the only state machine of a run), verdict.ts (what an end means for the job) and
 * release.ts (when a fence lets go).
 */
import type { MemberName } from '../model/ids.ts';
import type { CancelRequest, RunEnd, RunReport, RunTerms } from '../model/run.ts';

export interface HubRun {
  readonly terms: RunTerms;
  readonly placedAtMs: number;
  /** All workers were seen running; hub's wall clock, for people and history. */
  readonly startedAtMs?: number;
  /** The member's Job controller was seen to have armed the deadline: only then may the time bound of `Fence` release. */
  readonly deadlineArmed: boolean;
  readonly cancel?: CancelRequest;
}

export type HubRunEvent =
  /** `member` = whose authenticated stream brought it; when given, it must be the member that the fence was issued to. */
  | { readonly kind: 'reported'; readonly report: RunReport; readonly member?: MemberName }
  | { readonly kind: 'cancelRequested'; readonly cancel: CancelRequest }
  /** The bound of `Fence` has passed by the hub's clocks (lease.ts decides). */
  | { readonly kind: 'fenceBoundPassed'; readonly silentForMs: number }
  /** AllowDuplicate: the member is silent; the job may run elsewhere at once. */
  | { readonly kind: 'duplicateAllowed'; readonly silentForMs: number }
  | { readonly kind: 'declaredLost'; readonly reason: string };

export type HubRunStep =
  | { readonly kind: 'unchanged' }
  /** Persist `run`. `why` is a CamelCase reason for condition and event. */
  | { readonly kind: 'advanced'; readonly run: HubRun; readonly why: string }
  /** The fence is released by `end`; persist it into history before anything else happens. */
  | { readonly kind: 'ended'; readonly end: RunEnd }
  /** Counted and logged, never applied. */
  | { readonly kind: 'illegal'; readonly detail: string };

/** What an end means for the job. */
export type Verdict =
  | { readonly kind: 'Succeeded' }
  | { readonly kind: 'Failed'; readonly reason: string; readonly message: string }
  | { readonly kind: 'Requeue'; readonly countsAsRetry: boolean; readonly backoffMs: number }
  | { readonly kind: 'Hold' };
