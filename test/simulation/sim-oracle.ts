/**
 * What really happened, seen from outside the product: which pods hold which boards on the members' nodes, what their
 * containers exited with, and what the hub says of the jobs.
 *
 * Invariants: whether something runs is taken from the nodes (boards are held from before a container starts until after the
 * last one has ended), never from a report; the hub is believed only about what it promises. Each broken promise is one
 * sentence, said once.
 */
import { COMPUTE_JOB_RESOURCE } from '../../src/api/v1alpha1/compute-job.ts';
import type { ComputeJobStatus } from '../../src/api/v1alpha1/compute-job-status.ts';
import { LABELS } from '../../src/api/v1alpha1/labels.ts';
import type { SeededRandom } from '../../src/platform/clock/seeded-random.ts';
import type { VirtualClock } from '../../src/platform/clock/virtual-clock.ts';
import { pods } from '../../src/platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../src/platform/kube/kube-client.ts';
import type { KubeObject } from '../../src/platform/kube/object.ts';
import { createReflector, type Reflector } from '../../src/platform/kube/reflector.ts';
import { silentLogger } from '../../src/platform/log/logger.ts';
import type { SandboxNodeSpec } from '../../src/sandbox/cluster/node-shape.ts';
import type { SandboxCluster } from '../../src/sandbox/cluster/sandbox-cluster.ts';
import { wholeMs } from './sim-host.ts';

export type PartitionPolicy = 'Fence' | 'KeepAndWait' | 'AllowDuplicate';

export interface WatchedMember {
  readonly name: string;
  readonly cluster: SandboxCluster;
  readonly client: KubeClient;
  readonly nodes: readonly SandboxNodeSpec[];
}

type Pod = KubeObject & {
  readonly spec?: { readonly nodeName?: string; readonly containers?: readonly { readonly resources?: Resources }[] };
  readonly status?: {
    readonly phase?: string;
    readonly containerStatuses?: readonly {
      readonly state?: { readonly terminated?: { readonly exitCode: number } };
    }[];
  };
};
interface Resources {
  readonly limits?: Readonly<Record<string, string>>;
}
type Job = KubeObject & {
  readonly spec: { readonly onPartition?: PartitionPolicy; readonly workers?: number };
  readonly status?: ComputeJobStatus;
};

/** A guest pod that was seen. */
interface Guest {
  readonly member: string;
  readonly job: string;
  readonly fence: number;
  readonly index: string;
  readonly node: string;
  /** Its node was cut off while it ran: the bound of `Fence` is not claimed for it. */
  cutOff: boolean;
}

interface Attempt {
  readonly exits: Map<string, number>;
}

export class SimOracle {
  readonly broken: string[] = [];
  /** Attempts of one job that ran at once though the claim did not cover it (a Fence run on a cut-off node). */
  outsideTheClaim = 0;
  readonly seen = { starts: 0, overlapsAllowed: 0, ownerPods: 0 };
  private readonly members: readonly WatchedMember[];
  private readonly note: (text: string) => void;
  private readonly guests = new Map<string, Guest>();
  private readonly attempts = new Map<string, Attempt>();
  private readonly completions = new Map<string, number>();
  private readonly cut = new Set<string>();
  private readonly reflectors: { readonly member: WatchedMember; readonly pods: Reflector<Pod> }[];
  private readonly jobs: Reflector<Job>;
  private holding = new Map<string, string>();
  private readonly said = new Set<string>();

  constructor(deps: {
    readonly members: readonly WatchedMember[];
    readonly hub: KubeClient;
    readonly clock: VirtualClock;
    readonly random: SeededRandom;
    readonly note: (text: string) => void;
  }) {
    const { members, hub, clock, random, note } = deps;
    this.members = members;
    this.note = note;
    const shared = { clock: wholeMs(clock), random, logger: silentLogger() };
    this.jobs = createReflector<Job>({ ...shared, client: hub, type: COMPUTE_JOB_RESOURCE });
    this.reflectors = members.map((member) => ({
      member,
      pods: createReflector<Pod>({ ...shared, client: member.client, type: pods }),
    }));
    for (const { member, pods: reflector } of this.reflectors) {
      reflector.store.subscribe((event) => {
        if (event.kind === 'added' || event.kind === 'updated') this.seePod(member, event.object);
      });
    }
    this.jobs.store.subscribe((event) => {
      if (event.kind === 'added' || event.kind === 'updated') this.seeJob(event.object);
    });
  }

  async start(signal: AbortSignal): Promise<void> {
    for (const reflector of this.all()) await reflector.start(signal);
  }

  async stop(): Promise<void> {
    for (const reflector of this.all()) await reflector.stop();
  }

  /** A node can no longer be told to stop anything. */
  nodeCut(member: string, node: string): void {
    this.cut.add(`${member}/${node}`);
  }

  nodeBack(member: string, node: string): void {
    this.cut.delete(`${member}/${node}`);
  }

  /** Looks at the nodes; to be called after every step of time. */
  look(): void {
    const now = new Map<string, string>();
    for (const { name, cluster } of this.members) {
      for (const uid of cluster.heldBoards().values()) now.set(uid, name);
    }
    for (const [uid] of now) {
      const guest = this.guests.get(uid);
      if (guest === undefined) continue;
      if (this.cut.has(`${guest.member}/${guest.node}`)) guest.cutOff = true;
      if (this.holding.has(uid)) continue;
      this.seen.starts += 1;
      this.note(`runs: ${nameOf(guest)}`);
    }
    for (const [uid] of this.holding) {
      const guest = this.guests.get(uid);
      if (!now.has(uid) && guest !== undefined) this.note(`ended: ${nameOf(guest)}`);
    }
    this.holding = now;
    this.requireOneAttempt(now);
  }

  /** Uids of guest pods that run now. */
  running(): readonly string[] {
    return [...this.holding.keys()].filter((uid) => this.guests.has(uid));
  }

  statuses(): ReadonlyMap<string, ComputeJobStatus> {
    return new Map([...this.jobs.store.values()].map((job) => [job.metadata.name ?? '', job.status ?? {}]));
  }

  allOver(): boolean {
    return (
      this.statuses().size > 0 && [...this.statuses().values()].every((status) => status.completionTime !== undefined)
    );
  }

  /** Owner pods that have not ended. */
  ownersWaiting(): number {
    let count = 0;
    for (const { pods: reflector } of this.reflectors) {
      for (const pod of reflector.store.values()) {
        const phase = pod.status?.phase ?? 'Pending';
        if (pod.metadata.labels?.['simulation/owner'] === 'true' && phase !== 'Succeeded' && phase !== 'Failed')
          count += 1;
      }
    }
    return count;
  }

  /** What must hold once every job is over. */
  judge(): void {
    for (const job of this.jobs.store.values()) this.judgeJob(job);
  }

  private judgeJob(job: Job): void {
    const name = job.metadata.name ?? '';
    const uid = job.metadata.uid ?? '';
    const { status = {}, spec } = job;
    const counted = (status.history ?? []).filter((one) => one.outcome === 'Succeeded' && one.superseded !== true);
    if (counted.length > 1) this.say(`${name} counts ${counted.length} successes`);
    const succeeded = isTrue(status, 'Succeeded');
    if (succeeded !== (counted.length === 1)) {
      this.say(`${name}: Succeeded is ${succeeded}, its history counts ${counted.length} successes`);
    }
    const workers = spec.workers ?? 1;
    for (const entry of counted) {
      if (!this.completed(uid, entry.fence, workers)) {
        this.say(`${name} succeeded by fence ${entry.fence}, whose workers did not all exit 0`);
      }
    }
    const highest = status.highestFence ?? 0;
    if (this.completed(uid, highest, workers) && !succeeded) {
      this.say(`${name}: all workers of its last fence ${highest} exited 0, and it is not Succeeded`);
    }
    for (const entry of status.history ?? []) {
      const mustCount = !['LeaseExpired', 'MemberLost'].includes(entry.cause) && entry.outcome !== 'Lost';
      if (this.completed(uid, entry.fence, workers) && entry.outcome !== 'Succeeded' && mustCount) {
        this.say(
          `${name}: all workers of fence ${entry.fence} exited 0, and it was recorded as ${entry.outcome}/${entry.cause}`,
        );
      }
    }
  }

  private completed(job: string, fence: number, workers: number): boolean {
    const exits = this.attempts.get(`${job}/${fence}`)?.exits;
    return exits?.size === workers && [...exits.values()].every((code) => code === 0);
  }

  private requireOneAttempt(now: ReadonlyMap<string, string>): void {
    const live = new Map<string, Guest>();
    for (const [uid] of now) {
      const guest = this.guests.get(uid);
      if (guest === undefined) continue;
      const other = live.get(guest.job);
      if (other === undefined) live.set(guest.job, guest);
      else if (other.fence !== guest.fence || other.member !== guest.member) this.twoAtOnce(other, guest);
    }
  }

  private twoAtOnce(one: Guest, other: Guest): void {
    const job = this.jobOf(one.job);
    const policy = job?.spec.onPartition ?? 'KeepAndWait';
    const older = one.fence < other.fence ? one : other;
    if (policy === 'AllowDuplicate') this.seen.overlapsAllowed += 1;
    else if (policy === 'Fence' && older.cutOff) this.outsideTheClaim += 1;
    else
      this.say(`${job?.metadata.name ?? one.job} (${policy}) runs twice at once: ${nameOf(one)} and ${nameOf(other)}`);
  }

  private seePod(member: WatchedMember, pod: Pod): void {
    const { labels = {}, uid = '' } = pod.metadata;
    const job = labels[LABELS.jobUid];
    const fence = Number(labels[LABELS.fence]);
    this.requireNoOverbooking(member);
    if (job === undefined) return;
    const index = labels[LABELS.workerIndex] ?? labels['batch.kubernetes.io/job-completion-index'] ?? '0';
    const node = pod.spec?.nodeName ?? '';
    const known = this.guests.get(uid);
    if (known?.node !== node) {
      this.guests.set(uid, { member: member.name, job, fence, index, node, cutOff: known?.cutOff ?? false });
    }
    const exit = pod.status?.containerStatuses?.[0]?.state?.terminated?.exitCode;
    if (exit === undefined) return;
    const key = `${job}/${fence}`;
    const attempt = this.attempts.get(key) ?? { exits: new Map<string, number>() };
    this.attempts.set(key, attempt);
    if (attempt.exits.get(index) !== exit)
      this.note(`exit ${exit}: worker ${index} of fence ${fence} of ${this.nameOfJob(job)}`);
    attempt.exits.set(index, exit);
  }

  /** What is bound to a node by the API server's word never exceeds its boards. */
  private requireNoOverbooking(member: WatchedMember): void {
    const reflector = this.reflectors.find((one) => one.member === member)?.pods;
    const bound = new Map<string, number>();
    for (const pod of reflector?.store.values() ?? []) {
      const phase = pod.status?.phase ?? 'Pending';
      const node = pod.spec?.nodeName;
      if (node === undefined || phase === 'Succeeded' || phase === 'Failed') continue;
      const gpus = (pod.spec?.containers ?? []).reduce(
        (sum, one) => sum + Number(one.resources?.limits?.['nvidia.com/gpu'] ?? 0),
        0,
      );
      bound.set(node, (bound.get(node) ?? 0) + gpus);
    }
    for (const [node, gpus] of bound) {
      const boards = member.nodes.find((one) => one.name === node)?.gpus ?? 0;
      if (gpus > boards) this.say(`${member.name}/${node}: ${gpus} GPUs are bound, it has ${boards}`);
    }
  }

  private seeJob(job: Job): void {
    const name = job.metadata.name ?? '';
    const { status = {} } = job;
    const succeeded = isTrue(status, 'Succeeded');
    const before = this.completions.get(name) ?? 0;
    if (succeeded && before === 0) this.completions.set(name, 1);
    if (!succeeded && before > 0) this.say(`${name} was Succeeded and is not any more`);
    const run = status.run;
    const where = run === undefined ? 'no run' : `fence ${run.fence} on ${run.member}`;
    const last = status.history?.at(-1);
    const was = last === undefined ? '' : `; fence ${last.fence} was ${last.outcome}/${last.cause}`;
    this.note(`status of ${name}: ${status.phase ?? 'none'}, ${where}${was}`);
  }

  private jobOf(uid: string): Job | undefined {
    return [...this.jobs.store.values()].find((job) => job.metadata.uid === uid);
  }

  private nameOfJob(uid: string): string {
    return this.jobOf(uid)?.metadata.name ?? uid;
  }

  private say(text: string): void {
    if (this.said.has(text)) return;
    this.said.add(text);
    this.broken.push(text);
    this.note(`BROKEN: ${text}`);
  }

  private all(): readonly Reflector<KubeObject>[] {
    return [this.jobs, ...this.reflectors.map((one) => one.pods)] as readonly Reflector<KubeObject>[];
  }
}

function nameOf(guest: Guest): string {
  return `worker ${guest.index} of ${guest.job.slice(0, 8)} fence ${guest.fence} on ${guest.member}/${guest.node}`;
}

function isTrue(status: ComputeJobStatus, type: string): boolean {
  return status.conditions?.some((one) => one.type === type && one.status === 'True') === true;
}
