import { afterEach, describe, expect, it } from 'vitest';
import { KubeError } from '../../../src/platform/kube/kube-error.ts';
import { HubRig, type FakeMember } from '../../support/hub-rig.ts';

let rig: HubRig;
let member: FakeMember;

async function start(): Promise<void> {
  rig = await new HubRig().lead();
  rig.addPool();
  member = rig.addMember('member-a').connect();
  await rig.pass(1000);
}

afterEach(async () => {
  await rig.kill();
});

const conflict = (): never => {
  throw new KubeError({ status: 409, reason: 'Conflict', message: 'modified' });
};

describe('committing a placement', () => {
  it('shows a run to its member only once the fence is in status', async () => {
    await start();
    rig.kube.latencyMs = 50;
    rig.addJob('train');
    await rig.pass(30);
    expect(rig.state.snapshot().active).toHaveLength(1);
    expect(member.desired().runs).toEqual([]);
    await rig.pass(200);
    expect(rig.status('train').run?.fence).toBe(1);
    expect(member.desired().runs).toHaveLength(1);
  });

  it.each([
    { where: 'the finalizer', subresource: '' },
    { where: 'the placement', subresource: 'status' },
  ])('forgets the assumption when $where loses a race, and decides again', async ({ subresource }) => {
    await start();
    let races = 0;
    rig.kube.beforeCall = (call) => {
      if (call.verb === 'patch' && call.name === 'team-a/train' && call.subresource === subresource && races++ === 0)
        conflict();
    };
    rig.addJob('train', { gpusPerWorker: 8 });
    await rig.pass(500);
    expect(rig.status('train').run?.fence).toBe(1);
    expect(rig.state.snapshot().active).toHaveLength(1);
    expect(await rig.metrics.expose()).toContain(
      'lumbung_placement_attempts_total{result="failed",reason="Conflict"} 1',
    );
  });

  it('takes over its own write when the answer was lost, instead of issuing another fence', async () => {
    await start();
    let lost = 0;
    rig.kube.afterCall = (call) => {
      if (call.subresource === 'status' && call.name === 'team-a/train' && lost++ === 0)
        throw new Error('connection reset');
    };
    rig.addJob('train');
    await rig.pass(2000);
    expect(rig.status('train')).toMatchObject({ highestFence: 1, run: { fence: 1 } });
    expect(member.desired().runs[0]?.template).toBeDefined();
  });

  it('does not place a job that was edited between decision and write on what it no longer asks', async () => {
    await start();
    rig.kube.latencyMs = 50;
    rig.addJob('train', { gpusPerWorker: 1 });
    await rig.pass(40);
    rig.kube.edit('computejobs', 'train', (spec) => ({ ...spec, gpusPerWorker: 4 }), 'team-a');
    await rig.pass(1000);
    expect(rig.status('train').run?.gpusPerWorker).toBe(4);
    expect(rig.status('train').highestFence).toBe(1);
  });

  it('lets a job go that was deleted while it was being placed', async () => {
    await start();
    rig.kube.latencyMs = 50;
    rig.addJob('train');
    await rig.pass(70);
    rig.kube.delete('computejobs', 'train', 'team-a');
    await rig.pass(2000);
    expect(rig.job('train')).toBeUndefined();
    expect(rig.state.snapshot().active).toEqual([]);
  });

  it('backs off from a job that cannot be written, while its capacity goes to others', async () => {
    await start();
    rig.kube.beforeCall = (call) => {
      if (call.name === 'team-a/poisoned') throw new KubeError({ status: 403, reason: 'Forbidden', message: 'no' });
    };
    rig.addJob('poisoned', { gpusPerWorker: 8, priority: 100 });
    await rig.pass(100);
    rig.addJob('train', { gpusPerWorker: 8 });
    await rig.pass(60_000);
    expect(rig.status('train').run?.fence).toBe(1);
    expect(rig.kube.callsOf(/poisoned/).length).toBeLessThan(60);
  });

  it('never gives the same GPUs twice while writes are slow', async () => {
    await start();
    rig.kube.latencyMs = 80;
    for (let i = 0; i < 12; i += 1) {
      rig.addJob(`job-${i}`);
      await rig.pass(25);
    }
    await rig.pass(2000);
    expect(member.desired().runs).toHaveLength(8);
    expect(
      rig.kube.all('computejobs').filter((job) => (job.status as { run?: unknown } | undefined)?.run !== undefined),
    ).toHaveLength(8);
  });

  it('writes nothing over what another leader placed while the commit waited for its turn', async () => {
    rig = await new HubRig().lead();
    rig.addPool();
    member = rig.addMember('member-a', { nodes: [{ name: 'node-1', gpus: 64 }] }).connect();
    await rig.pass(1000);
    rig.addJob('first');
    await rig.pass(500);
    const placed = rig.status('first');
    rig.kube.latencyMs = 50;
    for (let i = 0; i < 40; i += 1) rig.addJob(`job-${i}`);
    await rig.pass(30);
    const waiting = rig.kube.all('computejobs').find(({ metadata }) => {
      return metadata.name !== 'first' && rig.jobWrites(metadata.name ?? '').length === 0;
    });
    const name = waiting?.metadata.name ?? 'none';
    // A hub that was suspended hears of it before it hears that it leads no more.
    rig.kube.restore('computejobs', {
      ...waiting,
      metadata: { ...waiting?.metadata, finalizers: ['lumbung.dev/run-stopped'] },
      status: { ...placed, run: { ...placed.run, member: 'member-b' } },
    });
    await rig.pass(2000);
    expect(rig.status(name).run).toMatchObject({ fence: 1, member: 'member-b' });
    expect(rig.status(name).history).toBeUndefined();
  });

  it('decides anew about a job that was edited while its commit waited for its turn', async () => {
    rig = await new HubRig().lead();
    rig.addPool();
    member = rig.addMember('member-a', { nodes: [{ name: 'node-1', gpus: 64 }] }).connect();
    await rig.pass(1000);
    rig.kube.latencyMs = 50;
    for (let i = 0; i < 40; i += 1) rig.addJob(`job-${i}`);
    await rig.pass(30);
    const waiting = rig.kube.all('computejobs').find(({ metadata }) => rig.jobWrites(metadata.name ?? '').length === 0);
    const name = waiting?.metadata.name ?? 'none';
    rig.kube.edit('computejobs', name, (spec) => ({ ...spec, gpusPerWorker: 4 }), 'team-a');
    await rig.pass(3000);
    expect(rig.status(name).run).toMatchObject({ fence: 1, gpusPerWorker: 4 });
  });
});
