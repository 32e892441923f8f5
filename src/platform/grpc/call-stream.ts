/**
 * A MessageStream over a gRPC call, either side.
 *
 * Invariants: at most a few messages are in the library's hands at once, so that latest-wins still works against a slow
 * peer; `drain` is honoured; whatever way the call ends, `closed` settles once, the input ends and senders are released.
 */
import type { EventEmitter } from 'node:events';
import { IncomingQueue } from './incoming-queue.ts';
import type { MessageStream, SendOptions, StreamEnd } from './message-stream.ts';
import { SendQueue } from './send-queue.ts';

/** What both sides' calls have in common. */
export interface DuplexCall<Out> extends EventEmitter {
  write(message: Out, callback?: () => void): boolean;
  pause(): unknown;
  resume(): unknown;
}

export interface CallEnding {
  /** Everything was sent: end our direction. */
  finish(): void;
  /** End the call with a failure. */
  fail(end: StreamEnd & { readonly kind: 'failed' }): void;
}

/** Messages handed to the library and not yet taken by the connection. */
const sendWindow = 4;

export class CallStream<In, Out> implements MessageStream<In, Out> {
  readonly closed: Promise<StreamEnd>;
  readonly incoming: AsyncIterable<In>;
  private readonly call: DuplexCall<Out>;
  private readonly ending: CallEnding;
  private readonly outgoing = new SendQueue<Out>();
  private readonly arrived: IncomingQueue<In>;
  private readonly idle = new Set<() => void>();
  private inFlight = 0;
  private blocked = false;
  private finished = false;
  private phase: 'open' | 'closing' | 'over' = 'open';
  private settle: (end: StreamEnd) => void = () => undefined;

  constructor(call: DuplexCall<Out>, ending: CallEnding) {
    this.call = call;
    this.ending = ending;
    this.arrived = new IncomingQueue<In>({ onFull: () => call.pause(), onRoom: () => call.resume() });
    this.incoming = this.arrived;
    this.closed = new Promise((resolve) => {
      this.settle = resolve;
    });
    call.on('data', (message: In) => {
      this.arrived.push(message);
    });
    call.on('end', () => {
      this.arrived.finish();
    });
    call.on('drain', () => {
      this.blocked = false;
      this.pump();
    });
  }

  get queued(): number {
    return this.outgoing.length;
  }

  send(message: Out, options?: SendOptions): boolean {
    if (this.phase !== 'open') return false;
    this.outgoing.push(message, options);
    this.pump();
    return true;
  }

  drained(): Promise<void> {
    if (this.phase === 'over' || this.isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.idle.add(resolve));
  }

  close(end: StreamEnd = { kind: 'ended' }): void {
    if (this.phase !== 'open') return;
    this.phase = 'closing';
    if (end.kind === 'failed') {
      this.outgoing.clear();
      this.ending.fail(end);
    } else this.pump();
  }

  /** The call is over. The first word counts. */
  over(end: StreamEnd): void {
    if (this.phase === 'over') return;
    this.phase = 'over';
    this.outgoing.clear();
    this.arrived.finish();
    this.releaseIdle();
    this.settle(end);
  }

  private pump(): void {
    while (this.phase !== 'over' && !this.blocked && this.inFlight < sendWindow) {
      const next = this.outgoing.shift();
      if (next === undefined) break;
      this.inFlight += 1;
      const more = this.call.write(next.message, () => {
        this.inFlight -= 1;
        this.pump();
      });
      this.blocked = !more;
    }
    if (!this.isIdle()) return;
    this.releaseIdle();
    if (this.phase !== 'closing' || this.finished) return;
    this.finished = true;
    this.ending.finish();
  }

  private isIdle(): boolean {
    return this.outgoing.length === 0 && this.inFlight === 0;
  }

  private releaseIdle(): void {
    for (const resolve of this.idle) resolve();
    this.idle.clear();
  }
}
