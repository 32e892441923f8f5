/**
 * Starting and stopping many runnables as one.
 *
 * Invariants: stages start in order and stop in reverse, members of a stage together; a failed start stops whatever began
 * and rejects with the cause; no member's stop takes longer than the timeout, and one that throws or hangs does not keep the
 * others from stopping. What went wrong while stopping is reported together at the end.
 */
import type { Clock } from '../clock/clock.ts';
import type { Logger } from '../log/logger.ts';
import { onAbort, sharedAbort } from './abort-link.ts';
import type { Runnable } from './runnable.ts';

export interface RunnableGroupOptions {
  readonly name: string;
  readonly stages: readonly (readonly Runnable[])[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** For each member's stop; default 10 s. */
  readonly stopTimeoutMs?: number;
}

/** Some members did not stop as they should; all were asked. */
export class StopFailure extends AggregateError {
  readonly kind = 'StopFailure';
  override readonly name = 'StopFailure';
}

const defaultStopTimeoutMs = 10_000;

export function createRunnableGroup(options: RunnableGroupOptions): Runnable {
  return new RunnableGroup(options);
}

class RunnableGroup implements Runnable {
  readonly name: string;
  private readonly options: RunnableGroupOptions;
  private readonly controller = sharedAbort();
  /** Members whose start was called, stage by stage. */
  private begun: (readonly Runnable[])[] = [];
  private stopping: Promise<void> | undefined;
  private unlink: () => void = () => undefined;

  constructor(options: RunnableGroupOptions) {
    this.name = options.name;
    this.options = options;
  }

  async start(signal: AbortSignal): Promise<void> {
    this.unlink = onAbort(signal, () => {
      this.stop().catch((error: unknown) => {
        this.options.logger.error('stopping failed', { group: this.name, error });
      });
    });
    for (const stage of this.options.stages) {
      if (signal.aborted || this.stopping !== undefined) return;
      this.begun.push(stage);
      const results = await Promise.allSettled(stage.map((member) => this.startMember(member)));
      const failed = results.find((result) => result.status === 'rejected');
      if (failed === undefined) continue;
      await this.stop().catch((error: unknown) => {
        // The cause of the failed start is what the caller must hear; this is a consequence.
        this.options.logger.warn('stopping after a failed start failed too', { group: this.name, error });
      });
      throw failed.reason;
    }
  }

  stop(): Promise<void> {
    this.stopping ??= this.stopAll();
    return this.stopping;
  }

  private async startMember(member: Runnable): Promise<void> {
    this.options.logger.debug('starting', { group: this.name, member: member.name });
    await member.start(this.controller.signal);
  }

  private async stopAll(): Promise<void> {
    this.unlink();
    const failures: unknown[] = [];
    for (const stage of this.begun.toReversed()) {
      const results = await Promise.allSettled(stage.map((member) => this.stopMember(member)));
      for (const result of results) if (result.status === 'rejected') failures.push(result.reason);
    }
    this.begun = [];
    // Last, so that members are stopped in order rather than all at once by the shared signal.
    this.controller.abort();
    if (failures.length > 0)
      throw new StopFailure(failures, `${this.name}: ${failures.length} members did not stop well`);
  }

  private async stopMember(member: Runnable): Promise<void> {
    const { clock, logger, stopTimeoutMs = defaultStopTimeoutMs } = this.options;
    logger.debug('stopping', { group: this.name, member: member.name });
    const inTime = new AbortController();
    const late = clock.sleep(stopTimeoutMs, inTime.signal).then(() => {
      if (!inTime.signal.aborted) throw new Error(`${member.name} did not stop within ${stopTimeoutMs} ms`);
    });
    try {
      await Promise.race([member.stop(), late]);
    } finally {
      inTime.abort();
    }
  }
}
