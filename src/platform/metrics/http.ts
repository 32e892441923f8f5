/** The small HTTP server for metrics and health: signatures; the body follows. */
import type { IncomingMessage, ServerResponse } from 'node:http';
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
  /** By exact path. GET and HEAD only. */
  readonly handlers: Readonly<Record<string, HttpHandler>>;
  readonly logger: Logger;
}

export interface HttpServer extends Runnable {
  /** The bound port, once started. */
  readonly port: number;
}

export declare function createHttpServer(options: HttpServerOptions): HttpServer;
export declare function metricsHandler(metrics: MetricsRegistry): HttpHandler;
/** 200 `ok` or 500; `?verbose` lists each check by name, as the API server's /readyz does. */
export declare function healthHandler(name: string, checks: Readonly<Record<string, HealthCheck>>): HttpHandler;
