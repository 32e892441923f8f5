/**
 * The small HTTP server of every process: /metrics, /healthz, /readyz.
 *
 * Invariants: only GET and HEAD on exact paths; a handler that throws answers 500 without its text and is logged; `stop`
 * ends idle and open connections alike. Plain HTTP: what is served here holds no secrets. Leaves out what is healthy.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onAbort } from '../lifecycle/abort-link.ts';
import type { Runnable } from '../lifecycle/runnable.ts';
import type { Logger } from '../log/logger.ts';
import type { MetricsRegistry } from './registry.ts';

export type HttpHandler = (request: IncomingMessage, response: ServerResponse, url: URL) => void | Promise<void>;

/** Throws or rejects when unhealthy; the error's message is shown under `?verbose`. */
export type HealthCheck = () => void | Promise<void>;

export interface HttpServerOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** By exact path. */
  readonly handlers: Readonly<Record<string, HttpHandler>>;
  readonly logger: Logger;
}

export interface HttpServer extends Runnable {
  /** The bound port, once started. */
  readonly port: number;
}

/** A server that listens once started. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { handlers, host, logger } = options;
  let server: Server | undefined;
  let port = options.port;
  let unlink: () => void = () => undefined;

  async function stop(): Promise<void> {
    const closing = server;
    server = undefined;
    unlink();
    if (closing === undefined) return;
    await new Promise<void>((resolve) => {
      closing.close(() => {
        resolve();
      });
      closing.closeAllConnections();
    });
  }

  return {
    name: 'http',
    get port() {
      return port;
    },
    start: async (signal) => {
      const starting = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) => {
        void answer(handlers, logger, request, response);
      });
      port = await listen(starting, host, options.port);
      server = starting;
      unlink = onAbort(signal, () => void stop());
    },
    stop,
  };
}

/** The registry's page. */
export function metricsHandler(metrics: MetricsRegistry): HttpHandler {
  return async (_request, response) => {
    const page = await metrics.expose();
    response.writeHead(200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' });
    response.end(page);
  };
}

/** 200 `ok` or 500; `?verbose` (and any failure) lists each check by name, as the API server's /readyz does. */
export function healthHandler(name: string, checks: Readonly<Record<string, HealthCheck>>): HttpHandler {
  return async (_request, response, url) => {
    const lines: string[] = [];
    let healthy = true;
    for (const [check, run] of Object.entries(checks)) {
      const failure = await failureOf(run);
      healthy &&= failure === undefined;
      lines.push(failure === undefined ? `[+]${check} ok` : `[-]${check} failed: ${failure}`);
    }
    lines.push(`${name} check ${healthy ? 'passed' : 'failed'}`, '');
    response.writeHead(healthy ? 200 : 500, {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
    });
    response.end(healthy && !url.searchParams.has('verbose') ? 'ok' : lines.join('\n'));
  };
}

async function failureOf(check: HealthCheck): Promise<string | undefined> {
  try {
    await check();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : 'unhealthy';
  }
}

async function answer(
  handlers: HttpServerOptions['handlers'],
  logger: Logger,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const target = request.url ?? '/';
    const url = URL.canParse(target, 'http://localhost') ? new URL(target, 'http://localhost') : undefined;
    const handler = url !== undefined && Object.hasOwn(handlers, url.pathname) ? handlers[url.pathname] : undefined;
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      refuse(response, 405, 'only GET and HEAD are allowed');
    } else if (url === undefined || handler === undefined) {
      refuse(response, 404, `there are: ${Object.keys(handlers).join(', ')}`);
    } else await handler(request, response, url);
  } catch (error) {
    logger.error('an HTTP handler failed', { path: request.url, error });
    if (!response.headersSent) refuse(response, 500, 'internal error');
    else response.destroy();
  }
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
