/**
 * The hub's rooms put together as the composition root does, over a fake API server and virtual time, with members that are
 * driven by hand: everything but gRPC and the agents themselves.
 */
import { createJobController, type JobController } from '../../src/hub/controllers/computejob/job-controller.ts';
import { createPoolController } from '../../src/hub/controllers/gpupool/pool-controller.ts';
import { createMemberController } from '../../src/hub/controllers/membercluster/member-controller.ts';
import { createHubMetrics, type HubMetrics } from '../../src/hub/observe/hub-metrics.ts';
import { createScheduler, type Scheduler } from '../../src/hub/scheduler/scheduler.ts';
import { createHubFleet, type HubFleet } from '../../src/hub/state/hub-fleet.ts';
import { HubState } from '../../src/hub/state/hub-state.ts';
import type { RawObject } from '../../src/hub/state/job-record.ts';
import type { ComputeJobStatus } from '../../src/api/v1alpha1/compute-job-status.ts';
import { clusterUid, memberName, runKey, type RunId } from '../../src/core/model/ids.ts';
import type { DesiredContent } from '../../src/core/model/desired.ts';
import type { NodeOffer } from '../../src/core/model/member.ts';
import type { RunEnd, RunOrder, RunReport } from '../../src/core/model/run.ts';
import { seededRandom } from '../../src/platform/clock/seeded-random.ts';
import type { Timer } from '../../src/platform/clock/clock.ts';
import { VirtualClock } from '../../src/platform/clock/virtual-clock.ts';
import type { EventInput } from '../../src/platform/kube/event-recorder.ts';
import { createSinkLogger } from '../../src/platform/log/logger.ts';
import { createMetrics, type MetricsRegistry } from '../../src/platform/metrics/registry.ts';
import type { Runnable } from '../../src/platform/lifecycle/runnable.ts';
import { aNode, aPolicy, type NodeSketch } from './core-builders.ts';
import { FakeHubKube } from './fake-hub-kube.ts';

export interface HubRigOptions {
  readonly clock?: VirtualClock;
  readonly kube?: FakeHubKube;
  readonly term?: number;
  readonly sincePredecessorMs?: number;
  readonly silentAfterMs?: number;
  readonly orphanGraceMs?: number;
  /** The elector's word; default: it leads for ever. */
  readonly isLeader?: () => boolean;
}

/** One hub process. Several on one FakeHubKube are replicas. */
export class HubRig {
  readonly clock: VirtualClock;
  readonly kube: FakeHubKube;
  readonly state: HubState;
  readonly fleet: HubFleet;
  readonly jobs: JobController;
  readonly scheduler: Scheduler;
  readonly metrics: MetricsRegistry;
  readonly hubMetrics: HubMetrics;
  readonly events: EventInput[] = [];
  readonly logs: { readonly level: string; readonly message: string; readonly fields: unknown }[] = [];
  private readonly runnables: readonly Runnable[];
  private readonly abort = new AbortController();
  private readonly options: HubRigOptions;

  constructor(options: HubRigOptions = {}) {
    this.options = options;
    this.clock = options.clock ?? new VirtualClock();
    this.kube = options.kube ?? new FakeHubKube(this.clock);
    this.metrics = createMetrics();
    this.hubMetrics = createHubMetrics(this.metrics);
    const logger = createSinkLogger('debug', (level, message, fields) => this.logs.push({ level, message, fields }));
    const { clock, kube, metrics, hubMetrics } = this;
    const random = seededRandom(1);
    const events = {
      name: 'events',
      dropped: 0,
      record: (event: EventInput) => this.events.push(event),
      start: () => Promise.resolve(),
      stop: () => Promise.resolve(),
    };
    this.state = new HubState({
      jobs: kube.stores.computejobs,
      pools: kube.stores.gpupools,
      members: kube.stores.memberclusters,
      clock,
      logger,
      settings: { silentAfterMs: options.silentAfterMs ?? 15_000, massSilenceWindowMs: 60_000, leaderLeaseMs: 15_000 },
    });
    const { state } = this;
    this.jobs = createJobController({ state, client: kube.client, clock, random, logger, events, hubMetrics, metrics });
    this.fleet = createHubFleet({
      state,
      clock,
      logger,
      observer: hubMetrics,
      orphanGraceMs: options.orphanGraceMs ?? 86_400_000,
      onReferenceProblem: (run, message) => {
        this.jobs.referenceProblem(run, message);
      },
    });
    this.scheduler = createScheduler({ state, client: kube.client, clock, logger, events, hubMetrics });
    const pools = createPoolController({ state, client: kube.client, clock, random, logger, metrics });
    const members = createMemberController({ state, client: kube.client, clock, random, logger, events, metrics });
    this.runnables = [this.jobs, members, pools, this.scheduler];
  }

  /** Starts the state and takes the lead. */
  async lead(): Promise<this> {
    await this.state.start(this.abort.signal);
    const { sincePredecessorMs, isLeader = () => true } = this.options;
    this.state.lead({
      term: this.options.term ?? 1,
      isLeader,
      ...(sincePredecessorMs === undefined ? {} : { sincePredecessorMs }),
    });
    for (const runnable of this.runnables) await runnable.start(this.abort.signal);
    return this;
  }

  /** The process is gone: nothing of it acts any more. Requests under way still reach the server. */
  async kill(): Promise<void> {
    this.abort.abort();
    this.state.follow();
    const running = new Set(this.runnables);
    const stopped = Promise.all(
      this.runnables.map(async (runnable) => {
        await runnable.stop();
        running.delete(runnable);
      }),
    );
    while (running.size > 0) await this.clock.advanceAsync(5);
    await stopped;
    await this.state.stop();
  }

  /** Lets virtual time pass. */
  async pass(ms: number): Promise<void> {
    await this.clock.advanceAsync(ms);
  }

  job(name: string, namespace = 'team-a'): RawObject | undefined {
    return this.kube.get('computejobs', name, namespace);
  }

  status(name: string, namespace = 'team-a'): ComputeJobStatus {
    return this.job(name, namespace)?.status ?? {};
  }

  condition(name: string, type: string): NonNullable<ComputeJobStatus['conditions']>[number] | undefined {
    return this.status(name).conditions?.find((one) => one.type === type);
  }

  /** Writes of the hub to the jobs, by what they wrote. */
  jobWrites(name: string, namespace = 'team-a'): readonly string[] {
    return this.kube.calls.filter((call) => call.endsWith(` ${namespace}/${name}`));
  }

  addPool(spec: Record<string, unknown> = {}, name = 'research'): void {
    this.kube.put('gpupools', {
      metadata: { name },
      spec: { memberSelector: {}, defaultTenant: { weight: 1 }, ...spec },
    });
  }

  addJob(name: string, spec: Record<string, unknown> = {}, namespace = 'team-a'): RawObject {
    return this.kube.put('computejobs', { metadata: { name, namespace }, spec: aJobSpec(spec) });
  }

  addMember(name: string, options: FakeMemberOptions = {}): FakeMember {
    this.kube.put('memberclusters', {
      metadata: { name, labels: options.labels ?? { tier: 'gold' } },
      spec: { accepted: true, jurisdiction: 'ID', region: 'ap-southeast-3', ...options.spec },
    });
    return new FakeMember(() => this.fleet, this.clock, name, options);
  }
}

export function aJobSpec(over: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    pool: 'research',
    template: {
      spec: {
        containers: [{ name: 'main', image: 'registry.example/train:1', resources: { requests: { cpu: '1' } } }],
      },
    },
    ...over,
  };
}

export interface FakeMemberOptions {
  readonly nodes?: readonly NodeSketch[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly spec?: Readonly<Record<string, unknown>>;
}

interface HeldRun {
  readonly order: RunOrder;
  report: RunReport;
}

/**
 * A member played by the test: takes orders, books their capacity, reports. It keeps what a real agent keeps: runs until their
 * outcome is acknowledged, and the fences that it has started.
 */
export class FakeMember {
  readonly name;
  /** Fences ever started, `uid/fence`. */
  readonly started: string[] = [];
  private readonly fleet: () => HubFleet;
  private readonly clock: VirtualClock;
  private readonly nodes: readonly NodeSketch[];
  private readonly held = new Map<string, HeldRun>();
  private epoch = 0;
  private sequence = 0;
  private beat: Timer | undefined;

  constructor(fleet: () => HubFleet, clock: VirtualClock, name: string, options: FakeMemberOptions) {
    this.fleet = fleet;
    this.clock = clock;
    this.name = memberName(name);
    this.nodes = options.nodes ?? [{ name: `${name}-node-1`, gpus: 8 }];
  }

  /** Speaks to another hub process from now on. */
  movedTo(rig: HubRig): FakeMember {
    this.fallSilent();
    const moved = new FakeMember(() => rig.fleet, this.clock, this.name, { nodes: this.nodes });
    moved.epoch = this.epoch;
    for (const [key, run] of this.held) moved.held.set(key, run);
    moved.started.push(...this.started);
    return moved;
  }

  connect(): this {
    this.epoch += 1;
    this.sequence = 0;
    const opened = this.fleet().openSession(this.name, {
      epoch: this.epoch,
      agentVersion: '0.1.0',
      kubernetesVersion: 'v1.34.0',
      certificateNotAfterMs: this.clock.nowMs() + 86_400_000,
      certificateFingerprint: 'ab'.repeat(32),
      openedAt: this.clock.read(),
    });
    if (opened.kind !== 'opened') throw new Error(`session refused: ${opened.kind}`);
    this.beat?.cancel();
    this.beat = this.clock.every(5_000, () => {
      this.report();
    });
    this.report();
    return this;
  }

  /** The line is cut, or the agent is dead: nothing is heard of it any more. */
  fallSilent(): void {
    this.beat?.cancel();
    this.beat = undefined;
  }

  /** As if it had connected once more somewhere else. */
  skipEpoch(): void {
    this.epoch += 1;
  }

  /** The stream ends. */
  disconnect(): void {
    this.fallSilent();
    this.fleet().closeSession(this.name, this.epoch);
  }

  report(
    over: { readonly sequence?: number; readonly epoch?: number; readonly runs?: readonly RunReport[] } = {},
  ): ReturnType<HubFleet['applyReport']> {
    this.sequence += 1;
    return this.fleet().applyReport(
      this.name,
      {
        clusterUid: clusterUid(`${this.name}-uid`),
        agentVersion: '0.1.0',
        kubernetesVersion: 'v1.34.0',
        epoch: over.epoch ?? this.epoch,
        sequence: over.sequence ?? this.sequence,
        policy: aPolicy(),
        window: { edges: [] },
        offers: this.offers(),
        gpus: this.counts(),
        runs: over.runs ?? [...this.held.values()].map((run) => run.report),
      },
      this.clock.read(),
    );
  }

  desired(): DesiredContent {
    return this.fleet().desired(this.name);
  }

  /** Does what the hub says as an agent would, and reports: starts orders, stops cancelled runs, lets go of acknowledged ones. */
  obey(phase: 'Accepted' | 'Starting' | 'Running' = 'Running'): DesiredContent {
    const desired = this.desired();
    for (const order of desired.runs) {
      const key = runKey(order.id);
      if (!this.held.has(key)) {
        if (this.started.some((fence) => isHigherFence(fence, order.id))) continue;
        this.started.push(key);
        this.held.set(key, { order, report: reportOf(order, phase) });
      }
    }
    for (const { id, cause, message } of desired.cancels) {
      this.set(id, 'Ended', {
        outcome: 'Stopped',
        cause,
        message,
        everStarted: true,
        exits: [],
        endedAtMs: this.clock.nowMs(),
      });
    }
    for (const id of desired.outcomeAcks) this.held.delete(runKey(id));
    for (const [key, run] of this.held) if (desired.goneJobUids.includes(run.order.id.jobUid)) this.held.delete(key);
    this.report();
    return desired;
  }

  runs(): readonly RunReport[] {
    return [...this.held.values()].map((run) => run.report);
  }

  /** Orders of the live runs. */
  orders(): readonly { readonly order: RunOrder }[] {
    return [...this.held.values()].filter((run) => run.report.phase !== 'Ended');
  }

  live(): readonly RunReport[] {
    return this.runs().filter((run) => run.phase !== 'Ended');
  }

  /** Changes what is reported of a run, without reporting yet. */
  set(id: RunId, phase: RunReport['phase'], end?: RunEnd): void {
    const run = this.held.get(runKey(id));
    if (run === undefined || run.report.phase === 'Ended') return;
    const { end: _end, ...before } = run.report;
    run.report = {
      ...before,
      phase,
      ...(phase === 'Running' ? { allRunningAtMs: this.clock.nowMs(), deadlineArmed: true } : {}),
      ...(end === undefined ? {} : { end, gpuSeconds: 60 }),
    };
  }

  /** Why its runs are where they are, in the next reports. */
  say(message: string): void {
    for (const run of this.held.values()) run.report = { ...run.report, message };
    this.report();
  }

  /** Ends every live run as given and reports. */
  endAll(over: Partial<RunEnd> = {}): void {
    for (const run of this.live()) {
      this.set(run.id, 'Ended', {
        outcome: 'Succeeded',
        cause: 'Completed',
        message: 'all workers exited 0',
        everStarted: true,
        exits: [],
        endedAtMs: this.clock.nowMs(),
        ...over,
      });
    }
    this.report();
  }

  /** Forgets a run, as a member whose state was lost. */
  lose(id: RunId): void {
    this.held.delete(runKey(id));
  }

  private offers(): readonly NodeOffer[] {
    return this.nodes.map((sketch) => {
      const offer = aNode(sketch);
      const free = { ...offer.free };
      for (const { order, report } of this.held.values()) {
        const workers =
          report.phase === 'Ended' ? 0 : (report.nodes.find((one) => one.node === offer.node)?.workers ?? 0);
        free[offer.gpuResource] = (free[offer.gpuResource] ?? 0) - workers * order.gpusPerWorker;
        free['cpu'] = (free['cpu'] ?? 0) - workers * 1000;
        free['pods'] = (free['pods'] ?? 0) - workers;
      }
      return { ...offer, free };
    });
  }

  private counts(): Parameters<HubFleet['applyReport']>[1]['gpus'] {
    return this.offers().map((offer) => {
      const free = offer.free[offer.gpuResource] ?? 0;
      const { vendor, gpuModel, gpuMemoryBytes, totalGpus: total } = offer;
      const states = { owner: 0, parked: 0, idle: free, lent: total - free, unhealthy: 0, unknown: 0 };
      return { vendor, gpuModel, gpuMemoryBytes, total, ...states, offered: free };
    });
  }
}

function isHigherFence(startedKey: string, id: RunId): boolean {
  const [uid, fence] = startedKey.split('/');
  return uid === id.jobUid && Number(fence) >= id.fence;
}

function reportOf(order: RunOrder, phase: RunReport['phase']): RunReport {
  return {
    id: order.id,
    job: order.job,
    tenant: order.tenant,
    pool: order.pool,
    attempt: order.attempt,
    templateHash: order.templateHash,
    gpuModel: order.gpuModel,
    gpusPerWorker: order.gpusPerWorker,
    phase,
    workers: { pending: 0, running: order.workers, succeeded: 0, failed: 0 },
    nodes: order.nodes,
    gpuSeconds: 0,
    deadlineArmed: phase === 'Running',
    message: '',
    ...(phase === 'Running' ? { allRunningAtMs: 1 } : {}),
  };
}
