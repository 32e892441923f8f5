/**
 * Running an application until someone asks it to end.
 *
 * Invariants: the first signal stops in order, a second one gives up waiting; an application that ends by itself, or fails to
 * start, ends the run too. Leaves out exit codes and the process itself: bin injects where signals come from.
 */
import type { Clock } from '../clock/clock.ts';
import type { Logger } from '../log/logger.ts';
import { sharedAbort } from './abort-link.ts';
import type { Runnable } from './runnable.ts';

/** Where requests to end come from, e.g. SIGTERM and SIGINT. */
export interface SignalSource {
  /** Returns the unsubscribe. */
  subscribe(handler: (signalName: string) => void): () => void;
}

export type ShutdownOutcome =
  | { readonly kind: 'clean'; readonly signalName: string }
  /** Someone asked twice, or stopping took longer than allowed. */
  | { readonly kind: 'forced'; readonly signalName: string }
  | { readonly kind: 'failed'; readonly error: unknown };

export interface RunUntilShutdownOptions {
  readonly app: Runnable;
  readonly signals: SignalSource;
  /** Rejects when the application cannot go on, e.g. leadership lost; absent if there is no such thing. */
  readonly failure?: Promise<never>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** For the whole stop; default 30 s. */
  readonly stopTimeoutMs?: number;
}

const defaultStopTimeoutMs = 30_000;

/** Starts `app`, waits for the first signal or failure, stops it. Never rejects. */
export async function runUntilShutdown(options: RunUntilShutdownOptions): Promise<ShutdownOutcome> {
  const { app, logger, signals } = options;
  const inbox = new SignalInbox();
  const unsubscribe = signals.subscribe((name) => {
    inbox.push(name);
  });
  const lifetime = sharedAbort();
  try {
    const first = await Promise.race([startThenWait(app, lifetime.signal, inbox), options.failure ?? never()]);
    logger.info('stopping', { app: app.name, signal: first });
    return await stopInTime(options, inbox, first);
  } catch (error) {
    logger.error('the application failed', { app: app.name, error });
    await stopAfterFailure(options);
    return { kind: 'failed', error };
  } finally {
    unsubscribe();
    lifetime.abort();
  }
}

async function startThenWait(app: Runnable, signal: AbortSignal, inbox: SignalInbox): Promise<string> {
  const name = inbox.next();
  // A signal that arrives while starting must not wait for the start to finish.
  await Promise.race([app.start(signal), name]);
  return name;
}

async function stopInTime(
  options: RunUntilShutdownOptions,
  inbox: SignalInbox,
  first: string,
): Promise<ShutdownOutcome> {
  const { app, clock, stopTimeoutMs = defaultStopTimeoutMs } = options;
  const done = new AbortController();
  try {
    return await Promise.race([
      app.stop().then((): ShutdownOutcome => ({ kind: 'clean', signalName: first })),
      inbox.next().then((second): ShutdownOutcome => ({ kind: 'forced', signalName: second })),
      clock.sleep(stopTimeoutMs, done.signal).then((): ShutdownOutcome => ({ kind: 'forced', signalName: first })),
    ]);
  } finally {
    done.abort();
  }
}

async function stopAfterFailure(options: RunUntilShutdownOptions): Promise<void> {
  const { app, clock, logger, stopTimeoutMs = defaultStopTimeoutMs } = options;
  const done = new AbortController();
  try {
    await Promise.race([app.stop(), clock.sleep(stopTimeoutMs, done.signal)]);
  } catch (error) {
    logger.warn('stopping after a failure failed too', { app: app.name, error });
  } finally {
    done.abort();
  }
}

function never(): Promise<never> {
  return new Promise<never>(() => undefined);
}

/** Signals in the order in which they came, each taken once. */
class SignalInbox {
  private readonly names: string[] = [];
  private readonly takers: ((name: string) => void)[] = [];

  push(name: string): void {
    const taker = this.takers.shift();
    if (taker === undefined) this.names.push(name);
    else taker(name);
  }

  next(): Promise<string> {
    const name = this.names.shift();
    if (name !== undefined) return Promise.resolve(name);
    return new Promise((resolve) => this.takers.push(resolve));
  }
}
