/**
 * What every cluster has from the start and every namespace from its birth: the default namespaces, a `default` service
 * account and the cluster's CA bundle. Made in the same moment as the namespace, so that pods can follow at once.
 */
import { LOOPBACK } from '../authn/user-info.ts';
import type { Cluster } from '../cluster.ts';
import type { JsonObject } from '../json-value.ts';
import { createObject, type WriteOptions } from '../rest/write-object.ts';
import { resourceKey, type StoreChange } from '../storage/object-store.ts';

const DEFAULT_NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

const OPTIONS: WriteOptions = {
  user: LOOPBACK,
  manager: 'kube-controller-manager',
  dryRun: false,
  subresource: '',
};

const NAMESPACES = resourceKey('', 'namespaces');

function ensure(
  cluster: Cluster,
  plural: string,
  namespace: string,
  object: JsonObject & { metadata: { name: string } },
): void {
  const resource = cluster.registry.find('', 'v1', plural);
  if (resource === undefined) return;
  if (cluster.store.get(resource.storageKey, namespace, object.metadata.name) !== undefined) return;
  createObject(cluster, resource, { namespace, object }, OPTIONS);
}

function furnish(cluster: Cluster, namespace: string, caPem: string | undefined): void {
  ensure(cluster, 'serviceaccounts', namespace, { metadata: { name: 'default' } });
  if (caPem === undefined) return;
  ensure(cluster, 'configmaps', namespace, { metadata: { name: 'kube-root-ca.crt' }, data: { 'ca.crt': caPem } });
}

export interface NamespaceFurniture {
  /** Called with each change of the store. */
  onChange(change: StoreChange): void;
  /** Publishes the CA to all namespaces, now and later. */
  publishCa(caPem: string): void;
}

/** Creates the default namespaces and keeps every namespace furnished. */
export function createNamespaceFurniture(cluster: Cluster): NamespaceFurniture {
  let caPem: string | undefined;
  const furniture: NamespaceFurniture = {
    onChange: (change) => {
      if (change.resource === NAMESPACES && change.kind === 'ADDED')
        furnish(cluster, change.object.metadata.name, caPem);
    },
    publishCa: (pem) => {
      caPem = pem;
      for (const { metadata } of [...cluster.store.values(NAMESPACES)]) {
        if (metadata.deletionTimestamp === undefined) furnish(cluster, metadata.name, caPem);
      }
    },
  };
  return furniture;
}

export function createDefaultNamespaces(cluster: Cluster): void {
  for (const name of DEFAULT_NAMESPACES) ensure(cluster, 'namespaces', '', { metadata: { name } });
}
