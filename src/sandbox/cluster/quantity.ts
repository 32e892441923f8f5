/**
 * Kubernetes quantities as the integers that scheduling counts with.
 *
 * Invariants: rounds up as Kubernetes does, so that half a byte is never free; exact for every quantity whose result is
 * a safe integer, whatever its suffix. Leaves out writing quantities in canonical form.
 */
const suffixes: Readonly<Record<string, readonly [base: bigint, exponent: number]>> = {
  n: [10n, -9],
  u: [10n, -6],
  m: [10n, -3],
  '': [10n, 0],
  k: [10n, 3],
  M: [10n, 6],
  G: [10n, 9],
  T: [10n, 12],
  P: [10n, 15],
  E: [10n, 18],
  Ki: [2n, 10],
  Mi: [2n, 20],
  Gi: [2n, 30],
  Ti: [2n, 40],
  Pi: [2n, 50],
  Ei: [2n, 60],
};

const form = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)$/;

/** A text that is no quantity; `text` is what was given. */
export class QuantityError extends Error {
  readonly kind = 'QuantityError';
  readonly text: string;

  constructor(text: string) {
    super(`${JSON.stringify(text)} is no quantity: want a number with an optional suffix such as m, k, Mi or Gi`);
    this.text = text;
  }
}

/** Whole units (bytes, boards, pods), rounded up. `1.5Gi` is 1610612736, `100m` is 1. */
export function quantityUnits(quantity: string | number): number {
  return typeof quantity === 'number' && Number.isInteger(quantity) ? quantity : scaled(String(quantity), 0);
}

/** Thousandths, rounded up; how CPU is counted. `2` is 2000, `100m` is 100. */
export function quantityMilli(quantity: string | number): number {
  return scaled(String(quantity), 3);
}

/** CPU in milli, everything else in whole units: the numbers that requests and capacities are compared in. */
export function resourceAmount(resource: string, quantity: string | number): number {
  return resource === 'cpu' ? quantityMilli(quantity) : quantityUnits(quantity);
}

function scaled(text: string, decimals: number): number {
  const match = form.exec(text);
  const whole = match?.[2] ?? '';
  const fraction = match?.[3] ?? '';
  if (match === null || whole + fraction === '') throw new QuantityError(text);
  const [base, exponent] = match[4] === undefined ? (suffixes[match[5] ?? ''] ?? [10n, 0]) : [10n, Number(match[4])];
  const digits = BigInt(whole + fraction);
  const tens = decimals - fraction.length + (base === 10n ? exponent : 0);
  const numerator = digits * (base === 2n ? 1n << BigInt(exponent) : 1n) * (tens > 0 ? 10n ** BigInt(tens) : 1n);
  const denominator = tens < 0 ? 10n ** BigInt(-tens) : 1n;
  const magnitude = Number((numerator + denominator - 1n) / denominator);
  return match[1] === '-' ? -magnitude : magnitude;
}
