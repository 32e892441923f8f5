/**
 * Follows owner references: removes dependents whose owners are all gone, lets go of owners that vanished among others
 * that remain, and carries out foreground and orphan deletion. References name owners by uid; one in another namespace,
 * or of another uid, counts as absent. Owners of kinds that this server does not serve are left alone.
 */
import type { Clock } from '../../../platform/clock/clock.ts';
import type { Logger } from '../../../platform/log/logger.ts';
import { LOOPBACK } from '../authn/user-info.ts';
import type { Cluster } from '../cluster.ts';
import type { ApiObject, OwnerRef } from '../json-value.ts';
import { DELETE_NOW, deleteObject } from '../rest/delete-object.ts';
import { updateObject, type WriteOptions } from '../rest/write-object.ts';
import type { StoreChange } from '../storage/object-store.ts';
import { DeferredQueue } from './deferred-queue.ts';

const FOREGROUND = 'foregroundDeletion';
const ORPHAN = 'orphan';

const OPTIONS: WriteOptions = { user: LOOPBACK, manager: 'kube-controller-manager', dryRun: false, subresource: '' };

interface Place {
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
}

type OwnerState = 'solid' | 'absent' | 'waiting';

function groupAndVersion(apiVersion: string): readonly [string, string] {
  const at = apiVersion.indexOf('/');
  return at < 0 ? ['', apiVersion] : [apiVersion.slice(0, at), apiVersion.slice(at + 1)];
}

export class GarbageCollector {
  private readonly cluster: Cluster;
  private readonly queue: DeferredQueue;
  private readonly places = new Map<string, Place>();
  /** Owner uid to uids that refer to it. */
  private readonly dependents = new Map<string, Set<string>>();

  constructor(cluster: Cluster, deps: { readonly clock: Clock; readonly logger: Logger | undefined }) {
    this.cluster = cluster;
    this.queue = new DeferredQueue({
      name: 'garbage-collector',
      ...deps,
      work: (uid) => {
        this.visit(uid);
      },
    });
  }

  /** Forgets everything and learns the store's present contents (after a restore). */
  relearn(): void {
    this.places.clear();
    this.dependents.clear();
    for (const resource of this.cluster.registry.stored(false)) {
      for (const object of this.cluster.store.values(resource.storageKey))
        this.learn(resource.storageKey, object, undefined);
    }
    for (const uid of this.places.keys()) this.queue.add(uid);
  }

  readonly onChange = (change: StoreChange): void => {
    const { uid } = change.object.metadata;
    if (uid === undefined) return;
    if (change.kind === 'DELETED') {
      this.forget(uid, change.object);
      return;
    }
    this.learn(change.resource, change.object, change.previous);
    const { ownerReferences, deletionTimestamp, finalizers = [] } = change.object.metadata;
    const ending = deletionTimestamp !== undefined && (finalizers.includes(FOREGROUND) || finalizers.includes(ORPHAN));
    const reowned = ownerReferences !== undefined && change.previous?.metadata.ownerReferences !== ownerReferences;
    if (ending || reowned) this.queue.add(uid);
  };

  stop(): void {
    this.queue.stop();
  }

  private learn(resource: string, object: ApiObject, previous: ApiObject | undefined): void {
    const { uid = '', namespace = '', name, ownerReferences } = object.metadata;
    if (previous === undefined) this.places.set(uid, { resource, namespace, name });
    const before = previous?.metadata.ownerReferences;
    if (before === ownerReferences) return;
    for (const owner of before ?? []) this.dependents.get(owner.uid)?.delete(uid);
    for (const owner of ownerReferences ?? []) {
      const set = this.dependents.get(owner.uid) ?? new Set();
      this.dependents.set(owner.uid, set.add(uid));
    }
  }

  private forget(uid: string, object: ApiObject): void {
    this.places.delete(uid);
    for (const owner of object.metadata.ownerReferences ?? []) {
      this.dependents.get(owner.uid)?.delete(uid);
      // The owner may have waited for this one.
      if (this.places.has(owner.uid)) this.queue.add(owner.uid);
    }
    for (const dependent of this.dependents.get(uid) ?? []) this.queue.add(dependent);
    this.dependents.delete(uid);
  }

  private lookup(uid: string): ApiObject | undefined {
    const place = this.places.get(uid);
    if (place === undefined) return undefined;
    const object = this.cluster.store.get(place.resource, place.namespace, place.name);
    return object?.metadata.uid === uid ? object : undefined;
  }

  private visit(uid: string): void {
    const object = this.lookup(uid);
    if (object === undefined) return;
    const finalizers = object.metadata.finalizers ?? [];
    if (object.metadata.deletionTimestamp !== undefined) {
      if (finalizers.includes(ORPHAN)) this.orphan(object);
      else if (finalizers.includes(FOREGROUND)) this.foreground(object);
      return;
    }
    this.judge(object);
  }

  /** Decides an object by its owners. */
  private judge(object: ApiObject): void {
    const owners = object.metadata.ownerReferences ?? [];
    if (owners.length === 0) return;
    const states = owners.map((owner) => this.ownerState(owner, object));
    if (states.includes('solid')) {
      const kept = owners.filter((_, i) => states[i] === 'solid');
      if (kept.length < owners.length) this.rewrite(object, { ownerReferences: kept });
      return;
    }
    const hasDependents = (this.dependents.get(object.metadata.uid ?? '')?.size ?? 0) > 0;
    const foreground = states.includes('waiting') && hasDependents;
    this.delete(object, foreground ? 'Foreground' : 'Background');
  }

  private ownerState(owner: OwnerRef, dependent: ApiObject): OwnerState {
    const place = this.places.get(owner.uid);
    const found = this.lookup(owner.uid);
    if (place === undefined || found === undefined) {
      const known = this.cluster.registry.byKind(...groupAndVersion(owner.apiVersion), owner.kind) !== undefined;
      return known ? 'absent' : 'solid';
    }
    if (place.namespace !== '' && place.namespace !== (dependent.metadata.namespace ?? '')) return 'absent';
    const { deletionTimestamp, finalizers } = found.metadata;
    const waiting = deletionTimestamp !== undefined && (finalizers ?? []).includes(FOREGROUND);
    return waiting && owner.blockOwnerDeletion === true ? 'waiting' : 'solid';
  }

  private dependentsOf(owner: ApiObject): ApiObject[] {
    const uids = this.dependents.get(owner.metadata.uid ?? '') ?? new Set();
    return [...uids].flatMap((uid) => this.lookup(uid) ?? []);
  }

  private orphan(owner: ApiObject): void {
    const { uid } = owner.metadata;
    for (const dependent of this.dependentsOf(owner)) {
      const kept = (dependent.metadata.ownerReferences ?? []).filter((reference) => reference.uid !== uid);
      this.rewrite(dependent, { ownerReferences: kept });
    }
    this.dropFinalizer(owner, ORPHAN);
  }

  private foreground(owner: ApiObject): void {
    const { uid } = owner.metadata;
    const blocking = this.dependentsOf(owner).filter((dependent) =>
      dependent.metadata.ownerReferences?.some((ref) => ref.uid === uid && ref.blockOwnerDeletion === true),
    );
    if (blocking.length === 0) {
      this.dropFinalizer(owner, FOREGROUND);
      return;
    }
    for (const dependent of blocking) {
      if (dependent.metadata.deletionTimestamp === undefined) this.judge(dependent);
    }
  }

  private dropFinalizer(object: ApiObject, finalizer: string): void {
    this.rewrite(object, { finalizers: (object.metadata.finalizers ?? []).filter((name) => name !== finalizer) });
  }

  private rewrite(object: ApiObject, change: { ownerReferences?: OwnerRef[]; finalizers?: string[] }): void {
    const resource = this.resourceOf(object);
    if (resource === undefined) return;
    const metadata = { ...object.metadata, ...change };
    if (metadata.ownerReferences?.length === 0) Reflect.deleteProperty(metadata, 'ownerReferences');
    if (metadata.finalizers?.length === 0) Reflect.deleteProperty(metadata, 'finalizers');
    updateObject(this.cluster, resource, { old: object, next: { ...object, metadata } }, OPTIONS);
  }

  private delete(object: ApiObject, propagation: 'Foreground' | 'Background'): void {
    const resource = this.resourceOf(object);
    if (resource === undefined || object.metadata.deletionTimestamp !== undefined) return;
    // What the object itself asked for (a finalizer set by hand) is kept when nothing else is said.
    deleteObject(this.cluster, resource, object, { ...DELETE_NOW, propagation });
  }

  private resourceOf(object: ApiObject): ReturnType<Cluster['registry']['storedAs']> {
    const place = this.places.get(object.metadata.uid ?? '');
    return place === undefined ? undefined : this.cluster.registry.storedAs(place.resource);
  }
}
