/**
 * Durations as the API writes them: whole hours, minutes and seconds (`1h30m`, `45s`), a subset of Go's form, so that CEL's
 * `duration()` reads the same number. Leaves out fractions and milliseconds: nothing in the API is that fine.
 */

const DURATION_FORM = /^(?:[0-9]{1,6}[hms])+$/;
const SECONDS_OF_UNIT: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1 };

/** Whole seconds of a duration such as `1h30m`; undefined when the text is not one. */
export function parseDurationSeconds(value: string): number | undefined {
  if (!DURATION_FORM.test(value)) return undefined;
  let seconds = 0;
  for (const [, amount, unit] of value.matchAll(/([0-9]+)([hms])/g)) {
    seconds += Number(amount) * (SECONDS_OF_UNIT[unit ?? ''] ?? 0);
  }
  return seconds;
}

/** The shortest form of whole seconds: 5400 is `1h30m`, 0 is `0s`. */
export function formatDurationSeconds(seconds: number): string {
  const parts = [
    { amount: Math.floor(seconds / 3600), unit: 'h' },
    { amount: Math.floor((seconds % 3600) / 60), unit: 'm' },
    { amount: seconds % 60, unit: 's' },
  ].filter((part) => part.amount > 0);
  return parts.length === 0 ? '0s' : parts.map((part) => `${String(part.amount)}${part.unit}`).join('');
}
