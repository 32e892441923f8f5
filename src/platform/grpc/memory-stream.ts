/**
 * Two MessageStreams joined in memory: the federation link of a simulation, with its faults.
 *
 * Invariants: the same rules as over gRPC (lanes, latest wins, order, one reader, an end that both sides learn of; when the
 * server's side closes, the call is over), driven by whatever `schedule` is given, so that a virtual clock owns the latency.
 * Messages are handed over by reference: senders give away what they send.
 */
import { IncomingQueue } from './incoming-queue.ts';
import type { MessageStream, SendOptions, StreamEnd } from './message-stream.ts';
import { SendQueue } from './send-queue.ts';

export interface MemoryPairOptions<A, B> {
  /** Calls `deliver` later, e.g. after a virtual latency; default: in a microtask. Must keep order. */
  readonly schedule?: (deliver: () => void) => void;
  /** Drops or changes a message on its way; undefined loses it. */
  readonly aToB?: (message: A) => A | undefined;
  readonly bToA?: (message: B) => B | undefined;
}

export interface MemoryPair<A, B> {
  /** The client's end: sends A, receives B. */
  readonly a: MessageStream<B, A>;
  /** The server's end. */
  readonly b: MessageStream<A, B>;
  /** Breaks both directions as a lost connection does. */
  sever(end?: StreamEnd): void;
}

export function memoryStreamPair<A, B>(options: MemoryPairOptions<A, B> = {}): MemoryPair<A, B> {
  const schedule = options.schedule ?? queueMicrotask;
  const a = new MemoryEnd<B, A>({ role: 'client', schedule, onTheWay: options.aToB });
  const b = new MemoryEnd<A, B>({ role: 'server', schedule, onTheWay: options.bToA });
  a.join(b);
  b.join(a);
  return {
    a,
    b,
    sever: (end = { kind: 'failed', code: 'UNAVAILABLE', message: 'connection lost' }) => {
      a.over(end);
      b.over(end);
    },
  };
}

interface EndOptions<Out> {
  readonly role: 'client' | 'server';
  readonly schedule: (deliver: () => void) => void;
  readonly onTheWay: ((message: Out) => Out | undefined) | undefined;
}

class MemoryEnd<In, Out> implements MessageStream<In, Out> {
  readonly closed: Promise<StreamEnd>;
  readonly incoming: AsyncIterable<In>;
  private readonly options: EndOptions<Out>;
  private readonly outgoing = new SendQueue<Out>();
  private readonly arrived: IncomingQueue<In>;
  private readonly idle = new Set<() => void>();
  private peer: MemoryEnd<Out, In> | undefined;
  private phase: 'open' | 'closing' | 'over' = 'open';
  private sentEnd = false;
  /** The peer's reader is full: hold back. */
  private held = false;
  private pumping = false;
  private settle: (end: StreamEnd) => void = () => undefined;

  constructor(options: EndOptions<Out>) {
    this.options = options;
    this.arrived = new IncomingQueue<In>({
      onFull: () => this.peer?.hold(true),
      onRoom: () => this.peer?.hold(false),
    });
    this.incoming = this.arrived;
    this.closed = new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  get queued(): number {
    return this.outgoing.length;
  }

  join(peer: MemoryEnd<Out, In>): void {
    this.peer = peer;
  }

  send(message: Out, options?: SendOptions): boolean {
    if (this.phase !== 'open') return false;
    this.outgoing.push(message, options);
    this.pumpSoon();
    return true;
  }

  drained(): Promise<void> {
    if (this.phase === 'over' || this.outgoing.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.idle.add(resolve));
  }

  close(end: StreamEnd = { kind: 'ended' }): void {
    if (this.phase !== 'open') return;
    this.phase = 'closing';
    if (end.kind === 'ended') {
      this.pumpSoon();
      return;
    }
    const peer = this.peer;
    this.over(end);
    this.options.schedule(() => peer?.over(end));
  }

  over(end: StreamEnd): void {
    if (this.phase === 'over') return;
    this.phase = 'over';
    this.outgoing.clear();
    this.arrived.finish();
    this.releaseIdle();
    this.settle(end);
  }

  private hold(held: boolean): void {
    this.held = held;
    if (!held) this.pumpSoon();
  }

  /** In a microtask, so that what is sent in one breath is sorted by lane and replaced by key first. */
  private pumpSoon(): void {
    if (this.pumping) return;
    this.pumping = true;
    queueMicrotask(() => {
      this.pumping = false;
      this.pump();
    });
  }

  private pump(): void {
    while (this.phase !== 'over' && !this.held) {
      const next = this.outgoing.shift();
      if (next === undefined) break;
      this.options.schedule(() => {
        this.deliver(next.message);
      });
    }
    if (this.outgoing.length > 0) return;
    this.releaseIdle();
    if (this.phase !== 'closing' || this.sentEnd) return;
    this.sentEnd = true;
    this.options.schedule(() => this.peer?.onPeerEnded(this.options.role));
    if (this.options.role === 'server') this.over({ kind: 'ended' });
  }

  private deliver(message: Out): void {
    const { onTheWay } = this.options;
    const arriving = onTheWay === undefined ? message : onTheWay(message);
    if (arriving !== undefined && this.peer?.phase !== 'over') this.peer?.arrived.push(arriving);
  }

  private onPeerEnded(role: 'client' | 'server'): void {
    // A client that closes has said its last word; a server that closes has ended the call.
    if (role === 'server') this.over({ kind: 'ended' });
    else this.arrived.finish();
  }

  private releaseIdle(): void {
    for (const resolve of this.idle) resolve();
    this.idle.clear();
  }
}
