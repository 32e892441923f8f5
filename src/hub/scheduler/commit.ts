/**
 * Makes a placement durable: finalizer, then fence, run and lease terms in one compare-and-swap, before any member hears of
 * it. Whatever fails, the assumption is forgotten and the next cycle decides anew.
 *
 * Invariants: the fence is written with the run and the terms that were frozen beside it, in one patch on the version that
 * was decided from; nothing is written for an assumption that was overtaken while it waited; two requests and no read for a job that is placed at once; at most `limit` commits under way.
 */
import { COMPUTE_JOB_RESOURCE } from '../../api/v1alpha1/compute-job.ts';
import { FINALIZERS } from '../../api/v1alpha1/labels.ts';
import type { JobUid } from '../../core/model/ids.ts';
import type { Placement } from '../../core/scheduling/decision.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { EventRecorder } from '../../platform/kube/event-recorder.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { isConflict, isNotFound } from '../../platform/kube/kube-error.ts';
import type { Logger } from '../../platform/log/logger.ts';
import type { HubMetrics } from '../observe/hub-metrics.ts';
import type { HubState } from '../state/hub-state.ts';
import type { JobRecord, RawObject } from '../state/job-record.ts';
import type { PlannedRun } from '../state/plan-run.ts';
import { placementText, statusOfJob, waitingSinceMs } from '../state/status-of-job.ts';
import { eventSubject, refOf, swapFinalizers, swapStatus } from '../writes/compare-and-swap.ts';

export interface CommitDeps {
  readonly state: HubState;
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: EventRecorder;
  readonly hubMetrics: HubMetrics;
  /** Commits under way at once; default 32. */
  readonly limit?: number;
}

interface Task {
  readonly uid: JobUid;
  readonly plan: PlannedRun;
  readonly decidedAtMs: number;
}

export class Committer {
  private readonly deps: CommitDeps;
  private readonly waiting: Task[] = [];
  private readonly underWay = new Set<Promise<void>>();

  constructor(deps: CommitDeps) {
    this.deps = deps;
  }

  /** Assumes the placement at once and writes it when there is a slot. False: it no longer applies. */
  submit(placement: Placement, signal: AbortSignal): boolean {
    const plan = this.deps.state.assume(placement);
    if (plan === undefined) return false;
    this.waiting.push({ uid: placement.jobUid, plan, decidedAtMs: this.deps.clock.monotonicMs() });
    this.pump(signal);
    return true;
  }

  /** Resolves once nothing is under way; what waits is forgotten. */
  async drain(): Promise<void> {
    for (const task of this.waiting.splice(0)) this.deps.state.forget(task.uid);
    await Promise.all(this.underWay);
  }

  private pump(signal: AbortSignal): void {
    while (this.underWay.size < (this.deps.limit ?? 32)) {
      const task = this.waiting.shift();
      if (task === undefined) return;
      const work = this.commit(task, signal).finally(() => {
        this.underWay.delete(work);
        this.pump(signal);
      });
      this.underWay.add(work);
    }
  }

  /** Never rejects: a failed write is forgotten, logged and counted. */
  private async commit(task: Task, signal: AbortSignal): Promise<void> {
    const { state, hubMetrics, logger } = this.deps;
    const record = this.stillDecided(task);
    if (record === undefined) {
      hubMetrics.placementAttempts.inc({ result: 'failed', reason: 'Conflict' });
      return;
    }
    try {
      await this.write(record, task.plan, signal);
      this.count(record, task);
    } catch (error) {
      const raced = isConflict(error) || isNotFound(error);
      hubMetrics.placementAttempts.inc({ result: 'failed', reason: raced ? 'Conflict' : 'WriteFailed' });
      if (raced) logger.debug('lost a race for a job while placing it', { job: record.key });
      else logger.warn('a placement could not be written; it is decided again', { job: record.key, error });
      await this.readAgain(record, signal);
      if (this.isAssumed(task)) state.forget(task.uid, !raced);
    }
  }

  /**
   * The job, if what was decided still holds for it. While the task waited, another leader may have placed it: a
   * compare-and-swap on what that one wrote would succeed, and take its run away.
   */
  private stillDecided(task: Task): JobRecord | undefined {
    const { state } = this.deps;
    const entry = state.jobs.get(task.uid);
    if (entry?.assumed === undefined || !this.isAssumed(task)) return undefined;
    if (entry.record.reading === entry.assumed.source) return entry.record;
    state.forget(task.uid);
    return undefined;
  }

  private isAssumed({ uid, plan }: Task): boolean {
    return this.deps.state.jobs.get(uid)?.assumed?.run === plan.run;
  }

  private async write(record: JobRecord, plan: PlannedRun, signal: AbortSignal): Promise<void> {
    const { client, state } = this.deps;
    const type = COMPUTE_JOB_RESOURCE;
    const finalizers = record.object.metadata.finalizers ?? [];
    const held = finalizers.includes(FINALIZERS.runStopped);
    const object = held
      ? record.object
      : await swapFinalizers(client, { type, object: record.object }, [...finalizers, FINALIZERS.runStopped], signal);
    if (!held) state.jobWritten(object);
    // Deleted just before the finalizer came: the write below would place a job that nobody wants.
    if (object.metadata.deletionTimestamp !== undefined) {
      state.forget(record.uid);
      return;
    }
    const status = placedStatus(record, plan, this.deps.clock.nowMs());
    const answer = await swapStatus(client, { type, object, before: record.status }, status, signal);
    if (answer !== undefined) state.jobWritten(answer);
  }

  /** The world has moved on, or it is not known whether the write arrived: what is there now decides. */
  private async readAgain(record: JobRecord, signal: AbortSignal): Promise<void> {
    const { client, state, logger } = this.deps;
    try {
      state.jobWritten(await client.get<RawObject>(refOf(COMPUTE_JOB_RESOURCE, record.object), { signal }));
    } catch (error) {
      // Not found: the watch tells. Anything else: the next write on an old version is a conflict, and harmless.
      if (!isNotFound(error)) logger.debug('a job could not be read again', { job: record.key, error });
    }
  }

  private count(record: JobRecord, { plan, decidedAtMs }: Task): void {
    const { hubMetrics, clock, events, state } = this.deps;
    const { terms } = plan.run;
    if (state.jobs.get(record.uid)?.record.run?.terms.id.fence !== terms.id.fence) return;
    hubMetrics.placementTime.observe({}, Math.max(0, clock.monotonicMs() - decidedAtMs) / 1000);
    hubMetrics.queueWait.observe({ pool: terms.pool }, Math.max(0, clock.nowMs() - waitingSinceMs(record)) / 1000);
    hubMetrics.dispatches.inc({ member_cluster: terms.member });
    hubMetrics.placementAttempts.inc({ result: 'placed', reason: '' });
    const regarding = eventSubject(COMPUTE_JOB_RESOURCE, record.object);
    events.record({ regarding, type: 'Normal', reason: 'Placed', message: placementText(plan.run) });
  }
}

function placedStatus(record: JobRecord, plan: PlannedRun, nowMs: number): ReturnType<typeof statusOfJob> {
  const { status } = record;
  return statusOfJob(
    record,
    {
      run: plan.run,
      extras: plan.extras,
      highestFence: plan.run.terms.id.fence,
      attempt: plan.run.terms.attempt,
      retriesUsed: status.retriesUsed ?? 0,
      history: status.history ?? [],
      gpuSeconds: status.usage?.gpuSeconds ?? 0,
    },
    nowMs,
  );
}
