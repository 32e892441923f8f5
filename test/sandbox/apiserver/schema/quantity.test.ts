import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalText, parseQuantity } from '../../../../src/sandbox/apiserver/schema/quantity.ts';

describe('quantities', () => {
  it.each([
    ['0.5', '500m'],
    ['1024Mi', '1Gi'],
    ['1000m', '1'],
    ['129e6', '129e6'],
    ['1.5Gi', '1536Mi'],
    ['2500000n', '2500u'],
    ['1000', '1k'],
    ['1e3', '1e3'],
    ['0', '0'],
    ['0.0', '0'],
    ['-1.5', '-1500m'],
    ['512', '512'],
    ['512Ki', '512Ki'],
    ['0.1Ki', '102400m'],
    ['1.0000000001', '1000000001n'],
  ])('%s is stored as %s', (text, canonical) => {
    expect(canonicalText(text)).toBe(canonical);
  });

  it.each(['', 'x', '1.2.3', '1 Gi', '1gi', '--1', '.', 'e3'])('%j is none', (text) => {
    expect(canonicalText(text)).toBeUndefined();
  });

  it('keeps the amount through the canonical spelling, and is stable', () => {
    const units = fc.constantFrom('', 'm', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi', 'u', 'n', 'e3', 'E-2');
    fc.assert(
      fc.property(fc.nat({ max: 10 ** 9 }), fc.nat({ max: 999 }), units, (whole, fraction, unit) => {
        const text = `${whole}.${fraction}${unit}`;
        const canonical = canonicalText(text) ?? '';
        expect(parseQuantity(canonical)?.nano).toBe(parseQuantity(text)?.nano);
        expect(canonicalText(canonical)).toBe(canonical);
      }),
    );
  });
});
