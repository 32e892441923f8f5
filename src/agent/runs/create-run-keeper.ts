/**
 * The keeper of runs: takes the hub's orders, keeps what runs here, and reports it. For each run that something happened to
 * it gathers facts, asks core/run/agent-plan.ts, acts, and asks again.
 *
 * Invariants: one run is worked on by one call at a time; nothing is decided before all watches have had their first full
 * list and fence memory is read; stopping the keeper stops no guest. Everything is rebuilt from GuestRuns, Jobs, pods and
 * fence memory. Leaves out decisions about a run (core), whether an order may start (start-gate.ts) and writes (act.ts).
 */
import { timesFitting } from '../../core/model/resources.ts';
import type { Desired } from '../../core/model/desired.ts';
import { runKey, type MemberName, type NodeName, type RunId } from '../../core/model/ids.ts';
import type { RunReport } from '../../core/model/run.ts';
import type { RunPlan } from '../../core/run/agent-plan.ts';
import { isLive } from '../../core/run/worker-verdict.ts';
import type { Clock, ClockReading, Timer } from '../../platform/clock/clock.ts';
import type { Random } from '../../platform/clock/random.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import type { Logger } from '../../platform/log/logger.ts';
import type { MetricsRegistry } from '../../platform/metrics/registry.ts';
import type { Sealer } from '../../platform/pki/sealing.ts';
import { createWorkQueue, type WorkQueue } from '../../platform/queue/work-queue.ts';
import type { Booking, InventoryReader } from '../inventory/inventory-reader.ts';
import type { LendingReader } from '../lending/lending-reader.ts';
import { RunActor } from './act.ts';
import { AdmissionProbe } from './admission-probe.ts';
import { FenceMemory } from './fence-memory.ts';
import { GuestLogs } from './guest-log.ts';
import { GuestStores } from './guest-stores.ts';
import { PodSweeper } from './pod-sweeper.ts';
import { readMissedPreemptions } from './missed-preemptions.ts';
import { restoreRuns } from './restore-runs.ts';
import { Roster, type RunObserver } from './roster.ts';
import type { LiveGuest, RunKeeper } from './run-keeper.ts';
import { RunPlanner } from './run-planner.ts';
import { TenantGround } from './tenant-ground.ts';
import type { TrackedRun } from './tracked-run.ts';
import { unknownRun } from './unknown-run.ts';

export interface RunKeeperDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** For the work queue's own families. */
  readonly metrics?: MetricsRegistry;
  readonly inventory: InventoryReader;
  readonly lending: LendingReader;
  readonly sealer: Pick<Sealer, 'open'>;
  /** The name this agent's certificate gives it; an order for another member is refused. */
  readonly member: MemberName;
  /** The agent's own namespace: fence memory lives here. */
  readonly namespace: string;
  /** ServiceAccount of the agent in `namespace`; when given, it is bound to ClusterRole `lumbung-guest` in each guest namespace. */
  readonly serviceAccountName?: string;
  /** Network ranges that guests never reach, whatever the policy allows: the API server's, for instance. */
  readonly protectedCidrs?: readonly string[];
  /** Asked right before every write: true only while this process provably holds the agent's Lease. */
  readonly mayAct: () => boolean;
  readonly observer?: RunObserver;
}

/** Owns its reflectors over GuestRuns, guest Jobs and guest Pods; start it after inventory and lending. */
export function createRunKeeper(deps: RunKeeperDeps): RunKeeper {
  return new Keeper(deps);
}

const CONCURRENCY = 16;
/** Steps of one run in one turn; a plan that wants more gets the next turn. */
const MOST_STEPS = 12;
/** How soon to look again while another process may hold the agent's Lease. */
const NOT_LEADING_MS = 1_000;
/** Changes of the inventory within this time are looked at together. */
const INVENTORY_GATHER_MS = 200;
const SWEEP_MS = 60_000;
const LOAD_AGAIN_MS = 1_000;
const DEFAULT_GRACE_MS = 30_000;

const NOBODY: RunObserver = { fenceRejected: () => undefined, started: () => undefined, ended: () => undefined };

/** This process may not write now. */
class NotLeading extends Error {
  override readonly name = 'NotLeading';
}

class Keeper implements RunKeeper {
  readonly name = 'run-keeper';
  private readonly deps: RunKeeperDeps;
  private readonly stores: GuestStores;
  private readonly memory: FenceMemory;
  private readonly planner: RunPlanner;
  private readonly observer: RunObserver;
  private readonly actor: RunActor;
  private readonly queue: WorkQueue;
  private readonly logs: GuestLogs;
  private readonly roster: Roster;
  private readonly sweeper: PodSweeper;
  private readonly handlers = new Set<() => void>();
  private readonly stopping = new AbortController();
  private readonly unsubscribes: (() => void)[] = [];
  private inventoryTimer: Timer | undefined;

  constructor(deps: RunKeeperDeps) {
    this.deps = deps;
    this.observer = deps.observer ?? NOBODY;
    const { client, clock, logger, namespace, random } = deps;
    // New with every process: what an earlier one wrote is told apart by it.
    const token = random.uuid().replaceAll('-', '').slice(0, 16);
    const assertMayAct = (): void => {
      if (!deps.mayAct()) throw new NotLeading('another process of the agent may hold its Lease');
    };
    const writing = { client, clock, logger, namespace, token, assertMayAct };
    this.stores = new GuestStores({ client, clock, random, logger });
    this.memory = new FenceMemory(writing);
    const { serviceAccountName, protectedCidrs = [] } = deps;
    const identity = serviceAccountName === undefined ? {} : { serviceAccountName };
    const ground = new TenantGround({ ...writing, protectedCidrs, ...identity });
    this.actor = new RunActor({
      ...writing,
      memory: this.memory,
      eligibleNodes: (run) => this.eligibleNodes(run),
      groundLost: (tenant) => {
        ground.invalidate(tenant);
      },
      maxGraceMs: () => deps.lending.guestRules()?.maxGraceMs ?? DEFAULT_GRACE_MS,
    });
    this.roster = new Roster({
      rejected: (reason) => {
        this.observer.fenceRejected(reason);
      },
    });
    this.planner = new RunPlanner({
      ...deps,
      gate: { ...deps, ground, probe: new AdmissionProbe({ client, clock }) },
      roster: this.roster,
      stores: this.stores,
      memory: this.memory,
    });
    this.sweeper = new PodSweeper({
      ...writing,
      stores: this.stores,
      isKnown: (key) => this.roster.get(key) !== undefined,
    });
    this.queue = createWorkQueue({
      name: 'runs',
      concurrency: CONCURRENCY,
      backoff: { baseMs: 100, maxMs: 5_000 },
      process: (key) => this.work(key),
      clock,
      random,
      logger,
      ...(deps.metrics === undefined ? {} : { metrics: deps.metrics }),
    });
    this.logs = new GuestLogs({
      client,
      lending: deps.lending,
      run: (key) => this.roster.get(key),
      podsOf: (key) => this.stores.podsOf(key),
      remembered: ({ run }) => this.memory.highest(run.jobUid),
    });
  }

  /** Resolves once everything that runs here is known. */
  async start(signal: AbortSignal): Promise<void> {
    const abort = (): void => {
      this.stopping.abort();
    };
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    await this.stores.start(this.stopping.signal);
    await this.loadMemory();
    if (this.stopping.signal.aborted) return;
    this.adopt();
    await this.askWhatWasMissed();
    this.follow();
    this.workOn(() => true);
    await this.queue.start(this.stopping.signal);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    for (const off of this.unsubscribes.splice(0)) off();
    this.memory.close();
    await Promise.all([this.queue.stop(), this.stores.stop()]);
  }

  applyDesired(desired: Desired): void {
    const now = this.deps.clock.read();
    const touched = this.roster.apply(desired, now);
    if (touched === undefined) return;
    for (const key of this.takeUnknownCancels(now)) touched.add(key);
    this.forgetGoneJobs();
    for (const key of touched) this.queue.add(key);
    this.notify();
  }

  leaseAcknowledged(sentAt: ClockReading): void {
    if (!this.roster.leaseAcknowledged(sentAt)) return;
    this.workOn((run) => run.ended === undefined && (run.progress !== 'JobMade' || run.order.onPartition === 'Fence'));
  }

  reports(): readonly RunReport[] {
    return this.roster.reports(this.deps.clock.read());
  }

  bookings(): readonly Booking[] {
    return this.roster.bookings();
  }

  guests(): readonly LiveGuest[] {
    return this.roster.guests(this.deps.clock.monotonicMs());
  }

  end(...[runs, cause, message]: Parameters<RunKeeper['end']>): void {
    for (const id of runs) this.wish(this.roster.get(`${id.jobUid}/${id.fence}`), { cause, message });
    this.notify();
  }

  acknowledged(): Desired['generation'] | undefined {
    return this.roster.generation;
  }

  holds(run: RunId): boolean {
    const key = runKey(run);
    return this.roster.get(key) !== undefined || this.stores.holds(key);
  }

  openLog(...[request, signal]: Parameters<RunKeeper['openLog']>): ReturnType<RunKeeper['openLog']> {
    return this.logs.openLog(request, signal);
  }

  subscribe(handler: () => void): () => void {
    this.handlers.add(handler);
    return () => this.handlers.delete(handler);
  }

  /**
   * Of which nothing is here. While something is that could not be taken over (an order that a newer version wrote, pods that
   * lost their Job), nobody may be told that it has ended; the sweep asks again.
   */
  private takeUnknownCancels(now: ClockReading): readonly string[] {
    const unknown = this.roster.unknownCancels().filter((id) => !this.stores.holds(runKey(id)));
    return unknown.map((id) => {
      const run = unknownRun(id, this.deps.member, now);
      this.roster.add(run);
      return run.key;
    });
  }

  private async loadMemory(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      try {
        await this.memory.load();
        return;
      } catch (error) {
        this.deps.logger.warn('fence memory cannot be read yet', { error });
        await this.deps.clock.sleep(LOAD_AGAIN_MS, this.stopping.signal);
      }
    }
  }

  /** Takes over what the cluster remembers and this process does not. */
  private adopt(): void {
    for (const run of restoreRuns(this.stores, this.deps.clock.read(), this.deps.logger)) {
      if (this.roster.get(run.key) !== undefined) continue;
      this.roster.add(run);
      this.queue.add(run.key);
    }
  }

  /** Runs that lost pods while no agent looked: was it the scheduler, for an owner pod? */
  private async askWhatWasMissed(): Promise<void> {
    const incomplete = [...this.roster.all()].filter((run) => run.ended === undefined && this.lacksPods(run));
    for (const namespace of new Set(incomplete.map((run) => run.namespace))) {
      try {
        for (const { job, facts } of await readMissedPreemptions(this.deps.client, namespace)) {
          incomplete.find((run) => run.namespace === namespace && run.name === job)?.noteVanished(facts);
        }
      } catch (error) {
        // Only the cause in the history depends on it; the run itself does not wait for that.
        this.deps.logger.warn('events of a guest namespace cannot be read', { namespace, error });
      }
    }
  }

  private lacksPods(run: TrackedRun): boolean {
    return [...this.stores.podsOf(run.key)].length < run.order.workers;
  }

  private follow(): void {
    const { clock, inventory, lending } = this.deps;
    const sweep = clock.every(SWEEP_MS, () => {
      this.adopt();
      for (const key of this.takeUnknownCancels(clock.read())) this.queue.add(key);
      void this.sweeper.sweep();
    });
    this.unsubscribes.push(
      this.stores.subscribe((key) => {
        if (this.roster.get(key) !== undefined) this.queue.add(key);
      }),
      lending.subscribe(() => {
        this.workOn(() => true);
      }),
      inventory.subscribe(() => {
        this.inventoryTimer ??= clock.after(INVENTORY_GATHER_MS, () => {
          this.inventoryTimer = undefined;
          const unreachable = inventory.unreachableNodes();
          this.workOn((run) => !run.isHere || run.phase === 'Unknown' || isOn(run, unreachable));
        });
      }),
      () => {
        sweep.cancel();
        this.inventoryTimer?.cancel();
      },
    );
  }

  private workOn(which: (run: TrackedRun) => boolean): void {
    for (const run of this.roster.all()) if (which(run)) this.queue.add(run.key);
  }

  private notify(): void {
    for (const handler of this.handlers) handler();
  }

  private wish(run: TrackedRun | undefined, reason: NonNullable<TrackedRun['ownWish']>): void {
    if (run === undefined || run.ended !== undefined || run.ownWish !== undefined) return;
    run.ownWish = reason;
    this.queue.add(run.key);
  }

  private async work(key: string): Promise<void> {
    try {
      for (let step = 0; step < MOST_STEPS; step += 1) {
        if (!(await this.step(key))) return;
      }
      this.queue.add(key);
    } catch (error) {
      if (!(error instanceof NotLeading)) throw error;
      this.queue.addAfter(key, NOT_LEADING_MS);
    }
  }

  /** One plan and its action. False = nothing more to do now. */
  private async step(key: string): Promise<boolean> {
    const run = this.roster.get(key);
    if (run === undefined) return false;
    const { plan, problem, prepared } = await this.planner.plan(run);
    if (run.enter(plan.phase, plan.message, this.deps.clock.monotonicMs())) this.notify();
    const { action, wakeAfterMs } = plan;
    if (problem !== undefined) throw problem;
    if (action === undefined) {
      if (wakeAfterMs !== undefined) this.queue.addAfter(key, wakeAfterMs);
      return false;
    }
    if (action.kind === 'drop') {
      this.roster.remove(run);
      this.forgetGoneJobs();
      this.notify();
      return false;
    }
    if (action.kind === 'remember' && prepared !== undefined) this.actor.prepared.set(key, prepared);
    await this.actor.act(run, action);
    this.observeAct(run, plan);
    this.notify();
    return true;
  }

  private observeAct(run: TrackedRun, { action }: RunPlan): void {
    const { observer } = this;
    const { id } = run.order;
    if (action?.kind === 'remember' && run.progress === 'Remembered') observer.started(id);
    const endedNow = action?.kind === 'end' || action?.kind === 'close';
    if (!endedNow || run.ended === undefined) return;
    const { cause } = run.ended.end;
    observer.ended(id, cause);
    // A higher fence of the same job may have waited for this.
    this.workOn((other) => other !== run && other.order.id.jobUid === id.jobUid);
    // An end without a start, by the word of fence memory.
    const byMemory = action.kind === 'end' && !run.isHere;
    if (byMemory) observer.fenceRejected(cause === 'FencePassed' ? 'LowerFence' : 'AlreadyStarted');
  }

  private forgetGoneJobs(): void {
    for (const job of this.roster.forgettableJobs()) this.memory.forget(job);
  }

  /** Nodes of the run's class that would take one more worker and need no toleration. */
  private eligibleNodes(run: TrackedRun): readonly NodeName[] {
    const { offers } = this.deps.inventory.report(this.roster.bookings(run));
    const { gpuModel, gpuResource } = run.order;
    return offers
      .filter((offer) => offer.gpuModel === gpuModel && offer.gpuResource === gpuResource && offer.taints.length === 0)
      .filter((offer) => timesFitting(offer.free, run.perWorker) >= 1)
      .map((offer) => offer.node);
  }
}

function isOn(run: TrackedRun, nodes: ReadonlySet<string>): boolean {
  return (
    nodes.size > 0 &&
    run.workers.some((worker) => isLive(worker) && worker.node !== undefined && nodes.has(worker.node))
  );
}
