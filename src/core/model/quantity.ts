/**
 * Kubernetes quantities: `100m`, `1.5Gi`, `129e6`, `2500000n`. Decides what text is one and what integer it means.
 *
 * Computed in whole nano units by BigInt, so that nothing is lost on the way; handed out in milli or whole units, rounded
 * away from zero, as Value() and MilliValue() of apimachinery do. Amounts that a number cannot hold exactly are refused.
 */
import type { Result } from '../../std/result.ts';
import { err, ok } from '../../std/result.ts';

export interface QuantityProblem {
  readonly kind: 'NotAQuantity' | 'TooLarge' | 'Negative';
  readonly value: string;
  readonly message: string;
}

/** Sign, digits with optional fraction, then a suffix: binary, decimal or exponent. */
const FORM = /^([+-]?)([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?[0-9]{1,2})?$/;
const ALLOWED = 'a number with an optional suffix (n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei or an exponent)';
const LONGEST_TEXT = 64;

const BINARY_EXPONENT: Readonly<Record<string, bigint>> = { Ki: 10n, Mi: 20n, Gi: 30n, Ti: 40n, Pi: 50n, Ei: 60n };
const DECIMAL_EXPONENT: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const NANO_EXPONENT = 9;
const NANO = 10n ** 9n;

/** An exact amount in nano units (10^-9), rounded away from zero below that, as Kubernetes does. */
export function parseQuantityNano(value: unknown): Result<bigint, QuantityProblem> {
  const text = typeof value === 'number' && Number.isFinite(value) ? String(value) : value;
  if (typeof text !== 'string') return err(problem('NotAQuantity', `a ${typeof value}`, `must be ${ALLOWED}`));
  const match = text.length <= LONGEST_TEXT ? FORM.exec(text) : null;
  if (match === null) return err(problem('NotAQuantity', shown(text), `must be ${ALLOWED}`));
  const size = sizeNano(match[2] ?? '', match[3] ?? '');
  return ok(match[1] === '-' ? -size : size);
}

function sizeNano(digits: string, suffix: string): bigint {
  const [whole = '', fraction = ''] = digits.split('.');
  const mantissa = BigInt(`${whole}${fraction}`);
  const binary = BINARY_EXPONENT[suffix];
  const exponent = NANO_EXPONENT - fraction.length;
  if (binary !== undefined) return scaled(mantissa * 2n ** binary, exponent);
  return scaled(mantissa, exponent + decimalExponent(suffix));
}

/** Whole units, rounded up in size: `1500m` is 2. Refuses negative amounts and amounts above 2^53 - 1. */
export function quantityToUnits(value: unknown): Result<number, QuantityProblem> {
  return toNumber(value, NANO);
}

/** Milli units, rounded up in size: `0.1` is 100, `1n` is 1. Refuses negative amounts and amounts above 2^53 - 1. */
export function quantityToMilli(value: unknown): Result<number, QuantityProblem> {
  return toNumber(value, NANO / 1000n);
}

/** The shortest exact binary form of a byte count: 1610612736 is `1536Mi`, 1000 is `1000`. */
export function formatBytes(bytes: number): string {
  const suffixes = ['Ei', 'Pi', 'Ti', 'Gi', 'Mi', 'Ki'];
  const exact = suffixes.find((suffix) => bytes !== 0 && BigInt(bytes) % 2n ** (BINARY_EXPONENT[suffix] ?? 0n) === 0n);
  if (exact === undefined) return String(bytes);
  return `${BigInt(bytes) / 2n ** (BINARY_EXPONENT[exact] ?? 0n)}${exact}`;
}

/** Milli units as Kubernetes writes them: 1500 is `1500m`, 2000 is `2`. */
export function formatMilli(milli: number): string {
  return milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`;
}

/** An amount of resource `name` in the units of `Resources`: milli for cpu, whole units otherwise. */
export function resourceAmount(name: string, value: unknown): Result<number, QuantityProblem> {
  return name === 'cpu' ? quantityToMilli(value) : quantityToUnits(value);
}

/** The text of an amount of resource `name`, in the units of `Resources`. */
export function formatResourceAmount(name: string, amount: number): string {
  if (name === 'cpu') return formatMilli(amount);
  const bytes = name === 'memory' || name === 'ephemeral-storage' || name.startsWith('hugepages-');
  return bytes ? formatBytes(amount) : String(amount);
}

function decimalExponent(suffix: string): number {
  return DECIMAL_EXPONENT[suffix] ?? Number(suffix.slice(1));
}

function scaled(mantissa: bigint, exponent: number): bigint {
  return exponent >= 0 ? mantissa * 10n ** BigInt(exponent) : ceilDivide(mantissa, 10n ** BigInt(-exponent));
}

function ceilDivide(amount: bigint, by: bigint): bigint {
  return (amount + by - 1n) / by;
}

function toNumber(value: unknown, unitNano: bigint): Result<number, QuantityProblem> {
  const nano = parseQuantityNano(value);
  if (!nano.ok) return nano;
  const text = shown(String(value));
  if (nano.value < 0n) return err(problem('Negative', text, 'must not be negative'));
  const units = ceilDivide(nano.value, unitNano);
  if (units > BigInt(Number.MAX_SAFE_INTEGER))
    return err(problem('TooLarge', text, 'is too large to be counted exactly'));
  return ok(Number(units));
}

function shown(text: string): string {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}...` : text;
}

function problem(kind: QuantityProblem['kind'], value: string, message: string): QuantityProblem {
  return { kind, value, message };
}
