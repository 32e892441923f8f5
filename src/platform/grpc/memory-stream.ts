/** A pair of connected MessageStreams in memory, for simulation: signatures; the body follows. */
import type { MessageStream, StreamEnd } from './message-stream.ts';

export interface MemoryPairOptions<A, B> {
  /** Delivers later, e.g. through a virtual clock with latency; default: in a microtask. Order is kept. */
  readonly schedule?: (deliver: () => void) => void;
  /** Drops or changes a message on its way; undefined loses it. */
  readonly aToB?: (message: A) => A | undefined;
  readonly bToA?: (message: B) => B | undefined;
}

export interface MemoryPair<A, B> {
  /** Sends A, receives B. */
  readonly a: MessageStream<B, A>;
  readonly b: MessageStream<A, B>;
  /** Breaks both directions as a lost connection does. */
  sever(end?: StreamEnd): void;
}

export declare function memoryStreamPair<A, B>(options?: MemoryPairOptions<A, B>): MemoryPair<A, B>;
