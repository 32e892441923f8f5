/**
 * The scheduler's loop: on a change, take a snapshot, let core decide, commit what it placed, tell why the rest waits.
 *
 * Invariants: works only while this hub leads and its caches have synced; one cycle at a time, and none waits for the writes
 * of the one before, because placements are assumed; a cycle that fails costs itself alone. Waits that end by time alone
 * (back-off, members passed over) wake it.
 */
import { schedule } from '../../core/scheduling/schedule.ts';
import type { Snapshot } from '../../core/scheduling/snapshot.ts';
import type { Timer } from '../../platform/clock/clock.ts';
import { sharedAbort } from '../../platform/lifecycle/abort-link.ts';
import type { Runnable } from '../../platform/lifecycle/runnable.ts';
import { isWaiting } from '../state/snapshot-of.ts';
import { BatchTrigger } from './batch-trigger.ts';
import { Committer, type CommitDeps } from './commit.ts';

const IDLE_MS = 10;
const MAX_MS = 100;
/** After a cycle that failed. */
const AGAIN_MS = 1_000;

export interface Scheduler extends Runnable {
  /** Cycles run so far. */
  readonly cycles: number;
}

export function createScheduler(deps: CommitDeps): Scheduler {
  return new SchedulerLoop(deps);
}

class SchedulerLoop implements Scheduler {
  readonly name = 'scheduler';
  cycles = 0;
  private readonly deps: CommitDeps;
  private readonly trigger: BatchTrigger;
  private readonly committer: Committer;
  private abort = sharedAbort();
  private wake: Timer | undefined;
  private unsubscribe = (): void => undefined;

  constructor(deps: CommitDeps) {
    this.deps = deps;
    this.committer = new Committer(deps);
    this.trigger = new BatchTrigger({
      clock: deps.clock,
      idleMs: IDLE_MS,
      maxMs: MAX_MS,
      fire: () => {
        this.fire();
      },
    });
  }

  start(signal: AbortSignal): Promise<void> {
    this.abort = sharedAbort();
    const { abort } = this;
    if (signal.aborted) abort.abort();
    signal.addEventListener(
      'abort',
      () => {
        abort.abort();
      },
      { once: true, signal: abort.signal },
    );
    this.unsubscribe = this.deps.state.feed.subscribe('schedulable', () => {
      this.trigger.poke();
    });
    this.trigger.poke();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.unsubscribe();
    this.trigger.cancel();
    this.wake?.cancel();
    this.abort.abort();
    await this.committer.drain();
  }

  private fire(): void {
    const { state, logger } = this.deps;
    if (this.abort.signal.aborted || !state.leading || !state.synced) return;
    try {
      this.cycle();
    } catch (error) {
      logger.error('a cycle of the scheduler failed; it is tried again', { error });
      this.wakeAfter(AGAIN_MS);
    }
  }

  private cycle(): void {
    const { state, clock, hubMetrics, logger } = this.deps;
    const startedMs = clock.monotonicMs();
    this.cycles += 1;
    if (!state.hasWaiting) return;
    const snapshot = state.snapshot();
    const decision = schedule(snapshot);
    hubMetrics.cycles.observe({}, (clock.monotonicMs() - startedMs) / 1000);
    let overtaken = 0;
    for (const placement of decision.placements) {
      if (!this.committer.submit(placement, this.abort.signal)) overtaken += 1;
    }
    for (const { reason } of decision.refusals)
      hubMetrics.placementAttempts.inc({ result: 'refused', reason: reason.kind });
    state.takeRefusals(decision.refusals);
    this.wakeForTime(snapshot);
    logger.debug('cycle', () => ({
      version: snapshot.version,
      placed: decision.placements.length - overtaken,
      waiting: decision.refusals.length,
      overtaken,
    }));
  }

  /** Wakes when the first wait that only time ends is over. */
  private wakeForTime(snapshot: Snapshot): void {
    const { state } = this.deps;
    let soonestMs = Number.POSITIVE_INFINITY;
    for (const { block } of snapshot.blocked) {
      if (block.kind === 'RetryBackoff') soonestMs = Math.min(soonestMs, block.untilMs);
    }
    for (const entry of state.jobs.unfinished()) {
      if (entry.avoid.size === 0 || !isWaiting(entry)) continue;
      for (const untilMs of entry.avoid.values())
        if (untilMs > snapshot.nowMs) soonestMs = Math.min(soonestMs, untilMs);
    }
    if (Number.isFinite(soonestMs)) this.wakeAfter(soonestMs - snapshot.nowMs);
  }

  private wakeAfter(delayMs: number): void {
    this.wake?.cancel();
    this.wake = this.deps.clock.after(Math.max(1, delayMs), () => {
      this.trigger.poke();
    });
  }
}
