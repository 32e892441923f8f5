import { describe, expect, it } from 'vitest';
import { HubRig } from '../support/hub-rig.ts';

describe('the hub, from job to outcome', () => {
  it('places a job, hears that it runs and records its success, in four writes and two events', async () => {
    const rig = await new HubRig().lead();
    rig.addPool();
    const member = rig.addMember('member-a').connect();
    await rig.pass(2000);
    rig.kube.calls.length = 0;
    rig.addJob('train', { workers: 2, gpusPerWorker: 2 });
    await rig.pass(200);
    expect(rig.status('train')).toMatchObject({
      phase: 'Starting',
      attempt: 1,
      highestFence: 1,
      gpus: 4,
      run: { fence: 1, member: 'member-a', workers: 2, gpusPerWorker: 2 },
    });
    expect(rig.job('train')?.metadata.finalizers).toEqual(['lumbung.dev/run-stopped']);
    member.obey('Running');
    await rig.pass(200);
    expect(rig.status('train').phase).toBe('Running');
    expect(rig.condition('train', 'Running')?.status).toBe('True');
    member.endAll();
    await rig.pass(200);
    expect(rig.status('train')).toMatchObject({
      phase: 'Succeeded',
      usage: { gpuSeconds: 60 },
      history: [{ fence: 1, outcome: 'Succeeded' }],
    });
    expect(rig.status('train').run).toBeUndefined();
    expect(rig.condition('train', 'Succeeded')?.status).toBe('True');
    expect(member.desired().outcomeAcks).toEqual([{ jobUid: rig.job('train')?.metadata.uid, fence: 1 }]);
    await rig.pass(10_000);
    expect(rig.jobWrites('train')).toEqual([
      'patch computejobs team-a/train',
      'patch computejobs/status team-a/train',
      'patch computejobs/status team-a/train',
      'patch computejobs/status team-a/train',
    ]);
    expect(
      rig.events.filter((event) => event.regarding.metadata.name === 'train').map((event) => event.reason),
    ).toEqual(['Placed', 'Succeeded']);
    expect(rig.logs.filter((line) => line.level === 'error' || line.level === 'warn')).toEqual([]);
    await rig.kill();
  });
});
