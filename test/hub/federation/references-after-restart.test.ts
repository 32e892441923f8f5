import { afterEach, describe, expect, it } from 'vitest';
import { HubRig } from '../../support/hub-rig.ts';

const rigs: HubRig[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.kill();
});

async function leading(options: ConstructorParameters<typeof HubRig>[0] = {}): Promise<HubRig> {
  const rig = await new HubRig(options).lead();
  rigs.push(rig);
  return rig;
}

describe('a reference that is gone when the hub starts again', () => {
  it('ends no run whose member has begun it and was not heard yet', async () => {
    const before = await leading();
    before.addPool();
    const member = before.addMember('member-a').connect();
    before.addJob('train');
    await before.pass(2_000);
    member.obey('Running');
    await before.pass(2_000);
    const [order] = member.orders();
    await before.kill();

    const after = await leading({ clock: before.clock, kube: before.kube, term: 2 });
    const again = member.movedTo(after);
    // As the outbound side does when a session opens: before the member's first report is in.
    after.fleet.referenceProblem(order!.order.id, 'Secret team-a/gone does not exist');
    await after.pass(500);
    expect(after.status('train').run?.cancel).toBeUndefined();
    again.connect();
    await after.pass(500);
    after.fleet.referenceProblem(order!.order.id, 'Secret team-a/gone does not exist');
    await after.pass(2_000);
    expect(after.status('train').run?.cancel).toBeUndefined();
    again.fallSilent();
  });

  it('ends the run once its member was heard and has not begun it', async () => {
    const rig = await leading();
    rig.addPool();
    const member = rig.addMember('member-a').connect();
    rig.addJob('train');
    await rig.pass(2_000);
    const [order] = member.desired().runs;
    rig.fleet.referenceProblem(order!.id, 'Secret team-a/gone does not exist');
    await rig.pass(2_000);
    expect(rig.status('train').run?.cancel).toMatchObject({ cause: 'ReferenceNotFound' });
    member.fallSilent();
  });
});
