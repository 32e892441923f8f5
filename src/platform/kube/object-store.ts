/**
 * The writer's side of a Store: an indexed copy of one resource type, and the events that follow from each change.
 *
 * Invariants: indexes and events agree with the objects at every moment; a change of UID under one name is a deletion and an
 * addition; the same UID and resourceVersion is no change; a handler or index function that throws is logged and stops
 * nobody. Leaves out where objects come from (reflector.ts).
 */
import type { Clock } from '../clock/clock.ts';
import type { Logger } from '../log/logger.ts';
import type { KubeObject } from './object.ts';
import type { Store, StoreEvent } from './store.ts';

export type Indexers<T> = Readonly<Record<string, (object: T) => readonly string[]>>;

export interface ObjectStoreDeps<T> {
  /** For log lines: plural of the type. */
  readonly name: string;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly logger: Logger;
  readonly indexers: Indexers<T>;
}

interface Entry<T> {
  readonly object: T;
  /** Values by index, as computed when the object came in. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

type Handler<T> = (event: StoreEvent<T>) => void;

export class ObjectStore<T extends KubeObject> implements Store<T> {
  private readonly deps: ObjectStoreDeps<T>;
  private readonly entries = new Map<string, Entry<T>>();
  private readonly uids = new Map<string, string>();
  private readonly indexes = new Map<string, Map<string, Set<Entry<T>>>>();
  private readonly handlers = new Set<Handler<T>>();
  private readonly waiting = new Set<() => void>();
  private isSynced = false;
  private heardMs = -Infinity;

  constructor(deps: ObjectStoreDeps<T>) {
    this.deps = deps;
    for (const index of Object.keys(deps.indexers)) this.indexes.set(index, new Map());
  }

  get synced(): boolean {
    return this.isSynced;
  }

  get size(): number {
    return this.entries.size;
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.entries.get(`${namespace ?? ''}/${name}`)?.object;
  }

  byUid(uid: string): T | undefined {
    const key = this.uids.get(uid);
    return key === undefined ? undefined : this.entries.get(key)?.object;
  }

  *values(): IterableIterator<T> {
    for (const entry of this.entries.values()) yield entry.object;
  }

  byIndex(index: string, value: string): readonly T[] {
    const values = this.indexes.get(index);
    if (values === undefined) throw new RangeError(`${this.deps.name}: there is no index ${JSON.stringify(index)}`);
    return [...(values.get(value) ?? [])].map((entry) => entry.object);
  }

  subscribe(handler: Handler<T>): () => void {
    // Replay before joining: what changes during the replay is part of it.
    for (const object of [...this.values()]) this.deliver(handler, { kind: 'added', object });
    if (this.isSynced) this.deliver(handler, { kind: 'synced' });
    this.handlers.add(handler);
    return () => this.handlers.delete(handler);
  }

  whenSynced(signal?: AbortSignal): Promise<void> {
    if (this.isSynced) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const done = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = (): void => {
        this.waiting.delete(done);
        reject(new Error(`${this.deps.name}: stopped waiting for the first list`));
      };
      if (signal?.aborted === true) {
        onAbort();
        return;
      }
      signal?.addEventListener('abort', onAbort, { once: true });
      this.waiting.add(done);
    });
  }

  idleMs(): number {
    return this.deps.clock.monotonicMs() - this.heardMs;
  }

  /** The watch or list gave a sign of life. */
  heard(): void {
    this.heardMs = this.deps.clock.monotonicMs();
  }

  /**
   * Adds or updates one object. With `trustVersions` false an equal resourceVersion does not count as unchanged: after the
   * cluster's history was set back, versions are given out twice.
   */
  put(object: T, trustVersions = true): void {
    const key = keyOf(object);
    const old = this.entries.get(key)?.object;
    const sameUid = old?.metadata.uid === object.metadata.uid;
    if (old !== undefined && sameUid && trustVersions && sameVersion(old, object)) return;
    if (old !== undefined && !sameUid) this.remove(old);
    this.insert(key, object);
    if (old !== undefined && sameUid) this.emit({ kind: 'updated', object, old });
    else this.emit({ kind: 'added', object });
  }

  /** Removes the object if it is the one stored (by UID). `last` is its final state, which handlers get. */
  remove(last: T): void {
    const key = keyOf(last);
    const entry = this.entries.get(key);
    if (entry === undefined || entry.object.metadata.uid !== last.metadata.uid) return;
    this.entries.delete(key);
    this.unindex(entry);
    if (last.metadata.uid !== undefined) this.uids.delete(last.metadata.uid);
    this.emit({ kind: 'deleted', object: last });
  }

  /** Makes the store equal to a complete list. The first time, it is synced from then on. */
  replaceAll(objects: readonly T[], trustVersions = true): void {
    const listed = new Set(objects.map(keyOf));
    for (const [key, entry] of [...this.entries]) if (!listed.has(key)) this.remove(entry.object);
    for (const object of objects) this.put(object, trustVersions);
    if (this.isSynced) return;
    this.isSynced = true;
    this.emit({ kind: 'synced' });
    for (const done of this.waiting) done();
    this.waiting.clear();
  }

  private insert(key: string, object: T): void {
    const previous = this.entries.get(key);
    if (previous !== undefined) this.unindex(previous);
    const entry: Entry<T> = { object, values: this.indexValues(object) };
    this.entries.set(key, entry);
    if (object.metadata.uid !== undefined) this.uids.set(object.metadata.uid, key);
    for (const [index, values] of entry.values) {
      for (const value of values) this.bucket(index, value).add(entry);
    }
  }

  private indexValues(object: T): Map<string, readonly string[]> {
    const values = new Map<string, readonly string[]>();
    for (const [index, indexer] of Object.entries(this.deps.indexers)) {
      try {
        values.set(index, indexer(object));
      } catch (error) {
        this.deps.logger.error('an index function threw; the object is indexed under nothing', {
          type: this.deps.name,
          index,
          object: keyOf(object),
          error,
        });
      }
    }
    return values;
  }

  private bucket(index: string, value: string): Set<Entry<T>> {
    const values = this.indexes.get(index) ?? new Map<string, Set<Entry<T>>>();
    const bucket = values.get(value) ?? new Set<Entry<T>>();
    values.set(value, bucket);
    return bucket;
  }

  private unindex(entry: Entry<T>): void {
    for (const [index, values] of entry.values) {
      const buckets = this.indexes.get(index);
      for (const value of values) {
        const bucket = buckets?.get(value);
        bucket?.delete(entry);
        if (bucket?.size === 0) buckets?.delete(value);
      }
    }
  }

  private emit(event: StoreEvent<T>): void {
    for (const handler of [...this.handlers]) this.deliver(handler, event);
  }

  private deliver(handler: Handler<T>, event: StoreEvent<T>): void {
    try {
      handler(event);
    } catch (error) {
      this.deps.logger.error('a store handler threw', { type: this.deps.name, event: event.kind, error });
    }
  }
}

function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name ?? ''}`;
}

function sameVersion(a: KubeObject, b: KubeObject): boolean {
  return a.metadata.resourceVersion !== undefined && a.metadata.resourceVersion === b.metadata.resourceVersion;
}
