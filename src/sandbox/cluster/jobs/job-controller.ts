/**
 * The Job controller as a running thing: carries out the plans of job-decision.ts with few writes.
 *
 * Invariants: pods first, then one status write, then finalizers; what was just written is remembered until the watch shows
 * it, so that nothing is made or counted twice; several changes of pods within a moment become one look. Jobs that another
 * controller manages are left alone.
 */
import type { Clock } from '../../../platform/clock/clock.ts';
import type { Random } from '../../../platform/clock/random.ts';
import { parseTimestamp } from '../../../platform/clock/timestamp.ts';
import { jobs, pods } from '../../../platform/kube/builtin-resources.ts';
import type { EventRecorder } from '../../../platform/kube/event-recorder.ts';
import type { KubeClient } from '../../../platform/kube/kube-client.ts';
import { isConflict, isInvalid, isNotFound } from '../../../platform/kube/kube-error.ts';
import type { Store, StoreEvent } from '../../../platform/kube/store.ts';
import type { Runnable } from '../../../platform/lifecycle/runnable.ts';
import type { Logger } from '../../../platform/log/logger.ts';
import { createController } from '../../../platform/queue/controller.ts';
import type { Controller, ReconcileResult } from '../../../platform/queue/controller.ts';
import { mergePatchBetween } from '../merge-patch.ts';
import type { Job, JobStatus } from '../objects/job.ts';
import { isJobFinished } from '../objects/job.ts';
import { isFinished, isTerminating, podKey, uidOf } from '../objects/pod.ts';
import type { Pod } from '../objects/pod.ts';
import { planJob } from './job-decision.ts';
import type { JobPlan } from './job-decision.ts';
import { jobPod } from './job-pod.ts';
import { noMemory } from './job-memory.ts';
import type { JobMemory } from './job-memory.ts';
import { isTracked, trackingFinalizer } from './pod-tally.ts';

/** Index of pods by the UID of the Job that controls them. */
export const podsByJob = 'job';

export function jobUidOf(pod: Pod): string | undefined {
  return pod.metadata.ownerReferences?.find((owner) => owner.controller === true && owner.kind === 'Job')?.uid;
}

export interface JobControllerDeps {
  readonly client: KubeClient;
  readonly jobs: Store<Job>;
  /** Indexed under `podsByJob` by `jobUidOf`. */
  readonly pods: Store<Pod>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly events?: Pick<EventRecorder, 'record'>;
  readonly verboseEvents?: boolean;
}

/** What is known of a Job beyond what the watches have shown so far. */
interface JobRecord {
  memory: JobMemory;
  written: Job | undefined;
  readonly created: Map<string, Pod>;
  readonly removing: Set<string>;
  readonly released: Set<string>;
}

/** Ends of pods are looked at after this long, other changes after the longer one: several then share a write. */
const endDelayMs = 20;
const changeDelayMs = 300;
const relearnDelayMs = 1000;

export class JobController implements Runnable {
  readonly name = 'sandbox/job-controller';
  private readonly deps: JobControllerDeps;
  private readonly loop: Controller;
  private readonly records = new Map<string, JobRecord>();
  private readonly keyOf = new Map<string, string>();
  private readonly subscriptions: (() => void)[] = [];

  constructor(deps: JobControllerDeps) {
    this.deps = deps;
    this.loop = createController({
      name: 'sandbox-jobs',
      clock: deps.clock,
      random: deps.random,
      logger: deps.logger,
      concurrency: 16,
      reconcile: (key) => this.reconcile(key),
    });
  }

  async start(signal: AbortSignal): Promise<void> {
    await Promise.all([this.deps.jobs.whenSynced(signal), this.deps.pods.whenSynced(signal)]);
    this.subscriptions.push(
      this.deps.jobs.subscribe((event) => {
        this.onJob(event);
      }),
      this.deps.pods.subscribe((event) => {
        this.onPod(event);
      }),
    );
    await this.loop.start(signal);
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.subscriptions.splice(0)) unsubscribe();
    await this.loop.stop();
  }

  /** The store was set back to an earlier moment: what we remember lies in a future that did not happen. */
  relearn(): void {
    this.records.clear();
    // The copies are still those of that future; by then they should show what is.
    for (const key of this.keyOf.values()) this.loop.enqueueAfter(key, relearnDelayMs);
  }

  private onJob(event: StoreEvent<Job>): void {
    if (event.kind === 'synced') return;
    const job = event.object;
    const key = podKey(job);
    if (event.kind === 'deleted') {
      this.records.delete(uidOf(job));
      this.keyOf.delete(uidOf(job));
      for (const pod of this.deps.pods.byIndex(podsByJob, uidOf(job))) this.enqueueOrphan(pod);
    } else {
      this.keyOf.set(uidOf(job), key);
      // The store was set back to an earlier moment: what we remember lies in a future that did not happen.
      if (event.kind === 'updated' && versionOf(job) < versionOf(event.old)) this.records.delete(uidOf(job));
    }
    // Our own status writes come back here as updates; they ask for nothing new.
    const { written } = this.records.get(uidOf(job)) ?? {};
    if (event.kind === 'updated' && written !== undefined && versionOf(written) === versionOf(job)) return;
    this.loop.enqueue(key);
  }

  private onPod(event: StoreEvent<Pod>): void {
    if (event.kind === 'synced') return;
    const pod = event.object;
    const jobUid = jobUidOf(pod);
    if (jobUid === undefined) {
      // Deleting a Job with its pods orphaned takes their owner away, and leaves them our finalizer.
      if (event.kind !== 'deleted') this.enqueueOrphan(pod);
      return;
    }
    this.records.get(jobUid)?.created.delete(uidOf(pod));
    const key = this.keyOf.get(jobUid);
    if (key === undefined) {
      this.enqueueOrphan(pod);
      return;
    }
    if (event.kind === 'deleted') {
      this.records.get(jobUid)?.removing.delete(uidOf(pod));
      this.loop.enqueueAfter(key, endDelayMs);
    } else if (isFinished(pod) || isTerminating(pod)) this.loop.enqueueAfter(key, endDelayMs);
    else if (event.kind === 'updated') this.loop.enqueueAfter(key, changeDelayMs);
  }

  /** Pods whose Job is gone only have their finalizer to lose. Their keys have three parts, those of Jobs two. */
  private enqueueOrphan(pod: Pod): void {
    if (isTracked(pod)) this.loop.enqueueAfter(`${podKey(pod)}/pod`, endDelayMs);
  }

  private async reconcile(key: string): Promise<ReconcileResult | undefined> {
    const [namespace = '', name = '', kind] = key.split('/');
    if (kind === 'pod') {
      const pod = this.deps.pods.get(namespace, name);
      if (pod !== undefined && isTracked(pod) && !this.keyOf.has(jobUidOf(pod) ?? '')) await this.release(pod);
      return undefined;
    }
    const seen = this.deps.jobs.get(namespace, name);
    if (seen === undefined || (seen.spec.managedBy ?? ownName) !== ownName) return undefined;
    const record = this.recordOf(seen);
    const job = newer(seen, record.written);
    const nowMs = this.deps.clock.nowMs();
    const plan = planJob({ job, pods: this.podsOf(job, record), memory: record.memory, nowMs });
    await this.carryOut(job, plan, record);
    const ttlMs = await this.removeExpired(newer(job, record.written));
    return soonest(plan.recheckMs, ttlMs);
  }

  private async carryOut(job: Job, plan: JobPlan, record: JobRecord): Promise<void> {
    await Promise.all(plan.remove.map((pod) => this.removePod(pod, record)));
    await Promise.all(plan.create.map((index) => this.createPod(job, index, record)));
    if (!(await this.writeStatus(job, plan.status, record))) return;
    record.memory = plan.memory;
    const held = plan.release.filter((pod) => !record.released.has(uidOf(pod)));
    await Promise.all(held.map((pod) => this.release(pod, record)));
  }

  /** The watch's pods, with those just made and without the liveliness of those just deleted. */
  private podsOf(job: Job, record: JobRecord): readonly Pod[] {
    const seen = this.deps.pods.byIndex(podsByJob, uidOf(job));
    const unseen = [...record.created.values()].filter((pod) => this.deps.pods.byUid(uidOf(pod)) === undefined);
    return [...seen, ...unseen].map((pod) => (record.removing.has(uidOf(pod)) ? asLeaving(pod) : pod));
  }

  private recordOf(job: Job): JobRecord {
    let record = this.records.get(uidOf(job));
    if (record === undefined) {
      record = { memory: noMemory, written: undefined, created: new Map(), removing: new Set(), released: new Set() };
      this.records.set(uidOf(job), record);
    }
    return record;
  }

  private async createPod(job: Job, index: number | undefined, record: JobRecord): Promise<void> {
    const pod = jobPod(job, { index, suffix: randomSuffix(this.deps.random) });
    try {
      const made = await this.deps.client.create<Pod>(pods, pod);
      if (this.deps.pods.byUid(uidOf(made)) === undefined) record.created.set(uidOf(made), made);
      this.note(job, 'SuccessfulCreate', `Created pod: ${made.metadata.name ?? ''}`);
    } catch (error) {
      this.warn(job, 'FailedCreate', `Error creating: ${error instanceof Error ? error.message : String(error)}`);
      throw error;
    }
  }

  private async removePod(pod: Pod, record: JobRecord): Promise<void> {
    try {
      await this.deps.client.delete(refOf(pod), {
        propagationPolicy: 'Background',
        preconditions: { uid: uidOf(pod) },
      });
    } catch (error) {
      // Gone, or another pod has its name.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
    record.removing.add(uidOf(pod));
  }

  /** False when the Job was changed or deleted meanwhile: what is planned no longer holds, and the change will be heard. */
  private async writeStatus(job: Job, status: JobStatus, record: JobRecord): Promise<boolean> {
    const patch = mergePatchBetween({ ...job.status }, { ...status });
    if (patch === undefined) return true;
    const { uid, resourceVersion } = job.metadata;
    try {
      record.written = await this.deps.client.mergePatch<Job>(
        { type: jobs, namespace: job.metadata.namespace ?? '', name: job.metadata.name ?? '' },
        { metadata: { uid, resourceVersion }, status: patch },
        { subresource: 'status' },
      );
    } catch (error) {
      if (isNotFound(error) || isConflict(error)) return false;
      throw error;
    }
    if (isJobFinished(record.written) && !isJobFinished(job)) this.tellEnd(record.written);
    return true;
  }

  private tellEnd(job: Job): void {
    const end = job.status?.conditions?.find((condition) => condition.type === 'Failed' && condition.status === 'True');
    if (end === undefined) this.note(job, 'Completed', 'Job completed');
    else this.warn(job, end.reason ?? 'Failed', end.message ?? '');
  }

  private async release(pod: Pod, record?: JobRecord): Promise<void> {
    const finalizers = (pod.metadata.finalizers ?? []).filter((finalizer) => finalizer !== trackingFinalizer);
    const { uid } = pod.metadata;
    try {
      await this.deps.client.mergePatch(refOf(pod), {
        metadata: { uid, finalizers: finalizers.length === 0 ? null : finalizers },
      });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error) && !isInvalid(error)) throw error;
    }
    record?.released.add(uidOf(pod));
  }

  /** Deletes the Job once its time to live after its end has passed; else says when to look again. */
  private async removeExpired(job: Job): Promise<number | undefined> {
    const leftMs = timeToLiveMs(job, this.deps.clock.nowMs());
    if (leftMs === undefined || leftMs > 0) return leftMs;
    try {
      await this.deps.client.delete(
        { type: jobs, namespace: job.metadata.namespace ?? '', name: job.metadata.name ?? '' },
        { propagationPolicy: 'Foreground', preconditions: { uid: uidOf(job) } },
      );
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
    return undefined;
  }

  private note(job: Job, reason: string, message: string): void {
    if (this.deps.verboseEvents !== true) return;
    this.deps.events?.record({
      regarding: { ...job, apiVersion: 'batch/v1', kind: 'Job' },
      type: 'Normal',
      reason,
      message,
    });
  }

  private warn(job: Job, reason: string, message: string): void {
    this.deps.events?.record({
      regarding: { ...job, apiVersion: 'batch/v1', kind: 'Job' },
      type: 'Warning',
      reason,
      message,
    });
  }
}

/** Milliseconds until a finished Job with a time to live may go; undefined for all others. */
function timeToLiveMs(job: Job, nowMs: number): number | undefined {
  const { ttlSecondsAfterFinished: ttlSeconds } = job.spec;
  if (ttlSeconds === undefined || !isJobFinished(job) || job.metadata.deletionTimestamp !== undefined) return undefined;
  const end = job.status?.conditions?.findLast(({ type }) => type === 'Complete' || type === 'Failed');
  return (parseTimestamp(end?.lastTransitionTime) ?? nowMs) + ttlSeconds * 1000 - nowMs;
}

const ownName = 'kubernetes.io/job-controller';

/** The newer of what the watch shows and what we wrote. */
function newer(seen: Job, written: Job | undefined): Job {
  if (written === undefined || uidOf(written) !== uidOf(seen)) return seen;
  return versionOf(written) > versionOf(seen) ? written : seen;
}

/** Versions of the sandbox's server are numbers that grow. */
function versionOf(job: Job): number {
  return Number(job.metadata.resourceVersion);
}

/** As it will look once the watch shows the deletion. It may be bound by now, so it does not count as never having run. */
function asLeaving(pod: Pod): Pod {
  if (isTerminating(pod)) return pod;
  const nodeName = (pod.spec.nodeName ?? '') === '' ? 'unknown' : (pod.spec.nodeName ?? '');
  return {
    ...pod,
    metadata: { ...pod.metadata, deletionTimestamp: '1970-01-01T00:00:00Z' },
    spec: { ...pod.spec, nodeName },
  };
}

function soonest(...waits: readonly (number | undefined)[]): ReconcileResult | undefined {
  const known = waits.filter((wait): wait is number => wait !== undefined);
  return known.length === 0 ? undefined : { requeueAfterMs: Math.max(1, Math.min(...known)) };
}

function refOf(pod: Pod): { readonly type: typeof pods; readonly namespace: string; readonly name: string } {
  return { type: pods, namespace: pod.metadata.namespace ?? '', name: pod.metadata.name ?? '' };
}

/** Five characters of the alphabet that generated names use. */
function randomSuffix(random: Random): string {
  const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
  return Array.from({ length: 5 }, () => alphabet[Math.floor(random.next() * alphabet.length)] ?? 'b').join('');
}
