/** Which cluster a program speaks to: a kubeconfig when one is named, else the cluster that it runs in. */
import { loadKubeConfig } from '../platform/kube/kubeconfig.ts';
import type { ClusterCredentials } from '../platform/kube/undici-transport.ts';

export function clusterCredentials(config: {
  readonly kubeconfig: string | undefined;
  readonly kubeContext?: string | undefined;
}): ClusterCredentials {
  const { kubeconfig: path, kubeContext: context } = config;
  if (path === undefined) return loadKubeConfig({ kind: 'in-cluster' }).credentials;
  return loadKubeConfig({ kind: 'file', path, ...(context === undefined ? {} : { context }) }).credentials;
}
