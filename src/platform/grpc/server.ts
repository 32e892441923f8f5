/** The gRPC server wrapper: signatures; the body follows. */
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Clock } from '../clock/clock.ts';
import type { Runnable } from '../lifecycle/runnable.ts';
import type { Logger } from '../log/logger.ts';
import type { ReloadableTls } from './tls-material.ts';

export interface GrpcService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

export interface GrpcServerOptions {
  readonly name: string;
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly tls: ReloadableTls;
  /** `required`: mTLS, a connection without a trusted certificate never reaches a handler. `none`: server-authenticated only (enrolment). */
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
}

export interface GrpcServer extends Runnable {
  /** The bound port, once started. */
  readonly port: number;
}

export declare function createGrpcServer(options: GrpcServerOptions): GrpcServer;
