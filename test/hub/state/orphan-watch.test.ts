import { afterEach, expect, it } from 'vitest';
import { fence, jobUid } from '../../../src/core/model/ids.ts';
import { OrphanWatch } from '../../../src/hub/state/orphan-watch.ts';
import { HubRig } from '../../support/hub-rig.ts';

let rig: HubRig;
afterEach(async () => {
  await rig.kill();
});

it('remembers a job that the hub does not know for as long as a member reports it, and no longer', async () => {
  rig = await new HubRig().lead();
  rig.addPool();
  const member = rig.addMember('member-a').connect();
  await rig.pass(500);
  rig.addJob('train');
  await rig.pass(200);
  member.obey('Running');
  const [known] = member.runs();
  const strangers = ['uid-1', 'uid-2'].map((uid) => ({ ...known!, id: { jobUid: jobUid(uid), fence: fence(1) } }));
  const watch = new OrphanWatch({ state: rig.state, clock: rig.clock, graceMs: 60_000 });
  member.report({ runs: [known!, ...strangers] });
  for (const { id } of strangers) expect(watch.standingOf(id.jobUid)).toBe('orphan');
  await rig.pass(2_000);
  watch.look();
  expect(watch.size).toBe(2);
  member.fallSilent();
  member.report({ runs: [known!, ...strangers.slice(1)] });
  await rig.pass(2_000);
  watch.look();
  expect(watch.size).toBe(1);
  await rig.pass(60_000);
  expect(watch.standingOf(jobUid('uid-2'))).toBe('orphanPastGrace');
  expect(watch.standingOf(jobUid('uid-1'))).toBe('orphan');
});
