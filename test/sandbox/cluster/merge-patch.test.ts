import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergePatchBetween, sameJson } from '../../../src/sandbox/cluster/merge-patch.ts';

type Json = Readonly<Record<string, unknown>>;

/** RFC 7386, spelled out. */
function apply(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const out: Record<string, unknown> =
    typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(out, key);
    else out[key] = apply(out[key], value);
  }
  return out;
}

const leaf = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom('a', 'b'), fc.array(fc.nat(2), { maxLength: 2 }));
const object = fc.dictionary(
  fc.constantFrom('x', 'y', 'z'),
  fc.oneof(leaf, fc.dictionary(fc.constantFrom('p', 'q'), leaf)),
);

describe('mergePatchBetween', () => {
  it('gives a patch that leads from the old value to the new one, and none when they are equal', () => {
    fc.assert(
      fc.property(object, object, (old: Json, next: Json) => {
        const patch = mergePatchBetween(old, next);
        expect(patch === undefined).toBe(sameJson(old, next));
        expect(apply(old, patch ?? {})).toEqual(next);
      }),
    );
  });

  it('names only what changed', () => {
    expect(mergePatchBetween({ active: 1, failed: 0, startTime: 't' }, { active: 2, failed: 0 })).toEqual({
      active: 2,
      startTime: null,
    });
  });
});
