/** Starting and stopping runnables together: signatures; the body follows. */
import type { Clock } from '../clock/clock.ts';
import type { Logger } from '../log/logger.ts';
import type { Runnable } from './runnable.ts';

export interface RunnableGroupOptions {
  readonly name: string;
  /** Stages start one after another, members of a stage together; stop goes backwards. */
  readonly stages: readonly (readonly Runnable[])[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** For each member's stop; default 10 s. */
  readonly stopTimeoutMs?: number;
}

/** If a member fails to start, those already started are stopped and `start` rejects with the cause. */
export declare function createRunnableGroup(options: RunnableGroupOptions): Runnable;
