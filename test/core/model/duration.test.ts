import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDurationMs, parseDurationMs } from '../../../src/core/model/duration.ts';

describe('a duration', () => {
  it.each([
    ['1h30m', 5_400_000],
    ['500ms', 500],
    ['45s', 45_000],
    ['1m500ms', 60_500],
    ['0', 0],
    ['0s', 0],
    ['90m', 5_400_000],
    ['168h', 604_800_000],
  ])('%s is %s ms', (text, ms) => {
    expect(parseDurationMs(text)).toEqual({ ok: true, value: ms });
  });

  it.each(['', '1', '1d', '1.5h', '-1s', '1s1h', '1h 1m', 'h', '1hh', '1m1m', `${'9'.repeat(70)}s`])(
    '%j is none',
    (text) => {
      expect(parseDurationMs(text)).toMatchObject({ ok: false, error: { kind: 'NotADuration' } });
    },
  );

  it.each([
    [0, '0s'],
    [1, '1ms'],
    [60_000, '1m'],
    [5_400_000, '1h30m'],
    [3_600_001, '1h1ms'],
  ])('of %s ms is written as %s', (ms, text) => {
    expect(formatDurationMs(ms)).toBe(text);
  });

  it('survives writing and reading', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 31 }), (seconds) => {
        expect(parseDurationMs(formatDurationMs(seconds * 7))).toEqual({ ok: true, value: seconds * 7 });
      }),
    );
  });

  it.each([-1, 1.5, Number.NaN])('of %s ms is a bug', (ms) => {
    expect(() => formatDurationMs(ms)).toThrow(RangeError);
  });
});
