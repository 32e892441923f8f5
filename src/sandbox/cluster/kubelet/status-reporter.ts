/**
 * Brings a pod's status to the API server: one write at a time, the newest state wins, nothing is lost while cut off.
 *
 * Invariants: after `settled()` resolves, the last state that was reported is at the server or the pod is gone there.
 */
import type { Clock } from '../../../platform/clock/clock.ts';
import type { Logger } from '../../../platform/log/logger.ts';
import type { Pod, PodStatus } from '../objects/pod.ts';
import type { PodLink } from './pod-link.ts';

export interface StatusReporterDeps {
  readonly link: PodLink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly pod: () => Pod;
  readonly build: (newest: Pod) => PodStatus;
  readonly written: (pod: Pod) => void;
  readonly retryMs: number;
}

export class StatusReporter {
  private readonly deps: StatusReporterDeps;
  private readonly closing = new AbortController();
  private dirty = false;
  private work: Promise<void> | undefined;
  private isGone = false;

  constructor(deps: StatusReporterDeps) {
    this.deps = deps;
  }

  /** The object no longer exists at the server. */
  get gone(): boolean {
    return this.isGone;
  }

  /** The state has changed. */
  report(): void {
    if (this.closing.signal.aborted) return;
    this.dirty = true;
    this.work ??= this.writeAll().finally(() => {
      this.work = undefined;
    });
  }

  async settled(): Promise<void> {
    while (this.work !== undefined) await this.work;
  }

  /** Stops trying; what is not written by now never will be. */
  close(): void {
    this.closing.abort();
  }

  /** Asked anew each time: it changes while others are awaited. */
  private isClosed(): boolean {
    return this.closing.signal.aborted;
  }

  private async writeAll(): Promise<void> {
    const { link, clock, logger } = this.deps;
    // Changes that come together, such as the start of all containers, go in one write.
    await Promise.resolve();
    while (this.dirty && !this.isGone && !this.isClosed()) {
      this.dirty = false;
      try {
        await link.whenConnected(this.closing.signal);
        if (this.isClosed()) return;
        const outcome = await link.writeStatus(this.deps.pod(), this.deps.build);
        if (outcome.kind === 'Gone') this.isGone = true;
        else this.deps.written(outcome.pod);
      } catch (error) {
        this.dirty = true;
        logger.warn('pod status not written, will retry', { pod: this.deps.pod().metadata.name, error: String(error) });
        await clock.sleep(this.deps.retryMs, this.closing.signal);
      }
    }
  }
}
