import { afterEach, describe, expect, it } from 'vitest';
import type { MemberClusterStatus } from '../../../../src/api/v1alpha1/member-cluster.ts';
import { HubRig } from '../../../support/hub-rig.ts';

const rigs: HubRig[] = [];
async function aHub(): Promise<HubRig> {
  const rig = await new HubRig().lead();
  rigs.push(rig);
  rig.addPool();
  return rig;
}
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.kill();
});

const statusOf = (rig: HubRig, name = 'member-a'): MemberClusterStatus =>
  rig.kube.get('memberclusters', name)?.status ?? {};
const conditionOf = (
  rig: HubRig,
  type: string,
  name = 'member-a',
): { status: string; reason: string; message: string } | undefined =>
  statusOf(rig, name).conditions?.find((one) => one.type === type);
const writesOf = (rig: HubRig, name = 'member-a'): number =>
  rig.kube.callsOf(new RegExp(`patch memberclusters\\S* ${name}$`)).length;

describe('the story of a member', () => {
  it('waits for a request, for acceptance, and then is connected', async () => {
    const rig = await aHub();
    const member = rig.addMember('member-a', { spec: { accepted: false } });
    await rig.pass(500);
    expect(conditionOf(rig, 'Accepted')).toMatchObject({ status: 'False', reason: 'WaitingForRequest' });
    expect(conditionOf(rig, 'Connected')).toMatchObject({ status: 'False', reason: 'NeverReported' });
    const object = rig.kube.get('memberclusters', 'member-a')!;
    const pendingRequest = { publicKeySha256: 'ab'.repeat(32), requestedAt: '2026-01-01T00:00:00Z' };
    rig.kube.restore('memberclusters', {
      ...object,
      status: { ...(object.status as object), clusterUid: 'uid-1', pendingRequest },
    });
    await rig.pass(500);
    expect(conditionOf(rig, 'Accepted')).toMatchObject({ status: 'False', reason: 'WaitingForAcceptance' });
    expect(statusOf(rig)).toMatchObject({ clusterUid: 'uid-1', pendingRequest });
    rig.kube.edit('memberclusters', 'member-a', (spec) => ({ ...spec, accepted: true }));
    await rig.pass(500);
    expect(conditionOf(rig, 'Accepted')?.status).toBe('True');
    member.connect();
    await rig.pass(500);
    expect(conditionOf(rig, 'Connected')).toMatchObject({ status: 'True', reason: 'Reporting' });
    expect(conditionOf(rig, 'Healthy')?.status).toBe('True');
    expect(conditionOf(rig, 'PoolAssigned')).toMatchObject({ status: 'True', message: 'belongs to pool research' });
    expect(statusOf(rig)).toMatchObject({
      pool: 'research',
      epoch: 1,
      clusterUid: 'uid-1',
      agentVersion: '0.1.0',
      runs: 0,
      gpuTotals: { total: 8, idle: 8, lent: 0, offered: 8 },
      gpus: [{ vendor: 'nvidia', model: 'H100-80GB', memory: '80Gi', total: 8 }],
    });
    expect(statusOf(rig).pendingRequest).toBeUndefined();
    expect(rig.kube.get('memberclusters', 'member-a')?.metadata.finalizers).toEqual(['lumbung.dev/member-drained']);
  });

  it('does not flap when a stream closes and opens again in time, and says so when it does not', async () => {
    const rig = await aHub();
    const member = rig.addMember('member-a').connect();
    await rig.pass(1000);
    const since = statusOf(rig).conditions?.find((one) => one.type === 'Connected')?.lastTransitionTime;
    member.disconnect();
    await rig.pass(5000);
    member.connect();
    await rig.pass(1000);
    expect(statusOf(rig).conditions?.find((one) => one.type === 'Connected')).toMatchObject({
      status: 'True',
      lastTransitionTime: since,
    });
    member.disconnect();
    await rig.pass(20_000);
    expect(conditionOf(rig, 'Connected')).toMatchObject({ status: 'False', reason: 'StreamClosed' });
    expect(rig.events.map((event) => event.reason)).toContain('StreamClosed');
  });

  it('writes numbers at most once a minute and the time of the last report every five', async () => {
    const rig = await aHub();
    const member = rig.addMember('member-a').connect();
    await rig.pass(1000);
    rig.kube.calls.length = 0;
    for (let i = 0; i < 10; i += 1) {
      rig.addJob(`job-${i}`);
      await rig.pass(500);
      member.obey('Running');
      await rig.pass(500);
      member.endAll();
      await rig.pass(2000);
    }
    expect(writesOf(rig)).toBeLessThanOrEqual(1);
    await rig.pass(70_000);
    rig.kube.calls.length = 0;
    await rig.pass(900_000);
    expect(writesOf(rig)).toBeGreaterThanOrEqual(2);
    expect(writesOf(rig)).toBeLessThanOrEqual(4);
  });

  it('names both pools that select it', async () => {
    const rig = await aHub();
    rig.addPool({}, 'second');
    rig.addMember('member-a').connect();
    await rig.pass(1000);
    expect(conditionOf(rig, 'PoolAssigned')).toMatchObject({ status: 'False', reason: 'PoolConflict' });
    expect(conditionOf(rig, 'PoolAssigned')?.message).toContain('research, second');
    expect(conditionOf(rig, 'Healthy')?.status).toBe('False');
    rig.kube.delete('gpupools', 'second');
    await rig.pass(1000);
    expect(conditionOf(rig, 'PoolAssigned')?.status).toBe('True');
  });

  it('drains a member that leaves, and lets it go once nothing runs there', async () => {
    const rig = await aHub();
    const member = rig.addMember('member-a').connect();
    await rig.pass(1000);
    rig.addJob('train');
    await rig.pass(300);
    member.obey('Running');
    await rig.pass(300);
    rig.kube.delete('memberclusters', 'member-a');
    await rig.pass(1000);
    expect(rig.kube.get('memberclusters', 'member-a')).toBeDefined();
    expect(member.desired().cancels).toMatchObject([{ cause: 'Drained' }]);
    member.obey();
    await rig.pass(1000);
    expect(rig.kube.get('memberclusters', 'member-a')).toBeUndefined();
    expect(rig.status('train')).toMatchObject({ phase: 'Pending', history: [{ cause: 'Drained' }] });
  });

  it('waits for a silent member that leaves until it is declared lost', async () => {
    const rig = await aHub();
    const member = rig.addMember('member-a').connect();
    await rig.pass(1000);
    rig.addJob('train');
    await rig.pass(300);
    member.obey('Running');
    await rig.pass(300);
    member.fallSilent();
    rig.kube.delete('memberclusters', 'member-a');
    await rig.pass(120_000);
    expect(rig.kube.get('memberclusters', 'member-a')).toBeDefined();
    rig.kube.edit('memberclusters', 'member-a', (spec) => ({
      ...spec,
      declaredLost: { at: '2026-01-01T00:02:00Z', reason: 'gone' },
    }));
    await rig.pass(2000);
    expect(rig.kube.get('memberclusters', 'member-a')).toBeUndefined();
    expect(rig.status('train').run).toBeUndefined();
  });

  it('admits nobody under a MemberCluster that cannot be decoded, and serves the others', async () => {
    const rig = await aHub();
    rig.addMember('broken', { spec: { accepted: 'perhaps' } });
    rig.addMember('member-a').connect();
    await rig.pass(1000);
    expect(rig.fleet.admission('broken' as never)).toEqual({ kind: 'Unknown' });
    expect(conditionOf(rig, 'Connected')?.status).toBe('True');
  });
});
