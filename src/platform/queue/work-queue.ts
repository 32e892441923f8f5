/**
 * The keyed work queue: signatures; the body follows.
 */
import type { Clock } from '../clock/clock.ts';
import type { Random } from '../clock/random.ts';
import type { Runnable } from '../lifecycle/runnable.ts';
import type { Logger } from '../log/logger.ts';
import type { MetricsRegistry } from '../metrics/registry.ts';

export interface WorkQueueOptions {
  /** Label of the queue's metrics. */
  readonly name: string;
  /** Works on one key. A throw or rejection means: again, after back-off. */
  readonly process: (key: string, signal: AbortSignal) => Promise<void>;
  /** How many keys at once; default 4. */
  readonly concurrency?: number;
  /** Per-key back-off after failures; default 50 ms doubling to 60 s, with jitter. */
  readonly backoff?: { readonly baseMs: number; readonly maxMs: number };
  /**
   * After this long the signal of a process call aborts; if it then hangs on for as long again, its slot is given to other
   * keys, while its own key stays locked until it returns. Default 60 s.
   */
  readonly timeoutMs?: number;
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
  /** Clears the key's failure count. */
  forget(key: string): void;
  /** Keys ready and waiting for a slot. */
  readonly depth: number;
  /** True when nothing is ready, delayed or in work. */
  readonly idle: boolean;
}

export declare function createWorkQueue(options: WorkQueueOptions): WorkQueue;
