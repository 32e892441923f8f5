/** A Store that a test fills by hand: the reader's side of a reflector without one. */
import type { KubeObject } from '../../src/platform/kube/object.ts';
import type { Store, StoreEvent } from '../../src/platform/kube/store.ts';

export interface MemoryStore<T extends KubeObject> extends Store<T> {
  put(object: T): void;
  remove(namespace: string | undefined, name: string): void;
  /** The first full list is in. */
  markSynced(): void;
}

const keyOf = (namespace: string | undefined, name: string | undefined): string => `${namespace ?? ''}/${name ?? ''}`;

export function memoryStore<T extends KubeObject>(
  options: { readonly synced?: boolean; readonly idleMs?: () => number } = {},
): MemoryStore<T> {
  const objects = new Map<string, T>();
  const handlers = new Set<(event: StoreEvent<T>) => void>();
  const waiters: (() => void)[] = [];
  let synced = options.synced ?? true;
  const emit = (event: StoreEvent<T>): void => {
    for (const handler of [...handlers]) handler(event);
  };
  return {
    get synced() {
      return synced;
    },
    get: (namespace, name) => objects.get(keyOf(namespace, name)),
    byUid: (uid) => [...objects.values()].find((object) => object.metadata.uid === uid),
    values: () => objects.values(),
    get size() {
      return objects.size;
    },
    byIndex: () => [],
    subscribe: (handler) => {
      handlers.add(handler);
      for (const object of objects.values()) handler({ kind: 'added', object });
      if (synced) handler({ kind: 'synced' });
      return () => handlers.delete(handler);
    },
    whenSynced: () => (synced ? Promise.resolve() : new Promise((resolve) => waiters.push(resolve))),
    idleMs: options.idleMs ?? (() => 0),
    put: (object) => {
      const key = keyOf(object.metadata.namespace, object.metadata.name);
      const old = objects.get(key);
      objects.set(key, object);
      emit(old === undefined ? { kind: 'added', object } : { kind: 'updated', object, old });
    },
    remove: (namespace, name) => {
      const key = keyOf(namespace, name);
      const object = objects.get(key);
      if (object === undefined) return;
      objects.delete(key);
      emit({ kind: 'deleted', object });
    },
    markSynced: () => {
      synced = true;
      for (const resolve of waiters.splice(0)) resolve();
      emit({ kind: 'synced' });
    },
  };
}
