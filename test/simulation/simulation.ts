/**
 * One history of a federation from one seed: the hub and the agents of production on virtual time, over sandbox clusters
 * and lines in memory, with trouble drawn from the seed, then healed; then everything must come to its end.
 *
 * Invariants: nothing is drawn but from the seed and nothing waits for real time, so that a seed gives its history again;
 * what counts as broken is the oracle's word (sim-oracle.ts), a failure to come to rest, and errors that nobody handled.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { customResourceDefinition } from '../../src/api/crd/custom-resource-definition.ts';
import { HUB_KINDS } from '../../src/api/v1alpha1/kinds.ts';
import { MEMBER_CLUSTER_RESOURCE } from '../../src/api/v1alpha1/member-cluster.ts';
import { seededRandom, type SeededRandom } from '../../src/platform/clock/seeded-random.ts';
import { VirtualClock } from '../../src/platform/clock/virtual-clock.ts';
import { createKubeClient } from '../../src/platform/kube/kube-client-http.ts';
import type { KubeClient } from '../../src/platform/kube/kube-client.ts';
import type { KubeObject } from '../../src/platform/kube/object.ts';
import { createSinkLogger, silentLogger, type Logger } from '../../src/platform/log/logger.ts';
import { createSandboxCluster, type SandboxCluster } from '../../src/sandbox/cluster/sandbox-cluster.ts';
import { applyObjects } from '../support/yaml-objects.ts';
import { ApiTrouble, faultyTransport, type ApiFault } from './faulty-transport.ts';
import { createSimHub, NAMESPACE, type SimHub } from './sim-hub.ts';
import { SimHost, wholeMs } from './sim-host.ts';
import { SimMember } from './sim-member.ts';
import { SimOracle } from './sim-oracle.ts';

const TENANT = 'team-a';
const TROUBLE_MS = 120_000;
/** Within this time of the last healing everything must be at rest. */
const CALM_LIMIT_MS = 15 * 60_000;
/** Many times what a history takes: only what spins gets here. */
const STEP_LIMIT = 100_000;
/** A connection over a cut line is given up by both sides after this long, as keep-alive does. */
const KEEP_ALIVE_MS = 20_000;

export interface HistoryOptions {
  readonly seed: number | string;
  /** Keep the programs' own log lines in the trace as well. */
  readonly logs?: boolean;
}

export interface History {
  readonly seed: number | string;
  /** Promises broken, one sentence each; empty = all was well. */
  readonly broken: readonly string[];
  /** What happened, in order, with virtual seconds. */
  readonly trace: readonly string[];
  /** Virtual milliseconds from the last healing until all was at rest. */
  readonly calmMs: number;
  readonly virtualMs: number;
  readonly starts: number;
  readonly faults: Readonly<Record<string, number>>;
}

/** Lives through one history and leaves nothing behind. */
export async function runHistory(options: HistoryOptions): Promise<History> {
  const dir = await mkdtemp(join(tmpdir(), 'lumbung-simulation-'));
  const simulation = new Simulation(options, dir);
  const onRejection = (error: unknown): void => {
    simulation.fail('nobody handled an error', error);
  };
  process.on('unhandledRejection', onRejection);
  try {
    return await simulation.live();
  } finally {
    process.off('unhandledRejection', onRejection);
    await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

type Fault =
  | 'cut the line'
  | 'cut the line to the hub'
  | 'cut the line to the member'
  | 'sever the sessions'
  | 'slow the line'
  | 'kill the hub'
  | 'pause the hub'
  | 'kill an agent'
  | 'pause an agent'
  | 'set an agent clock'
  | 'set the hub clock'
  | 'trouble at a member API'
  | 'trouble at the hub API'
  | 'break watches'
  | 'cut a node off'
  | 'owner comes';

const FAULTS: readonly Fault[] = [
  'cut the line',
  'cut the line',
  'cut the line to the hub',
  'cut the line to the member',
  'sever the sessions',
  'slow the line',
  'kill the hub',
  'pause the hub',
  'kill an agent',
  'kill an agent',
  'pause an agent',
  'set an agent clock',
  'set the hub clock',
  'trouble at a member API',
  'trouble at the hub API',
  'break watches',
  'cut a node off',
  'owner comes',
  'owner comes',
];

class Simulation {
  private readonly options: HistoryOptions;
  private readonly random: SeededRandom;
  private readonly clock = new VirtualClock();
  private readonly trace: string[] = [];
  private readonly broken: string[] = [];
  private readonly faults: Record<string, number> = {};
  private readonly hubCluster: SandboxCluster;
  private readonly hubClient: KubeClient;
  private readonly hubTrouble = new ApiTrouble();
  private readonly members: SimMember[];
  private readonly ending: Promise<void>[] = [];
  /** What heals the faults that last, by what they hit. */
  private readonly heals = new Map<string, () => void>();
  private oracle: SimOracle | undefined;
  private hub: SimHub | undefined;
  private hubs = 0;
  private owners = 0;
  private steps = 0;
  /** From when the agents were first started until everything is stopped. */
  private agentsKept = false;

  constructor(options: HistoryOptions, dir: string) {
    this.options = options;
    this.random = seededRandom(options.seed);
    const { clock, random } = this;
    this.hubCluster = createSandboxCluster({
      name: 'hub',
      clock: wholeMs(clock),
      random: random.fork('hub-cluster'),
      logger: silentLogger(),
      dataDir: join(dir, 'hub'),
      nodes: [],
      runtime: 'simulated',
      addressBlock: 1,
      crds: HUB_KINDS.map((kind) => customResourceDefinition(kind) as unknown as KubeObject),
    });
    this.hubClient = createKubeClient({
      transport: this.hubCluster.transport(),
      clock: wholeMs(clock),
      random: random.fork('admin'),
      userAgent: 'simulation',
    });
    this.members = ['a', 'b', 'c'].slice(0, 2 + this.below(2)).map((letter, at) => {
      // The first has room for the largest job.
      const nodes = Array.from({ length: at === 0 ? 2 : 1 + this.below(2) }, (_, index) => ({
        name: `node-${letter}${index + 1}`,
        gpuModel: 'A100-80GB',
        gpus: 2,
      }));
      return new SimMember({
        ...{ name: `member-${letter}`, nodes, block: at + 2, dir, clock },
        random: random.fork(`member-${letter}`),
        logger: (who) => this.logger(who),
        hub: () => this.hub,
        note: (text) => {
          this.note(text);
        },
        onError: (where, error) => {
          this.fail(where, error);
        },
      });
    });
  }

  async live(): Promise<History> {
    let calmMs = 0;
    try {
      await this.prepare();
      await this.trouble();
      this.heal();
      calmMs = await this.calm();
      this.oracle?.judge();
    } catch (error) {
      this.fail('the history broke off', error);
    } finally {
      await this.stop();
    }
    const { seed } = this.options;
    const broken = [...(this.oracle?.broken ?? []), ...this.broken];
    const starts = this.oracle?.seen.starts ?? 0;
    return {
      seed,
      broken,
      trace: this.trace,
      calmMs,
      virtualMs: this.clock.monotonicMs(),
      starts,
      faults: this.faults,
    };
  }

  fail(where: string, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.broken.push(`${where}: ${text}`);
    this.note(`BROKEN: ${where}: ${text}`);
  }

  private async prepare(): Promise<void> {
    // Keys and folders take real time: virtual time stands still until they are there, or histories would differ.
    await this.hubCluster.start(new AbortController().signal);
    for (const member of this.members) await member.prepare();
    await applyObjects(this.hubClient, [namespace(NAMESPACE), namespace(TENANT), POOL]);
    for (const member of this.members) await this.admit(member);
    this.oracle = new SimOracle({
      members: this.members,
      hub: this.hubClient,
      clock: this.clock,
      random: this.random.fork('oracle'),
      note: (text) => {
        this.note(text);
      },
    });
    await this.drive(this.oracle.start(new AbortController().signal));
    this.startHub();
    for (const member of this.members) await member.startAgent(this.skew());
    this.agentsKept = true;
    await this.pass(8_000);
  }

  /** As inviting, joining and accepting leave it. */
  private async admit(member: SimMember): Promise<void> {
    const object = {
      apiVersion: 'lumbung.dev/v1alpha1',
      kind: 'MemberCluster',
      metadata: { name: member.name, labels: { tier: 'gold' } },
      spec: { accepted: true, jurisdiction: member.id.jurisdiction },
    };
    await this.hubClient.create(MEMBER_CLUSTER_RESOURCE, object);
    const status = { clusterUid: member.id.clusterUid };
    const ref = { type: MEMBER_CLUSTER_RESOURCE, name: member.name };
    await this.hubClient.mergePatch(ref, { status }, { subresource: 'status' });
  }

  private async trouble(): Promise<void> {
    const untilMs = this.clock.monotonicMs() + TROUBLE_MS;
    let jobs = 0;
    for (let i = 0; i < 3; i += 1) await this.addJob((jobs += 1));
    while (this.clock.monotonicMs() < untilMs) {
      await this.pass(500 + this.below(5_000));
      if (jobs < 9 && this.random.next() < 0.4) await this.addJob((jobs += 1));
      await this.inject(this.pick(FAULTS));
    }
  }

  private heal(): void {
    this.note('everything heals');
    for (const heal of [...this.heals.values()]) heal();
  }

  /** Until every job is over, no guest runs and every owner had its turn. Milliseconds it took. */
  private async calm(): Promise<number> {
    const fromMs = this.clock.monotonicMs();
    const { oracle } = this;
    while (this.clock.monotonicMs() - fromMs < CALM_LIMIT_MS) {
      if (oracle?.allOver() === true && oracle.running().length === 0 && oracle.ownersWaiting() === 0) {
        return this.clock.monotonicMs() - fromMs;
      }
      await this.pass(500);
    }
    const left = [...(oracle?.statuses() ?? [])].filter(([, status]) => status.completionTime === undefined);
    const words = left.map(([name, status]) => `${name} is ${status.phase ?? '?'}: ${describe(status)}`);
    const still = `${oracle?.running().length ?? 0} guests run, ${oracle?.ownersWaiting() ?? 0} owners wait`;
    this.broken.push(`not at rest ${CALM_LIMIT_MS / 1000} s after healing: ${[...words, still].join('; ')}`);
    return CALM_LIMIT_MS;
  }

  private async inject(fault: Fault): Promise<void> {
    const member = this.pick(this.members);
    const lastsMs = this.pick([1_000, 4_000, 10_000, 25_000, 45_000]);
    switch (fault) {
      case 'cut the line':
      case 'cut the line to the hub':
      case 'cut the line to the member':
        this.cutLine(member, fault, lastsMs);
        return;
      case 'sever the sessions':
        this.did(fault, member.name);
        member.line.sever();
        return;
      case 'slow the line':
        this.lasting(`slow/${member.name}`, { fault, what: member.name, lastsMs }, () => {
          member.line.latencyMs = this.pick([200, 1500, 6000]);
          return () => {
            member.line.latencyMs = 5;
          };
        });
        return;
      case 'kill the hub':
      case 'pause the hub':
        this.hitHub(fault, lastsMs);
        return;
      case 'kill an agent':
      case 'pause an agent':
        this.hitAgent(fault, member, lastsMs);
        return;
      case 'set an agent clock':
        this.did(fault, member.name);
        member.host?.clock.setWallSkew(this.skew());
        return;
      case 'set the hub clock':
        this.did(fault, 'hub');
        this.hub?.host.clock.setWallSkew(this.skew());
        return;
      case 'trouble at a member API':
        this.troubleAt(fault, member.name, member.trouble);
        return;
      case 'trouble at the hub API':
        this.troubleAt(fault, 'hub', this.hubTrouble);
        return;
      case 'break watches':
        this.did(fault, member.name);
        member.trouble.breakWatches();
        this.hubTrouble.breakWatches();
        return;
      case 'cut a node off':
        await this.cutNode(member, lastsMs);
        return;
      case 'owner comes':
        await this.ownerComes(member);
    }
  }

  private cutLine(member: SimMember, fault: Fault, lastsMs: number): void {
    const { line } = member;
    this.lasting(`line/${member.name}`, { fault, what: member.name, lastsMs }, () => {
      if (fault !== 'cut the line to the member') line.toHub.close();
      if (fault !== 'cut the line to the hub') line.toMember.close();
      const keepAlive = this.clock.every(KEEP_ALIVE_MS, () => {
        line.sever();
      });
      const delivered = this.random.next() < 0.5;
      return () => {
        keepAlive.cancel();
        if (!delivered) line.sever();
        line.toHub.reopen();
        line.toMember.reopen();
      };
    });
  }

  private hitHub(fault: Fault, lastsMs: number): void {
    const { hub } = this;
    if (hub === undefined) return;
    if (fault === 'pause the hub') {
      this.lasting('hub', { fault, what: 'hub', lastsMs }, () => {
        hub.host.pause();
        return () => {
          hub.host.resume();
        };
      });
      return;
    }
    this.lasting('hub', { fault, what: 'hub', lastsMs }, () => {
      this.hub = undefined;
      hub.host.kill();
      // What goes wrong while a killed process runs out concerns nobody.
      this.ending.push(hub.stop().catch(() => undefined));
      return () => {
        this.startHub();
      };
    });
  }

  private hitAgent(fault: Fault, member: SimMember, lastsMs: number): void {
    const { host } = member;
    if (host === undefined) return;
    if (fault === 'pause an agent') {
      this.lasting(`agent/${member.name}`, { fault, what: member.name, lastsMs }, () => {
        host.pause();
        return () => {
          host.resume();
        };
      });
      return;
    }
    this.lasting(`agent/${member.name}`, { fault, what: member.name, lastsMs }, () => {
      member.killAgent();
      return () => undefined;
    });
  }

  private troubleAt(fault: Fault, what: string, trouble: ApiTrouble): void {
    const kind = this.pick<ApiFault>([
      'tooManyRequests',
      'serverError',
      'unreachable',
      'lostAnswer',
      'lostAnswer',
      'slow',
    ]);
    const lastsMs = this.pick([1_000, 3_000, 8_000]);
    this.lasting(`api/${what}`, { fault, what: `${what} (${kind})`, lastsMs }, () => {
      trouble.fault = kind;
      trouble.share = this.pick([0.3, 0.7, 1]);
      return () => {
        trouble.fault = 'none';
      };
    });
  }

  private async cutNode(member: SimMember, lastsMs: number): Promise<void> {
    const node = this.pick(member.nodes).name;
    const key = `node/${node}`;
    if (this.heals.has(key)) return;
    const noticed = this.random.next() < 0.5;
    this.lasting(key, { fault: 'cut a node off', what: `${node}${noticed ? ', noticed' : ''}`, lastsMs }, () => {
      this.oracle?.nodeCut(member.name, node);
      member.cluster.pauseKubelet(node);
      return () => {
        member.cluster.resumeKubelet(node);
        if (noticed) this.background(member.cluster.setNodeReady(node, true));
        // What it was told while it was away takes a moment to arrive.
        this.clock.after(5_000, () => {
          if (!this.heals.has(key)) this.oracle?.nodeBack(member.name, node);
        });
      };
    });
    if (noticed) await this.drive(member.cluster.setNodeReady(node, false));
  }

  private async ownerComes(member: SimMember): Promise<void> {
    this.owners += 1;
    const name = `owner-${this.owners}`;
    const gpus = String(1 + this.below(2));
    const duration = `${5 + this.below(25)}s`;
    this.did('owner comes', `${member.name}: ${gpus} GPUs for ${duration}`);
    await this.drive(
      applyObjects(member.client, [
        {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: {
            namespace: 'default',
            name,
            labels: { 'simulation/owner': 'true' },
            annotations: { 'sandbox.lumbung.dev/duration': duration },
          },
          spec: {
            restartPolicy: 'Never',
            containers: [
              {
                name: 'main',
                image: 'registry.example/owner:1',
                resources: { limits: { cpu: '100m', memory: '64Mi', 'nvidia.com/gpu': gpus } },
              },
            ],
          },
        } as KubeObject,
      ]),
    );
  }

  private async addJob(number: number): Promise<void> {
    const fails = this.random.next() < 0.15;
    const annotations = {
      'sandbox.lumbung.dev/duration': `${this.pick([0, 1, 5, 12, 25, 50])}s`,
      'sandbox.lumbung.dev/exit-code': fails ? '3' : '0',
      ...(this.random.next() < 0.15 ? { 'sandbox.lumbung.dev/ignore-sigterm': 'true' } : {}),
    };
    const spec = {
      pool: 'research',
      workers: 1 + this.below(2),
      gpusPerWorker: 1 + (this.random.next() < 0.3 ? 1 : 0),
      onPartition: this.pick(['Fence', 'Fence', 'KeepAndWait', 'KeepAndWait', 'AllowDuplicate']),
      retry: { limit: fails ? 1 : 100 },
      startTimeout: '60s',
      checkpointGrace: '1s',
      template: {
        metadata: { annotations },
        spec: {
          containers: [
            {
              name: 'main',
              image: 'registry.example/work:1',
              resources: { limits: { cpu: '100m', memory: '64Mi' } },
            },
          ],
        },
      },
    };
    const { workers, gpusPerWorker, onPartition } = spec;
    const how = `${workers} x ${gpusPerWorker} GPUs, ${onPartition}, ${annotations['sandbox.lumbung.dev/duration']}`;
    this.note(`job-${number} is made: ${how}${fails ? ', fails' : ''}`);
    const object = {
      apiVersion: 'lumbung.dev/v1alpha1',
      kind: 'ComputeJob',
      metadata: { namespace: TENANT, name: `job-${number}` },
      spec,
    };
    await this.drive(applyObjects(this.hubClient, [object as unknown as KubeObject]));
  }

  private startHub(): void {
    this.hubs += 1;
    const host = new SimHost(`hub-${this.hubs}`, this.clock, this.skew());
    const random = this.random.fork(host.name);
    const transport = faultyTransport({
      inner: this.hubCluster.transport({ user: 'lumbung-hub', groups: ['system:masters'] }),
      host,
      trouble: this.hubTrouble,
      clock: this.clock,
      random: random.fork('network'),
    });
    const hub = createSimHub({
      host,
      transport,
      random,
      logger: this.logger(host.name),
      peer: (name) => {
        const member = this.members.find((one) => one.name === name);
        if (member === undefined) throw new Error(`no member ${name}`);
        const { fingerprint, notAfterMs } = member.certificate;
        return {
          id: member.id,
          certificateFingerprint: fingerprint,
          certificateNotAfterMs: notAfterMs,
          address: `${name}.simulation:1`,
        };
      },
    });
    this.hub = hub;
    hub.start(new AbortController().signal).catch((error: unknown) => {
      if (!host.dead) this.fail(host.name, error);
    });
  }

  /** A fault that ends by itself after a while, at most one of its key at a time. `begin` gives what heals it. */
  private lasting(
    key: string,
    { fault, what, lastsMs }: { readonly fault: Fault; readonly what: string; readonly lastsMs: number },
    begin: () => () => void,
  ): void {
    if (this.heals.has(key)) return;
    this.did(fault, `${what} for ${lastsMs / 1000} s`);
    const undo = begin();
    const heal = (): void => {
      if (this.heals.get(key) !== heal) return;
      this.heals.delete(key);
      timer.cancel();
      this.note(`healed: ${fault}: ${what}`);
      undo();
    };
    this.heals.set(key, heal);
    const timer = this.clock.after(lastsMs, heal);
  }

  private did(fault: Fault, what: string): void {
    this.faults[fault] = (this.faults[fault] ?? 0) + 1;
    this.note(`${fault}: ${what}`);
  }

  /** Lets virtual time pass, step by step, with the oracle looking after each. */
  private async pass(ms: number): Promise<void> {
    const untilMs = this.clock.monotonicMs() + ms;
    while (this.clock.monotonicMs() < untilMs) await this.step(untilMs);
  }

  private async step(untilMs: number): Promise<void> {
    this.steps += 1;
    if (this.steps > STEP_LIMIT) throw new Error(`more than ${STEP_LIMIT} steps: something spins`);
    await this.clock.settle();
    const dueMs = Math.min(untilMs, this.clock.nextDueMs() ?? untilMs);
    this.clock.advance(Math.max(0, dueMs - this.clock.monotonicMs()));
    await this.clock.settle();
    this.oracle?.look();
    // A killed agent's pod comes back as its Deployment would have it.
    for (const member of this.members) {
      const down = member.host === undefined && !this.heals.has(`agent/${member.name}`);
      if (down && this.agentsKept) await member.startAgent(this.skew());
    }
  }

  /** Lets time pass until `work` is done. */
  private async drive<T>(work: Promise<T>): Promise<T> {
    const progress = { over: false };
    const done = work.finally(() => {
      progress.over = true;
    });
    done.catch(() => undefined);
    for (;;) {
      await this.clock.settle();
      if (progress.over) return done;
      const nextMs = this.clock.nextDueMs();
      if (nextMs !== undefined) await this.step(nextMs);
    }
  }

  private background(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.fail('the simulation itself', error);
    });
  }

  private async stop(): Promise<void> {
    try {
      const parts = async (): Promise<void> => {
        await Promise.all(this.members.map((member) => member.stop()));
        await this.hub?.stop();
        await Promise.all(this.ending);
        await this.oracle?.stop();
        await this.hubClient.close();
        await this.hubCluster.stop();
      };
      this.steps = 0;
      this.agentsKept = false;
      await this.drive(parts());
      if (this.clock.nextDueMs() !== undefined) this.broken.push('after everything has stopped a timer is left');
    } catch (error) {
      this.fail('stopping', error);
    }
  }

  private skew(): number {
    return this.pick([0, 0, -60_000, -2_000, 2_000, 60_000]);
  }

  private logger(who: string): Logger {
    if (this.options.logs !== true) return silentLogger();
    return createSinkLogger('info', (level, message, fields) => {
      this.note(`  ${who} ${level}: ${message} ${JSON.stringify(fields)}`);
    });
  }

  private note(text: string): void {
    this.trace.push(`${(this.clock.monotonicMs() / 1000).toFixed(3).padStart(9)} ${text}`);
  }

  private below(limit: number): number {
    return Math.floor(this.random.next() * limit);
  }

  private pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

const POOL = {
  apiVersion: 'lumbung.dev/v1alpha1',
  kind: 'GpuPool',
  metadata: { name: 'research' },
  spec: {
    memberSelector: { matchLabels: { tier: 'gold' } },
    tenants: [{ name: TENANT, namespaces: [TENANT], weight: 1 }],
    lease: { duration: '20s', terminationGrace: '2s', margin: '2s', maxClockDriftPercent: 1, replaceAfter: '26s' },
  },
} as KubeObject;

function namespace(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
}

function describe(status: { readonly queue?: { readonly reason: string; readonly message: string } }): string {
  return status.queue === undefined
    ? JSON.stringify(status).slice(0, 600)
    : `${status.queue.reason}: ${status.queue.message}`;
}
