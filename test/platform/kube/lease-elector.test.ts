import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HostClock } from '../../../src/platform/clock/host-clock.ts';
import { seededRandom } from '../../../src/platform/clock/seeded-random.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { createKubeClient } from '../../../src/platform/kube/kube-client-http.ts';
import {
  createLeaderElector,
  type LeaderElector,
  type LeaderElectorOptions,
} from '../../../src/platform/kube/lease-elector.ts';
import type { LeaseObject } from '../../../src/platform/kube/lease-record.ts';
import { silentLogger } from '../../../src/platform/log/logger.ts';
import { createMetrics } from '../../../src/platform/metrics/registry.ts';
import { linkTo, MemoryCluster, type LinkState } from './memory-transport.ts';

interface Candidate {
  readonly elector: LeaderElector;
  readonly clock: HostClock;
  readonly link: LinkState;
  /** Terms begun (positive) and ended (negative), in order. */
  readonly story: number[];
}

const leasePath = '/apis/coordination.k8s.io/v1/namespaces/hub/leases/leader';

class Election {
  readonly clock = new VirtualClock();
  readonly cluster = new MemoryCluster();
  readonly candidates: Candidate[] = [];

  async join(identity: string, options: Partial<LeaderElectorOptions> = {}): Promise<Candidate> {
    const clock = new HostClock(this.clock);
    const link: LinkState = { cut: false, deaf: false, failing: false, latencyMs: 5 };
    const random = seededRandom(identity);
    const client = createKubeClient({
      transport: linkTo(this.cluster, this.clock, link),
      clock,
      random,
      userAgent: 'test',
    });
    const story: number[] = [];
    const elector = createLeaderElector({
      client,
      clock,
      random,
      logger: silentLogger(),
      namespace: 'hub',
      name: 'leader',
      identity,
      leaseDurationMs: 15_000,
      renewDeadlineMs: 10_000,
      retryPeriodMs: 2_000,
      onStarted: (term) => void story.push(term),
      onStopped: (term) => void story.push(-term),
      ...options,
    });
    await elector.start(new AbortController().signal);
    const candidate = { elector, clock, link, story };
    this.candidates.push(candidate);
    return candidate;
  }

  get lease(): LeaseObject | undefined {
    return this.cluster.objects.get(leasePath);
  }

  get leaders(): number {
    return this.candidates.filter((candidate) => candidate.elector.isLeader()).length;
  }

  async stop(): Promise<void> {
    for (const { clock, elector, link } of this.candidates) {
      clock.resume();
      Object.assign(link, { cut: false, deaf: false, failing: false });
      const stopped = elector.stop();
      await this.clock.advanceAsync(20_000);
      await stopped;
    }
  }
}

describe('leader election', () => {
  it('makes exactly one candidate the leader, under term 1, and tells the others who it is', async () => {
    const metrics = createMetrics();
    const election = new Election();
    const a = await election.join('a', { metrics });
    await election.clock.advanceAsync(1_000);
    const b = await election.join('b');
    await election.clock.advanceAsync(60_000);
    expect([a.elector.isLeader(), b.elector.isLeader()]).toEqual([true, false]);
    expect([a.elector.term, b.elector.term]).toEqual([1, 0]);
    expect(b.elector.observedHolder).toBe('a');
    expect(b.elector.provablyValidUntilMonotonicMs).toBe(-Infinity);
    const until = a.elector.provablyValidUntilMonotonicMs;
    expect(until).toBeGreaterThan(election.clock.monotonicMs() + 12_000);
    expect(election.lease?.spec).toMatchObject({ holderIdentity: 'a', leaseTransitions: 1, leaseDurationSeconds: 15 });
    expect(election.lease?.spec?.renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(await metrics.expose()).toContain('leader_election_master_status{name="leader"} 1');
    await election.stop();
  });

  it('hands over at once when the leader stops, after its work has ended', async () => {
    const election = new Election();
    const order: string[] = [];
    const a = await election.join('a', {
      onStopped: async () => {
        order.push('stopping');
        await election.clock.sleep(3_000);
        order.push(`stopped while held by ${election.lease?.spec?.holderIdentity ?? 'nobody'}`);
      },
    });
    await election.clock.advanceAsync(1_000);
    const b = await election.join('b');
    await election.clock.advanceAsync(4_000);
    const stopped = a.elector.stop();
    await election.clock.advanceAsync(3_500);
    await stopped;
    expect(order).toEqual(['stopping', 'stopped while held by a']);
    expect(election.lease?.spec?.holderIdentity).toBeUndefined();
    await election.clock.advanceAsync(3_000);
    expect(b.elector.isLeader()).toBe(true);
    expect(b.elector.term).toBe(2);
    await election.stop();
  });

  it.each<{ name: string; fault: Partial<LinkState> }>([
    { name: 'cut off', fault: { cut: true } },
    { name: 'deaf to answers', fault: { deaf: true } },
    { name: 'refused by a failing server', fault: { failing: true } },
  ])('ends the leadership of one that is $name before anybody else leads', async ({ fault }) => {
    const election = new Election();
    const a = await election.join('a');
    await election.clock.advanceAsync(1_000);
    const b = await election.join('b');
    await election.clock.advanceAsync(10_000);
    Object.assign(a.link, fault);
    let most = 0;
    for (let i = 0; i < 600; i += 1) {
      await election.clock.advanceAsync(100);
      most = Math.max(most, election.leaders);
    }
    expect(most).toBe(1);
    expect(a.elector.isLeader()).toBe(false);
    expect(a.story.slice(0, 2)).toEqual([1, -1]);
    // A deaf leader still renews without knowing, so it ends by itself, and is not replaced while its writes arrive.
    if (fault.deaf !== true) expect(b.elector.isLeader()).toBe(true);
    await election.stop();
  });

  it('stops leading by its own clock when it was paused, before it can do anything else', async () => {
    const election = new Election();
    const a = await election.join('a');
    await election.clock.advanceAsync(1_000);
    const b = await election.join('b');
    await election.clock.advanceAsync(10_000);
    a.clock.pause();
    await election.clock.advanceAsync(60_000);
    expect(b.elector.isLeader()).toBe(true);
    // Awake again, and asked before any timer has run: it knows already.
    expect(a.elector.isLeader()).toBe(false);
    a.clock.resume();
    await election.clock.advanceAsync(5_000);
    expect(a.story).toEqual([1, -1]);
    expect(b.story).toEqual([2]);
    await election.stop();
  });

  it('counts the sleep of a suspended machine, which its monotonic clock does not see', async () => {
    const election = new Election();
    const a = await election.join('a');
    await election.clock.advanceAsync(10_000);
    expect(a.elector.isLeader()).toBe(true);
    election.clock.suspend(16_000);
    expect(a.elector.isLeader()).toBe(false);
    await election.clock.advanceAsync(10_000);
    expect(a.story).toEqual([1, -1, 2]);
    await election.stop();
  });

  it.each([-3_600_000, 3_600_000])('does not care when wall clocks jump by %i ms', async (jumpMs) => {
    const election = new Election();
    const a = await election.join('a');
    await election.clock.advanceAsync(1_000);
    const b = await election.join('b');
    await election.clock.advanceAsync(5_000);
    b.clock.setWallSkew(jumpMs);
    await election.clock.advanceAsync(30_000);
    a.clock.setWallSkew(-jumpMs);
    await election.clock.advanceAsync(30_000);
    expect(a.story).toEqual([1]);
    expect(b.story).toEqual([]);
    await election.stop();
  });

  it('raises the term above a floor when the Lease object was deleted', async () => {
    const election = new Election();
    const a = await election.join('a', { termFloor: () => 41 });
    await election.clock.advanceAsync(5_000);
    expect(a.elector.term).toBe(42);
    election.cluster.objects.delete(leasePath);
    await election.clock.advanceAsync(10_000);
    expect(a.story).toEqual([42, -42, 43]);
    expect(election.lease?.spec?.leaseTransitions).toBe(43);
    await election.stop();
  });

  it('keeps a lease that a bystander wrote to, with the annotations of both', async () => {
    const election = new Election();
    let epoch = 1;
    const a = await election.join('a', { annotations: () => ({ 'lumbung.dev/epoch': String(epoch) }) });
    await election.clock.advanceAsync(5_000);
    const lease = election.lease!;
    const metadata = {
      ...lease.metadata,
      resourceVersion: 'other',
      annotations: { ...lease.metadata.annotations, theirs: 'x' },
    };
    election.cluster.objects.set(leasePath, { ...lease, metadata });
    epoch = 2;
    await election.clock.advanceAsync(20_000);
    expect(a.story).toEqual([1]);
    expect(election.lease?.metadata.annotations).toEqual({ 'lumbung.dev/epoch': '2', theirs: 'x' });
    await election.stop();
  });

  it('gives the lease back when leading cannot start, and stands again', async () => {
    const election = new Election();
    let failures = 0;
    const story: number[] = [];
    await election.join('a', {
      onStarted: (term) => {
        story.push(term);
        if ((failures += 1) < 3) throw new Error('no caches');
      },
    });
    await election.clock.advanceAsync(30_000);
    expect(story).toEqual([1, 2, 3]);
    expect(election.leaders).toBe(1);
    await election.stop();
  });

  it.each([
    { leaseDurationMs: 1_500, renewDeadlineMs: 1_000, retryPeriodMs: 200 },
    { leaseDurationMs: 10_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 },
    { leaseDurationMs: 15_000, renewDeadlineMs: 2_000, retryPeriodMs: 2_000 },
    { leaseDurationMs: 15_000, renewDeadlineMs: 2_000, retryPeriodMs: 0 },
  ])('refuses durations that cannot work together: %o', async (durations) => {
    await expect(new Election().join('a', durations)).rejects.toThrow(RangeError);
  });

  it('never has two provable leaders, and terms only grow, whatever is cut, paused, deaf or jumping', async () => {
    const step = fc.record({
      who: fc.integer({ min: 0, max: 2 }),
      what: fc.constantFrom('cut', 'deaf', 'failing', 'heal', 'pause', 'resume', 'jump'),
      forMs: fc.integer({ min: 100, max: 20_000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
        const election = new Election();
        const begun: number[] = [];
        for (const identity of ['a', 'b', 'c']) {
          await election.join(identity, {
            onStarted: (term) => void begun.push(term),
          });
        }
        for (const { who, what, forMs } of steps) {
          const candidate = election.candidates[who]!;
          if (what === 'heal') Object.assign(candidate.link, { cut: false, deaf: false, failing: false });
          else if (what === 'pause') candidate.clock.pause();
          else if (what === 'resume') candidate.clock.resume();
          else if (what === 'jump') candidate.clock.setWallSkew(forMs * 1_000 - 5_000_000);
          else candidate.link[what] = true;
          for (let at = 0; at < forMs; at += 250) {
            await election.clock.advanceAsync(250);
            expect(election.leaders).toBeLessThanOrEqual(1);
          }
        }
        for (let i = 1; i < begun.length; i += 1) expect(begun[i]).toBeGreaterThan(begun[i - 1]!);
        for (const { clock, link } of election.candidates) {
          clock.resume();
          Object.assign(link, { cut: false, deaf: false, failing: false });
        }
        await election.clock.advanceAsync(40_000);
        expect(election.leaders).toBe(1);
        await election.stop();
      }),
      { numRuns: 80, endOnFailure: true },
    );
  });
});
