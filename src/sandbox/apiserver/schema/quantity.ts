/**
 * Kubernetes quantities: exact, in nano units as BigInt, and the canonical spelling that the real server stores
 * (`0.5` becomes `500m`, `1024Mi` becomes `1Gi`). Fractions finer than nano round up, as apimachinery rounds.
 */
const BINARY: readonly (readonly [string, bigint])[] = [
  ['Ei', 1n << 60n],
  ['Pi', 1n << 50n],
  ['Ti', 1n << 40n],
  ['Gi', 1n << 30n],
  ['Mi', 1n << 20n],
  ['Ki', 1n << 10n],
];
const DECIMAL: readonly (readonly [string, bigint])[] = [
  ['E', 10n ** 27n],
  ['P', 10n ** 24n],
  ['T', 10n ** 21n],
  ['G', 10n ** 18n],
  ['M', 10n ** 15n],
  ['k', 10n ** 12n],
  ['', 10n ** 9n],
  ['m', 10n ** 6n],
  ['u', 10n ** 3n],
  ['n', 1n],
];
const NANO = 10n ** 9n;
const FORM = /^([+-]?)(\d*)(?:\.(\d*))?(?:([eE][+-]?\d{1,3})|(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]))?$/;
const SCALE = new Map<string, bigint>([...BINARY.map(([unit, value]) => [unit, value * NANO] as const), ...DECIMAL]);

export type QuantityFormat = 'BinarySI' | 'DecimalSI' | 'DecimalExponent';

export interface Quantity {
  readonly nano: bigint;
  readonly format: QuantityFormat;
}

/** `undefined` when the text is no quantity. */
export function parseQuantity(text: string): Quantity | undefined {
  const match = FORM.exec(text);
  if (match === null) return undefined;
  const [, sign, whole = '', fraction = '', exponent, unit = ''] = match;
  if (whole === '' && fraction === '') return undefined;
  const power = exponent === undefined ? 0 : Number(exponent.slice(1));
  const scale = (SCALE.get(unit) ?? NANO) * 10n ** BigInt(Math.max(power, 0));
  const numerator = BigInt(whole + fraction) * scale;
  const denominator = 10n ** BigInt(fraction.length + Math.max(-power, 0));
  const nano = numerator / denominator + (numerator % denominator === 0n ? 0n : 1n);
  return { nano: sign === '-' ? -nano : nano, format: formatOf(exponent, unit) };
}

function formatOf(exponent: string | undefined, unit: string): QuantityFormat {
  if (exponent !== undefined) return 'DecimalExponent';
  return unit.endsWith('i') ? 'BinarySI' : 'DecimalSI';
}

function scaled(magnitude: bigint, units: readonly (readonly [string, bigint])[]): string | undefined {
  for (const [unit, value] of units) if (magnitude % value === 0n) return `${magnitude / value}${unit}`;
  return undefined;
}

/** The spelling that the server stores. */
export function canonicalQuantity({ nano, format }: Quantity): string {
  if (nano === 0n) return '0';
  const sign = nano < 0n ? '-' : '';
  const magnitude = nano < 0n ? -nano : nano;
  if (format === 'BinarySI' && magnitude % NANO === 0n && magnitude >= 1024n * NANO) {
    const units = scaled(magnitude / NANO, BINARY);
    return sign + (units ?? String(magnitude / NANO));
  }
  if (format === 'DecimalExponent') {
    let value = magnitude;
    let power = -9;
    while (value % 1000n === 0n) {
      value /= 1000n;
      power += 3;
    }
    return power === 0 ? `${sign}${value}` : `${sign}${value}e${power}`;
  }
  return sign + (scaled(magnitude, DECIMAL) ?? '0');
}

const ALREADY_CANONICAL = /^[1-9]\d{0,2}(?:m|k|M|G|T|Ki|Mi|Gi|Ti)?$/;

/** Canonical form of a quantity's text, or `undefined` when it is none. Short common forms take the fast way out. */
export function canonicalText(text: string): string | undefined {
  if (ALREADY_CANONICAL.test(text) || text === '0') return text;
  const quantity = parseQuantity(text);
  return quantity === undefined ? undefined : canonicalQuantity(quantity);
}
