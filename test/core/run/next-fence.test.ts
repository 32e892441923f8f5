import { describe, expect, it } from 'vitest';
import { fence } from '../../../src/core/model/ids.ts';
import { nextFence, RECOVERY_FENCE_LEAP } from '../../../src/core/run/next-fence.ts';

describe('the next fence', () => {
  it('is one above the highest, from 1', () => {
    expect(nextFence(undefined, false)).toBe(1);
    expect(nextFence(fence(41), false)).toBe(42);
  });

  it('leaps over numbers that may have been given out after the backup', () => {
    expect(nextFence(fence(41), true)).toBe(41 + RECOVERY_FENCE_LEAP);
  });
});
