import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LeaseTerms } from '../../../src/core/model/run.ts';
import {
  leaseRemainingMs,
  leaseTermsValid,
  mayReplace,
  minimumReplaceAfterSeconds,
  replacementBoundMs,
  silentForMs,
} from '../../../src/core/run/lease.ts';
import { aLease } from '../../support/core-builders.ts';

const at = (wallMs: number, monotonicMs = wallMs, bootMs = wallMs) => ({ wallMs, monotonicMs, bootMs });

describe('the agent side of a lease', () => {
  it.each([
    { why: 'all clocks agree', now: at(10_000), want: 2_390_000 },
    { why: 'the machine slept: boot time counts', now: at(10_000, 10_000, 400_000), want: 2_000_000 },
    { why: 'the wall clock jumped ahead: it counts too', now: at(3_000_000, 10_000, 10_000), want: 0 },
    { why: 'the wall clock jumped back: it does not help', now: at(-500_000, 10_000, 10_000), want: 2_390_000 },
    { why: 'the process restarted: monotonic time began anew', now: at(20_000, -5, 20_000), want: 2_380_000 },
    { why: 'the machine rebooted: nothing is known', now: at(1_000, 1_000, -400), want: 0 },
    { why: 'a clock gives no number', now: at(Number.NaN), want: 0 },
    { why: 'exactly over', now: at(2_400_000), want: 0 },
  ])('has $want ms left when $why', ({ now, want }) => {
    expect(leaseRemainingMs(aLease(), at(0), now)).toBe(want);
  });
});

describe('the hub side of a lease', () => {
  it.each([
    { why: 'all clocks agree', now: at(10_000), want: 10_000 },
    { why: 'the wall clock jumps ahead', now: at(9_999_999, 10_000, 10_000), want: 10_000 },
    {
      why: 'the hub slept: only time that surely passed while it listened counts',
      now: at(0, 5_000, 99_000),
      want: 5_000,
    },
    { why: 'the reading lies in the future, as credited at leader start', now: at(0, -3_000, -3_000), want: 0 },
    { why: 'a clock gives no number', now: at(0, Number.NaN, 5), want: 0 },
  ])('is silent for $want ms when $why', ({ now, want }) => {
    expect(silentForMs(at(0), now)).toBe(want);
  });

  it('replaces at the written bound and not a millisecond earlier', () => {
    expect(mayReplace(aLease(), 2_639_999)).toBe(false);
    expect(mayReplace(aLease(), 2_640_000)).toBe(true);
  });

  it('never replaces by terms that break their own inequality', () => {
    expect(mayReplace(aLease({ replaceAfterMs: 2_537_999 }), 1e12)).toBe(false);
  });

  it('waits longer than replaceAfter where a large drift makes that necessary', () => {
    const terms = aLease({
      durationMs: 100_000,
      terminationGraceMs: 0,
      marginMs: 0,
      maxClockDriftPercent: 25,
      replaceAfterMs: 150_000,
    });
    expect(leaseTermsValid(terms)).toBe(true);
    expect(replacementBoundMs(terms)).toBe(166_667);
  });
});

describe('the inequality of lease terms', () => {
  it.each([
    { why: 'the default', over: {}, want: true },
    { why: 'one second too little', over: { replaceAfterMs: 2_537_000 }, want: false },
    { why: 'just enough', over: { replaceAfterMs: 2_538_000 }, want: true },
    {
      why: 'seconds for tests',
      over: { durationMs: 3_000, terminationGraceMs: 1_000, marginMs: 1_000, replaceAfterMs: 6_000 },
      want: true,
    },
    {
      why: 'the stretched duration rounds up to the next second',
      over: { durationMs: 3_000, terminationGraceMs: 1_000, marginMs: 1_000, replaceAfterMs: 5_999 },
      want: false,
    },
    { why: 'a negative margin', over: { marginMs: -1 }, want: false },
    { why: 'no duration', over: { durationMs: 0 }, want: false },
    { why: 'more drift than is allowed', over: { maxClockDriftPercent: 26, replaceAfterMs: 99_000_000 }, want: false },
    { why: 'a fraction', over: { maxClockDriftPercent: 0.5 }, want: false },
  ])('says $want for $why', ({ over, want }) => {
    expect(leaseTermsValid(aLease(over))).toBe(want);
  });
});

const anyTerms = fc
  .record({
    durationSeconds: fc.integer({ min: 1, max: 100_000 }),
    graceSeconds: fc.integer({ min: 0, max: 3_600 }),
    marginSeconds: fc.integer({ min: 0, max: 600 }),
    drift: fc.integer({ min: 0, max: 25 }),
    slackSeconds: fc.integer({ min: 0, max: 1_000 }),
  })
  .map(({ durationSeconds, graceSeconds, marginSeconds, drift, slackSeconds }): LeaseTerms => {
    const terms = {
      durationMs: durationSeconds * 1000,
      terminationGraceMs: graceSeconds * 1000,
      marginMs: marginSeconds * 1000,
      maxClockDriftPercent: drift,
    };
    return { ...terms, replaceAfterMs: (minimumReplaceAfterSeconds(terms) + slackSeconds) * 1000 };
  });

/** Where in the allowed band a clock runs: -1 slowest, 1 fastest. */
const aRate = fc.double({ min: -1, max: 1, noNaN: true });

describe('both sides together', () => {
  it('end the run on the member before the hub may place it again, under any clocks within the bound', () => {
    fc.assert(
      fc.property(
        anyTerms,
        fc.record({ member: aRate, hub: aRate }),
        fc.record({ latencyMs: fc.nat(100_000), sleepMs: fc.nat(10_000_000) }),
        (terms, rates, { latencyMs, sleepMs }) => {
          expect(leaseTermsValid(terms)).toBe(true);
          const drift = terms.maxClockDriftPercent / 100;
          const [memberClock, hubClock] = [1 + rates.member * drift, 1 + rates.hub * drift];
          // True time: the report is sent at 0 and received after the latency. The member's process may sleep in between.
          const expiryTrueMs = terms.durationMs / memberClock;
          const stoppedTrueMs = expiryTrueMs + terms.terminationGraceMs / memberClock;
          const member = (trueMs: number) =>
            at(trueMs * memberClock, Math.max(0, trueMs * memberClock - sleepMs), trueMs * memberClock);
          expect(leaseRemainingMs(terms, member(0), member(expiryTrueMs + 1))).toBe(0);
          const hub = (trueMs: number) => at(0, trueMs * hubClock, trueMs * hubClock);
          // One millisecond before the guest has surely stopped the hub must still hold.
          const silence = silentForMs(hub(latencyMs), hub(Math.max(latencyMs, stoppedTrueMs - 1)));
          expect(mayReplace(terms, silence)).toBe(false);
        },
      ),
      { numRuns: 3_000 },
    );
  });
});
