/**
 * Reader side of a reflector: a consistent, indexed copy of one resource type. Exactly one writer (the reflector) exists;
 * readers get this interface. Objects are frozen raw JSON with managedFields stripped.
 */
import type { KubeObject } from './object.ts';

export type StoreEvent<T> =
  | { readonly kind: 'added'; readonly object: T }
  | { readonly kind: 'updated'; readonly object: T; readonly old: T }
  /** Also for an object deleted and made anew under one name while disconnected: deleted(old uid), then added(new uid). */
  | { readonly kind: 'deleted'; readonly object: T }
  /** The first full list is in. Sent once per subscription, at once if already synced. */
  | { readonly kind: 'synced' };

export interface Store<T extends KubeObject> {
  readonly synced: boolean;
  get(namespace: string | undefined, name: string): T | undefined;
  byUid(uid: string): T | undefined;
  /** All objects, unordered. */
  values(): IterableIterator<T>;
  readonly size: number;
  /** Objects whose index function gave `value`. Index names are fixed when the reflector is made. */
  byIndex(index: string, value: string): readonly T[];
  /** Replays `added` for what is there, then follows. A handler that throws is logged and does not stop the others. Returns the unsubscribe. */
  subscribe(handler: (event: StoreEvent<T>) => void): () => void;
  /** Rejects when `signal` aborts first. */
  whenSynced(signal?: AbortSignal): Promise<void>;
  /** Milliseconds (monotonic) since the watch last heard anything, bookmarks included. */
  idleMs(): number;
}
