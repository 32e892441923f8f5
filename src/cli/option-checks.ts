/** Checks of option values that yargs does not make: a wrong one is a usage error that names option, value and what is allowed. */
import { CliFailure, EXIT } from './cli-io.ts';

/** For `coerce` of a number option: whole and at least `min`. Absent stays absent. */
export function wholeNumber(option: string, min = 0): (value: number | undefined) => number | undefined {
  return (value) => {
    if (value === undefined || (Number.isSafeInteger(value) && value >= min)) return value;
    throw new CliFailure(
      EXIT.usage,
      `--${option}: ${shown(value)} is not allowed; it takes a whole number of at least ${min}`,
    );
  };
}

/** For `coerce` of a number option with a default: above `above` and at most `most`. */
export function numberWithin(option: string, above: number, most: number): (value: number) => number {
  return (value) => {
    if (value > above && value <= most) return value;
    throw new CliFailure(
      EXIT.usage,
      `--${option}: ${shown(value)} is not allowed; it takes a number above ${above} and at most ${most}`,
    );
  };
}

/** `KEY=VALUE` pairs; the last of a key counts. The cluster checks what keys and values may be. */
export function parseLabels(option: string, labels: readonly string[]): Readonly<Record<string, string>> {
  const parsed: Record<string, string> = {};
  for (const label of labels) {
    const at = label.indexOf('=');
    if (at < 1) throw new CliFailure(EXIT.usage, `--${option}: ${JSON.stringify(label)} is not of the form KEY=VALUE`);
    parsed[label.slice(0, at)] = label.slice(at + 1);
  }
  return parsed;
}

/** The same option given twice arrives as a list; what is no number arrives as NaN. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return `given ${value.length} times`;
  return Number.isNaN(value) ? 'what is no number' : String(value);
}
