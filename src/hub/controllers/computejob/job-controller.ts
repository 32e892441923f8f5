/**
 * Reconciles ComputeJobs: gathers what is known of a job, lets decide-job.ts decide, writes it.
 *
 * Invariants: every write is a compare-and-swap on what was decided from, and goes on from its answer; while the scheduler
 * writes a placement the job is left alone; the finalizer goes only once no run of the job can be live anywhere; a lost race
 * is read again, never overwritten.
 */
import { COMPUTE_JOB_RESOURCE } from '../../../api/v1alpha1/compute-job.ts';
import { FINALIZERS } from '../../../api/v1alpha1/labels.ts';
import { jobUid, type JobUid, type RunId } from '../../../core/model/ids.ts';
import type { EventRecorder } from '../../../platform/kube/event-recorder.ts';
import type { KubeClient } from '../../../platform/kube/kube-client.ts';
import { isConflict, isNotFound } from '../../../platform/kube/kube-error.ts';
import type { Controller, ReconcileResult } from '../../../platform/queue/controller.ts';
import { createFeedController, type FeedControllerDeps } from '../../reconcile/feed-controller.ts';
import type { HubMetrics } from '../../observe/hub-metrics.ts';
import type { HubState } from '../../state/hub-state.ts';
import { runOf, type JobEntry } from '../../state/job-book.ts';
import type { JobRecord, RawObject } from '../../state/job-record.ts';
import { eventSubject, refOf, swapFinalizers, swapStatus } from '../../writes/compare-and-swap.ts';
import { decideJob, type JobDecision, type JobFacts } from './decide-job.ts';
import { factsOf, ttlLeftMs, waitsForRunOn } from './gather-job.ts';
import { queueNews, TellingBudget } from './queue-news.ts';

export interface JobControllerDeps extends FeedControllerDeps {
  readonly state: HubState;
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly hubMetrics: HubMetrics;
}

export interface JobController extends Controller {
  /** The run's references cannot be read: it must end. */
  referenceProblem(run: RunId, message: string): void;
}

const CONCURRENCY = 32;
/** A job that was told that it waits may have the news that it runs held so long, to be written with its outcome. */
const RUNNING_HELD_MS = 1_000;

export function createJobController(deps: JobControllerDeps): JobController {
  const { state } = deps;
  const reconciler = new JobReconciler(deps);
  const controller = createFeedController(
    {
      name: 'computejob',
      concurrency: CONCURRENCY,
      reconcile: (key, signal) => reconciler.reconcile(jobUid(key), signal),
      follow: (enqueue) => state.feed.subscribe('job', enqueue),
      keys: () => [...state.jobs.all()].map((entry) => entry.record.uid),
    },
    deps,
  );
  const referenceProblem = (run: RunId, message: string): void => {
    if (state.runProblem(run, { cause: 'ReferenceNotFound', message })) controller.enqueue(run.jobUid);
  };
  return Object.assign(controller, { referenceProblem });
}

class JobReconciler {
  private readonly deps: JobControllerDeps;
  private readonly budget = new TellingBudget();

  constructor(deps: JobControllerDeps) {
    this.deps = deps;
  }

  async reconcile(uid: JobUid, signal: AbortSignal): Promise<ReconcileResult | undefined> {
    const { state } = this.deps;
    const entry = state.jobs.get(uid);
    if (entry === undefined || entry.assumed !== undefined || !state.leading) return undefined;
    const { record } = entry;
    if (record.unreadable) {
      this.warnUnreadable(record);
      return undefined;
    }
    const nowMs = this.deps.clock.nowMs();
    const news = queueNews(entry, this.budget, nowMs);
    const facts = factsOf(entry, { state, nowMs, queue: news.tell });
    const decision = decideJob(facts);
    this.countContradictions(record, decision);
    const heldMs = decision.onlyRunning ? heldForMs(entry, nowMs) : 0;
    if (heldMs > 0) return { requeueAfterMs: heldMs };
    const written = await this.write(entry, decision, signal);
    if (written === 'lostRace') return undefined;
    this.afterWrite(entry, facts, decision);
    const again = await this.close(entry, signal);
    return sooner(again, facts.lookAgainMs, news.againAfterMs);
  }

  /** 'unchanged' when the status says it all already. */
  private async write(
    entry: JobEntry,
    decision: JobDecision,
    signal: AbortSignal,
  ): Promise<'written' | 'unchanged' | 'lostRace'> {
    const { client, state } = this.deps;
    const { record } = entry;
    const target = { type: COMPUTE_JOB_RESOURCE, object: record.object, before: record.status };
    try {
      const answer = await swapStatus(client, target, decision.status, signal);
      if (answer === undefined) return 'unchanged';
      state.jobWritten(answer);
      return 'written';
    } catch (error) {
      if (await this.lostRace(record, error, signal)) return 'lostRace';
      throw error;
    }
  }

  /** A conflict is settled by reading what is there now; 404 by the watch. False for every other failure. */
  private async lostRace(record: JobRecord, error: unknown, signal: AbortSignal): Promise<boolean> {
    const { client, state, logger } = this.deps;
    if (isNotFound(error)) return true;
    if (!isConflict(error)) return false;
    logger.debug('lost a race for a job; reading it again', { job: record.key });
    try {
      state.jobWritten(await client.get<RawObject>(refOf(COMPUTE_JOB_RESOURCE, record.object), { signal }));
    } catch (readError) {
      if (!isNotFound(readError)) throw readError;
    }
    // Also when nothing newer came: the feed tells of news only.
    state.feed.job(record.uid);
    return true;
  }

  /** Memory, events and metrics, once the decision is durable. */
  private afterWrite(entry: JobEntry, facts: JobFacts, decision: JobDecision): void {
    const { state, events, hubMetrics, clock } = this.deps;
    const { record } = entry;
    for (const note of decision.notes)
      events.record({ regarding: eventSubject(COMPUTE_JOB_RESOURCE, record.object), ...note });
    if (decision.adopted) state.liveness.markRestored();
    if (facts.queue !== undefined) entry.toldWhyMs = facts.nowMs;
    if (facts.tellProgress) entry.progressMs = clock.nowMs();
    const { aftermath } = decision;
    if (aftermath === undefined) return;
    const { run, end, completion, avoid } = aftermath;
    state.runEnded(record.uid, {
      cause: end.cause,
      gotGoing: run.startedAtMs !== undefined,
      notBeforeMs: aftermath.notBeforeMs,
      ...(avoid === undefined ? {} : { avoid }),
    });
    hubMetrics.runsEnded.inc({ cause: end.cause });
    if (end.cause === 'Reclaimed') hubMetrics.reclaims.inc({ member_cluster: run.terms.member });
    if (run.startedAtMs !== undefined) {
      hubMetrics.runTime.observe({ pool: run.terms.pool }, Math.max(0, facts.nowMs - run.startedAtMs) / 1000);
    }
    if (completion !== undefined) {
      hubMetrics.jobsCompleted.inc({ result: completion.succeeded ? 'Succeeded' : completion.reason });
    }
  }

  /** Lets a deleted job go, or deletes a finished one in its time. */
  private async close(entry: JobEntry, signal: AbortSignal): Promise<number | undefined> {
    const { state, clock } = this.deps;
    const current = state.jobs.get(entry.record.uid);
    if (current === undefined || runOf(current) !== undefined) return undefined;
    if (current.record.deleting) return this.letGo(current, signal);
    const leftMs = ttlLeftMs(current.record, clock.nowMs());
    if (leftMs === undefined || leftMs > 0) return leftMs;
    await this.deleteFinished(current.record, signal);
    return undefined;
  }

  private async letGo(entry: JobEntry, signal: AbortSignal): Promise<number | undefined> {
    const { client, state, logger } = this.deps;
    const { record } = entry;
    const finalizers = record.object.metadata.finalizers ?? [];
    if (!finalizers.includes(FINALIZERS.runStopped)) return undefined;
    const member = waitsForRunOn(entry, state);
    if (member !== undefined) {
      logger.info('a deleted job waits for an earlier run to stop', { job: record.key, member });
      return 10_000;
    }
    const rest = finalizers.filter((one) => one !== FINALIZERS.runStopped);
    try {
      state.jobWritten(
        await swapFinalizers(client, { type: COMPUTE_JOB_RESOURCE, object: record.object }, rest, signal),
      );
    } catch (error) {
      if (!(await this.lostRace(record, error, signal))) throw error;
    }
    return undefined;
  }

  private async deleteFinished(record: JobRecord, signal: AbortSignal): Promise<void> {
    const { uid, resourceVersion } = record.object.metadata;
    const preconditions = {
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    };
    try {
      await this.deps.client.delete(refOf(COMPUTE_JOB_RESOURCE, record.object), {
        propagationPolicy: 'Background',
        preconditions,
        signal,
      });
    } catch (error) {
      if (!(await this.lostRace(record, error, signal))) throw error;
    }
  }

  private countContradictions(record: JobRecord, decision: JobDecision): void {
    for (const detail of decision.contradictions) {
      this.deps.hubMetrics.fenceRejected('Contradiction');
      this.deps.logger.warn('a report contradicts what was issued; not applied', { job: record.key, detail });
    }
  }

  private warnUnreadable(record: JobRecord): void {
    const { logger, events } = this.deps;
    const problems = record.reading.kind === 'invalid' ? record.reading.problems : [];
    const paths = problems.map((one) => one.path).join(', ');
    logger.error('the status of a job cannot be read; the job is left alone', { job: record.key, problems });
    const message = `status cannot be read (${paths}); the job is left alone until it is repaired`;
    events.record({
      regarding: eventSubject(COMPUTE_JOB_RESOURCE, record.object),
      type: 'Warning',
      reason: 'StatusUnreadable',
      message,
    });
  }
}

/** Time that the news of a run may still be held; 0 = write it. */
function heldForMs(entry: JobEntry, nowMs: number): number {
  const run = entry.record.run;
  if (entry.toldWhyMs === undefined || run?.terms.onPartition === 'Fence') return 0;
  entry.runningHeldUntilMs ??= nowMs + RUNNING_HELD_MS;
  return Math.max(0, entry.runningHeldUntilMs - nowMs);
}

function sooner(...times: readonly (number | undefined)[]): ReconcileResult | undefined {
  const known = times.filter((ms) => ms !== undefined);
  return known.length === 0 ? undefined : { requeueAfterMs: Math.max(1, Math.min(...known)) };
}
