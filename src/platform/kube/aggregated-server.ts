/**
 * The HTTPS end of an aggregated API: what a cluster's API server proxies to. Decides who the user is and nothing else.
 *
 * Invariants: the user headers are believed only from a client certificate that the cluster's request-header authority
 * signed and whose common name it allows; everybody else gets 401. `/healthz` alone needs no identity. Leaves out
 * authorisation and what the paths mean (the handler's).
 * Source: Kubernetes documentation, "Configure the Aggregation Layer".
 */
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { once } from 'node:events';
import type { ReloadableTls } from '../grpc/tls-material.ts';
import type { Runnable } from '../lifecycle/runnable.ts';
import type { Logger } from '../log/logger.ts';

/** As in ConfigMap kube-system/extension-apiserver-authentication. */
export interface RequestHeaderConfig {
  readonly clientCaPem: string;
  /** Empty = any common name. */
  readonly allowedNames: readonly string[];
  readonly usernameHeaders: readonly string[];
  readonly groupHeaders: readonly string[];
}

export interface AggregatedRequest {
  readonly user: string;
  readonly groups: readonly string[];
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Aborts when the reader leaves. */
  readonly signal: AbortSignal;
}

export interface AggregatedAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | AsyncIterable<Uint8Array>;
}

export interface AggregatedServerOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly tls: ReloadableTls;
  readonly requestHeader: RequestHeaderConfig;
  readonly handle: (request: AggregatedRequest) => Promise<AggregatedAnswer>;
  readonly logger: Logger;
}

export interface AggregatedServer extends Runnable {
  readonly port: number;
}

export function createAggregatedServer(options: AggregatedServerOptions): AggregatedServer {
  let server: Server | undefined;
  let port = options.port;
  let unsubscribe: (() => void) | undefined;
  const stop = async (): Promise<void> => {
    unsubscribe?.();
    const running = server;
    server = undefined;
    if (running === undefined) return;
    const closed = once(running, 'close');
    running.close();
    running.closeAllConnections();
    await closed;
  };
  return {
    name: 'aggregated-api',
    get port() {
      return port;
    },
    start: async (signal) => {
      const running = createServer({
        ...tlsOptions(options),
        requestCert: true,
        rejectUnauthorized: false,
        minVersion: 'TLSv1.2',
      });
      running.on('request', (request: IncomingMessage, response: ServerResponse) => {
        void answer(request, response, options);
      });
      running.on('tlsClientError', (error) => {
        options.logger.debug('TLS handshake failed', { code: (error as NodeJS.ErrnoException).code });
      });
      unsubscribe = options.tls.subscribe(() => {
        running.setSecureContext(tlsOptions(options));
      });
      running.listen(options.port, options.host);
      await once(running, 'listening');
      const address = running.address();
      if (typeof address === 'object' && address !== null) port = address.port;
      server = running;
      signal.addEventListener('abort', () => void stop(), { once: true });
    },
    stop,
  };
}

function tlsOptions(options: AggregatedServerOptions): {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
} {
  const material = options.tls.current();
  return { cert: material.certificatePem, key: material.keyPem, ca: options.requestHeader.clientCaPem };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: AggregatedServerOptions,
): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => {
    gone.abort();
  });
  try {
    const url = new URL(request.url ?? '/', 'https://aggregated.invalid');
    if (url.pathname === '/healthz') {
      response.writeHead(200, { 'content-type': 'text/plain' }).end('ok');
      return;
    }
    const who = userOf(request, options.requestHeader);
    if (who === undefined) {
      const message = "this API answers only what the cluster's API server passes on";
      response.writeHead(401, { 'content-type': 'application/json' }).end(statusBody(401, 'Unauthorized', message));
      return;
    }
    const method = request.method ?? 'GET';
    const reply = await options.handle({
      ...who,
      method,
      path: url.pathname,
      query: url.searchParams,
      signal: gone.signal,
    });
    response.writeHead(reply.status, { 'content-type': reply.contentType });
    if (typeof reply.body === 'string') response.end(reply.body);
    else await stream(reply.body, response, gone.signal);
  } catch (error) {
    if (response.headersSent) {
      // Part of the body is out: only a connection that breaks tells the reader that the rest is missing.
      options.logger.warn('the body of an aggregated answer broke off', { error });
      response.destroy();
      return;
    }
    options.logger.error('aggregated request failed', { error });
    response.writeHead(500, { 'content-type': 'application/json' });
    response.end(statusBody(500, 'InternalError', 'the hub could not answer; its log says why'));
  }
}

async function stream(body: AsyncIterable<Uint8Array>, response: ServerResponse, signal: AbortSignal): Promise<void> {
  response.flushHeaders();
  for await (const chunk of body) {
    if (signal.aborted) return;
    if (!response.write(chunk)) await roomOrGone(response, signal);
  }
  response.end();
}

/** Resolves when the reader has taken enough, or is gone; leaves no listener behind either way. */
function roomOrGone(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    response.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}

function userOf(
  request: IncomingMessage,
  config: RequestHeaderConfig,
): { readonly user: string; readonly groups: readonly string[] } | undefined {
  const socket = request.socket as TLSSocket;
  if (!socket.authorized) return undefined;
  const commonName = String(socket.getPeerCertificate().subject.CN);
  if (config.allowedNames.length > 0 && !config.allowedNames.includes(commonName)) return undefined;
  const [user] = headerValues(request, config.usernameHeaders);
  return user === undefined ? undefined : { user, groups: headerValues(request, config.groupHeaders) };
}

function headerValues(request: IncomingMessage, names: readonly string[]): readonly string[] {
  const wanted = new Set(names.map((name) => name.toLowerCase()));
  const values: string[] = [];
  for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
    const name = request.rawHeaders[at];
    const value = request.rawHeaders[at + 1];
    if (name !== undefined && value !== undefined && wanted.has(name.toLowerCase())) values.push(value);
  }
  return values;
}

/** A metav1.Status as JSON text. */
export function statusBody(code: number, reason: string, message: string): string {
  return JSON.stringify({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', code, reason, message });
}
