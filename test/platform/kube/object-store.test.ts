import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../../../src/platform/kube/object.ts';
import { ObjectStore } from '../../../src/platform/kube/object-store.ts';
import type { StoreEvent } from '../../../src/platform/kube/store.ts';
import { silentLogger } from '../../../src/platform/log/logger.ts';

interface Thing extends KubeObject {
  readonly colours: readonly string[];
}

function aStore(): ObjectStore<Thing> {
  return new ObjectStore<Thing>({
    name: 'things',
    clock: { monotonicMs: () => 0 },
    logger: silentLogger(),
    indexers: { colour: (thing) => thing.colours },
  });
}

const aThing = fc.record({
  name: fc.constantFrom('a', 'b', 'c'),
  uid: fc.constantFrom('1', '2'),
  version: fc.integer({ min: 1, max: 5 }),
  colours: fc.uniqueArray(fc.constantFrom('red', 'green', 'blue')),
});

function thingOf(from: { name: string; uid: string; version: number; colours: string[] }): Thing {
  const uid = `${from.name}-${from.uid}`;
  return {
    metadata: { name: from.name, namespace: 'n', uid, resourceVersion: String(from.version) },
    colours: from.colours,
  };
}

const anAction = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), thing: aThing }),
  fc.record({ kind: fc.constant('remove' as const), thing: aThing }),
  fc.record({
    kind: fc.constant('replace' as const),
    things: fc.uniqueArray(aThing, { selector: (each) => each.name }),
  }),
);

describe('ObjectStore', () => {
  it('keeps objects, indexes and what its events add up to the same at every moment', () => {
    fc.assert(
      fc.property(fc.array(anAction, { maxLength: 60 }), (actions) => {
        const store = aStore();
        const told = new Map<string, Thing>();
        store.subscribe((event: StoreEvent<Thing>) => {
          if (event.kind === 'synced') return;
          const { name = '', uid } = event.object.metadata;
          const known = told.get(name);
          if (event.kind === 'added') expect(known).toBeUndefined();
          else expect(known?.metadata.uid).toBe(uid);
          if (event.kind === 'deleted') told.delete(name);
          else told.set(name, event.object);
        });
        for (const action of actions) {
          if (action.kind === 'put') store.put(thingOf(action.thing));
          else if (action.kind === 'remove') store.remove(thingOf(action.thing));
          else store.replaceAll(action.things.map(thingOf));
          const objects = [...store.values()];
          expect(new Set(objects)).toEqual(new Set(told.values()));
          expect(store.size).toBe(told.size);
          for (const colour of ['red', 'green', 'blue']) {
            const want = objects.filter((each) => each.colours.includes(colour));
            expect(new Set(store.byIndex('colour', colour))).toEqual(new Set(want));
          }
          for (const each of objects) expect(store.byUid(each.metadata.uid!)).toBe(each);
        }
      }),
    );
  });

  it('replays what is there to a new subscriber, and synced once', () => {
    const store = aStore();
    store.put(thingOf({ name: 'a', uid: '1', version: 1, colours: [] }));
    const seen: string[] = [];
    const unsubscribe = store.subscribe((event) => seen.push(event.kind));
    expect(seen).toEqual(['added']);
    store.replaceAll([...store.values()]);
    store.replaceAll([...store.values()]);
    expect(seen).toEqual(['added', 'synced']);
    unsubscribe();
    store.replaceAll([]);
    expect(seen).toEqual(['added', 'synced']);
    const late: string[] = [];
    store.subscribe((event) => late.push(event.kind));
    expect(late).toEqual(['synced']);
  });

  it('tells no change for the same version, unless versions are not to be trusted', () => {
    const store = aStore();
    const seen: string[] = [];
    store.subscribe((event) => seen.push(event.kind));
    store.put(thingOf({ name: 'a', uid: '1', version: 1, colours: ['red'] }));
    store.put(thingOf({ name: 'a', uid: '1', version: 1, colours: ['blue'] }));
    expect(seen).toEqual(['added']);
    store.put(thingOf({ name: 'a', uid: '1', version: 1, colours: ['blue'] }), false);
    expect(seen).toEqual(['added', 'updated']);
    expect(store.byIndex('colour', 'red')).toEqual([]);
  });
});
