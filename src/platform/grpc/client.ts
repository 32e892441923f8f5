/** Dialling a gRPC server and calling it: signatures; the body follows. */
import type {
  CallOptions,
  Client,
  ClientDuplexStream,
  ClientReadableStream,
  ClientUnaryCall,
  Metadata,
  ServiceError,
  ChannelCredentials,
  ClientOptions,
} from '@grpc/grpc-js';
import type { MessageStream } from './message-stream.ts';

export interface DialOptions {
  /** `host:port`. */
  readonly address: string;
  /** Authorities that may vouch for the server. PEM. */
  readonly trustBundlePem: string;
  /** Name to look for in the server's certificate; default the address's host. */
  readonly serverName?: string;
  /** Our certificate, as of now: a renewed one takes a new dial. Absent for enrolment. */
  readonly identity?: { readonly certificatePem: string; readonly keyPem: string };
  /** Default 16 MiB, at most 64 MiB. */
  readonly maxReceiveBytes?: number;
  /** Default 20 s / 10 s. */
  readonly keepaliveTimeMs?: number;
  readonly keepaliveTimeoutMs?: number;
}

/** A generated client's constructor. */
export type ClientConstructor<C extends Client> = new (
  address: string,
  credentials: ChannelCredentials,
  options?: Partial<ClientOptions>,
) => C;

/** A client over one connection of its own, TLS 1.3, library retries off. Close it with `client.close()`. */
export declare function dial<C extends Client>(constructor: ClientConstructor<C>, options: DialOptions): C;

export type UnaryMethod<Req, Res> = (
  request: Req,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Res) => void,
) => ClientUnaryCall;

export interface UnaryCallOptions {
  /** Default 10 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** `callUnary(client.redeem.bind(client), request)`. Rejects with RpcError. */
export declare function callUnary<Req, Res>(
  method: UnaryMethod<Req, Res>,
  request: Req,
  options?: UnaryCallOptions,
): Promise<Res>;

export interface StreamCallOptions {
  readonly signal?: AbortSignal;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** `openDuplex(client.session.bind(client))`. The stream is usable at once; failure to connect shows in `closed`. */
export declare function openDuplex<Out, In>(
  method: (metadata: Metadata, options?: Partial<CallOptions>) => ClientDuplexStream<Out, In>,
  options?: StreamCallOptions,
): MessageStream<In, Out>;

/** Server-streaming call as an async iterable; rejects with RpcError. Stopping the iteration cancels the call. */
export declare function openServerStream<Req, Res>(
  method: (request: Req, metadata: Metadata, options?: Partial<CallOptions>) => ClientReadableStream<Res>,
  request: Req,
  options?: StreamCallOptions,
): AsyncIterable<Res>;
