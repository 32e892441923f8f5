import { afterEach, describe, expect, it } from 'vitest';
import { HubRig } from '../../support/hub-rig.ts';

const rigs: HubRig[] = [];
async function aHub(): Promise<HubRig> {
  const rig = await new HubRig().lead();
  rigs.push(rig);
  return rig;
}
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.kill();
});

describe('the loop of the scheduler', () => {
  it('decides a flood in few cycles', async () => {
    const rig = await aHub();
    rig.addPool();
    rig
      .addMember('member-a', { nodes: [1, 2, 3, 4, 5, 6, 7, 8].map((i) => ({ name: `node-${i}`, gpus: 8 })) })
      .connect();
    await rig.pass(1000);
    const before = rig.scheduler.cycles;
    for (let i = 0; i < 64; i += 1) rig.addJob(`job-${i}`);
    await rig.pass(1000);
    expect(
      rig.kube.all('computejobs').every((job) => (job.status as { run?: unknown } | undefined)?.run !== undefined),
    ).toBe(true);
    expect(rig.scheduler.cycles - before).toBeLessThanOrEqual(12);
  });

  it('looks again when capacity is freed, and gives it to the one that waits', async () => {
    const rig = await aHub();
    rig.addPool();
    const member = rig.addMember('member-a').connect();
    await rig.pass(1000);
    rig.addJob('first', { gpusPerWorker: 8 });
    await rig.pass(200);
    rig.addJob('second', { gpusPerWorker: 8 });
    await rig.pass(2000);
    expect(rig.status('second').run).toBeUndefined();
    member.obey('Running');
    member.endAll();
    await rig.pass(300);
    expect(rig.status('second').run?.member).toBe('member-a');
  });

  it('places nothing on a member that is cordoned, silent, closed, in two pools, or not accepted', async () => {
    const rig = await aHub();
    rig.addPool();
    rig.kube.put('gpupools', {
      metadata: { name: 'other' },
      spec: { memberSelector: { matchLabels: { both: 'yes' } } },
    });
    rig.addMember('cordoned', { spec: { cordoned: true } }).connect();
    rig.addMember('silent').connect().fallSilent();
    rig.addMember('closed').connect().disconnect();
    rig.addMember('both', { labels: { both: 'yes' } }).connect();
    rig.addMember('new', { spec: { accepted: false } });
    await rig.pass(20_000);
    rig.addJob('train');
    await rig.pass(3000);
    expect(rig.status('train').run).toBeUndefined();
    expect(rig.state.snapshot().members.map((member) => [member.name, member.readiness])).toEqual([
      ['both', 'PoolConflict'],
      ['closed', 'Disconnected'],
      ['cordoned', 'Cordoned'],
      ['new', 'NotAccepted'],
      ['silent', 'Disconnected'],
    ]);
    rig.kube.edit('memberclusters', 'cordoned', (spec) => ({ ...spec, cordoned: false }));
    await rig.pass(500);
    expect(rig.status('train').run?.member).toBe('cordoned');
  });

  it('makes no cycles and no requests while nothing happens', async () => {
    const rig = await aHub();
    rig.addPool();
    for (let i = 0; i < 10; i += 1) rig.addMember(`member-${i}`).connect();
    await rig.pass(120_000);
    const cycles = rig.scheduler.cycles;
    rig.kube.calls.length = 0;
    await rig.pass(600_000);
    expect(rig.scheduler.cycles - cycles).toBeLessThanOrEqual(2);
    // The time of the last report, every five minutes.
    expect(rig.kube.calls.length).toBeLessThanOrEqual(20);
  });
});
