/**
 * Work that follows a write but not inside it: keys are remembered once, worked off in order soon after, and a failing key
 * does not stop the others (it is tried again a little later).
 */
import type { Clock, Timer } from '../../../platform/clock/clock.ts';
import type { Logger } from '../../../platform/log/logger.ts';

const RETRY_MS = 200;

export interface DeferredQueueDeps {
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger | undefined;
  /** Works on one key; may add others. */
  readonly work: (key: string) => void;
}

export class DeferredQueue {
  private readonly deps: DeferredQueueDeps;
  private readonly keys = new Set<string>();
  private readonly failed = new Set<string>();
  private timer: Timer | undefined;
  private stopped = false;

  constructor(deps: DeferredQueueDeps) {
    this.deps = deps;
  }

  add(key: string): void {
    if (this.stopped) return;
    this.keys.add(key);
    this.timer ??= this.deps.clock.after(0, () => {
      this.drain();
    });
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
    this.keys.clear();
  }

  private drain(): void {
    this.timer = undefined;
    for (const key of this.keys) {
      this.keys.delete(key);
      try {
        this.deps.work(key);
      } catch (error) {
        this.failed.add(key);
        const message = error instanceof Error ? error.message : String(error);
        this.deps.logger?.warn('deferred work failed; it will be tried again', {
          queue: this.deps.name,
          key,
          error: message,
        });
      }
    }
    if (this.failed.size > 0 && !this.stopped) this.retryLater();
  }

  private retryLater(): void {
    const again = [...this.failed];
    this.failed.clear();
    for (const key of again) this.keys.add(key);
    this.timer ??= this.deps.clock.after(RETRY_MS, () => {
      this.drain();
    });
  }
}
