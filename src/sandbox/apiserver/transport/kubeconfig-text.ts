/** Kubeconfig files for people and tools. They hold credentials: callers keep them readable by their owner alone. */
import { stringify } from 'yaml';

export type KubeconfigCredential =
  | { readonly kind: 'certificate'; readonly certificatePem: string; readonly keyPem: string }
  | { readonly kind: 'token'; readonly token: string };

export interface KubeconfigRequest {
  /** Names the cluster and the context. */
  readonly cluster: string;
  readonly server: string;
  readonly caPem: string;
  readonly user: string;
  readonly credential: KubeconfigCredential;
  readonly namespace?: string;
}

function base64(pem: string): string {
  return Buffer.from(pem).toString('base64');
}

function userEntry(credential: KubeconfigCredential): Record<string, string> {
  if (credential.kind === 'token') return { token: credential.token };
  return {
    'client-certificate-data': base64(credential.certificatePem),
    'client-key-data': base64(credential.keyPem),
  };
}

export function kubeconfigText(request: KubeconfigRequest): string {
  const { cluster, server, caPem, user, namespace } = request;
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: cluster, cluster: { server, 'certificate-authority-data': base64(caPem) } }],
    users: [{ name: user, user: userEntry(request.credential) }],
    contexts: [{ name: cluster, context: { cluster, user, ...(namespace === undefined ? {} : { namespace }) } }],
    'current-context': cluster,
  });
}
