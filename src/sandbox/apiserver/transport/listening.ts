/** The server's HTTPS sockets: certificates on first use, kubeconfigs for whoever is to come in. */
import type { Logger } from '../../../platform/log/logger.ts';
import type { Access } from '../access.ts';
import { LOOPBACK } from '../authn/user-info.ts';
import type { Cluster } from '../cluster.ts';
import type { ClusterControllers } from '../controllers/cluster-controllers.ts';
import { createObject } from '../rest/write-object.ts';
import type { RequestHandler } from '../rest/request-handler.ts';
import { type ClusterPki, createClusterPki, FRONT_PROXY_NAME } from './cluster-pki.ts';
import { type HttpsListener, listenHttps } from './https-listener.ts';
import { kubeconfigText } from './kubeconfig-text.ts';

export interface ListenOptions {
  /** Address to bind; default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free one. */
  readonly port?: number;
  /** Further names in the server's certificate. */
  readonly dnsNames?: readonly string[];
}

export interface KubeconfigUser {
  /** Default `kubernetes-admin`. */
  readonly user?: string;
  /** Default `system:masters`, for an administrator. */
  readonly groups?: readonly string[];
  /** A token instead of a client certificate. */
  readonly token?: string;
  readonly namespace?: string;
}

export interface Listening {
  readonly url: string;
  readonly port: number;
  readonly caPem: string;
  /** A kubeconfig file's text, with a fresh client certificate unless a token is given. Holds secrets. */
  kubeconfig(user?: KubeconfigUser): Promise<string>;
  close(): Promise<void>;
}

export interface ListeningDeps {
  readonly name: string;
  readonly cluster: Cluster;
  readonly handler: RequestHandler;
  readonly access: Access;
  readonly controllers: ClusterControllers;
  readonly logger: Logger | undefined;
}

const SERVER_NAMES = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'localhost'];
const REQUEST_HEADER_MAP = 'extension-apiserver-authentication';

function isAddress(host: string): boolean {
  return /^[\d.]+$/.test(host) || host.includes(':');
}

export class ListeningSockets {
  private readonly deps: ListeningDeps;
  private readonly open = new Set<HttpsListener>();
  private pki: Promise<ClusterPki> | undefined;

  constructor(deps: ListeningDeps) {
    this.deps = deps;
  }

  /** The cluster's certificates; published in the cluster the first time. */
  certificates(): Promise<ClusterPki> {
    this.pki ??= this.makeCertificates();
    return this.pki;
  }

  async listen(options: ListenOptions): Promise<Listening> {
    const host = options.host ?? '127.0.0.1';
    const pki = await this.certificates();
    const certificate = await pki.serverCertificate({
      dnsNames: [...SERVER_NAMES, ...(isAddress(host) ? [] : [host]), ...(options.dnsNames ?? [])],
      ipAddresses: [...new Set(['127.0.0.1', '10.96.0.1', ...(isAddress(host) ? [host] : [])])],
    });
    const listener = await listenHttps({
      host,
      port: options.port ?? 0,
      certificate,
      clientCaPem: pki.caPem,
      handler: this.deps.handler,
      identify: (headers, certified) => this.deps.access.authenticator.identify(headers, certified),
      logger: this.deps.logger,
    });
    this.open.add(listener);
    const url = `https://${host.includes(':') ? `[${host}]` : host}:${listener.port}`;
    return {
      url,
      port: listener.port,
      caPem: pki.caPem,
      kubeconfig: (user = {}) => this.kubeconfig(pki, url, user),
      close: async () => {
        this.open.delete(listener);
        await listener.close();
      },
    };
  }

  async close(): Promise<void> {
    const open = [...this.open];
    this.open.clear();
    await Promise.all(open.map((listener) => listener.close()));
  }

  private async kubeconfig(pki: ClusterPki, server: string, request: KubeconfigUser): Promise<string> {
    const user = request.user ?? 'kubernetes-admin';
    const groups = request.groups ?? (request.user === undefined ? ['system:masters'] : []);
    const credential =
      request.token === undefined
        ? ({ kind: 'certificate', ...(await pki.userCertificate(user, groups)) } as const)
        : ({ kind: 'token', token: request.token } as const);
    return kubeconfigText({
      cluster: this.deps.name,
      server,
      caPem: pki.caPem,
      user,
      credential,
      ...(request.namespace === undefined ? {} : { namespace: request.namespace }),
    });
  }

  private async makeCertificates(): Promise<ClusterPki> {
    const { cluster, controllers } = this.deps;
    const pki = await createClusterPki(cluster);
    controllers.publishCa(pki.caPem);
    this.publishRequestHeader(pki);
    return pki;
  }

  /** Where aggregated API servers learn whom to believe. */
  private publishRequestHeader(pki: ClusterPki): void {
    const { cluster } = this.deps;
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
