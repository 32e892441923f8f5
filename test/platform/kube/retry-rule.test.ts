import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KubeError, KubeUnreachable } from '../../../src/platform/kube/kube-error.ts';
import { retryDelayMs } from '../../../src/platform/kube/retry-rule.ts';

const always = { next: () => 0.5 };

function answered(status: number, retryAfterSeconds?: number): KubeError {
  const told = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
  return new KubeError({ status, reason: 'x', message: 'x', ...told });
}

describe('retryDelayMs', () => {
  it('never repeats a call that may have been carried out, unless doing it twice equals doing it once', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 300, max: 599 }),
        fc.integer({ min: 1, max: 12 }),
        fc.boolean(),
        (status, tries, idempotent) => {
          const delay = retryDelayMs(answered(status), tries, idempotent, always);
          const told = status === 429 || status === 503;
          const unsure = status === 500 || status === 502 || status === 504;
          if (!told && !(unsure && idempotent)) expect(delay).toBeUndefined();
          else expect(delay !== undefined).toBe(tries < (told ? 10 : 6));
        },
      ),
    );
  });

  it('waits at least Retry-After, and longer from try to try', () => {
    expect(retryDelayMs(answered(429, 7), 1, false, always)).toBeGreaterThanOrEqual(7_000);
    const delays = [1, 2, 3, 4].map((tries) => retryDelayMs(answered(503), tries, false, always));
    expect(delays).toEqual([75, 150, 300, 600]);
  });

  it.each([
    { why: 'Connection', idempotent: true, repeats: true },
    { why: 'Connection', idempotent: false, repeats: false },
    { why: 'Timeout', idempotent: true, repeats: false },
    { why: 'Aborted', idempotent: true, repeats: false },
    { why: 'Closed', idempotent: true, repeats: false },
    { why: 'Protocol', idempotent: true, repeats: false },
  ] as const)('after $why with idempotent = $idempotent repeats: $repeats', ({ why, idempotent, repeats }) => {
    const delay = retryDelayMs(new KubeUnreachable(why, 'x'), 1, idempotent, always);
    expect(delay !== undefined).toBe(repeats);
  });

  it('never repeats what is no failure of a call', () => {
    expect(retryDelayMs(new TypeError('programming error'), 1, true, always)).toBeUndefined();
  });
});
