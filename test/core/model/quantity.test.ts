import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatMilli,
  formatResourceAmount,
  parseQuantityNano,
  quantityToMilli,
  quantityToUnits,
  resourceAmount,
} from '../../../src/core/model/quantity.ts';

describe('a quantity', () => {
  it.each([
    ['1.5Gi', 1_610_612_736, 1_610_612_736_000],
    ['129e6', 129_000_000, 129_000_000_000],
    ['2500000n', 1, 3],
    ['100m', 1, 100],
    ['0.1', 1, 100],
    ['0', 0, 0],
    ['.5', 1, 500],
    ['5.', 5, 5_000],
    ['+3', 3, 3_000],
    ['12E-3', 1, 12],
    ['1u', 1, 1],
    ['1k', 1_000, 1_000_000],
    ['1Ki', 1_024, 1_024_000],
    ['0.0000000001', 1, 1],
    ['123M', 123_000_000, 123_000_000_000],
    [1.5, 2, 1_500],
    [4, 4, 4_000],
    [1e-7, 1, 1],
  ])('%s is %s units and %s milli, rounded up', (text, units, milli) => {
    expect(quantityToUnits(text)).toEqual({ ok: true, value: units });
    expect(quantityToMilli(text)).toEqual({ ok: true, value: milli });
  });

  it.each([
    ['', 'NotAQuantity'],
    ['abc', 'NotAQuantity'],
    ['1 Gi', 'NotAQuantity'],
    ['1gi', 'NotAQuantity'],
    ['1K', 'NotAQuantity'],
    ['.', 'NotAQuantity'],
    ['1e', 'NotAQuantity'],
    ['1e999', 'NotAQuantity'],
    ['--1', 'NotAQuantity'],
    ['1e99', 'TooLarge'],
    ['16Ei', 'TooLarge'],
    ['-1', 'Negative'],
    [Number.NaN, 'NotAQuantity'],
    [true, 'NotAQuantity'],
    [null, 'NotAQuantity'],
    [undefined, 'NotAQuantity'],
    [{}, 'NotAQuantity'],
    ['9'.repeat(100), 'NotAQuantity'],
  ])('%s is refused as %s', (text, kind) => {
    expect(quantityToUnits(text)).toMatchObject({ ok: false, error: { kind } });
  });

  it('names what is allowed', () => {
    const parsed = quantityToUnits('12 apples');
    expect(parsed.ok ? '' : parsed.error.message).toContain('a number with an optional suffix');
  });

  it('keeps its sign in exact form', () => {
    expect(parseQuantityNano('-1m')).toEqual({ ok: true, value: -1_000_000n });
  });

  it('of cpu counts in milli, of anything else in whole units', () => {
    expect(resourceAmount('cpu', '250m')).toEqual({ ok: true, value: 250 });
    expect(resourceAmount('memory', '250m')).toEqual({ ok: true, value: 1 });
  });

  it.each([
    ['cpu', 1_500, '1500m'],
    ['cpu', 2_000, '2'],
    ['memory', 1_610_612_736, '1536Mi'],
    ['memory', 2 ** 30 * 80, '80Gi'],
    ['ephemeral-storage', 1_000, '1000'],
    ['hugepages-2Mi', 2 ** 21, '2Mi'],
    ['nvidia.com/gpu', 8, '8'],
    ['memory', 0, '0'],
  ])('of %s %s is written as %s', (name, amount, text) => {
    expect(formatResourceAmount(name, amount)).toBe(text);
  });

  it('survives writing and reading', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (amount) => {
        expect(quantityToUnits(formatBytes(amount))).toEqual({ ok: true, value: amount });
        expect(quantityToMilli(formatMilli(amount))).toEqual({ ok: true, value: amount });
      }),
      { numRuns: 1_000 },
    );
  });

  it('grows with its digits, whatever the suffix', () => {
    const suffix = fc.constantFrom('n', 'u', 'm', '', 'k', 'M', 'Ki', 'Mi', 'e3', 'E-2');
    fc.assert(
      fc.property(fc.nat(1e6), fc.nat(1e6), suffix, (x, y, s) => {
        const [small, large] = [parseQuantityNano(`${Math.min(x, y)}${s}`), parseQuantityNano(`${Math.max(x, y)}${s}`)];
        expect(small.ok && large.ok && small.value <= large.value).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('never throws, whatever it is given', () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.string()), (value) => {
        expect(typeof quantityToUnits(value).ok).toBe('boolean');
      }),
      { numRuns: 1_000 },
    );
  });
});
