/**
 * Dialling a gRPC server and calling it.
 *
 * Invariants: TLS 1.3, the server proven by the given bundle and name; one connection per dial, shared with nobody, with the
 * identity of that moment, so that a renewed certificate is a new dial and open streams go on; the library repeats nothing,
 * since retries belong to whoever knows what a call means.
 */
import { createSecureContext, checkServerIdentity, type SecureContextOptions } from 'node:tls';
import { isIP } from 'node:net';
import {
  ChannelCredentials,
  Metadata,
  status,
  type CallOptions,
  type Client,
  type ClientDuplexStream,
  type ClientOptions,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js';
import { CallStream } from './call-stream.ts';
import { parseAddress } from './dial-address.ts';
import type { MessageStream, StreamEnd } from './message-stream.ts';
import { RpcError, toRpcError } from './rpc-error.ts';
import { maxReceiveOption } from './wire-bounds.ts';

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

export type UnaryMethod<Req, Res> = (
  request: Req,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Res) => void,
) => ClientUnaryCall;

export interface StreamCallOptions {
  /** Aborting cancels the call. */
  readonly signal?: AbortSignal;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface UnaryCallOptions extends StreamCallOptions {
  /** Default 10 s. */
  readonly timeoutMs?: number;
}

const defaultTimeoutMs = 10_000;
/** What goes into the TLS handshake as the name when the server is known by its IP address alone. */
const namelessServer = 'address.invalid';

/** A client over one connection of its own. Nothing connects before the first call. Close it with `client.close()`. */
export function dial<C extends Client>(constructor: ClientConstructor<C>, options: DialOptions): C {
  const { host } = parseAddress(options.address);
  const wanted = options.serverName ?? host;
  const credentials = ChannelCredentials.createFromSecureContext(createSecureContext(secureContext(options)), {
    // The name in the handshake cannot be an IP address, the name in the certificate can: so the check is ours.
    checkServerIdentity: (_host, certificate) => checkServerIdentity(wanted, certificate),
  });
  const name = isIP(wanted) === 0 ? wanted : namelessServer;
  return new constructor(options.address, credentials, {
    ...maxReceiveOption(options.maxReceiveBytes),
    'grpc.keepalive_time_ms': options.keepaliveTimeMs ?? 20_000,
    'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs ?? 10_000,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.ssl_target_name_override': name,
    'grpc.default_authority': name,
    // A proxy for the way out of a member's network is welcome; on this host it could only be in the way.
    'grpc.enable_http_proxy': isLoopback(host) ? 0 : 1,
  });
}

/** `callUnary(client.redeem.bind(client), request)`. Rejects with RpcError. */
export function callUnary<Req, Res>(
  method: UnaryMethod<Req, Res>,
  request: Req,
  options: UnaryCallOptions = {},
): Promise<Res> {
  return new Promise((resolve, reject) => {
    const deadline = new Date(Date.now() + (options.timeoutMs ?? defaultTimeoutMs));
    const call = method(request, metadataOf(options), { deadline }, (error, response) => {
      release();
      if (error === null) resolve(response);
      else reject(toRpcError(error));
    });
    const release = cancelOnAbort(options.signal, call);
  });
}

/** `openDuplex(client.session.bind(client))`. The stream is usable at once; failure to connect shows in `closed`. */
export function openDuplex<Out, In>(
  method: (metadata: Metadata, options: Partial<CallOptions>) => ClientDuplexStream<Out, In>,
  options: StreamCallOptions = {},
): MessageStream<In, Out> {
  const call = method(metadataOf(options), {});
  const stream = new CallStream<In, Out>(call, {
    finish: () => {
      call.end();
    },
    fail: (end) => {
      call.cancel();
      stream.over(end);
    },
  });
  const release = cancelOnAbort(options.signal, call);
  call.on('status', (ending: StatusObject) => {
    release();
    stream.over(endOf(ending));
  });
  // The library reports the same ending by `error` too; without a listener it would end the process.
  call.on('error', (error: ServiceError) => {
    release();
    stream.over(endOf(error));
  });
  return stream;
}

/** Server-streaming call as an async iterable; rejects with RpcError. Stopping the iteration cancels the call. */
export async function* openServerStream<Req, Res>(
  method: (request: Req, metadata: Metadata, options: Partial<CallOptions>) => ClientReadableStream<Res>,
  request: Req,
  options: StreamCallOptions = {},
): AsyncGenerator<Res, void, undefined> {
  const call = method(request, metadataOf(options), {});
  const release = cancelOnAbort(options.signal, call);
  try {
    for await (const message of call) yield message as Res;
  } catch (error) {
    throw error instanceof RpcError ? error : toRpcError(error as ServiceError);
  } finally {
    release();
    call.cancel();
  }
}

function secureContext(options: DialOptions): SecureContextOptions {
  const { identity, trustBundlePem } = options;
  return {
    minVersion: 'TLSv1.3',
    ca: trustBundlePem,
    ...(identity === undefined ? {} : { cert: identity.certificatePem, key: identity.keyPem }),
  };
}

function metadataOf(options: StreamCallOptions): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(options.metadata ?? {})) metadata.set(name, value);
  return metadata;
}

function cancelOnAbort(signal: AbortSignal | undefined, call: { cancel(): void }): () => void {
  const cancel = (): void => {
    call.cancel();
  };
  signal?.addEventListener('abort', cancel, { once: true });
  if (signal?.aborted === true) cancel();
  return () => signal?.removeEventListener('abort', cancel);
}

function endOf(ending: { readonly code: number; readonly details: string }): StreamEnd {
  if (ending.code === (status.OK as number)) return { kind: 'ended' };
  const { code, message } = toRpcError(ending);
  return { kind: 'failed', code, message };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}
