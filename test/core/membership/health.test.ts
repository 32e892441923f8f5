import { describe, expect, it } from 'vitest';
import { memberHealth } from '../../../src/core/membership/health.ts';

describe('health by report age', () => {
  it.each([
    [undefined, 'NeverReported'],
    [0, 'Connected'],
    [14_999, 'Connected'],
    [15_000, 'Silent'],
  ] as const)('at %s ms is %s', (age, want) => {
    expect(memberHealth(age)).toBe(want);
  });

  it('takes its threshold from the caller', () => {
    expect(memberHealth(2_000, 2_000)).toBe('Silent');
  });
});
