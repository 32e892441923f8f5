/**
 * What the end of a run means for its job: over, once more (counted or not, after how long), or on hold.
 *
 * Invariants: a success is final whatever else was asked; a deleted job never runs again; only causes with the effect
 * `retry` consume `retry.limit`. Back-off grows with every repetition, so that no cause can make a hot loop.
 */
import type { Cause } from '../model/cause.ts';
import { CAUSE_EFFECT } from '../model/cause.ts';
import type { RunEnd } from '../model/run.ts';
import type { Verdict } from './hub-run.ts';

export interface VerdictFacts {
  /** Retries consumed before this end. */
  readonly retriesUsed: number;
  readonly retryLimit: number;
  /** spec.suspend as it is now. */
  readonly suspend: boolean;
  /** The job is being deleted. */
  readonly deleted: boolean;
  /** How many runs before this one ended by the same cause without a pause; makes requeues back off. Default 0. */
  readonly sameCauseInARow?: number;
}

export const RETRY_BACKOFF_BASE_MS = 10_000;
export const MAX_BACKOFF_MS = 360_000;

/** First wait by cause; doubles with every repetition. Causes that are not here wait for nothing: the work is fine, its place was not. */
const REQUEUE_BASE_MS: Partial<Readonly<Record<Cause, number>>> = {
  StaleOffer: 500,
  PolicyRefused: 1_000,
  JurisdictionRefused: 1_000,
  PolicyChanged: 1_000,
  GuestDeleted: 5_000,
  NodeLost: 1_000,
  GangNotStarted: 10_000,
  Unsupported: 30_000,
};

/** Judges one end. Total: every combination has a verdict. */
export function judge(end: RunEnd, facts: VerdictFacts): Verdict {
  if (end.outcome === 'Succeeded') return { kind: 'Succeeded' };
  if (facts.deleted) return { kind: 'Hold' };
  switch (CAUSE_EFFECT[end.cause]) {
    case 'fail':
      return { kind: 'Failed', reason: end.cause, message: end.message };
    case 'succeed': // `Completed` without success: the state machine refuses it; should it ever come, it is the worker's own doing.
    case 'retry':
      return retry(end, facts);
    case 'requeue':
      return facts.suspend
        ? { kind: 'Hold' }
        : requeue(backoffMs(REQUEUE_BASE_MS[end.cause] ?? 0, facts.sameCauseInARow ?? 0));
    case 'hold':
      // Resumed while it was still stopping: nothing holds it any more.
      return facts.suspend ? { kind: 'Hold' } : requeue(0);
  }
}

/** `baseMs` x 2^n, at most six minutes. */
export function backoffMs(baseMs: number, repetitions: number): number {
  // Past 2^30 every base above 0 is over the ceiling anyway; the cap keeps the power finite.
  return Math.min(MAX_BACKOFF_MS, baseMs * 2 ** Math.min(30, Math.max(0, repetitions)));
}

function retry(end: RunEnd, facts: VerdictFacts): Verdict {
  if (facts.retriesUsed >= facts.retryLimit) {
    const used =
      facts.retryLimit === 0 ? 'no retries allowed' : `${facts.retriesUsed} of ${facts.retryLimit} retries used`;
    return { kind: 'Failed', reason: end.cause, message: `${end.message} (${used})` };
  }
  if (facts.suspend) return { kind: 'Hold' };
  return { kind: 'Requeue', countsAsRetry: true, backoffMs: backoffMs(RETRY_BACKOFF_BASE_MS, facts.retriesUsed) };
}

function requeue(waitMs: number): Verdict {
  return { kind: 'Requeue', countsAsRetry: false, backoffMs: waitMs };
}
