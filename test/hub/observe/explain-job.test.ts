import { afterEach, describe, expect, it } from 'vitest';
import { explainJob } from '../../../src/hub/observe/explain-job.ts';
import { HubRig } from '../../support/hub-rig.ts';

let rig: HubRig;
afterEach(async () => {
  await rig.kill();
});

describe('explaining a job', () => {
  it('says for each member why not, in numbers, and how old they are', async () => {
    rig = await new HubRig().lead();
    rig.addPool();
    rig.addMember('member-a').connect();
    rig
      .addMember('member-b', { nodes: [{ name: 'b-1', gpus: 2, totalGpus: 2, model: 'T4', memoryGib: 16 }] })
      .connect();
    rig.addMember('member-c').connect().fallSilent();
    await rig.pass(22_000);
    rig.addJob('fills', { gpusPerWorker: 6 });
    await rig.pass(300);
    rig.addJob('train', { workers: 1, gpusPerWorker: 8, gpu: { models: ['H100-80GB'] } });
    await rig.pass(300);
    const report = explainJob(rig.state, 'team-a', 'train');
    expect(report).toMatchObject({
      phase: 'Pending',
      reason: 'WaitingForCapacity',
      position: 1,
      tenant: 'team-a',
      pool: 'research',
    });
    const members = Object.fromEntries(report!.members.map((one) => [one.member, one]));
    expect(members['member-a']).toMatchObject({
      reason: 'InsufficientGpus',
      facts: { needGpus: 8, freeGpus: 2 },
      readiness: 'Ready',
    });
    expect(members['member-a']?.dataAgeSeconds).toBeLessThanOrEqual(5);
    expect(members['member-b']).toMatchObject({ reason: 'NoSuchGpuModel' });
    expect(members['member-c']).toMatchObject({ reason: 'MemberNotReady', readiness: 'Disconnected' });
    expect(report!.summary).toContain('8 GPUs');
  });

  it('says where a placed job is, what is wrong with an invalid one, and knows nothing of others', async () => {
    rig = await new HubRig().lead();
    rig.addPool();
    rig.addMember('member-a').connect();
    rig.addJob('train');
    rig.addJob('broken', { workers: 0 });
    await rig.pass(1000);
    expect(explainJob(rig.state, 'team-a', 'train')).toMatchObject({
      run: { fence: 1, member: 'member-a' },
      members: [],
    });
    expect(explainJob(rig.state, 'team-a', 'broken')?.problems).toMatchObject([{ path: 'spec.workers' }]);
    expect(explainJob(rig.state, 'team-a', 'none')).toBeUndefined();
  });
});
