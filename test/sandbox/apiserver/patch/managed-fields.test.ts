import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ApiObject, JsonObject } from '../../../../src/sandbox/apiserver/json-value.ts';
import { compileRoot } from '../../../../src/sandbox/apiserver/crd/structural-schema.ts';
import {
  intersectSets,
  isEmptySet,
  pathsOf,
  subtractSets,
  unionSets,
} from '../../../../src/sandbox/apiserver/patch/field-set.ts';
import { applyConfiguration, ownByUpdate } from '../../../../src/sandbox/apiserver/patch/managed-fields.ts';
import { fieldsOf } from '../../../../src/sandbox/apiserver/patch/typed-fields.ts';

const root = compileRoot({
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        a: { type: 'integer' },
        b: { type: 'integer' },
        tags: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
        items: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: { type: 'object', properties: { name: { type: 'string' }, v: { type: 'integer' } } },
        },
        whole: { type: 'array', items: { type: 'integer' } },
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
    },
  },
});

const int = fc.integer({ min: 0, max: 2 });
const specs = fc.record(
  {
    a: int,
    b: int,
    tags: fc.uniqueArray(fc.constantFrom('x', 'y', 'z'), { minLength: 1, maxLength: 3 }),
    items: fc.uniqueArray(fc.record({ name: fc.constantFrom('p', 'q', 'r'), v: int }, { requiredKeys: ['name'] }), {
      selector: (item) => item.name,
      minLength: 1,
      maxLength: 3,
    }),
    whole: fc.array(int, { maxLength: 2 }),
    free: fc.dictionary(fc.constantFrom('k', 'l'), int, { maxKeys: 2 }),
  },
  { requiredKeys: [] },
);

const thing = (spec: object): ApiObject => ({
  apiVersion: 'example.com/v1',
  kind: 'Thing',
  metadata: { name: 't' },
  spec: spec as JsonObject,
});

const writer = (manager: string) => ({
  manager,
  apiVersion: 'example.com/v1',
  subresource: '',
  now: '2026-01-01T00:00:00Z',
  resets: {},
});

function apply(live: ApiObject | undefined, spec: object, manager: string, force = true): ApiObject {
  const { object, managedFields } = applyConfiguration(root, live, thing(spec), { writer: writer(manager), force });
  return { ...object, metadata: { name: 't', managedFields } } as ApiObject;
}

const paths = (set: JsonObject): string[] => pathsOf(set).sort();

describe('field sets', () => {
  it('behave as sets of paths do', () => {
    fc.assert(
      fc.property(specs, specs, (x, y) => {
        const [a, b] = [fieldsOf(root, thing(x)), fieldsOf(root, thing(y))];
        const [pa, pb] = [new Set(pathsOf(a)), new Set(pathsOf(b))];
        expect(paths(unionSets(a, b))).toEqual([...new Set([...pa, ...pb])].sort());
        expect(paths(intersectSets(a, b))).toEqual([...pa].filter((path) => pb.has(path)).sort());
        expect(paths(subtractSets(a, b))).toEqual([...pa].filter((path) => !pb.has(path)).sort());
      }),
    );
  });

  it('are spelled as people read them', () => {
    const set = fieldsOf(root, { spec: { a: 1, tags: ['x'], items: [{ name: 'p', v: 1 }] } });
    expect(paths(set)).toEqual([
      '.spec.a',
      '.spec.items[name="p"]',
      '.spec.items[name="p"].name',
      '.spec.items[name="p"].v',
      '.spec.tags[="x"]',
    ]);
  });
});

describe('server-side apply', () => {
  it('leaves of one applier exactly what it applied last', () => {
    fc.assert(
      fc.property(specs, specs, (first, second) => {
        const live = apply(apply(undefined, first, 'alice'), second, 'alice');
        const fresh = apply(undefined, second, 'alice');
        expect(paths(fieldsOf(root, { spec: live['spec'] ?? null }))).toEqual(
          paths(fieldsOf(root, { spec: fresh['spec'] ?? null })),
        );
      }),
    );
  });

  it('settles: the same configuration applied again changes nothing and keeps its time', () => {
    fc.assert(
      fc.property(specs, specs, (x, y) => {
        const live = apply(apply(undefined, x, 'alice'), y, 'bob');
        const { object, managedFields } = applyConfiguration(root, live, thing(y), {
          writer: { ...writer('bob'), now: '2027-01-01T00:00:00Z' },
          force: false,
        });
        expect(object['spec']).toEqual(live['spec']);
        expect(managedFields).toEqual(live.metadata.managedFields);
      }),
    );
  });

  it('never takes away what somebody else still owns', () => {
    fc.assert(
      fc.property(specs, specs, (x, y) => {
        const live = apply(apply(undefined, x, 'alice'), y, 'bob');
        const left = apply(live, {}, 'alice');
        const bobs = fieldsOf(root, thing(y));
        expect(paths(intersectSets(fieldsOf(root, left), bobs))).toEqual(
          expect.arrayContaining(paths(bobs).filter((path) => path !== '.spec')),
        );
      }),
    );
  });

  it('refuses exactly where a value of another owner would change', () => {
    fc.assert(
      fc.property(int, int, (mine, theirs) => {
        const live = apply(undefined, { a: theirs }, 'alice');
        const attempt = (): ApiObject => apply(live, { a: mine }, 'bob', false);
        if (mine === theirs) expect(attempt()['spec']).toEqual({ a: mine });
        else expect(attempt).toThrow('Apply failed with 1 conflict: conflict with "alice": .spec.a');
      }),
    );
  });

  it('lists all conflicts by manager', () => {
    const live = apply(undefined, { a: 1, b: 1 }, 'alice');
    expect(() => apply(live, { a: 2, b: 2 }, 'bob', false)).toThrow(
      'Apply failed with 2 conflicts: conflicts with "alice":\n- .spec.a\n- .spec.b',
    );
  });

  it('treats what was there before the first apply as owned', () => {
    const live = thing({ a: 1 });
    expect(() => apply(live, { a: 2 }, 'bob', false)).toThrow(
      'conflict with "before-first-apply" using example.com/v1',
    );
  });
});

describe('updates', () => {
  it('own what they change, and take it from others', () => {
    const live = apply(undefined, { a: 1, b: 1 }, 'alice');
    const next = { ...live, spec: { a: 2, b: 1 } };
    const entries = ownByUpdate(root, live, next, writer('carol'));
    expect(entries.map(({ manager, fieldsV1 }) => [manager, pathsOf(fieldsV1 ?? {})])).toEqual([
      ['alice', ['.spec.b']],
      ['carol', ['.spec.a']],
    ]);
  });

  it('forget fields that vanish, and owners left with nothing', () => {
    const live = apply(undefined, { a: 1 }, 'alice');
    expect(ownByUpdate(root, live, { ...live, spec: {} }, writer('carol'))).toEqual([]);
  });

  it('never own identity or what the endpoint resets', () => {
    const entries = ownByUpdate(
      root,
      undefined,
      { ...thing({ a: 1 }), status: { x: 1 } },
      { ...writer('carol'), resets: { 'f:status': {} } },
    );
    const all = entries.flatMap((entry) => pathsOf(entry.fieldsV1 ?? {}));
    expect(all.some((path) => path.startsWith('.status') || path === '.metadata.name' || path === '.kind')).toBe(false);
    expect(isEmptySet(entries[0]?.fieldsV1 ?? {})).toBe(false);
  });
});
