import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QuantityError, quantityMilli, quantityUnits, resourceAmount } from '../../../src/sandbox/cluster/quantity.ts';

describe('quantities', () => {
  it.each([
    ['1', 1],
    ['1.5Gi', 1_610_612_736],
    ['100m', 1],
    ['129e6', 129_000_000],
    ['2500000n', 1],
    ['8Ti', 8 * 2 ** 40],
    ['-1500m', -2],
    [7, 7],
  ])('reads %s as %d whole units, rounding away from zero', (text, want) => {
    expect(quantityUnits(text)).toBe(want);
  });

  it.each([
    ['2', 2000],
    ['100m', 100],
    ['0.0001', 1],
    [0.5, 500],
  ])('reads %s as %d thousandths', (text, want) => {
    expect(quantityMilli(text)).toBe(want);
  });

  it('counts CPU in thousandths and everything else in units', () => {
    expect(resourceAmount('cpu', '1')).toBe(1000);
    expect(resourceAmount('nvidia.com/gpu', '1')).toBe(1);
  });

  it.each(['', 'abc', '1 Gi', '1GiB'])('refuses %j and says what it was', (text) => {
    expect(() => quantityUnits(text)).toThrow(QuantityError);
  });

  it('agrees between the short way for plain numbers and the long way', () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), (n) => {
        expect(quantityUnits(`${n}.0`)).toBe(quantityUnits(String(n)));
        expect(quantityMilli(`${n * 1000}m`)).toBe(quantityMilli(n));
      }),
    );
  });
});
