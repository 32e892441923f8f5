import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffMs } from '../../../src/platform/clock/backoff.ts';

describe('backoffMs', () => {
  it('stays within half a step and a step, and never above the cap', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 0, max: 10_000 }),
        fc.double({ min: 0, max: 0.999_999, noNaN: true }),
        (baseMs, maxMs, failures, draw) => {
          const delay = backoffMs({ baseMs, maxMs }, failures, { next: () => draw });
          const step = Math.min(maxMs, baseMs * 2 ** Math.min(Math.max(failures, 1) - 1, 52));
          expect(delay).toBeGreaterThanOrEqual(step / 2);
          expect(delay).toBeLessThanOrEqual(step);
        },
      ),
    );
  });

  it('doubles from one failure to the next', () => {
    const delays = [1, 2, 3, 4, 5, 6].map((n) => backoffMs({ baseMs: 100, maxMs: 1_000 }, n, { next: () => 1 }));
    expect(delays).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  });
});
