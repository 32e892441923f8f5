/**
 * KubeTransport over TLS by undici, with one set of keep-alive connections per cluster.
 *
 * Invariants: ordinary requests share 16 connections; watches, logs and other streams have connections of their own, so that
 * they never starve a request; HTTP/2 stays off (no gain measured). Credentials are asked for at most every 10 s and at
 * once after a 401; only a change of TLS material makes new connections, and open streams on the old ones go on. Nothing of
 * a request's headers gets into an error. Leaves out deadlines and retries (http-caller.ts).
 */
import { Agent } from 'undici';
import type { Clock } from '../clock/clock.ts';
import { KubeUnreachable } from './kube-error.ts';
import type { KubeRequest, KubeResponse, KubeTransport } from './transport.ts';

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

const requestConnections = 16;
const refreshAfterMs = 10_000;
const connectTimeoutMs = 10_000;
const keepAliveMs = 30_000;
/** Undici's `connections`: no bound, each stream takes one. */
const unbounded = null;

interface Connections {
  readonly tlsIdentity: string;
  readonly requests: Agent;
  readonly streams: Agent;
}

interface Fresh {
  readonly material: CredentialMaterial;
  readonly takenMonotonicMs: number;
  readonly connections: Connections;
}

/** A transport to `credentials.server`. Nothing is opened before the first request. */
export function createUndiciTransport(credentials: ClusterCredentials, deps: { readonly clock: Clock }): KubeTransport {
  return new UndiciTransport(credentials, deps.clock);
}

class UndiciTransport implements KubeTransport {
  private readonly credentials: ClusterCredentials;
  private readonly clock: Clock;
  private readonly origin: string;
  private readonly prefix: string;
  private fresh: Fresh | undefined;
  private refreshing: Promise<Fresh> | undefined;
  private closed = false;

  constructor(credentials: ClusterCredentials, clock: Clock) {
    const server = parseServer(credentials.server);
    this.credentials = credentials;
    this.clock = clock;
    this.origin = server.origin;
    this.prefix = server.pathname.replace(/\/+$/, '');
  }

  async request(request: KubeRequest): Promise<KubeResponse> {
    const { material, connections } = await this.ready();
    const agent = isStream(request.path) ? connections.streams : connections.requests;
    const response = await agent.request({
      origin: this.origin,
      path: this.prefix + request.path,
      method: request.method,
      headers: { ...material.headers, ...request.headers },
      body: request.body ?? null,
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
    if (response.statusCode === 401) this.fresh = this.fresh && { ...this.fresh, takenMonotonicMs: -Infinity };
    return { status: response.statusCode, headers: flatHeaders(response.headers), body: response.body };
  }

  async close(): Promise<void> {
    this.closed = true;
    const fresh = this.fresh ?? (await this.refreshing?.catch(() => undefined));
    this.fresh = undefined;
    if (fresh === undefined) return;
    await Promise.all([fresh.connections.requests.destroy(), fresh.connections.streams.destroy()]);
  }

  private async ready(): Promise<Fresh> {
    if (this.closed) throw new KubeUnreachable('Closed', `${this.origin}: the transport was closed`);
    const fresh = this.fresh;
    if (fresh !== undefined && this.clock.monotonicMs() - fresh.takenMonotonicMs < refreshAfterMs) return fresh;
    this.refreshing ??= this.refresh().finally(() => {
      this.refreshing = undefined;
    });
    return this.refreshing;
  }

  private async refresh(): Promise<Fresh> {
    const material = await this.readMaterial();
    const tlsIdentity = JSON.stringify([material.ca, material.cert, material.key, material.serverName]);
    const previous = this.fresh?.connections;
    const connections = previous?.tlsIdentity === tlsIdentity ? previous : connect(material, tlsIdentity);
    if (previous !== undefined && previous !== connections) retire(previous);
    this.fresh = { material, connections, takenMonotonicMs: this.clock.monotonicMs() };
    return this.fresh;
  }

  /** Messages of auth plugins may quote what they print, so only the code is passed on. */
  private async readMaterial(): Promise<CredentialMaterial> {
    try {
      return await this.credentials.current();
    } catch (error) {
      const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
      const detail = typeof code === 'string' ? code : String(name);
      throw new KubeUnreachable('Connection', `${this.origin}: the credentials cannot be read (${detail})`, detail);
    }
  }
}

function parseServer(server: string): URL {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new TypeError(`server: ${JSON.stringify(server)} is not an http or https URL`);
  }
  return url;
}

function connect(material: CredentialMaterial, tlsIdentity: string): Connections {
  const tls = {
    timeout: connectTimeoutMs,
    rejectUnauthorized: material.insecureSkipTlsVerify !== true,
    ...(material.ca === undefined ? {} : { ca: material.ca }),
    ...(material.cert === undefined ? {} : { cert: material.cert }),
    ...(material.key === undefined ? {} : { key: material.key }),
    ...(material.serverName === undefined ? {} : { servername: material.serverName }),
  };
  // Deadlines belong to the client, which knows what a call may cost: undici's own timers stay off.
  const agent = (connections: number | null): Agent =>
    new Agent({
      connections,
      allowH2: false,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: keepAliveMs,
      connect: tls,
    });
  return { tlsIdentity, requests: agent(requestConnections), streams: agent(unbounded) };
}

/** Lets the old connections finish what they carry; they close when the last stream on them ends. */
function retire(connections: Connections): void {
  for (const agent of [connections.requests, connections.streams]) {
    agent.close().catch(() => undefined); // Nobody waits for an old connection; its streams report their own ends.
  }
}

/** Calls whose answer may go on for hours. */
function isStream(path: string): boolean {
  const [bare = '', query = ''] = path.split('?', 2);
  return /(^|&)(watch|follow)=(true|1)(&|$)/.test(query) || bare.endsWith('/log');
}

function flatHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return flat;
}
