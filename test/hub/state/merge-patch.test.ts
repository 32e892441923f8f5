import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergePatchBetween, sameJson } from '../../../src/hub/state/merge-patch.ts';

const json = fc.letrec<{ value: unknown; object: Record<string, unknown> }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.integer(),
    fc.string(),
    fc.boolean(),
    fc.array(fc.integer(), { maxLength: 3 }),
    tie('object'),
  ),
  object: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), tie('value')),
})).object;

function apply(old: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const merged: Record<string, unknown> =
    typeof old === 'object' && old !== null && !Array.isArray(old) ? { ...old } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(merged, name);
    else merged[name] = apply(merged[name], value);
  }
  return merged;
}

describe('the merge patch between two values', () => {
  it('makes the one out of the other, by the rules of RFC 7386', () => {
    fc.assert(
      fc.property(json, json, (before, after) => {
        const patch = mergePatchBetween(before, after);
        expect(sameJson(apply(before, patch ?? {}), after)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('is nothing exactly when both are equal', () => {
    fc.assert(
      fc.property(json, json, (before, after) => {
        expect(mergePatchBetween(before, after) === undefined).toBe(sameJson(before, after));
        expect(mergePatchBetween(before, structuredClone(before))).toBeUndefined();
      }),
    );
  });

  it('removes by null, replaces lists whole, and leaves the rest alone', () => {
    const before = { keep: 1, drop: { x: 1 }, list: [1, 2], deep: { a: 1, b: 2 } };
    expect(mergePatchBetween(before, { keep: 1, list: [2], deep: { a: 1, b: 3 } })).toEqual({
      drop: null,
      list: [2],
      deep: { b: 3 },
    });
  });
});
