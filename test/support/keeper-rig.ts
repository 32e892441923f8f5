/** A keeper of runs on a fake member and virtual time, with inventory and policy that say what the test tells them. */
import type { InventoryReader } from '../../src/agent/inventory/inventory-reader.ts';
import type { GuestRules, LendingReader, PolicyRefusal } from '../../src/agent/lending/lending-reader.ts';
import { createRunKeeper } from '../../src/agent/runs/create-run-keeper.ts';
import type { RunKeeper } from '../../src/agent/runs/run-keeper.ts';
import { GUEST_RUN_RESOURCE } from '../../src/api/v1alpha1/guest-run.ts';
import { guestNamespace, runName } from '../../src/api/v1alpha1/child-names.ts';
import type { Desired, DesiredContent } from '../../src/core/model/desired.ts';
import { memberName, runKey } from '../../src/core/model/ids.ts';
import type { RunOrder, RunReport } from '../../src/core/model/run.ts';
import { seededRandom } from '../../src/platform/clock/seeded-random.ts';
import { VirtualClock } from '../../src/platform/clock/virtual-clock.ts';
import { jobs, pods } from '../../src/platform/kube/builtin-resources.ts';
import { silentLogger, type Logger } from '../../src/platform/log/logger.ts';
import { createSealer, createSealingKey } from '../../src/platform/pki/sealing.ts';
import { err, ok } from '../../src/std/result.ts';
import { FakeKube, type Stored } from './fake-kube.ts';

export const RULES: GuestRules = {
  tolerations: [],
  nodeSelector: {},
  maxGraceMs: 60_000,
  podSecurity: 'restricted',
  allowPrivateRanges: false,
  allowedEgressCidrs: [],
  allowedTemplatePaths: [],
  finishedRetentionMs: 3_600_000,
  logsAllowed: true,
};

const key = createSealingKey();
export const SEALING_PUBLIC_KEY = key.publicKey;

/** An inventory in which everything fits where the hub chose. */
export function openInventory(): InventoryReader {
  return {
    synced: true,
    report: () => ({
      policy: { state: 'Lending', message: '', dataJurisdictions: [], requireDigest: false, logsAllowed: true },
      window: { edges: [] },
      offers: [],
      gpus: [],
    }),
    refit: (order) => ok(order.nodes),
    unreachableNodes: () => new Set<string>(),
    subscribe: () => () => undefined,
  };
}

/** An owner who lends to everybody, by these rules. */
export function openLending(rules: GuestRules): LendingReader {
  return {
    guestRules: () => rules,
    admits: () => ok(undefined),
    mustEnd: () => ok(undefined),
    subscribe: () => () => undefined,
  };
}

export interface RigOptions {
  readonly kube?: FakeKube;
  readonly clock?: VirtualClock;
  readonly seed?: string;
  readonly logger?: Logger;
}

export class KeeperRig {
  readonly clock: VirtualClock;
  readonly kube: FakeKube;
  readonly client: ReturnType<FakeKube['client']>;
  readonly keeper: RunKeeper;
  readonly rejections: string[] = [];
  readonly started: string[] = [];
  readonly ended: string[] = [];
  rules: GuestRules | undefined = RULES;
  refusal: PolicyRefusal | undefined;
  mustEnd: (PolicyRefusal & { readonly graceMs: number }) | undefined;
  shortage: string | undefined;
  unreachable = new Set<string>();
  mayAct = true;
  private counter = 0;
  private readonly lendingHandlers = new Set<() => void>();
  private readonly inventoryHandlers = new Set<() => void>();
  private readonly abort = new AbortController();

  constructor(options: RigOptions = {}) {
    this.clock = options.clock ?? new VirtualClock({ turnsPerStep: 6 });
    this.kube = options.kube ?? new FakeKube(this.clock);
    this.client = this.kube.client();
    this.keeper = createRunKeeper({
      client: this.client,
      clock: this.clock,
      random: seededRandom(options.seed ?? 'rig'),
      logger: options.logger ?? silentLogger(),
      inventory: this.inventory(),
      lending: this.lending(),
      sealer: createSealer(key.privateKeyPem),
      member: memberName('member-a'),
      namespace: 'lumbung-system',
      mayAct: () => this.mayAct,
      observer: {
        fenceRejected: (reason) => this.rejections.push(reason),
        started: (run) => this.started.push(runKey(run)),
        ended: (run, cause) => this.ended.push(`${runKey(run)} ${cause}`),
      },
    });
  }

  /** Starts the keeper and gives it a lease. */
  async start(): Promise<this> {
    await this.keeper.start(this.abort.signal);
    this.lease();
    return this;
  }

  /** The process is gone: what it had asked for and what it would do is lost. */
  crash(): Promise<void> {
    this.client.kill();
    this.mayAct = false;
    this.abort.abort();
    // What a dead process waits for never comes, so that nobody waits for its orderly stop.
    void this.keeper.stop();
    return this.clock.advanceAsync(0);
  }

  /** A new process on the same cluster. */
  async successor(seed = 'successor'): Promise<KeeperRig> {
    const next = new KeeperRig({ kube: this.kube, clock: this.clock, seed });
    next.counter = this.counter;
    return next.start();
  }

  lease(): void {
    this.keeper.leaseAcknowledged(this.clock.read());
  }

  desire(content: Partial<DesiredContent>, generation: Partial<Desired['generation']> = {}): void {
    this.counter += 1;
    this.keeper.applyDesired({
      generation: { incarnation: 'hub', term: 1, counter: this.counter, ...generation },
      runs: [],
      cancels: [],
      outcomeAcks: [],
      goneJobUids: [],
      cordoned: false,
      ...content,
    });
  }

  /** Lets everything that is ready happen, and `ms` of time pass. */
  pass(ms = 100): Promise<void> {
    return this.clock.advanceAsync(ms);
  }

  async until(done: () => boolean, limitMs = 60_000): Promise<void> {
    for (let passed = 0; passed < limitMs; passed += 50) {
      if (done()) return;
      await this.pass(50);
    }
    if (!done()) throw new Error(`it did not come about within ${limitMs} ms: ${done.toString()}`);
  }

  report(order: RunOrder): RunReport | undefined {
    return this.keeper.reports().find((report) => runKey(report.id) === runKey(order.id));
  }

  phase(order: RunOrder): string | undefined {
    return this.report(order)?.phase;
  }

  job(order: RunOrder): Stored | undefined {
    return this.kube.find(jobs, guestNamespace(order.tenant), runName(order.id));
  }

  record(order: RunOrder): Stored | undefined {
    return this.kube.find(GUEST_RUN_RESOURCE, guestNamespace(order.tenant), runName(order.id));
  }

  podsOf(order: RunOrder): readonly Stored[] {
    return this.kube
      .all(pods)
      .filter((pod) => pod.metadata.labels?.['lumbung.dev/job-uid'] === order.id.jobUid)
      .filter((pod) => pod.metadata.labels?.['lumbung.dev/fence'] === String(order.id.fence));
  }

  /** Orders a run and lets its pods run. */
  async running(order: RunOrder): Promise<readonly Stored[]> {
    this.desire({ runs: [order] });
    await this.until(() => this.job(order) !== undefined);
    const pending = this.kube.startJob(guestNamespace(order.tenant), runName(order.id));
    const [node = 'node-1'] = order.nodes.map((share) => share.node);
    const started = pending.map((pod) => this.kube.runPod(pod, node));
    await this.until(() => this.phase(order) === 'Running');
    return started;
  }

  changePolicy(change: () => void): void {
    change();
    for (const handler of this.lendingHandlers) handler();
  }

  changeInventory(change: () => void): void {
    change();
    for (const handler of this.inventoryHandlers) handler();
  }

  private inventory(): InventoryReader {
    return {
      ...openInventory(),
      refit: (order) => (this.shortage === undefined ? ok(order.nodes) : err({ message: this.shortage })),
      unreachableNodes: () => this.unreachable,
      subscribe: (handler) => {
        this.inventoryHandlers.add(handler);
        return () => this.inventoryHandlers.delete(handler);
      },
    };
  }

  private lending(): LendingReader {
    return {
      guestRules: () => this.rules,
      admits: () => (this.refusal === undefined ? ok(undefined) : err(this.refusal)),
      mustEnd: () => (this.mustEnd === undefined ? ok(undefined) : err(this.mustEnd)),
      subscribe: (handler) => {
        this.lendingHandlers.add(handler);
        return () => this.lendingHandlers.delete(handler);
      },
    };
  }
}
