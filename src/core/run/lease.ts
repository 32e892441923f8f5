/**
 * Lease clocks: when the executing side must stop, and when the hub may place the work again.
 *
 * Invariant: for clocks that each run within maxClockDriftPercent of true time, the member's expiry plus the termination
 * grace lies before the hub's replacement. The member counts from when it *sent* the acknowledged report, by the largest
 * elapsed time it can measure; the hub from when it *received* it, by the smallest. Timestamps of two hosts are never
 * compared, and the hub never looks at a wall clock.
 *
 * Leaves out who reads the clocks and what happens then (release.ts, agent-plan.ts).
 */
import type { LeaseTerms } from '../model/run.ts';

/** One reading of a host's three clocks, in milliseconds. Same shape as the clock port's. */
export interface ClockReadingLike {
  readonly wallMs: number;
  readonly monotonicMs: number;
  readonly bootMs: number;
}

/**
 * Member's side: how long a lease is still good at `now`, when the last acknowledged report was sent at `sentAt`. 0 = over.
 *
 * The largest elapsed time counts: a clock that jumps ahead ends the lease early, which is safe. A boot clock that went
 * back means that `sentAt` was read before a reboot, so that nothing can be said: over. So does a reading that is no number.
 */
export function leaseRemainingMs(terms: LeaseTerms, sentAt: ClockReadingLike, now: ClockReadingLike): number {
  const sinceBootMs = now.bootMs - sentAt.bootMs;
  const elapsedMs = Math.max(sinceBootMs, now.monotonicMs - sentAt.monotonicMs, now.wallMs - sentAt.wallMs);
  if (!Number.isFinite(elapsedMs) || sinceBootMs < 0) return 0;
  return Math.max(0, terms.durationMs - elapsedMs);
}

/** Hub's side: how long a member last heard at `receivedAt` has been silent for certain. Never negative, never by wall clock. */
export function silentForMs(receivedAt: ClockReadingLike, now: ClockReadingLike): number {
  const elapsedMs = Math.min(now.bootMs - receivedAt.bootMs, now.monotonicMs - receivedAt.monotonicMs);
  return Number.isFinite(elapsedMs) ? Math.max(0, elapsedMs) : 0;
}

/**
 * Silence, by the hub's clock, after which a Fence run has certainly stopped.
 *
 * `replaceAfter` obeys duration x (1 + 2 x drift) + grace + margin, which drops terms of second order. With one clock slow
 * by d and the other fast by d the exact factor is (1 + d) / (1 - d), and it stretches the grace too. Where a large drift
 * makes the exact bound the later one, the exact bound holds.
 */
export function replacementBoundMs(terms: LeaseTerms): number {
  const drift = terms.maxClockDriftPercent;
  const stoppedMs = ((terms.durationMs + terms.terminationGraceMs) * (100 + drift)) / (100 - drift);
  return Math.max(terms.replaceAfterMs, Math.ceil(stoppedMs) + terms.marginMs);
}

/** May the hub place a Fence run again after this silence? False for terms that break their own inequality. */
export function mayReplace(terms: LeaseTerms, silenceMs: number): boolean {
  return leaseTermsValid(terms) && silenceMs >= replacementBoundMs(terms);
}

/** The smallest `replaceAfter` in whole seconds that the inequality allows; the same arithmetic as the CEL rule of GpuPool. */
export function minimumReplaceAfterSeconds(terms: Omit<LeaseTerms, 'replaceAfterMs'>): number {
  const [durationSeconds, graceSeconds, marginSeconds] = [
    terms.durationMs,
    terms.terminationGraceMs,
    terms.marginMs,
  ].map((ms) => Math.ceil(ms / 1000)) as [number, number, number];
  const stretchedSeconds = Math.ceil((durationSeconds * (100 + 2 * terms.maxClockDriftPercent)) / 100);
  return stretchedSeconds + graceSeconds + marginSeconds;
}

/** replaceAfter >= duration x (1 + 2 x drift) + terminationGrace + margin, in whole seconds; every part non-negative, drift 0..25. */
export function leaseTermsValid(terms: LeaseTerms): boolean {
  const { durationMs, terminationGraceMs, marginMs, maxClockDriftPercent: drift, replaceAfterMs } = terms;
  const amounts = [durationMs, terminationGraceMs, marginMs, drift, replaceAfterMs];
  if (!amounts.every((amount) => Number.isSafeInteger(amount) && amount >= 0)) return false;
  if (durationMs === 0 || drift > 25) return false;
  return Math.floor(replaceAfterMs / 1000) >= minimumReplaceAfterSeconds(terms);
}
