import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDurationSeconds, parseDurationSeconds } from '../../../src/api/schema/duration.ts';

describe('parseDurationSeconds', () => {
  it.each([
    ['0s', 0],
    ['45s', 45],
    ['90s', 90],
    ['40m', 2400],
    ['1h30m', 5400],
    ['168h', 604_800],
    ['1h0m1s', 3601],
  ])('reads %s as %i', (text, seconds) => {
    expect(parseDurationSeconds(text)).toBe(seconds);
  });

  it.each(['', '1', '1d', '1.5h', '-1s', '1s1h', '1m1m', '1500ms', ' 1s', '1h 30m', '1234567h'])(
    'refuses %j',
    (text) => {
      expect(parseDurationSeconds(text)).toBeUndefined();
    },
  );

  it('reads back what formatDurationSeconds writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 31_536_000 }), (seconds) => {
        expect(parseDurationSeconds(formatDurationSeconds(seconds))).toBe(seconds);
      }),
    );
  });
});
