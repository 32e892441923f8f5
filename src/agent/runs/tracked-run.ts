/**
 * What this process holds in memory about one run, and how it becomes facts for the plan. The cluster's objects are read
 * anew each time; here is only what they cannot say: what this process itself did, and since when things have been so.
 *
 * Invariants: monotonic time for every "since"; wall time only where a clock of another process is read (after a restart);
 * a pod that vanished keeps the last facts seen of it; what this process has written counts before its own watch shows it.
 */
import { guestNamespace, runName } from '../../api/v1alpha1/child-names.ts';
import { nodeName, runKey, type NodeName } from '../../core/model/ids.ts';
import { readPodTemplate } from '../../core/model/pod-requests.ts';
import type { Resources } from '../../core/model/resources.ts';
import type { NodeShare, RunEnd, RunOrder, RunPhase } from '../../core/model/run.ts';
import {
  allHaveRun,
  type JobFacts,
  type Reason,
  type RunFacts,
  type StartGate,
  type StartProgress,
} from '../../core/run/agent-plan.ts';
import { isLive, type WorkerFacts } from '../../core/run/worker-verdict.ts';
import type { ClockReading } from '../../platform/clock/clock.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import type { GuestStores } from './guest-stores.ts';
import { readJob } from './read-job.ts';
import { readPod } from './read-pod.ts';

/** How long the watch may take to show what this process has written. */
const WATCH_LAG_MS = 30_000;
/** After this long a deletion that shows no effect is asked for again. */
const ASK_AGAIN_MS = 10_000;

interface DecidedEnd {
  readonly end: RunEnd;
  readonly sinceMs: number;
  recorded: RunFacts['endRecorded'];
  /** A report with this end in it was acknowledged by the hub. */
  reportAcked: boolean;
}

interface Stop extends Reason {
  readonly sinceMs: number;
  readonly recorded: boolean;
}

/** An object of the run as this process knows it. */
interface ChildState {
  uid?: string | undefined;
  /** Monotonic ms when this process made it. */
  madeMs?: number;
  seen: boolean;
}

export interface Observation {
  readonly now: ClockReading;
  readonly stores: GuestStores;
  readonly unreachableNodes: ReadonlySet<string>;
}

/** What is known of the run from outside it: the hub's word, the lease, the policy. */
export interface Surroundings {
  readonly now: ClockReading;
  readonly gate: StartGate;
  readonly ordered: boolean;
  readonly cancel: Reason | undefined;
  readonly jobGone: boolean;
  readonly remembered: RunFacts['remembered'];
  readonly leaseRemainingMs: number | undefined;
  readonly retentionMs: number;
}

export class TrackedRun {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly acceptedMs: number;
  order: RunOrder;
  readonly perWorker: Resources;
  /** Where workers are booked, and where they are once all have a node. */
  nodes: readonly NodeShare[];
  progress: StartProgress = 'Nothing';
  startedMs: number;
  readonly record: ChildState = { seen: false };
  readonly job: ChildState = { seen: false };
  jobUncertain = false;
  stop: Stop | undefined;
  ownWish: Reason | undefined;
  /** Grace that came with the wish, where it is shorter than the run's own. */
  wishGraceMs: number | undefined;
  ended: DecidedEnd | undefined;
  acknowledged = false;
  /** Cancelled by the hub and not known here: a report of it can repeat no terms. */
  termsUnknown = false;
  unmentioned = false;
  recordedPhase: RunPhase | undefined;
  phase: RunPhase = 'Accepted';
  phaseSinceMs: number;
  message = 'order taken';
  allRunning: { readonly sinceMs: number; readonly atWallMs: number } | undefined;
  gpuSeconds = 0;
  private imageTroubleMs: number | undefined;
  private letGoAsked = false;
  private jobDeleteAskedMs: number | undefined;
  private jobSeenUnstarted = false;
  private jobStartSeenMs: number | undefined;
  private jobFacts: JobFacts | undefined;
  private writtenDeadline: { readonly seconds: number; readonly atMs: number } | undefined;
  private recordGone = false;
  private jobGoneFromCluster = false;
  private readonly podsAsked = new Map<string, number>();
  private readonly known = new Map<string, WorkerFacts>();
  private readonly restored: boolean;

  /** `restored` = found in the cluster, not ordered in this process' lifetime. */
  constructor(order: RunOrder, now: ClockReading, restored = false) {
    this.key = runKey(order.id);
    this.order = order;
    this.namespace = guestNamespace(order.tenant);
    this.name = runName(order.id);
    this.nodes = order.nodes;
    this.perWorker = perWorkerOf(order);
    this.acceptedMs = now.monotonicMs;
    this.startedMs = now.monotonicMs;
    this.phaseSinceMs = now.monotonicMs;
    this.restored = restored;
  }

  get workers(): readonly WorkerFacts[] {
    return [...this.known.values()];
  }

  get isHere(): boolean {
    return this.progress !== 'Nothing' || this.record.seen || this.job.seen || this.known.size > 0;
  }

  get images(): readonly string[] {
    const read = readPodTemplate(this.order.template, { gpuContainer: this.order.gpuContainer });
    return read.ok ? read.value.images : [];
  }

  get deadline(): JobFacts | undefined {
    return this.jobFacts;
  }

  /** Reads the cluster's objects of this run. */
  observe(seen: Observation): void {
    this.observeRecord(seen);
    this.observeJob(seen);
    this.observePods(seen);
    const { monotonicMs } = seen.now;
    if (this.allRunning === undefined && allHaveRun(this.workers, this.order.workers)) {
      this.noteAllRunning(seen.now);
    }
    const trouble = this.workers.some((one) => one.wait?.kind === 'ImageError' || one.wait?.kind === 'ConfigError');
    this.imageTroubleMs = trouble ? (this.imageTroubleMs ?? monotonicMs) : undefined;
    this.gpuSeconds = Math.max(this.gpuSeconds, this.countGpuSeconds(seen.now.wallMs));
  }

  /** The facts that the plan is made from; call `observe` first. */
  facts(around: Surroundings): RunFacts {
    const nowMs = around.now.monotonicMs;
    const { stop, ended, ownWish, allRunning, recordedPhase } = this;
    return {
      terms: this.order,
      ordered: around.ordered,
      acknowledged: this.acknowledged,
      jobGone: around.jobGone,
      unmentioned: this.unmentioned,
      progress: this.progress,
      gate: around.gate,
      record: this.recordGone || this.letGoAsked ? 'Gone' : this.isRecordHere() ? 'Present' : 'Unseen',
      job: this.jobState(),
      workers: this.workers,
      podsToStop: this.podsToStop(nowMs),
      endedForMs: ended === undefined ? 0 : nowMs - ended.sinceMs,
      endRecorded: ended?.recorded ?? 'Nothing',
      phaseForMs: nowMs - this.phaseSinceMs,
      acceptedForMs: nowMs - this.acceptedMs,
      startedForMs: nowMs - this.startedMs,
      retentionMs: around.retentionMs,
      nowWallMs: around.now.wallMs,
      ...present('cancel', around.cancel),
      ...present('remembered', around.remembered),
      ...present(
        'stop',
        stop && { cause: stop.cause, message: stop.message, forMs: nowMs - stop.sinceMs, recorded: stop.recorded },
      ),
      ...present('ownWish', ownWish),
      ...present('end', ended?.end),
      ...present('recordedPhase', recordedPhase),
      ...present('allRunningForMs', allRunning && nowMs - allRunning.sinceMs),
      ...present('imageTroubleForMs', this.imageTroubleMs === undefined ? undefined : nowMs - this.imageTroubleMs),
      ...present('leaseRemainingMs', around.leaseRemainingMs),
    };
  }

  /** The phase of the newest plan; the time in it starts anew when it changes. Returns whether a report would change. */
  enter(phase: RunPhase, message: string, nowMs: number): boolean {
    if (phase === this.phase && message === this.message) return false;
    if (phase !== this.phase) this.phaseSinceMs = nowMs;
    this.phase = phase;
    this.message = message;
    return true;
  }

  /** The hub has recorded the outcome: nothing will need the template again. */
  acknowledge(): void {
    if (this.acknowledged) return;
    this.acknowledged = true;
    this.order = { ...this.order, template: {} };
  }

  made(child: 'record' | 'job', uid: string | undefined, nowMs: number): void {
    this[child].uid = uid;
    this[child].madeMs = nowMs;
    if (child === 'job') {
      this.jobUncertain = false;
      this.jobSeenUnstarted = true;
    }
  }

  askedToStop(pod: string, nowMs: number): void {
    this.podsAsked.set(pod, nowMs);
  }

  askedToDeleteJob(nowMs: number, existed: boolean): void {
    this.jobDeleteAskedMs = nowMs;
    if (!existed) this.jobUncertain = false;
  }

  askedToLetGo(): void {
    this.letGoAsked = true;
  }

  wroteDeadline(seconds: number, nowMs: number): void {
    this.writtenDeadline = { seconds, atMs: nowMs };
  }

  private isRecordHere(): boolean {
    return this.record.uid !== undefined;
  }

  private observeRecord({ stores, now }: Observation): void {
    const object = stores.record(this.key);
    const mine = this.record.uid === undefined || object?.metadata.uid === this.record.uid;
    if (object !== undefined && mine && this.isAtHome(object)) {
      this.record.uid = object.metadata.uid;
      this.record.seen = true;
      this.recordGone = object.metadata.deletionTimestamp !== undefined;
      return;
    }
    if (this.record.seen || this.isOverdue(this.record, now)) this.recordGone = true;
  }

  /** Labels can be copied by anybody; name and place are given by the agent. */
  private isAtHome({ metadata }: KubeObject): boolean {
    return metadata.namespace === this.namespace && metadata.name === this.name;
  }

  private isOverdue(child: ChildState, now: ClockReading): boolean {
    return child.madeMs !== undefined && now.monotonicMs - child.madeMs > WATCH_LAG_MS;
  }

  private observeJob({ stores, now }: Observation): void {
    const object = stores.job(this.key);
    if (object === undefined || !this.isAtHome(object)) {
      if (!this.job.seen && !this.isOverdue(this.job, now)) return;
      this.jobGoneFromCluster = true;
      this.jobFacts = undefined;
      return;
    }
    this.job.seen = true;
    this.job.uid = object.metadata.uid;
    this.jobUncertain = false;
    this.jobGoneFromCluster = false;
    const sinceSeenStartMs = this.sinceSeenStart(object.status?.startTime !== undefined, now.monotonicMs);
    const facts = readJob(object, { nowWallMs: now.wallMs, ...present('sinceSeenStartMs', sinceSeenStartMs) });
    this.jobFacts = { ...facts, deadlineSeconds: this.newestDeadline(facts.deadlineSeconds, now.monotonicMs) };
  }

  /** Only a process that saw the Job unstarted knows when it first saw it started. */
  private sinceSeenStart(started: boolean, nowMs: number): number | undefined {
    if (!started) {
      this.jobSeenUnstarted = true;
      return undefined;
    }
    if (!this.jobSeenUnstarted) return undefined;
    this.jobStartSeenMs ??= nowMs;
    return nowMs - this.jobStartSeenMs;
  }

  /** What this process has written counts until the watch shows it. */
  private newestDeadline(shownSeconds: number, nowMs: number): number {
    const written = this.writtenDeadline;
    if (written === undefined) return shownSeconds;
    if (written.seconds !== shownSeconds && nowMs - written.atMs < WATCH_LAG_MS) return written.seconds;
    this.writtenDeadline = undefined;
    return shownSeconds;
  }

  private jobState(): RunFacts['job'] {
    if (this.jobUncertain) return 'Uncertain';
    if (this.jobGoneFromCluster) return 'Gone';
    if (this.jobFacts !== undefined) return this.withAskedDeletion(this.jobFacts);
    // Made by this process and not shown by the watch yet.
    if (this.job.madeMs === undefined) return 'Unseen';
    const unseen: JobFacts = { finished: false, completed: 0, deleting: false, deadlineSeconds: 0 };
    return this.withAskedDeletion(unseen);
  }

  private withAskedDeletion(facts: JobFacts): JobFacts {
    return this.jobDeleteAskedMs === undefined ? facts : { ...facts, deleting: true };
  }

  private observePods({ stores, unreachableNodes }: Observation): void {
    const present = new Set<string>();
    for (const pod of stores.podsOf(this.key)) {
      const facts = readPod(pod, { gpuContainer: this.order.gpuContainer, unreachableNodes });
      if (facts === undefined || pod.metadata.namespace !== this.namespace) continue;
      present.add(facts.pod);
      this.known.set(facts.pod, facts);
    }
    for (const [name, facts] of this.known) {
      if (!present.has(name) && isLive(facts)) this.known.set(name, { ...facts, state: 'Gone', unreachable: false });
    }
    const placed = [...this.known.values()].flatMap((one) => (one.node === undefined ? [] : [one.node]));
    if (placed.length >= this.order.workers) this.nodes = sharesOf(placed.map(nodeName));
  }

  /** A worker of this run that vanished while no agent looked; a pod that is still there speaks for itself. */
  noteVanished(facts: WorkerFacts): void {
    if (!this.known.has(facts.pod)) this.known.set(facts.pod, facts);
  }

  private podsToStop(nowMs: number): readonly string[] {
    return this.workers
      .filter((one) => isLive(one) && one.deletionAskedAtMs === undefined)
      .map((one) => one.pod)
      .filter((pod) => nowMs - (this.podsAsked.get(pod) ?? Number.NEGATIVE_INFINITY) >= ASK_AGAIN_MS);
  }

  /** After a restart the time that has passed is known by the pods' own start times only. */
  private noteAllRunning(now: ClockReading): void {
    const startedAt = Math.max(...this.workers.map((one) => one.startedAtMs ?? 0));
    const atWallMs = startedAt === 0 ? now.wallMs : startedAt;
    const passedMs = this.restored ? Math.max(0, now.wallMs - atWallMs) : 0;
    this.allRunning = { sinceMs: now.monotonicMs - passedMs, atWallMs };
  }

  private countGpuSeconds(wallMs: number): number {
    const heldMs = this.workers.reduce((sum, one) => {
      if (one.startedAtMs === undefined) return sum;
      const until = one.finishedAtMs ?? (isLive(one) ? wallMs : one.startedAtMs);
      return sum + Math.max(0, until - one.startedAtMs);
    }, 0);
    return Math.floor((heldMs / 1000) * this.order.gpusPerWorker);
  }
}

/** What one worker requests, GPUs included; only GPUs and a pod where the template cannot be read. */
function perWorkerOf(order: RunOrder): Resources {
  const read = readPodTemplate(order.template, { gpuContainer: order.gpuContainer });
  return { ...(read.ok ? read.value.requests : { pods: 1 }), [order.gpuResource]: order.gpusPerWorker };
}

function sharesOf(nodes: readonly NodeName[]): readonly NodeShare[] {
  const workers = new Map<NodeName, number>();
  for (const node of nodes) workers.set(node, (workers.get(node) ?? 0) + 1);
  return [...workers].map(([node, count]) => ({ node, workers: count }));
}

/** `{name: value}` where there is a value: what exactOptionalPropertyTypes wants. */
function present<N extends string, V>(name: N, value: V | undefined): Partial<Record<N, V>> {
  return value === undefined ? {} : ({ [name]: value } as Partial<Record<N, V>>);
}
