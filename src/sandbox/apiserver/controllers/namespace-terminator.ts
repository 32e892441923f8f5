/** Empties namespaces that are being deleted, and lets go of them once nothing is left inside. */
import type { Clock } from '../../../platform/clock/clock.ts';
import type { Logger } from '../../../platform/log/logger.ts';
import type { Cluster } from '../cluster.ts';
import type { ApiObject } from '../json-value.ts';
import { DELETE_NOW, deleteObject } from '../rest/delete-object.ts';
import { isFinished } from '../rest/write-object.ts';
import { resourceKey, type StoreChange } from '../storage/object-store.ts';
import { DeferredQueue } from './deferred-queue.ts';

const NAMESPACES = resourceKey('', 'namespaces');

export class NamespaceTerminator {
  private readonly cluster: Cluster;
  private readonly queue: DeferredQueue;
  private readonly ending = new Set<string>();

  constructor(cluster: Cluster, deps: { readonly clock: Clock; readonly logger: Logger | undefined }) {
    this.cluster = cluster;
    this.queue = new DeferredQueue({
      name: 'namespace-terminator',
      ...deps,
      work: (name) => {
        this.visit(name);
      },
    });
  }

  relearn(): void {
    this.ending.clear();
    for (const namespace of this.cluster.store.values(NAMESPACES)) this.notice(namespace);
  }

  readonly onChange = (change: StoreChange): void => {
    if (change.resource === NAMESPACES) {
      if (change.kind === 'DELETED') this.ending.delete(change.object.metadata.name);
      else this.notice(change.object);
    } else if (change.kind === 'DELETED' && this.ending.size > 0) {
      const namespace = change.object.metadata.namespace ?? '';
      if (this.ending.has(namespace)) this.queue.add(namespace);
    }
  };

  stop(): void {
    this.queue.stop();
  }

  private notice(namespace: ApiObject): void {
    if (namespace.metadata.deletionTimestamp === undefined) return;
    this.ending.add(namespace.metadata.name);
    this.queue.add(namespace.metadata.name);
  }

  private visit(name: string): void {
    const namespace = this.cluster.store.get(NAMESPACES, '', name);
    if (namespace?.metadata.deletionTimestamp === undefined) return;
    let left = 0;
    for (const resource of this.cluster.registry.stored(true)) {
      for (const object of [...this.cluster.store.values(resource.storageKey, name)]) {
        if (object.metadata.deletionTimestamp !== undefined) left++;
        else if (!deleteObject(this.cluster, resource, object, DELETE_NOW).gone) left++;
      }
    }
    if (left === 0) this.release(namespace);
  }

  private release(namespace: ApiObject): void {
    const resource = this.cluster.registry.storedAs(NAMESPACES);
    if (resource === undefined) return;
    const next: ApiObject = { ...namespace, spec: {} };
    if (isFinished(resource, next)) this.cluster.store.remove(NAMESPACES, namespace);
    else if (namespace['spec'] !== undefined) this.cluster.store.write(NAMESPACES, namespace, next);
  }
}
