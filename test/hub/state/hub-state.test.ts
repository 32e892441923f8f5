import { afterEach, describe, expect, it } from 'vitest';
import { fence } from '../../../src/core/model/ids.ts';
import { RECOVERY_FENCE_LEAP } from '../../../src/core/run/next-fence.ts';
import { HubRig, type HubRigOptions } from '../../support/hub-rig.ts';

const rigs: HubRig[] = [];
async function aHub(options: HubRigOptions = {}): Promise<HubRig> {
  const rig = await new HubRig(options).lead();
  rigs.push(rig);
  return rig;
}
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.kill();
});

const SHORT_LEASE = { duration: '20s', terminationGrace: '5s', margin: '5s', replaceAfter: '31s' };

describe('a hub whose lease is over, though nobody has told it yet', () => {
  it('releases no run by a silence that is its own', async () => {
    let leads = true;
    const rig = await aHub({ isLeader: () => leads });
    rig.addPool({ lease: SHORT_LEASE });
    const member = rig.addMember('member-a').connect();
    await rig.pass(1000);
    rig.addJob('train', { onPartition: 'Fence' });
    await rig.pass(200);
    member.obey('Running');
    await rig.pass(1000);
    member.fallSilent();
    leads = false;
    await rig.pass(120_000);
    expect(rig.status('train').run?.fence).toBe(1);
    expect(rig.status('train').history).toBeUndefined();
  });

  it('places nothing, says nothing and takes no report', async () => {
    let leads = true;
    const rig = await aHub({ isLeader: () => leads });
    rig.addPool();
    const member = rig.addMember('member-a').connect();
    await rig.pass(1000);
    leads = false;
    rig.addJob('train');
    await rig.pass(2000);
    expect(rig.jobWrites('train')).toEqual([]);
    expect(rig.fleet.ready).toBe(false);
    expect(member.report()).toEqual({ kind: 'stale' });
  });
});

describe('fences after a hub outage', () => {
  it.each([
    { why: 'the leader before was there a moment ago', sincePredecessorMs: 2000, older: 2 },
    { why: 'the store may be a backup', sincePredecessorMs: 3_600_000, older: 1 + RECOVERY_FENCE_LEAP },
  ])('of older jobs go on at $older when $why', async ({ sincePredecessorMs, older }) => {
    const rig = await aHub();
    rig.addPool();
    const member = rig.addMember('member-a').connect();
    await rig.pass(1000);
    rig.addJob('older');
    await rig.pass(300);
    member.obey('Running');
    await rig.pass(300);
    await rig.kill();
    const next = await aHub({ clock: rig.clock, kube: rig.kube, term: 2, sincePredecessorMs });
    const moved = member.movedTo(next).connect();
    next.addJob('younger');
    await next.pass(500);
    moved.obey('Running');
    moved.endAll({ outcome: 'Stopped', cause: 'Reclaimed', message: 'the owner needs the GPUs' });
    await next.pass(2000);
    expect(next.status('older').highestFence).toBe(older);
    expect(next.status('younger').highestFence).toBe(2);
  });

  it('wait for a member that the store calls silent: it may have come back after the backup was taken', async () => {
    const rig = await aHub();
    rig.addPool({ lease: SHORT_LEASE });
    const [a, b] = [rig.addMember('member-a').connect(), rig.addMember('member-b').connect()];
    rig.addJob('older', { suspend: true });
    await rig.pass(1000);
    b.fallSilent();
    await rig.pass(300_000);
    await rig.kill();
    const next = await aHub({ clock: rig.clock, kube: rig.kube, term: 2, sincePredecessorMs: 3_600_000 });
    a.movedTo(next).connect();
    next.kube.edit('computejobs', 'older', (spec) => ({ ...spec, suspend: false }), 'team-a');
    await next.pass(40_000);
    expect(next.status('older').run).toBeUndefined();
    await next.pass(10_000);
    expect(next.status('older').run?.member).toBe('member-a');
  });

  it('count silence up to the exact bound where clocks drift much', async () => {
    const rig = await aHub();
    // 20 s x 1.5 + 5 s + 5 s = 40 s satisfies the pool's rule; a fast hub and a slow member need (20 + 5) x 125/75 + 5 = 46.7 s.
    rig.addPool({ lease: { ...SHORT_LEASE, maxClockDriftPercent: 25, replaceAfter: '40s' } });
    const [a, b] = [rig.addMember('member-a').connect(), rig.addMember('member-b').connect()];
    rig.addJob('older', { suspend: true });
    await rig.pass(1000);
    b.fallSilent();
    await rig.kill();
    const next = await aHub({ clock: rig.clock, kube: rig.kube, term: 2 });
    a.movedTo(next).connect();
    next.kube.edit('computejobs', 'older', (spec) => ({ ...spec, suspend: false }), 'team-a');
    await next.pass(15_000 + 44_000);
    expect(next.status('older').run).toBeUndefined();
    await next.pass(5_000);
    expect(next.status('older').run?.member).toBe('member-a');
  });
});

describe('a fence that was never issued', () => {
  /** A member that had the job's first run claims a second one in its first report to a new leader. */
  async function claimed(sincePredecessorMs: number): Promise<HubRig> {
    const rig = await aHub();
    rig.addPool();
    const [liar, other] = [rig.addMember('member-a').connect(), rig.addMember('member-b')];
    await rig.pass(1000);
    rig.addJob('train');
    await rig.pass(300);
    liar.obey('Running');
    const [report] = liar.runs();
    liar.endAll({ outcome: 'Stopped', cause: 'Reclaimed', message: 'the owner needs the GPUs' });
    rig.kube.edit('memberclusters', 'member-a', (spec) => ({ ...spec, cordoned: true }));
    await rig.pass(2000);
    await rig.kill();
    const next = await aHub({ clock: rig.clock, kube: rig.kube, term: 2, sincePredecessorMs });
    const forged = { ...report!, id: { ...report!.id, fence: fence(2) } };
    const moved = liar.movedTo(next);
    const honest = moved.report.bind(moved);
    moved.report = (over) => honest({ runs: [forged], ...over });
    moved.connect();
    other.movedTo(next).connect();
    await next.pass(3000);
    return next;
  }

  it('is not believed by a hub whose store is proven to be whole, and holds nothing up', async () => {
    const rig = await claimed(2000);
    expect(rig.status('train').run).toMatchObject({ fence: 2, member: 'member-b' });
    expect(rig.events.map((event) => event.reason)).not.toContain('RunAdopted');
    rig.kube.delete('computejobs', 'train', 'team-a');
    await rig.pass(500);
    expect(rig.status('train').run?.cancel).toMatchObject({ cause: 'Deleted' });
  });

  it('is adopted by a hub that may have been restored from a backup', async () => {
    const rig = await claimed(3_600_000);
    expect(rig.status('train').run).toMatchObject({ fence: 2, member: 'member-a' });
  });
});

describe('GPU models', () => {
  it('are the same under every name that NVIDIA gives them, in jobs and in pools', async () => {
    const rig = await aHub();
    rig.addPool({ gpus: { models: ['NVIDIA-H100-80GB-HBM3'] } });
    rig.addMember('member-a', { nodes: [{ name: 'node-1', gpus: 8, model: 'H100-80GB' }] }).connect();
    await rig.pass(1000);
    rig.addJob('train', { gpu: { models: ['NVIDIA-H100-80GB-HBM3'] } });
    await rig.pass(500);
    expect(rig.status('train').run?.gpuModel).toBe('H100-80GB');
  });
});
