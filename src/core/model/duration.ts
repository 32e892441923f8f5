/**
 * Durations as people write them: `1h30m`, `500ms`, `45s`. A subset of Go's form: whole numbers, units h, m, s and ms, each
 * at most once and in this order. Decides the milliseconds that a text means. Leaves out fractions, signs and days.
 */
import type { Result } from '../../std/result.ts';
import { err, ok } from '../../std/result.ts';

export interface DurationProblem {
  readonly kind: 'NotADuration' | 'TooLong';
  readonly value: string;
  readonly message: string;
}

const FORM = /^(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m(?!s))?(?:([0-9]{1,9})s)?(?:([0-9]{1,12})ms)?$/;
const UNITS = [
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const;

/** Milliseconds of a duration text. `0` alone is allowed, as in Go. */
export function parseDurationMs(value: string): Result<number, DurationProblem> {
  if (value === '0') return ok(0);
  const match = value === '' || value.length > 64 ? null : FORM.exec(value);
  if (match === null) {
    const message = 'must be hours, minutes, seconds and milliseconds in this order, such as 1h30m, 45s or 500ms';
    return err({ kind: 'NotADuration', value: value.slice(0, 64), message });
  }
  const ms = UNITS.reduce((sum, [, unitMs], i) => sum + Number(match[i + 1] ?? 0) * unitMs, 0);
  if (!Number.isSafeInteger(ms)) return err({ kind: 'TooLong', value, message: 'is too long to be counted exactly' });
  return ok(ms);
}

/** The canonical text of whole milliseconds: 5400000 is `1h30m`, 0 is `0s`. Throws RangeError on anything but a non-negative integer. */
export function formatDurationMs(ms: number): string {
  if (!Number.isSafeInteger(ms) || ms < 0) throw new RangeError(`a duration is a non-negative integer, got ${ms}`);
  let rest = ms;
  let text = '';
  for (const [unit, unitMs] of UNITS) {
    const amount = Math.floor(rest / unitMs);
    rest -= amount * unitMs;
    if (amount > 0) text += `${amount}${unit}`;
  }
  return text === '' ? '0s' : text;
}
