/** A reconcile loop over a work queue: signatures; the body follows. */
import type { Runnable } from '../lifecycle/runnable.ts';
import type { WorkQueueOptions } from './work-queue.ts';

export interface ControllerOptions extends Omit<WorkQueueOptions, 'process'> {
  /** Brings the thing named `key` closer to what is wanted. Level-based: it is told that something changed, never what. */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<ReconcileResult | undefined>;
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

export declare function createController(options: ControllerOptions): Controller;
