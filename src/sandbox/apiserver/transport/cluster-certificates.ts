/**
 * The cluster's certificates, made when first asked for and then published where clients look: the CA bundle in every
 * namespace, and whom aggregated API servers may believe.
 */
import { LOOPBACK } from '../authn/user-info.ts';
import type { Cluster } from '../cluster.ts';
import type { ClusterControllers } from '../controllers/cluster-controllers.ts';
import { createObject } from '../rest/write-object.ts';
import { type ClusterPki, createClusterPki, FRONT_PROXY_NAME } from './cluster-pki.ts';

const REQUEST_HEADER_MAP = 'extension-apiserver-authentication';

export class ClusterCertificates {
  private readonly cluster: Cluster;
  private readonly controllers: ClusterControllers;
  private made: Promise<ClusterPki> | undefined;

  constructor(cluster: Cluster, controllers: ClusterControllers) {
    this.cluster = cluster;
    this.controllers = controllers;
  }

  get(): Promise<ClusterPki> {
    this.made ??= this.make();
    return this.made;
  }

  private async make(): Promise<ClusterPki> {
    const pki = await createClusterPki(this.cluster);
    this.controllers.publishCa(pki.caPem);
    this.publishRequestHeader(pki);
    return pki;
  }

  private publishRequestHeader(pki: ClusterPki): void {
    const { cluster } = this;
    const resource = cluster.registry.find('', 'v1', 'configmaps');
    if (resource === undefined) return;
    if (cluster.store.get(resource.storageKey, 'kube-system', REQUEST_HEADER_MAP) !== undefined) return;
    const object = {
      metadata: { name: REQUEST_HEADER_MAP },
      data: {
        'client-ca-file': pki.caPem,
        'requestheader-client-ca-file': pki.frontProxyCaPem,
        'requestheader-allowed-names': JSON.stringify([FRONT_PROXY_NAME]),
        'requestheader-username-headers': '["X-Remote-User"]',
        'requestheader-group-headers': '["X-Remote-Group"]',
        'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
      },
    };
    const options = { user: LOOPBACK, manager: 'kube-apiserver', dryRun: false, subresource: '' };
    createObject(cluster, resource, { namespace: 'kube-system', object }, options);
  }
}
