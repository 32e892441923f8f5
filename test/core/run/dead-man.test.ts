import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  adjustedJobDeadlineSeconds,
  deadlineArmed,
  initialJobDeadlineSeconds,
  podDeadlineSeconds,
  type DeadManTerms,
} from '../../../src/core/run/dead-man.ts';

const terms: DeadManTerms = {
  onPartition: 'Fence',
  lease: {
    durationMs: 60_000,
    terminationGraceMs: 5000,
    marginMs: 5000,
    maxClockDriftPercent: 1,
    replaceAfterMs: 72_000,
  },
  maxRuntimeMs: 3_600_000,
  startTimeoutMs: 600_000,
};
const kept: DeadManTerms = { ...terms, onPartition: 'KeepAndWait' };

describe('the dead-man deadlines', () => {
  it('cover the whole attempt where the lease does not end the run', () => {
    expect(podDeadlineSeconds(kept)).toBe(4260);
    expect(initialJobDeadlineSeconds(kept, 10)).toBe(4260);
    expect(adjustedJobDeadlineSeconds(kept, { deadlineSeconds: 4260, sinceStartMs: 5 }, 10)).toBeUndefined();
    expect(deadlineArmed(kept, { deadlineSeconds: 4260 }, 10)).toBe(false);
    expect(deadlineArmed(kept, { deadlineSeconds: 4260, sinceStartMs: 0 }, undefined)).toBe(true);
  });

  it('begin below what is left of the lease of a Fence run, and are at least a second', () => {
    expect(initialJobDeadlineSeconds(terms, 60_000)).toBe(58);
    expect(initialJobDeadlineSeconds(terms, 300)).toBe(1);
  });

  it('are anchored when the start is first seen late, and extended when under half of the lease remains', () => {
    expect(adjustedJobDeadlineSeconds(terms, { deadlineSeconds: 58, sinceStartMs: 0 }, 40_000)).toBe(40);
    expect(adjustedJobDeadlineSeconds(terms, { deadlineSeconds: 58, sinceStartMs: 10_000 }, 59_000)).toBeUndefined();
    expect(adjustedJobDeadlineSeconds(terms, { deadlineSeconds: 58, sinceStartMs: 30_000 }, 59_000)).toBe(89);
    expect(adjustedJobDeadlineSeconds(terms, { deadlineSeconds: 58 }, 10)).toBeUndefined();
    expect(adjustedJobDeadlineSeconds(terms, { deadlineSeconds: 58, sinceStartMs: 30_000 }, undefined)).toBeUndefined();
  });

  it('are never said to count without a lease', () => {
    expect(deadlineArmed(terms, { deadlineSeconds: 58, sinceStartMs: 0 }, undefined)).toBe(false);
    expect(deadlineArmed(terms, { deadlineSeconds: 58, sinceStartMs: 0 }, 57_999)).toBe(false);
    expect(deadlineArmed(terms, { deadlineSeconds: 58, sinceStartMs: 0 }, 58_000)).toBe(true);
  });

  it('never let a Fence run whose deadline counts outlive its lease, however acknowledgements come', () => {
    const steps = fc.array(fc.record({ passMs: fc.nat(40_000), acked: fc.boolean() }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(steps, fc.nat(20_000), (history, pickupMs) => {
        let nowMs = 0;
        let leaseEndsMs = 60_000;
        let deadlineSeconds = initialJobDeadlineSeconds(terms, leaseEndsMs);
        const startMs = pickupMs;
        let armed = false;
        for (const { passMs, acked } of [{ passMs: pickupMs, acked: false }, ...history]) {
          nowMs += passMs;
          const killMs = startMs + deadlineSeconds * 1000;
          if (nowMs >= Math.min(killMs, leaseEndsMs) && armed) return;
          if (acked) leaseEndsMs = Math.max(leaseEndsMs, nowMs + 60_000);
          const left = Math.max(0, leaseEndsMs - nowMs);
          const job = { deadlineSeconds, sinceStartMs: nowMs - startMs };
          deadlineSeconds = adjustedJobDeadlineSeconds(terms, job, left) ?? deadlineSeconds;
          armed ||= deadlineArmed(terms, { ...job, deadlineSeconds }, left);
          if (armed) expect(startMs + deadlineSeconds * 1000).toBeLessThanOrEqual(leaseEndsMs);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
