/** Which cluster a program speaks to: a kubeconfig when one is named, else the cluster that it runs in. */
import { plainKubeConfig, podCredentials } from '../platform/kube/plain-kubeconfig.ts';
import type { ClusterCredentials } from '../platform/kube/undici-transport.ts';

const SERVICE_ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Throws KubeConfigError for a kubeconfig that cannot be used. */
export async function clusterCredentials(config: {
  readonly kubeconfig: string | undefined;
  readonly kubeContext?: string | undefined;
}): Promise<ClusterCredentials> {
  const { kubeconfig: path, kubeContext: context } = config;
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
  if (path === undefined && host !== undefined && port !== undefined) {
    return podCredentials({ host, port, serviceAccountDir: SERVICE_ACCOUNT_DIR });
  }
  const plain = path === undefined ? undefined : plainKubeConfig(path, context);
  if (plain !== undefined) return plain;
  // Plugins, OIDC, and every sort of mistake. Loaded only here, because it is large.
  const { loadKubeConfig } = await import('../platform/kube/kubeconfig.ts');
  if (path === undefined) return loadKubeConfig({ kind: 'in-cluster' }).credentials;
  return loadKubeConfig({ kind: 'file', path, ...(context === undefined ? {} : { context }) }).credentials;
}
