/**
 * A reconcile loop over a work queue, with the controller_runtime_* metrics that dashboards of controllers expect.
 *
 * Invariants: level-based (a reconcile learns that something changed, never what); a throw, synchronous or not, costs its own
 * key a back-off and nobody else anything. Leaves out where keys come from: stores call `enqueue`.
 */
import type { Runnable } from '../lifecycle/runnable.ts';
import { durationBucketsSeconds, type MetricsRegistry } from '../metrics/registry.ts';
import { createWorkQueue, type WorkQueue, type WorkQueueOptions } from './work-queue.ts';

export interface ControllerOptions extends Omit<WorkQueueOptions, 'process'> {
  /** Brings the thing named `key` closer to what is wanted. */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<ReconcileResult | undefined> | Promise<void>;
}

export interface ReconcileResult {
  /** Look again after this long even if nothing is heard. */
  readonly requeueAfterMs?: number;
}

export interface Controller extends Runnable {
  /** Something about `key` changed. */
  enqueue(key: string): void;
  enqueueAfter(key: string, delayMs: number): void;
  /** True when nothing is ready, delayed or in work. */
  readonly idle: boolean;
}

/** A controller that works once started; keys may be enqueued before. */
export function createController(options: ControllerOptions): Controller {
  const { reconcile, name, clock } = options;
  const account = reconcileMetrics(name, options.metrics);
  const queue: WorkQueue = createWorkQueue({
    ...options,
    process: async (key, signal) => {
      const startedMs = clock.monotonicMs();
      let outcome: Outcome = 'error';
      try {
        const result = await reconcile(key, signal);
        const requeueAfterMs = result?.requeueAfterMs;
        outcome = requeueAfterMs === undefined ? 'success' : 'requeue_after';
        if (requeueAfterMs !== undefined) queue.addAfter(key, requeueAfterMs);
      } finally {
        account(outcome, (clock.monotonicMs() - startedMs) / 1000);
      }
    },
  });
  return {
    name,
    start: (signal) => queue.start(signal),
    stop: () => queue.stop(),
    enqueue: (key) => {
      queue.add(key);
    },
    enqueueAfter: (key, delayMs) => {
      queue.addAfter(key, delayMs);
    },
    get idle() {
      return queue.idle;
    },
  };
}

type Outcome = 'success' | 'requeue_after' | 'error';

function reconcileMetrics(
  controller: string,
  metrics: MetricsRegistry | undefined,
): (outcome: Outcome, seconds: number) => void {
  const total = metrics?.counter({
    name: 'controller_runtime_reconcile_total',
    help: 'Reconciles by controller and result.',
    labels: ['controller', 'result'],
  });
  const errors = metrics?.counter({
    name: 'controller_runtime_reconcile_errors_total',
    help: 'Reconciles that failed, by controller.',
    labels: ['controller'],
  });
  const seconds = metrics?.histogram({
    name: 'controller_runtime_reconcile_time_seconds',
    help: 'Seconds per reconcile, by controller.',
    labels: ['controller'],
    buckets: durationBucketsSeconds,
  });
  return (result, took) => {
    total?.inc({ controller, result });
    if (result === 'error') errors?.inc({ controller });
    seconds?.observe({ controller }, took);
  };
}
