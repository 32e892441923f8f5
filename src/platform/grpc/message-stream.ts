/**
 * The federation transport port: a pair of message streams, whatever carries them (gRPC in production, memory in
 * simulation). It fixes what a sender may rely on: order within a lane, latest-wins per key, memory bounded by the number
 * of keys rather than of events.
 */
export type Lane = 'priority' | 'normal';

export interface SendOptions {
  /** Priority messages overtake all normal ones that wait. Default `normal`. */
  readonly lane?: Lane;
  /** A waiting message with the same lane and key is replaced, keeping its place in the line. */
  readonly key?: string;
}

/** How a stream ended. `failed` carries a gRPC status name and a sentence. */
export type StreamEnd =
  { readonly kind: 'ended' } | { readonly kind: 'failed'; readonly code: RpcCode; readonly message: string };

/** The gRPC status names. */
export type RpcCode =
  | 'CANCELLED'
  | 'UNKNOWN'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'OUT_OF_RANGE'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'DATA_LOSS'
  | 'UNAUTHENTICATED';

export interface MessageStream<In, Out> {
  /** Queues a message; never blocks or throws. False when the stream is over and the message went nowhere. */
  send(message: Out, options?: SendOptions): boolean;
  /** Resolves when nothing waits to be sent (or the stream is over): the back-pressure for bulk senders such as logs. */
  drained(): Promise<void>;
  /** Messages that wait. */
  readonly queued: number;
  /**
   * What the peer sends, in order; iterate once. Ends when the stream ends in either way; look at `closed` for how.
   * A consumer that is slow holds the peer back.
   */
  readonly incoming: AsyncIterable<In>;
  /** Sends what waits, then ends our direction; a server ends the call with `end`. Idempotent. */
  close(end?: StreamEnd): void;
  /** Resolves once, never rejects, when the stream is over in both directions. */
  readonly closed: Promise<StreamEnd>;
}
