/**
 * Random trouble for a hub on virtual time: killed processes, lost races, lost answers, cut lines, owners who come back. After
 * every step it checks what must hold always: no job runs twice, no GPU is given twice, no fence starts twice, no success is
 * counted twice.
 */
import { expect } from 'vitest';
import type { ComputeJobStatus } from '../../src/api/v1alpha1/compute-job-status.ts';
import { seededRandom, type SeededRandom } from '../../src/platform/clock/seeded-random.ts';
import { KubeError } from '../../src/platform/kube/kube-error.ts';
import { FakeHubKube } from './fake-hub-kube.ts';
import { HubRig, type FakeMember } from './hub-rig.ts';

const LEASE_MS = 20_000;
/** One run of trouble from one seed; throws when a promise is broken. */
export async function troubledHub(seed: number, rounds: number): Promise<readonly ComputeJobStatus[]> {
  const chaos = new HubChaos(seed);
  await chaos.begin();
  try {
    for (let round = 0; round < rounds; round += 1) {
      await chaos.trouble();
      await chaos.step(1000);
    }
    await chaos.calm();
    return chaos.statuses();
  } finally {
    await chaos.rig.kill();
  }
}

const lease = { duration: '20s', terminationGrace: '0s', margin: '5s', maxClockDriftPercent: 1, replaceAfter: '26s' };
const SUCCESS = { outcome: 'Succeeded', cause: 'Completed', message: 'all workers exited 0' } as const;

/** A hub that is killed, raced and cut off, with members that come, go and work; driven by one seed. */
class HubChaos {
  rig!: HubRig;
  members: FakeMember[] = [];
  readonly heardAtMs = new Map<string, number>();
  readonly cutOff = new Set<string>();
  readonly completions = new Map<string, number>();
  private readonly random: SeededRandom;
  private term = 1;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  async begin(): Promise<void> {
    this.rig = await new HubRig({ silentAfterMs: 6_000 }).lead();
    this.rig.addPool({ lease });
    this.members = ['a', 'b', 'c'].map((name) =>
      this.rig.addMember(`member-${name}`, { nodes: [{ name: `node-${name}`, gpus: 4, totalGpus: 4 }] }),
    );
    for (const member of this.members) member.connect();
    for (let i = 0; i < 10; i += 1) {
      const onPartition = this.pick(['KeepAndWait', 'Fence'] as const);
      this.rig.addJob(`job-${i}`, {
        onPartition,
        workers: 1 + this.below(2),
        gpusPerWorker: 1 + this.below(2),
        retry: { limit: 1000 },
      });
    }
    await this.step(500);
  }

  /** One second or so of trouble. */
  async trouble(): Promise<void> {
    const member = this.pick(this.members);
    switch (this.below(12)) {
      case 0:
        return this.restartHub();
      case 1:
        if (this.cutOff.size < 2) this.cut(member);
        return;
      case 2:
        this.heal(member);
        return;
      case 3:
        this.faultyServer();
        return;
      case 4:
        this.rig.kube.latencyMs = this.below(2) * 30;
        return;
      case 5:
        if (!this.cutOff.has(member.name)) member.connect();
        return;
      case 6:
        this.end(member, { outcome: 'Stopped', cause: 'Reclaimed', message: 'the owner came back' });
        return;
      default:
        this.end(member, SUCCESS);
    }
  }

  async step(ms: number): Promise<void> {
    await this.rig.pass(ms);
    for (const member of this.members) {
      if (!this.cutOff.has(member.name)) this.work(member);
      this.expireLeases(member);
    }
    this.check();
  }

  async calm(): Promise<void> {
    this.rig.kube.beforeCall = () => undefined;
    this.rig.kube.afterCall = () => undefined;
    for (const member of this.members) this.heal(member);
    for (let round = 0; round < 200 && !this.allDone(); round += 1) {
      await this.step(1000);
      for (const member of this.members) this.end(member, SUCCESS);
    }
  }

  allDone(): boolean {
    return this.statuses().every((status) => status.phase === 'Succeeded');
  }

  statuses(): readonly ComputeJobStatus[] {
    return this.rig.kube.all('computejobs').map((job) => (job.status ?? {}) as ComputeJobStatus);
  }

  private work(member: FakeMember): void {
    try {
      member.obey(this.pick(['Accepted', 'Starting', 'Running'] as const));
      for (const run of member.live()) if (this.below(2) === 0) member.set(run.id, 'Running');
      if (member.report().kind !== 'stale') this.heardAtMs.set(member.name, this.rig.clock.monotonicMs());
    } catch {
      // Without a session there is nothing to obey: the next step connects.
      member.connect();
    }
  }

  /** The agent's side of the lease: a Fence run stops when it was not acknowledged in time. */
  private expireLeases(member: FakeMember): void {
    if (this.rig.clock.monotonicMs() - (this.heardAtMs.get(member.name) ?? 0) < LEASE_MS) return;
    for (const { order } of member.orders()) {
      if (order.onPartition !== 'Fence') continue;
      member.set(order.id, 'Ended', {
        outcome: 'Stopped',
        cause: 'LeaseExpired',
        message: 'the lease is over',
        everStarted: true,
        exits: [],
        endedAtMs: 0,
      });
    }
  }

  private end(
    member: FakeMember,
    how: typeof SUCCESS | { outcome: 'Stopped'; cause: 'Reclaimed'; message: string },
  ): void {
    const run = member.live()[0];
    if (run === undefined || run.phase === 'Accepted') return;
    member.set(run.id, 'Ended', { ...how, everStarted: true, exits: [], endedAtMs: 0 });
  }

  private cut(member: FakeMember): void {
    this.cutOff.add(member.name);
    member.fallSilent();
  }

  private heal(member: FakeMember): void {
    if (this.cutOff.delete(member.name)) member.connect();
  }

  private faultyServer(): void {
    let faults = 3;
    const where = this.below(2) === 0 ? 'beforeCall' : 'afterCall';
    const conflict = this.below(2) === 0;
    this.rig.kube[where] = (call) => {
      if (call.plural !== 'computejobs' || faults-- <= 0) return;
      if (conflict && where === 'beforeCall')
        throw new KubeError({ status: 409, reason: 'Conflict', message: 'modified' });
      throw new Error('connection reset');
    };
  }

  private async restartHub(): Promise<void> {
    await this.rig.kill();
    this.term += 1;
    const kube = new FakeHubKube(this.rig.clock, this.rig.kube);
    this.rig = await new HubRig({ clock: this.rig.clock, kube, term: this.term, silentAfterMs: 6_000 }).lead();
    this.members = this.members.map((member) => member.movedTo(this.rig));
    for (const member of this.members) if (!this.cutOff.has(member.name)) member.connect();
  }

  /** What must hold at every moment. */
  private check(): void {
    const live = new Map<string, number>();
    for (const member of this.members) {
      let gpus = 0;
      for (const run of member.live()) {
        live.set(run.id.jobUid, (live.get(run.id.jobUid) ?? 0) + 1);
        gpus += run.nodes.reduce((sum, share) => sum + share.workers, 0) * run.gpusPerWorker;
      }
      expect(gpus, `GPUs on ${member.name}`).toBeLessThanOrEqual(4);
      expect(new Set(member.started).size, `fences started twice on ${member.name}`).toBe(member.started.length);
    }
    for (const [job, runs] of live) expect(runs, `live runs of ${job}`).toBeLessThanOrEqual(1);
    for (const status of this.statuses()) {
      const counted = (status.history ?? []).filter(
        (entry) => entry.outcome === 'Succeeded' && entry.superseded !== true,
      );
      expect(counted.length).toBeLessThanOrEqual(1);
      expect(status.phase === 'Succeeded').toBe(counted.length === 1);
    }
  }

  private below(limit: number): number {
    return Math.floor(this.random.next() * limit);
  }

  private pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}
