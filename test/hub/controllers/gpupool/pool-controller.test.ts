import { afterEach, describe, expect, it } from 'vitest';
import type { GpuPoolStatus } from '../../../../src/api/v1alpha1/gpu-pool.ts';
import { HubRig } from '../../../support/hub-rig.ts';

const rigs: HubRig[] = [];
async function aHub(): Promise<HubRig> {
  const rig = await new HubRig().lead();
  rigs.push(rig);
  return rig;
}
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.kill();
});

const statusOf = (rig: HubRig, name = 'research'): GpuPoolStatus => rig.kube.get('gpupools', name)?.status ?? {};
const conditionOf = (
  rig: HubRig,
  type: string,
  name = 'research',
): { status: string; reason: string; message: string } | undefined =>
  statusOf(rig, name).conditions?.find((one) => one.type === type);

describe('the status of a pool', () => {
  it('sums members, GPUs, queue and tenants', async () => {
    const rig = await aHub();
    rig.addPool({ tenants: [{ name: 'alpha', namespaces: ['team-a'], weight: 3 }] });
    rig.addMember('member-a').connect();
    rig
      .addMember('member-b', { nodes: [{ name: 'b-1', gpus: 4, totalGpus: 4, model: 'T4', memoryGib: 16 }] })
      .connect();
    await rig.pass(1000);
    rig.addJob('runs', { gpusPerWorker: 8 });
    rig.addJob('waits', { gpusPerWorker: 8 });
    rig.addJob('other', { gpusPerWorker: 2 }, 'team-z');
    await rig.pass(90_000);
    expect(statusOf(rig)).toMatchObject({
      members: 2,
      gpus: { total: 12 },
      queue: { pending: 1, running: 2 },
      tenants: [
        { name: 'alpha', weight: 3, pending: 1, running: 1, gpus: 8 },
        { name: 'team-z', weight: 1, pending: 0, running: 1, gpus: 2 },
      ],
    });
    expect(conditionOf(rig, 'Ready')).toMatchObject({ status: 'True', reason: 'MembersReady' });
  });

  it('counts only GPUs that belong to it', async () => {
    const rig = await aHub();
    rig.addPool({ gpus: { models: ['T4'] } });
    rig
      .addMember('member-a', {
        nodes: [
          { name: 'h', gpus: 8 },
          { name: 't', gpus: 2, totalGpus: 2, model: 'T4', memoryGib: 16 },
        ],
      })
      .connect();
    await rig.pass(90_000);
    expect(statusOf(rig).gpus).toMatchObject({ total: 2, idle: 2 });
  });

  it('says which members are in conflict, and that it has none', async () => {
    const rig = await aHub();
    rig.addPool();
    await rig.pass(1000);
    expect(conditionOf(rig, 'Ready')).toMatchObject({ status: 'False', reason: 'NoMembers' });
    rig.addPool({}, 'second');
    rig.addMember('member-a').connect();
    await rig.pass(2000);
    expect(conditionOf(rig, 'MembersConflict')).toMatchObject({ status: 'True', reason: 'PoolConflict' });
    expect(conditionOf(rig, 'MembersConflict')?.message).toContain('member-a');
    expect(statusOf(rig).members).toBe(0);
  });

  it('shows an invalid spec with its path, and does not disturb other pools', async () => {
    const rig = await aHub();
    rig.kube.put('gpupools', {
      metadata: { name: 'broken' },
      spec: { memberSelector: {}, lease: { duration: '10m', replaceAfter: '1m' } },
    });
    rig.addPool();
    rig.addMember('member-a').connect();
    await rig.pass(2000);
    expect(conditionOf(rig, 'Ready', 'broken')).toMatchObject({ status: 'False', reason: 'InvalidSpec' });
    expect(conditionOf(rig, 'Ready', 'broken')?.message).toContain('spec.lease');
    expect(conditionOf(rig, 'Ready')?.status).toBe('True');
  });

  it('writes numbers at most once a minute', async () => {
    const rig = await aHub();
    rig.addPool();
    const member = rig.addMember('member-a').connect();
    await rig.pass(5000);
    rig.kube.calls.length = 0;
    for (let i = 0; i < 20; i += 1) {
      rig.addJob(`job-${i}`);
      await rig.pass(300);
      member.obey('Running');
      member.endAll();
      await rig.pass(700);
    }
    expect(rig.kube.callsOf(/patch gpupools/).length).toBeLessThanOrEqual(1);
  });
});
