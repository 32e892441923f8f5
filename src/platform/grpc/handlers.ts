/** Turning plain functions into gRPC handlers: signatures; the body follows. */
import type { handleBidiStreamingCall, handleServerStreamingCall, handleUnaryCall } from '@grpc/grpc-js';
import type { CertificateInfo } from '../pki/certificate.ts';
import type { MessageStream } from './message-stream.ts';

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

/** Throw RpcError to answer with its code; anything else becomes INTERNAL without its text. */
export declare function unaryHandler<Req, Res>(
  handle: (request: Req, context: CallContext) => Promise<Res>,
): handleUnaryCall<Req, Res>;
/** The call lives until `handle` settles or the stream is closed; a throw ends it with RpcError's code. */
export declare function duplexHandler<In, Out>(
  handle: (stream: MessageStream<In, Out>, context: CallContext) => Promise<void>,
): handleBidiStreamingCall<In, Out>;
/** `write` resolves when the peer can take more. */
export declare function serverStreamHandler<Req, Res>(
  handle: (request: Req, write: (message: Res) => Promise<void>, context: CallContext) => Promise<void>,
): handleServerStreamingCall<Req, Res>;
