/**
 * Publishes where agents find this hub and which authority they shall trust, in ConfigMap `lumbung-hub` of the hub's
 * namespace: what `lumbung member invite` prints. No secret is in it.
 */
import { FIELD_MANAGERS } from '../../api/v1alpha1/labels.ts';
import { configMaps } from '../../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import type { KubeObject } from '../../platform/kube/object.ts';

export interface HubInfo {
  /** `host:port` that agents dial. */
  readonly federationAddress: string;
  readonly enrolmentAddress: string;
  /** SHA-256 of the authority's certificate, hex. */
  readonly caSha256: string;
  readonly trustDomain: string;
}

export async function publishHubInfo(client: KubeClient, namespace: string, info: HubInfo): Promise<void> {
  const object: KubeObject & { readonly data: Readonly<Record<string, string>> } = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'lumbung-hub', namespace, labels: { 'app.kubernetes.io/part-of': 'lumbung' } },
    data: { ...info },
  };
  await client.apply(configMaps, object, { fieldManager: FIELD_MANAGERS.hub, force: true });
}
