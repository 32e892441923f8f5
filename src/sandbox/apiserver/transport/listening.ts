/** The server's HTTPS sockets: certificates on first use, kubeconfigs for whoever is to come in. */
import type { Logger } from '../../../platform/log/logger.ts';
import type { Access } from '../access.ts';
import type { RequestHandler } from '../rest/request-handler.ts';
import type { ClusterCertificates } from './cluster-certificates.ts';
import type { ClusterPki } from './cluster-pki.ts';
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
  readonly handler: RequestHandler;
  readonly access: Access;
  readonly certificates: ClusterCertificates;
  readonly logger: Logger | undefined;
}

const SERVER_NAMES = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'localhost'];

function isAddress(host: string): boolean {
  return /^[\d.]+$/.test(host) || host.includes(':');
}

export class ListeningSockets {
  private readonly deps: ListeningDeps;
  private readonly open = new Set<HttpsListener>();

  constructor(deps: ListeningDeps) {
    this.deps = deps;
  }

  async listen(options: ListenOptions): Promise<Listening> {
    const host = options.host ?? '127.0.0.1';
    const pki = await this.deps.certificates.get();
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
}
