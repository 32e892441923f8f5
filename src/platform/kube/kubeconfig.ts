/** Cluster credentials from kubeconfig files and from inside a pod: signatures; the body follows. */
import type { ClusterCredentials } from './undici-transport.ts';

export type KubeConfigSource =
  | { readonly kind: 'file'; readonly path: string; readonly context?: string }
  | { readonly kind: 'text'; readonly yaml: string; readonly context?: string }
  | { readonly kind: 'in-cluster' };

export interface LoadedKubeConfig {
  readonly credentials: ClusterCredentials;
  /** The context's namespace, or the pod's own; `default` if none is said. */
  readonly namespace: string;
  readonly contextName: string;
  readonly clusterName: string;
}

export declare function loadKubeConfig(source: KubeConfigSource): LoadedKubeConfig;
