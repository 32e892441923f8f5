/**
 * Registers the hub's aggregated API with the cluster, with the authority that signs its certificate: so that the API server
 * can check whom it passes requests to. The Service that it names is the installation's.
 */
import { FIELD_MANAGERS } from '../../api/v1alpha1/labels.ts';
import { apiServices } from '../../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { SUBRESOURCE_GROUP, SUBRESOURCE_VERSION } from './subresource-api.ts';

export interface SubresourceService {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
  /** PEM of the authority. */
  readonly caPem: string;
}

export async function publishSubresourceApi(client: KubeClient, service: SubresourceService): Promise<void> {
  const { namespace, name, port, caPem } = service;
  const object = {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: {
      name: `${SUBRESOURCE_VERSION}.${SUBRESOURCE_GROUP}`,
      labels: { 'app.kubernetes.io/part-of': 'lumbung' },
    },
    spec: {
      group: SUBRESOURCE_GROUP,
      version: SUBRESOURCE_VERSION,
      groupPriorityMinimum: 1000,
      versionPriority: 15,
      service: { namespace, name, port },
      caBundle: Buffer.from(caPem).toString('base64'),
    },
  };
  await client.apply(apiServices, object, { fieldManager: FIELD_MANAGERS.hub, force: true });
}
