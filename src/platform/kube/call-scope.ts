/**
 * What can end a call from outside: the caller's signal, the call's deadline, the closing of the client.
 *
 * Invariants: after `release` no timer and no listener is left (signals live as long as the process, so a forgotten
 * listener is a leak); the first reason wins. Works over transports that ignore aborts: waiting ends in any case.
 */
import type { Clock, Timer } from '../clock/clock.ts';
import { KubeError, KubeUnreachable, type UnreachableWhy } from './kube-error.ts';

export interface CallScopeOptions {
  readonly what: string;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly closing: AbortSignal;
}

export class CallScope {
  private readonly options: CallScopeOptions;
  private readonly controller = new AbortController();
  private readonly deadlineMs: number;
  private ended: KubeUnreachable | undefined;
  private timer: Timer | undefined;
  private rejectWaiting: ((error: KubeUnreachable) => void) | undefined;

  constructor(options: CallScopeOptions) {
    this.options = options;
    this.deadlineMs = options.clock.monotonicMs() + options.timeoutMs;
    this.timer = options.clock.after(options.timeoutMs, () => {
      this.end('Timeout', `no answer within ${options.timeoutMs} ms`);
    });
    options.signal?.addEventListener('abort', this.onAbort);
    options.closing.addEventListener('abort', this.onClosing);
    if (options.signal?.aborted === true) this.onAbort();
    if (options.closing.aborted) this.onClosing();
  }

  /** For the transport. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  get remainingMs(): number {
    return this.timer === undefined ? Infinity : this.deadlineMs - this.options.clock.monotonicMs();
  }

  /** Settles as `promise` does, or rejects once the scope ends. One wait at a time. */
  wait<T>(promise: Promise<T>): Promise<T> {
    if (this.ended !== undefined) {
      promise.catch(() => undefined); // The scope's own reason is what the caller hears.
      return Promise.reject(this.ended);
    }
    return new Promise<T>((resolve, reject) => {
      this.rejectWaiting = reject;
      promise.then(resolve, (error: unknown) => {
        reject(this.ended ?? translate(error, this.options.what));
      });
    });
  }

  /** From here on only the signals end the scope: the answer has begun and may stream for hours. */
  liftDeadline(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  /** Drops timer and listeners; `abort` also tells the transport to give up. */
  release(abort: boolean): void {
    this.liftDeadline();
    this.options.signal?.removeEventListener('abort', this.onAbort);
    this.options.closing.removeEventListener('abort', this.onClosing);
    if (abort) this.controller.abort();
  }

  private readonly onAbort = (): void => {
    this.end('Aborted', 'given up by the caller');
  };

  private readonly onClosing = (): void => {
    this.end('Closed', 'the client was closed');
  };

  private end(why: UnreachableWhy, message: string): void {
    if (this.ended !== undefined) return;
    this.ended = new KubeUnreachable(why, `${this.options.what}: ${message}`);
    this.controller.abort();
    this.rejectWaiting?.(this.ended);
  }
}

/** A transport's failure as one of ours; its own text is dropped where it has a code, since texts may quote requests. */
function translate(error: unknown, what: string): Error {
  if (error instanceof KubeUnreachable || error instanceof KubeError) return error;
  const code = codeOf(error) ?? (error instanceof Error ? error.name : undefined);
  return new KubeUnreachable('Connection', `${what}: ${code ?? 'the connection failed'}`, code);
}

function codeOf(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const code = (at as { code?: unknown }).code;
    if (typeof code === 'string') return code;
  }
  return undefined;
}
