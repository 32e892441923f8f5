import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUILTIN_TYPES } from '../../../../src/sandbox/apiserver/builtin/builtin-types.ts';
import type { JsonObject } from '../../../../src/sandbox/apiserver/json-value.ts';
import { applyMergePatch } from '../../../../src/sandbox/apiserver/patch/merge-patch.ts';
import { applyStrategicPatch } from '../../../../src/sandbox/apiserver/patch/strategic-merge.ts';

const pod = BUILTIN_TYPES.object('core.Pod');
const live: JsonObject = {
  metadata: { finalizers: ['a', 'b'], labels: { x: '1' } },
  spec: {
    containers: [
      {
        name: 'one',
        image: 'i1',
        env: [
          { name: 'A', value: '1' },
          { name: 'B', value: '2' },
        ],
        command: ['run', 'it'],
      },
      { name: 'two', image: 'i2' },
    ],
    volumes: [{ name: 'v', configMap: { name: 'c' } }],
    tolerations: [{ key: 'k' }],
  },
};
const patched = (patch: JsonObject): JsonObject => applyStrategicPatch(pod, live, patch);
const spec = (patch: JsonObject): Record<string, unknown> =>
  patched({ spec: patch })['spec'] as Record<string, unknown>;

describe('strategic merge', () => {
  it('merges keyed lists item by item and replaces plain lists', () => {
    const containers = spec({ containers: [{ name: 'two', image: 'new' }, { name: 'three' }] })['containers'];
    expect(containers).toEqual([
      expect.objectContaining({ name: 'one', image: 'i1' }),
      { name: 'two', image: 'new' },
      { name: 'three' },
    ]);
    expect(spec({ containers: [{ name: 'one', command: ['other'] }] })['containers']).toEqual([
      expect.objectContaining({ command: ['other'], image: 'i1' }),
      { name: 'two', image: 'i2' },
    ]);
    expect(spec({ tolerations: [{ key: 'new' }] })['tolerations']).toEqual([{ key: 'new' }]);
  });

  it('deletes items, replaces lists and orders them by directive', () => {
    expect(spec({ containers: [{ name: 'one', $patch: 'delete' }] })['containers']).toEqual([
      { name: 'two', image: 'i2' },
    ]);
    expect(spec({ containers: [{ $patch: 'replace' }, { name: 'only' }] })['containers']).toEqual([{ name: 'only' }]);
    const order = { '$setElementOrder/containers': [{ name: 'two' }, { name: 'one' }] };
    expect((spec(order)['containers'] as { name: string }[]).map(({ name }) => name)).toEqual(['two', 'one']);
  });

  it('adds to and deletes from lists of scalars', () => {
    const metadata = { finalizers: ['c'], '$deleteFromPrimitiveList/finalizers': ['a'] };
    expect(patched({ metadata })['metadata']).toEqual({ finalizers: ['b', 'c'], labels: { x: '1' } });
  });

  it('keeps only retained keys of a union', () => {
    const volumes = [{ name: 'v', $retainKeys: ['name', 'emptyDir'], emptyDir: {} }];
    expect(spec({ volumes })['volumes']).toEqual([{ name: 'v', emptyDir: {} }]);
  });

  it('replaces or clears objects, and removes members by null', () => {
    expect(patched({ metadata: { $patch: 'replace', labels: { y: '2' } } })['metadata']).toEqual({
      labels: { y: '2' },
    });
    expect(patched({ metadata: { labels: null } })['metadata']).toEqual({ finalizers: ['a', 'b'] });
  });

  it('refuses items without their key', () => {
    expect(() => spec({ containers: [{ image: 'x' }] })).toThrow('does not contain declared merge key: name');
  });

  it('leaves the live object alone', () => {
    const copy = structuredClone(live);
    patched({
      spec: { containers: [{ name: 'one', env: [{ name: 'A', $patch: 'delete' }] }] },
      metadata: { labels: { z: '3' } },
    });
    expect(live).toEqual(copy);
  });
});

const json = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, fc.constant(null), fc.integer(), fc.string({ maxLength: 3 }), tie('object')),
  object: fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value'), { maxKeys: 3 }),
})).object as fc.Arbitrary<JsonObject>;

describe('merge patch', () => {
  it('follows RFC 7396', () => {
    const reference = (target: unknown, patch: unknown): unknown => {
      if (typeof patch !== 'object' || patch === null) return patch;
      const base: Record<string, unknown> = typeof target === 'object' && target !== null ? { ...target } : {};
      for (const [key, value] of Object.entries(patch)) {
        if (value === null) Reflect.deleteProperty(base, key);
        else base[key] = reference(base[key], value);
      }
      return base;
    };
    fc.assert(
      fc.property(json, json, (target, patch) => {
        expect(applyMergePatch(target, patch)).toEqual(reference(target, patch));
      }),
    );
  });
});
