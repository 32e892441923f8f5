import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ApiObject } from '../../../../src/sandbox/apiserver/json-value.ts';
import { ObjectStore, type StoreChange } from '../../../../src/sandbox/apiserver/storage/object-store.ts';

function object(name: string, n = 0, namespace = 'a'): ApiObject {
  return { apiVersion: 'v1', kind: 'Thing', metadata: { name, namespace }, n };
}

interface Step {
  readonly name: string;
  readonly remove: boolean;
}

const steps = fc.array(fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), remove: fc.boolean() }), {
  maxLength: 40,
});

function play(store: ObjectStore, list: readonly Step[], after: () => void = () => undefined): void {
  list.forEach(({ name, remove }, i) => {
    const present = store.get('x', 'a', name);
    if (!remove) store.write('x', present, object(name, i));
    else if (present !== undefined) store.remove('x', present);
    after();
  });
}

const shown = (objects: readonly ApiObject[]): unknown[] =>
  objects.map(({ metadata, ...rest }) => [metadata.name, rest['n']]);

describe('the object store', () => {
  it('can show any remembered moment again', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const store = new ObjectStore({ historyPerType: 1000 });
        const moments = new Map<number, unknown>();
        play(store, list, () => moments.set(store.revision, shown(store.sorted('x'))));
        for (const [revision, state] of moments) {
          expect(shown(store.sortedAt('x', undefined, revision) ?? [])).toEqual(state);
        }
      }),
    );
  });

  it('gives whoever follows changes since a revision the same state as a list', () => {
    fc.assert(
      fc.property(steps, fc.nat({ max: 40 }), (list, cut) => {
        const store = new ObjectStore({ historyPerType: 1000 });
        play(store, list.slice(0, cut));
        const from = store.revision;
        const copy = new Map(store.sorted('x').map((item) => [item.metadata.name, item]));
        play(store, list.slice(cut));
        for (const change of store.since('x', from) ?? []) {
          if (change.kind === 'DELETED') copy.delete(change.object.metadata.name);
          else copy.set(change.object.metadata.name, change.object);
        }
        expect([...copy.keys()].sort()).toEqual(store.sorted('x').map((item) => item.metadata.name));
        for (const [name, item] of copy) expect(store.get('x', 'a', name)).toBe(item);
      }),
    );
  });

  it('says so when a revision is older than its memory, and never gives half an answer', () => {
    const store = new ObjectStore({ historyPerType: 5 });
    const start = store.revision;
    for (let i = 0; i < 11; i++) store.write('x', store.get('x', 'a', 'o'), object('o', i));
    expect(store.since('x', start)).toBeUndefined();
    expect(store.sortedAt('x', undefined, start)).toBeUndefined();
    const oldest = store.oldest('x');
    expect(store.since('x', oldest)).toHaveLength(5);
    expect(store.since('x', oldest - 1)).toBeUndefined();
  });

  it('tells one order to all watchers though one of them writes', () => {
    const store = new ObjectStore({ historyPerType: 10 });
    const seen: [string, number][][] = [[], []];
    const note = (which: number) => (change: StoreChange) =>
      seen[which]?.push([change.object.metadata.name, change.revision]);
    store.watch('x', (change) => {
      if (change.object.metadata.name === 'first') store.write('x', undefined, object('second'));
    });
    store.watch('x', note(0));
    store.subscribe(note(1));
    store.write('x', undefined, object('first'));
    expect(seen[0]?.map(([name]) => name)).toEqual(['first', 'second']);
    expect(seen[1]).toEqual(seen[0]);
  });

  it('lists by namespace, then name, and counts', () => {
    const store = new ObjectStore({ historyPerType: 10 });
    for (const [ns, name] of [
      ['b', 'a'],
      ['a', 'z'],
      ['a', 'b'],
    ] as const)
      store.write('x', undefined, object(name, 0, ns));
    expect(store.sorted('x').map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`)).toEqual([
      'a/b',
      'a/z',
      'b/a',
    ]);
    expect(store.sorted('x', 'b')).toHaveLength(1);
    expect(store.count('x')).toBe(3);
  });
});
