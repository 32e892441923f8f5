/**
 * A controller that is fed by hub state: keys come from the change feed, all of them once at the start. Each controller of the
 * hub is one of these around its own reconcile.
 */
import type { Clock } from '../../platform/clock/clock.ts';
import type { Random } from '../../platform/clock/random.ts';
import type { Logger } from '../../platform/log/logger.ts';
import type { MetricsRegistry } from '../../platform/metrics/registry.ts';
import { createController, type Controller, type ReconcileResult } from '../../platform/queue/controller.ts';

export interface FeedControllerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics?: MetricsRegistry;
}

export interface FeedControllerOptions {
  readonly name: string;
  readonly concurrency?: number;
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<ReconcileResult | undefined>;
  /** Calls `enqueue` on every change from now on; returns the unsubscribe. */
  readonly follow: (enqueue: (key: string, delayMs?: number) => void) => () => void;
  /** Every key there is. */
  readonly keys: () => Iterable<string>;
}

export function createFeedController(options: FeedControllerOptions, deps: FeedControllerDeps): Controller {
  const controller = createController({
    name: options.name,
    ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
    reconcile: options.reconcile,
    clock: deps.clock,
    random: deps.random,
    logger: deps.logger,
    ...(deps.metrics === undefined ? {} : { metrics: deps.metrics }),
  });
  const enqueue = (key: string, delayMs = 0): void => {
    if (delayMs > 0) controller.enqueueAfter(key, delayMs);
    else controller.enqueue(key);
  };
  let unfollow = (): void => undefined;
  return {
    name: options.name,
    get idle() {
      return controller.idle;
    },
    enqueue: (key) => {
      controller.enqueue(key);
    },
    enqueueAfter: (key, delayMs) => {
      controller.enqueueAfter(key, delayMs);
    },
    start: async (signal) => {
      unfollow = options.follow(enqueue);
      for (const key of options.keys()) controller.enqueue(key);
      await controller.start(signal);
    },
    stop: async () => {
      unfollow();
      await controller.stop();
    },
  };
}
