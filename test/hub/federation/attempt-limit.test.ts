import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAttemptLimit } from '../../../src/hub/federation/attempt-limit.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';

describe('createAttemptLimit', () => {
  it('lets a burst through, then one per refill', async () => {
    const clock = new VirtualClock();
    const limit = createAttemptLimit({ clock, burst: 3, refillMs: 1_000 });
    const take = (): boolean => limit.take('a');
    expect([take(), take(), take(), take()]).toEqual([true, true, true, false]);
    await clock.advanceAsync(999);
    expect(take()).toBe(false);
    await clock.advanceAsync(1);
    expect([take(), take()]).toEqual([true, false]);
  });

  it('does not punish one address for another', () => {
    const limit = createAttemptLimit({ clock: new VirtualClock(), burst: 1, refillMs: 1_000 });
    expect([limit.take('a'), limit.take('a'), limit.take('b')]).toEqual([true, false, true]);
  });

  it('is not refilled beyond its burst by a long rest, and not lengthened by attempts that were refused', async () => {
    const clock = new VirtualClock();
    const limit = createAttemptLimit({ clock, burst: 2, refillMs: 1_000 });
    for (let attempt = 0; attempt < 50; attempt += 1) limit.take('a');
    await clock.advanceAsync(1_000);
    expect(limit.take('a')).toBe(true);
    await clock.advanceAsync(1_000_000);
    expect([limit.take('a'), limit.take('a'), limit.take('a')]).toEqual([true, true, false]);
  });

  it('forgets the address that was quiet for longest when there are too many', () => {
    const limit = createAttemptLimit({ clock: new VirtualClock(), burst: 1, refillMs: 1_000_000 });
    limit.take('quiet');
    limit.take('busy');
    for (let other = 0; other < 4_000; other += 1) limit.take(`other-${other}`);
    expect(limit.take('busy')).toBe(false);
    for (let other = 4_000; other < 4_095; other += 1) limit.take(`other-${other}`);
    expect([limit.take('busy'), limit.take('quiet')]).toEqual([false, true]);
  });

  it('never lets through more than the burst and what was refilled', () => {
    const steps = fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 5 }), (waits, burst) => {
        const clock = new VirtualClock();
        const limit = createAttemptLimit({ clock, burst, refillMs: 1_000 });
        let through = 0;
        for (const waitMs of waits) {
          clock.advance(waitMs);
          if (limit.take('a')) through += 1;
          expect(through).toBeLessThanOrEqual(burst + clock.monotonicMs() / 1_000);
        }
      }),
    );
  });
});
