/**
 * Methods of a gRPC service as plain functions, and how they run on the library's calls.
 *
 * Invariants: RpcError answers with its code and message; anything else thrown becomes INTERNAL without its text and is
 * logged; a handler's signal aborts when its caller is gone or the server stops; a stream's call ends when its handler does.
 */
import type { EventEmitter } from 'node:events';
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
} from '@grpc/grpc-js';
import type { Logger } from '../log/logger.ts';
import { parseCertificate, type CertificateInfo } from '../pki/certificate.ts';
import { CallStream } from './call-stream.ts';
import type { MessageStream, StreamEnd } from './message-stream.ts';
import { isRpcError, numberOfCode, RpcError } from './rpc-error.ts';

export interface CallContext {
  /** The peer's certificate, checked by TLS; absent on a server without client certificates. */
  readonly peer: CertificateInfo | undefined;
  /** `host:port` of the peer, for logs. */
  readonly address: string;
  /** Aborts when the peer cancels, the deadline passes, the connection is lost or the server stops. */
  readonly signal: AbortSignal;
  /** First value of a metadata key. */
  metadata(key: string): string | undefined;
}

type ServerStreamHandle<Req, Res> = (
  request: Req,
  write: (message: Res) => Promise<void>,
  context: CallContext,
) => Promise<void>;

/** One method of a service; made by the functions below, run by createGrpcServer. */
export type MethodHandler =
  | { readonly kind: 'unary'; readonly handle: (request: never, context: CallContext) => Promise<unknown> }
  | {
      readonly kind: 'duplex';
      readonly handle: (stream: MessageStream<never, never>, context: CallContext) => Promise<void>;
    }
  | {
      readonly kind: 'server-stream';
      readonly handle: ServerStreamHandle<never, never>;
    };

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- callers name the message types of a method, as for the other kinds
export function unaryHandler<Req, Res>(handle: (request: Req, context: CallContext) => Promise<Res>): MethodHandler {
  return { kind: 'unary', handle };
}

/** The call lives until `handle` settles or the stream is closed; a throw ends it with RpcError's code. */
export function duplexHandler<In, Out>(
  handle: (stream: MessageStream<In, Out>, context: CallContext) => Promise<void>,
): MethodHandler {
  return {
    kind: 'duplex',
    handle: handle,
  };
}

/** `write` resolves when the peer can take more, and rejects with RpcError `CANCELLED` when it is gone. */
export function serverStreamHandler<Req, Res>(handle: ServerStreamHandle<Req, Res>): MethodHandler {
  return { kind: 'server-stream', handle: handle as unknown as ServerStreamHandle<never, never> };
}

/** What the server gives to every call. */
export interface CallHost {
  readonly logger: Logger;
  /** Aborts when the server stops. */
  readonly stopping: AbortSignal;
}

type LibraryHandler =
  handleUnaryCall<never, unknown> | handleBidiStreamingCall<never, never> | handleServerStreamingCall<never, never>;

/** `handler` as the library wants it. */
export function libraryHandler(name: string, handler: MethodHandler, host: CallHost): LibraryHandler {
  switch (handler.kind) {
    case 'unary':
      return runUnary(name, handler.handle, host);
    case 'duplex':
      return runDuplex(name, handler.handle, host);
    case 'server-stream':
      return runServerStream(name, handler.handle, host);
  }
}

type AnyCall = ServerUnaryCall<never, unknown> | ServerDuplexStream<never, never> | ServerWritableStream<never, never>;

const stopped: RpcError = new RpcError('UNAVAILABLE', 'the server is stopping');

function runUnary(
  name: string,
  handle: (request: never, context: CallContext) => Promise<unknown>,
  host: CallHost,
): handleUnaryCall<never, unknown> {
  return (call, callback) => {
    const scope = new CallLifetime(call, host.stopping);
    inContext(call, scope, (context) => handle(call.request, context))
      .then(
        (response) => {
          callback(null, response);
        },
        (error: unknown) => {
          callback(statusOf(error, name, host.logger));
        },
      )
      .finally(() => {
        scope.release();
      });
  };
}

function runDuplex(
  name: string,
  handle: (stream: MessageStream<never, never>, context: CallContext) => Promise<void>,
  host: CallHost,
): handleBidiStreamingCall<never, never> {
  return (call) => {
    const scope = new CallLifetime(call, host.stopping);
    const stream = new CallStream<never, never>(call, {
      finish: () => {
        call.end();
        stream.over({ kind: 'ended' });
      },
      fail: (end) => {
        refuse(call, new RpcError(end.code, end.message));
        stream.over(end);
      },
    });
    scope.onGone((end) => {
      if (end.code === 'UNAVAILABLE') stream.close(end);
      stream.over(end);
    });
    inContext(call, scope, (context) => handle(stream, context))
      .then(
        () => {
          stream.close();
        },
        (error: unknown) => {
          const { code, message } = rpcErrorOf(error, name, host.logger);
          stream.close({ kind: 'failed', code, message });
        },
      )
      .finally(() => stream.closed)
      .finally(() => {
        scope.release();
      });
  };
}

function runServerStream(
  name: string,
  handle: ServerStreamHandle<never, never>,
  host: CallHost,
): handleServerStreamingCall<never, never> {
  return (call) => {
    const scope = new CallLifetime(call, host.stopping);
    inContext(call, scope, (context) =>
      handle(call.request, (message) => writeOne(call, message, context.signal), context),
    )
      .then(
        () => {
          call.end();
        },
        (error: unknown) => {
          refuse(call, rpcErrorOf(error, name, host.logger));
        },
      )
      .finally(() => {
        scope.release();
      });
  };
}

/** Runs a handler so that whatever it throws, at once or later, comes out of the promise. */
async function inContext<T>(call: AnyCall, scope: CallLifetime, run: (context: CallContext) => Promise<T>): Promise<T> {
  return run({
    peer: peerOf(call),
    address: call.getPeer(),
    signal: scope.signal,
    metadata: (key) => {
      const [value] = call.metadata.get(key);
      return typeof value === 'string' ? value : undefined;
    },
  });
}

function peerOf(call: AnyCall): CertificateInfo | undefined {
  const certificate = call.getAuthContext().sslPeerCertificate;
  return certificate === undefined ? undefined : parseCertificate(certificate.raw);
}

function writeOne(call: ServerWritableStream<never, never>, message: never, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = (): void => {
      reject(new RpcError('CANCELLED', 'the peer is gone'));
    };
    if (signal.aborted) {
      gone();
      return;
    }
    signal.addEventListener('abort', gone, { once: true });
    call.write(message, () => {
      signal.removeEventListener('abort', gone);
      resolve();
    });
  });
}

/** The library answers a stream whose `error` event carries a status with that status. */
function refuse(call: ServerDuplexStream<never, never> | ServerWritableStream<never, never>, error: RpcError): void {
  call.emit('error', { code: numberOfCode(error.code), details: error.message });
}

function statusOf(error: unknown, name: string, logger: Logger): { code: number; details: string } {
  const { code, message } = rpcErrorOf(error, name, logger);
  return { code: numberOfCode(code), details: message };
}

function rpcErrorOf(error: unknown, name: string, logger: Logger): RpcError {
  if (isRpcError(error)) return error;
  logger.error('a gRPC handler failed', { method: name, error });
  return new RpcError('INTERNAL', 'internal error');
}

type Gone = StreamEnd & { readonly kind: 'failed' };

/** Ties a call's signal to its caller and to the server. */
class CallLifetime {
  private readonly controller = new AbortController();
  private readonly stopping: AbortSignal;
  private readonly listeners: ((end: Gone) => void)[] = [];

  constructor(call: EventEmitter, stopping: AbortSignal) {
    this.stopping = stopping;
    call.on('cancelled', () => {
      this.gone({ kind: 'failed', code: 'CANCELLED', message: 'the peer is gone' });
    });
    stopping.addEventListener('abort', this.onStopping, { once: true });
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  onGone(listener: (end: Gone) => void): void {
    this.listeners.push(listener);
  }

  release(): void {
    this.stopping.removeEventListener('abort', this.onStopping);
  }

  private readonly onStopping = (): void => {
    this.gone({ kind: 'failed', code: stopped.code, message: stopped.message });
  };

  private gone(end: Gone): void {
    for (const listener of this.listeners) listener(end);
    this.controller.abort();
  }
}
