/**
 * A keyed work queue: who is worked on next, how often one key, and what a failing or hanging key may cost the others.
 *
 * Invariants: a key has at most one place in the line; it is never in work twice at once; what is added while it is in work
 * is done again afterwards; the earliest due time of a key wins; failures of one key delay only that key. A call that hangs
 * beyond twice its timeout loses its slot to other keys, while its own key stays locked.
 */
import { backoffMs, type BackoffRange } from '../clock/backoff.ts';
import type { Clock } from '../clock/clock.ts';
import type { Random } from '../clock/random.ts';
import { onAbort } from '../lifecycle/abort-link.ts';
import type { Runnable } from '../lifecycle/runnable.ts';
import type { Logger } from '../log/logger.ts';
import type { MetricsRegistry } from '../metrics/registry.ts';
import { DelayLine } from './delay-line.ts';
import { queueMetrics, type QueueMetrics } from './queue-metrics.ts';

export interface WorkQueueOptions {
  /** Label of the queue's metrics. */
  readonly name: string;
  /** Works on one key. A throw or rejection means: again, after back-off. */
  readonly process: (key: string, signal: AbortSignal) => Promise<void>;
  /** How many keys at once; default 4. */
  readonly concurrency?: number;
  /** Per-key back-off after failures; default 50 ms doubling to 60 s, with jitter. */
  readonly backoff?: BackoffRange;
  /**
   * After this long the signal of a process call aborts; if it then hangs on for as long again, its slot is given to other
   * keys, while its own key stays locked until it returns. Default 60 s.
   */
  readonly timeoutMs?: number;
  /** How long `stop` waits for calls in progress; default 10 s. */
  readonly stopTimeoutMs?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics?: MetricsRegistry;
}

export interface WorkQueue extends Runnable {
  /** As soon as possible. A key that is waiting is not queued twice; one in work is done again after it. */
  add(key: string): void;
  /** After `delayMs`, unless the key is due earlier anyway: the earliest due time wins. */
  addAfter(key: string, delayMs: number): void;
  /** After the key's own back-off, which grows with each call until `forget`. */
  addRateLimited(key: string): void;
  /** Clears the key's failure count. A call that succeeds does so too, unless it asked for `addRateLimited` itself. */
  forget(key: string): void;
  /** Keys ready and waiting for a slot. */
  readonly depth: number;
  /** True when nothing is ready, delayed or in work. */
  readonly idle: boolean;
}

const defaultConcurrency = 4;
const defaultBackoff: BackoffRange = { baseMs: 50, maxMs: 60_000 };
const defaultTimeoutMs = 60_000;
const defaultStopTimeoutMs = 10_000;

interface Work {
  readonly startedMs: number;
  readonly controller: AbortController;
  holdsSlot: boolean;
}

/** A queue that works once started; keys may be added before. */
export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  return new KeyedQueue(options);
}

class KeyedQueue implements WorkQueue {
  readonly name: string;
  private readonly options: WorkQueueOptions;
  private readonly metrics: QueueMetrics;
  private readonly delayed: DelayLine;
  /** Ready keys in their order, with the time since when. */
  private readonly ready = new Map<string, number>();
  private readonly working = new Map<string, Work>();
  /** Keys in work that something was added for meanwhile. */
  private readonly again = new Set<string>();
  private readonly failures = new Map<string, number>();
  private usedSlots = 0;
  private phase: 'new' | 'running' | 'stopped' = 'new';
  private pumpScheduled = false;
  private onQuiet: (() => void) | undefined;
  private unlink: () => void = () => undefined;

  constructor(options: WorkQueueOptions) {
    this.name = options.name;
    this.options = options;
    this.delayed = new DelayLine(options.clock, (key) => {
      this.add(key);
    });
    this.metrics = queueMetrics(options.name, options.metrics, () => ({
      depth: this.ready.size,
      runningSeconds: [...this.working.values()].map((work) => this.sinceSeconds(work.startedMs)),
    }));
  }

  get depth(): number {
    return this.ready.size;
  }

  get idle(): boolean {
    return this.ready.size + this.delayed.size + this.working.size === 0;
  }

  start(signal: AbortSignal): Promise<void> {
    if (this.phase !== 'new') return Promise.reject(new Error(`work queue ${this.name} was started before`));
    this.phase = 'running';
    this.unlink = onAbort(signal, () => void this.stop());
    this.pumpSoon();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.phase = 'stopped';
    this.unlink();
    this.ready.clear();
    this.again.clear();
    this.delayed.clear();
    for (const work of this.working.values()) work.controller.abort();
    if (this.usedSlots === 0) return;
    const waited = new AbortController();
    await Promise.race([
      new Promise<void>((resolve) => {
        const previous = this.onQuiet;
        this.onQuiet = () => {
          previous?.();
          resolve();
        };
      }),
      this.options.clock.sleep(this.options.stopTimeoutMs ?? defaultStopTimeoutMs, waited.signal),
    ]);
    waited.abort();
  }

  add(key: string): void {
    if (this.phase === 'stopped') return;
    this.delayed.delete(key);
    if (this.ready.has(key) || this.again.has(key)) return;
    this.metrics.added();
    if (this.working.has(key)) {
      this.again.add(key);
      return;
    }
    this.ready.set(key, this.options.clock.monotonicMs());
    this.pumpSoon();
  }

  addAfter(key: string, delayMs: number): void {
    if (this.phase === 'stopped' || this.ready.has(key) || this.again.has(key)) return;
    if (delayMs > 0) this.delayed.add(key, delayMs);
    else this.add(key);
  }

  addRateLimited(key: string): void {
    const failures = (this.failures.get(key) ?? 0) + 1;
    this.failures.set(key, failures);
    this.metrics.retried();
    this.addAfter(key, backoffMs(this.options.backoff ?? defaultBackoff, failures, this.options.random));
  }

  forget(key: string): void {
    this.failures.delete(key);
  }

  /** Work begins in a microtask, never inside `add`: whoever adds finishes its own sentence first. */
  private pumpSoon(): void {
    if (this.pumpScheduled || this.phase !== 'running') return;
    this.pumpScheduled = true;
    queueMicrotask(() => {
      this.pumpScheduled = false;
      this.pump();
    });
  }

  private pump(): void {
    const slots = this.options.concurrency ?? defaultConcurrency;
    while (this.phase === 'running' && this.usedSlots < slots) {
      const [next] = this.ready;
      if (next === undefined) return;
      const [key, sinceMs] = next;
      this.ready.delete(key);
      this.metrics.taken(this.sinceSeconds(sinceMs));
      void this.work(key);
    }
  }

  private async work(key: string): Promise<void> {
    const { clock, logger, process } = this.options;
    const work: Work = { startedMs: clock.monotonicMs(), controller: new AbortController(), holdsSlot: true };
    this.working.set(key, work);
    this.usedSlots += 1;
    const watch = this.watchOver(key, work);
    const failuresBefore = this.failures.get(key);
    try {
      await process(key, work.controller.signal);
      if (this.failures.get(key) === failuresBefore) this.forget(key);
    } catch (error) {
      // Calls that end because the queue was told to stop are not failures of their keys.
      const level = this.phase === 'running' ? 'warn' : 'debug';
      logger[level]('work on a key failed', { queue: this.name, key, failures: (failuresBefore ?? 0) + 1, error });
      this.addRateLimited(key);
    } finally {
      watch.cancel();
      this.metrics.worked(this.sinceSeconds(work.startedMs));
      this.working.delete(key);
      this.releaseSlot(work);
      if (this.again.delete(key)) this.ready.set(key, clock.monotonicMs());
      this.pumpSoon();
    }
  }

  /** Aborts a call at its timeout and takes its slot away at twice that. */
  private watchOver(key: string, work: Work): { cancel(): void } {
    const { clock, logger, timeoutMs = defaultTimeoutMs } = this.options;
    let timer = clock.after(timeoutMs, () => {
      work.controller.abort();
      timer = clock.after(timeoutMs, () => {
        logger.error('work on a key hangs; others go on without its slot', { queue: this.name, key, timeoutMs });
        this.releaseSlot(work);
        this.pumpSoon();
      });
    });
    return {
      cancel: () => {
        timer.cancel();
      },
    };
  }

  private releaseSlot(work: Work): void {
    if (!work.holdsSlot) return;
    work.holdsSlot = false;
    this.usedSlots -= 1;
    if (this.usedSlots === 0) this.onQuiet?.();
  }

  private sinceSeconds(startMs: number): number {
    return (this.options.clock.monotonicMs() - startMs) / 1000;
  }
}
