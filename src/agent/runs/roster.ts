/**
 * All runs that are known here, and what is known about them from outside: the hub's Desired, acknowledged reports, gone
 * jobs. Answers the rest of the agent from memory.
 *
 * Invariants: a Desired of a lower term, or of an old counter of the same term, changes nothing; terms of a known fence never
 * change; absence from Desired removes nothing that was started; leases count from when an acknowledged report was sent.
 */
import type { Cause } from '../../core/model/cause.ts';
import { compareGenerations, type Desired } from '../../core/model/desired.ts';
import { runKey, type JobUid, type RunId } from '../../core/model/ids.ts';
import type { RunOrder, RunReport } from '../../core/model/run.ts';
import type { Reason, RememberedFence, StartGate } from '../../core/run/agent-plan.ts';
import { leaseRemainingMs } from '../../core/run/lease.ts';
import { isLive } from '../../core/run/worker-verdict.ts';
import type { ClockReading } from '../../platform/clock/clock.ts';
import { compareStrings } from '../../std/ordering.ts';
import type { Booking } from '../inventory/inventory-reader.ts';
import { sameTerms } from './order-json.ts';
import type { LiveGuest } from './run-keeper.ts';
import { reportOf } from './run-report.ts';
import { TrackedRun, type Surroundings } from './tracked-run.ts';

/** Why an order or a Desired was turned away by fences or terms; label of a counter. */
export type FenceRejection = 'LowerFence' | 'AlreadyStarted' | 'ChangedTerms' | 'LowerTerm' | 'OldGeneration';

export interface RosterDeps {
  readonly rejected: (reason: FenceRejection) => void;
}

export class Roster {
  private readonly deps: RosterDeps;
  private readonly runs = new Map<string, TrackedRun>();
  private desired: Desired | undefined;
  private ordered: ReadonlySet<string> = new Set();
  private cancels: ReadonlyMap<string, Reason> = new Map();
  private goneJobs: ReadonlySet<JobUid> = new Set();
  private leaseSentAt: ClockReading | undefined;

  constructor(deps: RosterDeps) {
    this.deps = deps;
  }

  get generation(): Desired['generation'] | undefined {
    return this.desired?.generation;
  }

  get cordoned(): boolean {
    return this.desired?.cordoned === true;
  }

  get(key: string): TrackedRun | undefined {
    return this.runs.get(key);
  }

  /** In no order. */
  all(): Iterable<TrackedRun> {
    return this.runs.values();
  }

  add(run: TrackedRun): void {
    this.runs.set(run.key, run);
  }

  remove(run: TrackedRun): void {
    this.runs.delete(run.key);
  }

  /** Takes the hub's word. Returns the keys of the runs that it may mean something to; undefined = it was old. */
  apply(desired: Desired, now: ClockReading): Set<string> | undefined {
    const known = this.desired?.generation;
    if (known !== undefined && compareGenerations(desired.generation, known) <= 0) {
      this.deps.rejected(desired.generation.term < known.term ? 'LowerTerm' : 'OldGeneration');
      return undefined;
    }
    this.desired = desired;
    this.ordered = new Set(desired.runs.map((order) => runKey(order.id)));
    this.cancels = new Map(desired.cancels.map(({ id, cause, message }) => [runKey(id), { cause, message }]));
    this.goneJobs = new Set(desired.goneJobUids);
    for (const order of desired.runs) this.takeOrder(order, now);
    for (const ack of desired.outcomeAcks) this.acknowledge(ack);
    for (const run of this.runs.values()) {
      const mentioned = this.ordered.has(run.key) || this.cancels.has(run.key);
      run.unmentioned = run.ended?.reportAcked === true && !mentioned;
    }
    const acked = new Set(desired.outcomeAcks.map(runKey));
    return new Set([...this.runs.values()].filter((run) => this.concerns(run, acked)).map((run) => run.key));
  }

  /** Runs that live on unmentioned, and ended ones that wait out their retention, need no look at every Desired. */
  private concerns(run: TrackedRun, acked: ReadonlySet<string>): boolean {
    if (this.goneJobs.has(run.order.id.jobUid)) return true;
    if (run.ended !== undefined) return acked.has(run.key);
    return !run.isHere || this.cancels.has(run.key);
  }

  /** Cancels of runs that are not known here: their fences must be closed, so that a late order never starts them. */
  unknownCancels(): readonly RunId[] {
    return (this.desired?.cancels ?? []).map((cancel) => cancel.id).filter((id) => !this.runs.has(runKey(id)));
  }

  /** Jobs that the hub confirms gone and of which no run is here any more. */
  forgettableJobs(): readonly JobUid[] {
    const here = new Set([...this.runs.values()].map((run) => run.order.id.jobUid));
    return [...this.goneJobs].filter((job) => !here.has(job));
  }

  /** False = nothing new. */
  leaseAcknowledged(sentAt: ClockReading): boolean {
    if (this.leaseSentAt !== undefined && sentAt.monotonicMs <= this.leaseSentAt.monotonicMs) return false;
    this.leaseSentAt = sentAt;
    for (const { ended } of this.runs.values()) {
      if (ended !== undefined && ended.sinceMs < sentAt.monotonicMs) ended.reportAcked = true;
    }
    return true;
  }

  /** What is known of a run from outside it. */
  surroundings(run: TrackedRun, known: KnownHere): Surroundings {
    return {
      now: known.now,
      gate: known.gate,
      ordered: this.ordered.has(run.key),
      cancel: this.cancels.get(run.key),
      jobGone: this.goneJobs.has(run.order.id.jobUid),
      remembered: known.remembered,
      leaseRemainingMs: this.leaseLeftMs(run, known.now),
      retentionMs: known.retentionMs,
    };
  }

  /** Is the gate's word needed: an order that nothing speaks against yet? */
  isWanted(run: TrackedRun): boolean {
    return (
      !run.isHere &&
      run.ended === undefined &&
      run.ownWish === undefined &&
      this.ordered.has(run.key) &&
      !this.cancels.has(run.key)
    );
  }

  /** A lower fence of the same job of which something is still here. */
  earlierOf(run: TrackedRun): TrackedRun | undefined {
    const { jobUid, fence } = run.order.id;
    for (const other of this.runs.values()) {
      const { id } = other.order;
      if (id.jobUid === jobUid && id.fence < fence && other.ended === undefined && other.isHere) return other;
    }
    return undefined;
  }

  /** An acknowledged end is told again to a hub that asks for the run: restored from a backup, it has forgotten. */
  reports(now: ClockReading): readonly RunReport[] {
    return this.sorted()
      .filter((run) => !run.acknowledged || this.ordered.has(run.key) || this.cancels.has(run.key))
      .map((run) => reportOf(run, this.leaseLeftMs(run, now)));
  }

  /** Of all runs that have not ended, but for one. */
  bookings(except?: TrackedRun): readonly Booking[] {
    return this.sorted()
      .filter((run) => run !== except && run.ended === undefined)
      .map(bookingOf);
  }

  guests(nowMs: number): readonly LiveGuest[] {
    return this.sorted()
      .filter((run) => run.isHere && run.ended === undefined)
      .map((run) => ({
        run: run.order.id,
        booking: bookingOf(run),
        pods: run.workers.filter(isLive).map((worker) => `${run.namespace}/${worker.pod}`),
        stopping: run.stop !== undefined || run.ownWish !== undefined,
        gpuSecondsAtRisk: secondsAtRisk(run, nowMs),
      }));
  }

  private leaseLeftMs(run: TrackedRun, now: ClockReading): number | undefined {
    return this.leaseSentAt === undefined ? undefined : leaseRemainingMs(run.order.lease, this.leaseSentAt, now);
  }

  private takeOrder(order: RunOrder, now: ClockReading): void {
    const known = this.runs.get(runKey(order.id));
    if (known === undefined) this.add(new TrackedRun(order, now));
    else if (!sameTerms(known.order, order)) this.deps.rejected('ChangedTerms');
  }

  private acknowledge(id: RunId): void {
    const run = this.runs.get(runKey(id));
    if (run?.ended !== undefined) run.acknowledge();
  }

  private sorted(): readonly TrackedRun[] {
    return [...this.runs.values()].sort((a, b) => compareStrings(a.key, b.key));
  }
}

/** What the keeper knows of a run besides. */
export interface KnownHere {
  readonly now: ClockReading;
  readonly gate: StartGate;
  readonly remembered: RememberedFence | undefined;
  readonly retentionMs: number;
}

function bookingOf(run: TrackedRun): Booking {
  return { run: run.order.id, nodes: run.nodes, perWorker: run.perWorker };
}

function secondsAtRisk(run: TrackedRun, nowMs: number): number {
  if (run.allRunning === undefined) return 0;
  const gpus = run.order.workers * run.order.gpusPerWorker;
  return Math.floor(((nowMs - run.allRunning.sinceMs) / 1000) * gpus);
}

/** For metrics: called synchronously, must not throw. */
export interface RunObserver {
  fenceRejected(reason: FenceRejection): void;
  started(run: RunId): void;
  ended(run: RunId, cause: Cause): void;
}
