/**
 * Durations as the API writes them: whole hours, minutes and seconds in this order (`1h30m`, `45s`), a part of what core
 * reads and of Go's form, so that CEL's `duration()` gives the same number. Leaves out milliseconds: nothing in the API is
 * that fine.
 */
import { formatDurationMs, parseDurationMs } from '../../core/model/duration.ts';

const WHOLE_SECONDS = /^(?=.)(?:[0-9]{1,6}h)?(?:[0-9]{1,6}m)?(?:[0-9]{1,6}s)?$/;

/** Whole seconds of a duration such as `1h30m`; undefined when the text is not one. */
export function parseDurationSeconds(value: string): number | undefined {
  if (!WHOLE_SECONDS.test(value)) return undefined;
  const parsed = parseDurationMs(value);
  return parsed.ok ? parsed.value / 1000 : undefined;
}

/** The shortest form of whole seconds: 5400 is `1h30m`, 0 is `0s`. Throws RangeError on anything but a non-negative integer. */
export function formatDurationSeconds(seconds: number): string {
  return formatDurationMs(seconds * 1000);
}
