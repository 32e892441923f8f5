/**
 * Kubernetes quantities as the integers that scheduling counts with: whole units, and CPU in thousandths.
 *
 * Invariants: rounds up as Kubernetes does, so that half a byte is never free; one grammar with the API server. Leaves out
 * writing quantities (apiserver/schema/quantity.ts).
 */
import { parseQuantity } from '../apiserver/schema/quantity.ts';

/** A text that is no quantity; `text` is what was given. */
export class QuantityError extends Error {
  readonly kind = 'QuantityError';
  readonly text: string;

  constructor(text: string) {
    super(`${JSON.stringify(text)} is no quantity: want a number with an optional suffix such as m, k, Mi or Gi`);
    this.text = text;
  }
}

const nanoPerUnit = 1_000_000_000n;
const nanoPerMilli = 1_000_000n;

/** Whole units (bytes, boards, pods), rounded up. `1.5Gi` is 1610612736, `100m` is 1. */
export function quantityUnits(quantity: string | number): number {
  return plainNumber(quantity, 1) ?? ceilDiv(quantity, nanoPerUnit);
}

/** Thousandths, rounded up; how CPU is counted. `2` is 2000, `100m` is 100. */
export function quantityMilli(quantity: string | number): number {
  return plainNumber(quantity, 1000) ?? ceilDiv(quantity, nanoPerMilli);
}

/** CPU in milli, everything else in whole units: the numbers that requests and capacities are compared in. */
export function resourceAmount(resource: string, quantity: string | number): number {
  return resource === 'cpu' ? quantityMilli(quantity) : quantityUnits(quantity);
}

/** The usual case, without BigInt. */
function plainNumber(quantity: string | number, factor: number): number | undefined {
  return /^\d{1,12}$/.test(String(quantity)) ? Number(quantity) * factor : undefined;
}

function ceilDiv(quantity: string | number, unit: bigint): number {
  const parsed = parseQuantity(String(quantity));
  if (parsed === undefined) throw new QuantityError(String(quantity));
  const { nano } = parsed;
  const magnitude = ((nano < 0n ? -nano : nano) + unit - 1n) / unit;
  return Number(nano < 0n ? -magnitude : magnitude);
}
