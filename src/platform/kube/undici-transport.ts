/** KubeTransport over TLS by undici: signatures; the body follows. */
import type { Clock } from '../clock/clock.ts';
import type { KubeTransport } from './transport.ts';

/** What it takes to speak to one cluster at this moment. PEM texts. */
export interface CredentialMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly serverName?: string;
  /** Only where the kubeconfig says `insecure-skip-tls-verify`. */
  readonly insecureSkipTlsVerify?: boolean;
  /** Lower-case names; e.g. `authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ClusterCredentials {
  /** `https://host:port`, with a path prefix where the cluster sits behind a proxy. */
  readonly server: string;
  /** Fresh material; asked at most about every 10 s, so that token files and exec plugins rotate. */
  readonly current: () => Promise<CredentialMaterial>;
}

export declare function createUndiciTransport(credentials: ClusterCredentials, deps: { readonly clock: Clock }): KubeTransport;
