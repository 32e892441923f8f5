import { afterEach, describe, expect, it } from 'vitest';
import { HubRig } from '../../support/hub-rig.ts';

let rig: HubRig;
afterEach(async () => {
  await rig.kill();
});

const freeGpus = (): number | undefined => rig.state.snapshot().members[0]?.nodes[0]?.free['nvidia.com/gpu'];

describe('what a member still has', () => {
  it('takes a run off exactly once: while it is assumed, placed, reported, and until its end is reported', async () => {
    rig = await new HubRig().lead();
    rig.addPool();
    const member = rig.addMember('member-a').connect();
    await rig.pass(1000);
    expect(freeGpus()).toBe(8);
    rig.kube.latencyMs = 50;
    rig.addJob('train', { gpusPerWorker: 3 });
    await rig.pass(30);
    expect(freeGpus()).toBe(5);
    await rig.pass(300);
    expect(freeGpus()).toBe(5);
    member.obey('Accepted');
    expect(freeGpus()).toBe(5);
    await rig.pass(300);
    expect(freeGpus()).toBe(5);
    member.endAll({ outcome: 'Stopped', cause: 'Suspended', message: '' });
    expect(freeGpus()).toBe(8);
  });

  it('keeps the requests that a run was placed with when the spec is edited', async () => {
    rig = await new HubRig().lead();
    rig.addPool();
    rig.addMember('member-a').connect();
    await rig.pass(1000);
    rig.addJob('train', { workers: 2, gpusPerWorker: 1 });
    await rig.pass(300);
    const before = rig.state.snapshot().members[0]?.nodes[0]?.free;
    expect(before).toMatchObject({ cpu: 62_000, pods: 98, 'nvidia.com/gpu': 6 });
    rig.kube.edit(
      'computejobs',
      'train',
      (spec) => ({ ...spec, workers: 8, template: { spec: { containers: [{ name: 'main', image: 'other' }] } } }),
      'team-a',
    );
    await rig.pass(300);
    expect(rig.state.snapshot().members[0]?.nodes[0]?.free).toEqual(before);
  });
});
