/**
 * The store: every object of the cluster in memory under one monotonic revision, as etcd has it. It decides the order of
 * writes and what a watcher that resumes at a revision must see.
 *
 * Invariants: a write takes O(1) plus its watchers; objects inside are never mutated; each type's log holds every change
 * after `oldest`, so a resume is either complete or refused. It knows nothing of kinds, users or finalizers.
 */
import type { ApiObject, Metadata } from '../json-value.ts';

export type ChangeKind = 'ADDED' | 'MODIFIED' | 'DELETED';

export interface StoreChange {
  readonly kind: ChangeKind;
  readonly revision: number;
  /** Resource key, see `resourceKey`. */
  readonly resource: string;
  /** After the change; for DELETED the last state with the revision of the deletion. */
  readonly object: ApiObject;
  readonly previous: ApiObject | undefined;
}

export interface StoreSnapshot {
  readonly revision: number;
  readonly objects: Readonly<Record<string, readonly ApiObject[]>>;
}

export type ChangeListener = (change: StoreChange) => void;

/** Where a type lives: shared by all served versions of it. */
export function resourceKey(group: string, plural: string): string {
  return `${group}/${plural}`;
}

interface TypeShelf {
  readonly namespaces: Map<string, Map<string, ApiObject>>;
  count: number;
  log: StoreChange[];
  /** Changes up to and including this revision are no longer in the log. */
  forgotten: number;
  readonly watchers: Set<ChangeListener>;
  /** Sorted copy, dropped when an object comes or goes. */
  order: { readonly namespace: string; readonly name: string }[] | undefined;
}

const NO_OBJECTS: ReadonlyMap<string, ApiObject> = new Map();

function byNamespaceThenName(
  a: { readonly namespace: string; readonly name: string },
  b: { readonly namespace: string; readonly name: string },
): number {
  if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

export class ObjectStore {
  private readonly shelves = new Map<string, TypeShelf>();
  private readonly listeners = new Set<ChangeListener>();
  private readonly historyPerType: number;
  private currentRevision = 1;
  private restoredAt = 0;
  private readonly untold: StoreChange[] = [];
  private telling = false;

  constructor(options: { readonly historyPerType: number }) {
    this.historyPerType = options.historyPerType;
  }

  get revision(): number {
    return this.currentRevision;
  }

  get(resource: string, namespace: string, name: string): ApiObject | undefined {
    return this.shelves.get(resource)?.namespaces.get(namespace)?.get(name);
  }

  /** Objects of one namespace, or of all when `namespace` is undefined. Unordered. */
  *values(resource: string, namespace?: string): IterableIterator<ApiObject> {
    const shelf = this.shelves.get(resource);
    if (shelf === undefined) return;
    if (namespace !== undefined) {
      yield* (shelf.namespaces.get(namespace) ?? NO_OBJECTS).values();
      return;
    }
    for (const objects of shelf.namespaces.values()) yield* objects.values();
  }

  count(resource: string): number {
    return this.shelves.get(resource)?.count ?? 0;
  }

  /** In key order, as etcd lists. */
  sorted(resource: string, namespace?: string): ApiObject[] {
    const shelf = this.shelves.get(resource);
    if (shelf === undefined) return [];
    if (namespace !== undefined) {
      const objects = shelf.namespaces.get(namespace) ?? NO_OBJECTS;
      return [...objects.keys()].sort().flatMap((name) => objects.get(name) ?? []);
    }
    shelf.order ??= this.keysOf(shelf).sort(byNamespaceThenName);
    return shelf.order.flatMap((key) => shelf.namespaces.get(key.namespace)?.get(key.name) ?? []);
  }

  /**
   * The type as it stood at `revision`: today's objects with later changes undone. `undefined` when the log no longer
   * reaches back so far.
   */
  sortedAt(resource: string, namespace: string | undefined, revision: number): ApiObject[] | undefined {
    const shelf = this.shelves.get(resource);
    if (shelf === undefined || revision >= this.currentRevision) return this.sorted(resource, namespace);
    if (revision < shelf.forgotten) return undefined;
    const undone = new Map<string, ApiObject | undefined>();
    for (let i = shelf.log.length - 1; i >= 0; i--) {
      const change = shelf.log[i];
      if (change === undefined || change.revision <= revision) break;
      const { namespace: ns, name } = change.object.metadata;
      undone.set(`${ns ?? ''}/${name}`, change.previous);
    }
    const kept = this.sorted(resource, namespace).filter(
      (object) => !undone.has(`${object.metadata.namespace ?? ''}/${object.metadata.name}`),
    );
    for (const object of undone.values()) {
      if (object !== undefined && (namespace === undefined || object.metadata.namespace === namespace))
        kept.push(object);
    }
    return kept.sort((a, b) => byNamespaceThenName(keyOf(a.metadata), keyOf(b.metadata)));
  }

  /** Adds, or replaces `previous`. Returns the object as stored, with its revision. */
  write(resource: string, previous: ApiObject | undefined, object: ApiObject): ApiObject {
    const revision = ++this.currentRevision;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    const shelf = this.shelf(resource);
    const { namespace, name } = keyOf(stored.metadata);
    let objects = shelf.namespaces.get(namespace);
    if (objects === undefined) {
      objects = new Map();
      shelf.namespaces.set(namespace, objects);
    }
    objects.set(name, stored);
    if (previous === undefined) {
      shelf.count++;
      shelf.order = undefined;
    }
    this.publish(shelf, {
      kind: previous === undefined ? 'ADDED' : 'MODIFIED',
      revision,
      resource,
      object: stored,
      previous,
    });
    return stored;
  }

  remove(resource: string, previous: ApiObject): ApiObject {
    const revision = ++this.currentRevision;
    const shelf = this.shelf(resource);
    const { namespace, name } = keyOf(previous.metadata);
    const objects = shelf.namespaces.get(namespace);
    if (objects?.delete(name) === true) shelf.count--;
    if (objects?.size === 0) shelf.namespaces.delete(namespace);
    shelf.order = undefined;
    const object = { ...previous, metadata: { ...previous.metadata, resourceVersion: String(revision) } };
    this.publish(shelf, { kind: 'DELETED', revision, resource, object, previous });
    return object;
  }

  /**
   * Changes of a type after `revision`, oldest first; `undefined` when that revision is too old to answer completely.
   */
  since(resource: string, revision: number): readonly StoreChange[] | undefined {
    const { log, forgotten } = this.shelf(resource);
    if (revision < forgotten) return undefined;
    let start = log.length;
    while (start > 0 && (log[start - 1]?.revision ?? 0) > revision) start--;
    return log.slice(start);
  }

  /** The lowest revision from which a watch of this type may resume. */
  oldest(resource: string): number {
    return this.shelf(resource).forgotten;
  }

  watch(resource: string, listener: ChangeListener): () => void {
    const { watchers } = this.shelf(resource);
    watchers.add(listener);
    return () => {
      watchers.delete(listener);
    };
  }

  /** Every change of every type, after the type's own watchers were told. */
  subscribe(listener: ChangeListener): () => void {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }

  snapshot(): StoreSnapshot {
    const objects: Record<string, readonly ApiObject[]> = {};
    for (const resource of [...this.shelves.keys()].sort()) {
      const list = this.sorted(resource);
      if (list.length > 0) objects[resource] = list;
    }
    return { revision: this.currentRevision, objects };
  }

  /** Replaces everything. No history remains, so every resume below the new revision is refused. */
  restore(snapshot: StoreSnapshot, bumpRevision: number): void {
    this.shelves.clear();
    this.currentRevision = snapshot.revision + bumpRevision;
    this.restoredAt = this.currentRevision;
    for (const [resource, objects] of Object.entries(snapshot.objects)) {
      const shelf = this.shelf(resource);
      for (const object of objects) {
        const { namespace, name } = keyOf(object.metadata);
        const inNamespace = shelf.namespaces.get(namespace) ?? new Map<string, ApiObject>();
        shelf.namespaces.set(namespace, inNamespace.set(name, object));
        shelf.count++;
      }
    }
  }

  private keysOf(shelf: TypeShelf): { namespace: string; name: string }[] {
    const keys: { namespace: string; name: string }[] = [];
    for (const [namespace, objects] of shelf.namespaces)
      for (const name of objects.keys()) keys.push({ namespace, name });
    return keys;
  }

  private shelf(resource: string): TypeShelf {
    let shelf = this.shelves.get(resource);
    if (shelf === undefined) {
      shelf = {
        namespaces: new Map(),
        count: 0,
        log: [],
        // A type without a shelf has had no change yet, except that a restore forgets all of them.
        forgotten: this.restoredAt,
        watchers: new Set(),
        order: undefined,
      };
      this.shelves.set(resource, shelf);
    }
    return shelf;
  }

  private publish(shelf: TypeShelf, change: StoreChange): void {
    shelf.log.push(change);
    if (shelf.log.length > this.historyPerType * 2) {
      const dropped = shelf.log.length - this.historyPerType;
      shelf.forgotten = shelf.log[dropped - 1]?.revision ?? shelf.forgotten;
      shelf.log = shelf.log.slice(dropped);
    }
    this.untold.push(change);
    if (!this.telling) this.tell();
  }

  /** A listener may write: its change is told after the one it reacts to, so that everybody sees one order. */
  private tell(): void {
    this.telling = true;
    try {
      for (let change = this.untold.shift(); change !== undefined; change = this.untold.shift()) {
        for (const watcher of this.shelf(change.resource).watchers) watcher(change);
        for (const listener of this.listeners) listener(change);
      }
    } finally {
      this.telling = false;
    }
  }
}

function keyOf(metadata: Metadata): { readonly namespace: string; readonly name: string } {
  return { namespace: metadata.namespace ?? '', name: metadata.name };
}
