/**
 * A gRPC server: TLS 1.3 with replaceable material, bounds on what a peer may send, and a stop that ends streams.
 *
 * Invariants: with `clientCertificates: 'required'` nobody without a certificate of the trust bundle reaches a handler; a
 * message above the limit is refused before it is decoded; `stop` refuses new calls at once, tells open streams that the
 * server stops, and cuts what is left after the grace. Leaves out who a certificate belongs to (hub/federation).
 */
import type { ServerCredentials } from '@grpc/grpc-js';
import { Server, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Clock } from '../clock/clock.ts';
import { onAbort, sharedAbort } from '../lifecycle/abort-link.ts';
import type { Runnable } from '../lifecycle/runnable.ts';
import type { Logger } from '../log/logger.ts';
import { libraryHandler, type CallHost, type MethodHandler } from './handlers.ts';
import { ReloadableServerCredentials } from './server-credentials.ts';
import type { ReloadableTls } from './tls-material.ts';
import { watchRefusedPeers, type PeerRefusal } from './refused-peers.ts';
import { maxReceiveOption } from './wire-bounds.ts';

export interface GrpcService {
  readonly definition: ServiceDefinition;
  /** By method name as in the definition; each one must be there. */
  readonly implementation: Readonly<Record<string, MethodHandler>>;
}

export interface GrpcServerOptions {
  readonly name: string;
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly tls: ReloadableTls;
  /** `required`: mTLS. `none`: server-authenticated only (enrolment). */
  readonly clientCertificates: 'required' | 'none';
  readonly services: readonly GrpcService[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default 16 MiB, at most 64 MiB. */
  readonly maxReceiveBytes?: number;
  /** Default 20 s / 10 s. */
  readonly keepaliveTimeMs?: number;
  readonly keepaliveTimeoutMs?: number;
  /** Asks clients to reconnect after this long, e.g. to rebalance; default never. */
  readonly maxConnectionAgeMs?: number;
  /** How long `stop` lets calls end by themselves; default 5 s. */
  readonly stopGraceMs?: number;
  /** Called for each peer whose certificate TLS turned away: no handler ever hears of it. */
  readonly onRefusedPeer?: (refusal: PeerRefusal) => void;
}

export interface GrpcServer extends Runnable {
  /** The bound port, once started. */
  readonly port: number;
}

const defaultStopGraceMs = 5_000;
const mostStreamsPerConnection = 256;

/** A server that listens once started. Throws for a service with a method that nobody implements. */
export function createGrpcServer(options: GrpcServerOptions): GrpcServer {
  return new TlsGrpcServer(options);
}

class TlsGrpcServer implements GrpcServer {
  readonly name: string;
  private readonly options: GrpcServerOptions;
  private readonly server: Server;
  private readonly credentials: ReloadableServerCredentials;
  private readonly stopping = sharedAbort();
  private boundPort: number;
  private stopped: Promise<void> | undefined;
  private unlink: () => void = () => undefined;

  constructor(options: GrpcServerOptions) {
    this.name = options.name;
    this.options = options;
    this.boundPort = options.port;
    this.server = new Server(channelOptions(options));
    this.credentials = new ReloadableServerCredentials(options.tls, options.clientCertificates === 'required');
    const host: CallHost = { logger: options.logger, stopping: this.stopping.signal };
    for (const service of options.services) this.server.addService(service.definition, implementationOf(service, host));
  }

  get port(): number {
    return this.boundPort;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { host, port, logger, onRefusedPeer } = this.options;
    this.credentials.follow();
    const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    this.boundPort = await bind(this.server, address, this.credentials);
    if (onRefusedPeer !== undefined) watchRefusedPeers(this.server, onRefusedPeer);
    logger.info('gRPC server listens', { server: this.name, host, port: this.boundPort });
    this.unlink = onAbort(signal, () => void this.stop());
  }

  stop(): Promise<void> {
    this.stopped ??= this.end();
    return this.stopped;
  }

  private async end(): Promise<void> {
    const { clock, stopGraceMs = defaultStopGraceMs } = this.options;
    this.unlink();
    this.credentials.unfollow();
    const finished = new Promise<void>((resolve) => {
      this.server.tryShutdown(() => {
        resolve();
      });
    });
    this.stopping.abort();
    const graceOver = new AbortController();
    await Promise.race([finished, clock.sleep(stopGraceMs, graceOver.signal)]);
    graceOver.abort();
    this.server.forceShutdown();
  }
}

function channelOptions(options: GrpcServerOptions): Record<string, number> {
  return {
    ...maxReceiveOption(options.maxReceiveBytes),
    'grpc.keepalive_time_ms': options.keepaliveTimeMs ?? 20_000,
    'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs ?? 10_000,
    'grpc.max_concurrent_streams': mostStreamsPerConnection,
    ...(options.maxConnectionAgeMs === undefined ? {} : { 'grpc.max_connection_age_ms': options.maxConnectionAgeMs }),
  };
}

function implementationOf(service: GrpcService, host: CallHost): UntypedServiceImplementation {
  const implementation: UntypedServiceImplementation = {};
  for (const [name, method] of Object.entries(service.definition)) {
    const handler = service.implementation[name];
    if (handler === undefined) throw new Error(`gRPC method ${method.path} is not implemented`);
    if (!fits(handler, method.requestStream, method.responseStream)) {
      throw new Error(`gRPC method ${method.path} cannot be served by a ${handler.kind} handler`);
    }
    implementation[name] = libraryHandler(method.path, handler, host) as UntypedServiceImplementation[string];
  }
  return implementation;
}

function fits(handler: MethodHandler, requestStream: boolean, responseStream: boolean): boolean {
  switch (handler.kind) {
    case 'unary':
      return !requestStream && !responseStream;
    case 'duplex':
      return requestStream && responseStream;
    case 'server-stream':
      return !requestStream && responseStream;
  }
}

function bind(server: Server, address: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(new Error(`gRPC server cannot listen on ${address}: ${error.message}`));
    });
  });
}
