import { afterEach, describe, expect, it } from 'vitest';
import { fence, jobUid, memberName } from '../../../src/core/model/ids.ts';
import type { RunReport } from '../../../src/core/model/run.ts';
import { HubRig, type FakeMember, type HubRigOptions } from '../../support/hub-rig.ts';

const rigs: HubRig[] = [];
async function aHub(options: HubRigOptions = {}): Promise<HubRig> {
  const rig = await new HubRig(options).lead();
  rigs.push(rig);
  rig.addPool();
  return rig;
}
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.kill();
});

async function running(
  options: HubRigOptions = {},
): Promise<{ rig: HubRig; a: FakeMember; b: FakeMember; report: RunReport }> {
  const rig = await aHub(options);
  const [a, b] = [rig.addMember('member-a').connect(), rig.addMember('member-b').connect()];
  await rig.pass(1000);
  rig.addJob('train');
  await rig.pass(200);
  const home = a.desired().runs.length > 0 ? a : b;
  home.obey('Running');
  await rig.pass(200);
  return { rig, a: home, b: home === a ? b : a, report: home.runs()[0]! };
}

describe('who may speak', () => {
  it.each([
    { spec: { accepted: false }, kind: 'NotAccepted' },
    { spec: { revoked: true }, kind: 'Revoked' },
    { spec: { declaredLost: { at: '2026-01-01T00:00:00Z', reason: 'gone' } }, kind: 'DeclaredLost' },
    { spec: {}, kind: 'Accepted' },
  ])('answers $kind for $spec', async ({ spec, kind }) => {
    const rig = await aHub();
    rig.addMember('member-a', { spec });
    expect(rig.fleet.admission(memberName('member-a')).kind).toBe(kind);
    expect(rig.fleet.admission(memberName('stranger')).kind).toBe('Unknown');
  });

  it('tells when an admission may have changed', async () => {
    const rig = await aHub();
    rig.addMember('member-a');
    const told: string[] = [];
    rig.fleet.onAdmissionChanged((name) => told.push(name));
    rig.kube.edit('memberclusters', 'member-a', (spec) => ({ ...spec, revoked: true }));
    expect(told).toContain('member-a');
  });
});

describe('sessions and reports', () => {
  it('refuses a session with an older epoch, also after a restart', async () => {
    const rig = await aHub();
    const member = rig.addMember('member-a');
    member.skipEpoch();
    member.connect();
    await rig.pass(500);
    const facts = {
      epoch: 1,
      agentVersion: '',
      kubernetesVersion: '',
      certificateNotAfterMs: 0,
      certificateFingerprint: '',
      openedAt: rig.clock.read(),
    };
    expect(rig.fleet.openSession(member.name, facts)).toEqual({ kind: 'staleEpoch', current: 2 });
    await rig.kill();
    const next = await new HubRig({ clock: rig.clock, kube: rig.kube }).lead();
    rigs.push(next);
    expect(next.fleet.openSession(member.name, facts)).toEqual({ kind: 'staleEpoch', current: 2 });
  });

  it('ignores duplicate, late and foreign-epoch reports', async () => {
    const { rig, a } = await running();
    expect(a.report({ sequence: 1 })).toEqual({ kind: 'stale' });
    expect(a.report({ epoch: 99 })).toEqual({ kind: 'stale' });
    expect(a.report({ epoch: 0 })).toEqual({ kind: 'stale' });
    expect(a.report()).toEqual({ kind: 'applied' });
    expect(rig.status('train').phase).toBe('Running');
  });

  it('does not let the late end of an old stream touch the new one', async () => {
    const { rig, a } = await running();
    a.connect();
    rig.fleet.closeSession(a.name, 1);
    expect(a.report()).toEqual({ kind: 'applied' });
    rig.fleet.closeSession(a.name, 2);
    expect(a.report()).toEqual({ kind: 'stale' });
  });

  it('applies the rest of a report that claims a run of another member, and counts the claim', async () => {
    const { rig, b, report } = await running();
    const verdict = b.report({
      runs: [
        {
          ...report,
          phase: 'Ended',
          end: { outcome: 'Succeeded', cause: 'Completed', message: '', everStarted: true, exits: [], endedAtMs: 0 },
        },
      ],
    });
    expect(verdict).toEqual({ kind: 'appliedInPart', foreignRuns: [report.id] });
    await rig.pass(500);
    expect(rig.status('train')).toMatchObject({ phase: 'Running', run: { fence: 1 } });
    expect(b.desired()).toMatchObject({ cancels: [], outcomeAcks: [] });
    expect(await rig.metrics.expose()).toContain('lumbung_fence_rejections_total{reason="Foreign"} 1');
  });

  it('believes no higher fence from a member that it has heard before', async () => {
    const { rig, a, report } = await running();
    const verdict = a.report({ runs: [report, { ...report, id: { ...report.id, fence: fence(7) } }] });
    expect(verdict.kind).toBe('appliedInPart');
    await rig.pass(500);
    expect(rig.status('train').highestFence).toBe(1);
    expect(await rig.metrics.expose()).toContain('lumbung_fence_rejections_total{reason="NeverIssued"} 1');
  });

  it('does not apply a report whose template hash is not the one that was issued', async () => {
    const { rig, a, report } = await running();
    a.report({
      runs: [
        {
          ...report,
          templateHash: 'other',
          phase: 'Ended',
          end: { outcome: 'Succeeded', cause: 'Completed', message: '', everStarted: true, exits: [], endedAtMs: 0 },
        },
      ],
    });
    await rig.pass(500);
    expect(rig.status('train').run?.fence).toBe(1);
    expect(await rig.metrics.expose()).toContain('lumbung_fence_rejections_total{reason="Contradiction"} 1');
  });
});

describe('what a member is told', () => {
  it('acknowledges an outcome only after it is durable', async () => {
    const { rig, a } = await running();
    rig.kube.beforeCall = () => {
      throw new Error('the API server is away');
    };
    a.endAll();
    await rig.pass(5000);
    expect(a.desired().outcomeAcks).toEqual([]);
    rig.kube.beforeCall = () => undefined;
    await rig.pass(70_000);
    expect(rig.status('train').phase).toBe('Succeeded');
    expect(a.desired().outcomeAcks).toHaveLength(1);
  });

  it('leaves runs that it does not know alone until their grace is over, and then ends them by name', async () => {
    const rig = await aHub({ orphanGraceMs: 60_000 });
    const member = rig.addMember('member-a').connect();
    await rig.pass(500);
    rig.addJob('train');
    await rig.pass(200);
    member.obey('Running');
    const stranger = { ...member.runs()[0]!, id: { jobUid: jobUid('uid-of-nobody'), fence: fence(3) } };
    member.fallSilent();
    for (let i = 0; i < 5; i += 1) {
      member.report({ runs: [stranger] });
      await rig.pass(10_000);
      expect(member.desired()).toMatchObject({ cancels: [], goneJobUids: [] });
    }
    expect(rig.fleet.orphans()).toMatchObject([{ member: 'member-a', report: { id: stranger.id } }]);
    member.report({ runs: [stranger] });
    await rig.pass(12_000);
    expect(member.desired().cancels).toMatchObject([{ id: stranger.id, cause: 'OrphanEnded' }]);
  });

  it('says so by itself when the grace of a run that nothing else is heard of is over', async () => {
    const rig = await aHub({ orphanGraceMs: 60_000 });
    const member = rig.addMember('member-a').connect();
    await rig.pass(500);
    rig.addJob('train');
    await rig.pass(200);
    member.obey('Running');
    const stranger = { ...member.runs()[0]!, id: { jobUid: jobUid('uid-of-nobody'), fence: fence(3) } };
    member.fallSilent();
    member.report({ runs: [stranger] });
    await rig.pass(1000);
    const told: unknown[] = [];
    rig.fleet.onDesiredChanged((name) => told.push(...rig.fleet.desired(name).cancels.map(({ id }) => id)));
    for (let i = 0; i < 13; i += 1) {
      await rig.pass(5_000);
      member.report({ runs: [stranger] });
    }
    await rig.pass(100);
    expect(told).toEqual([stranger.id]);
  });

  it('tells every member that held a run of a job that the job is gone, for a minute of being connected', async () => {
    const { rig, a, b } = await running();
    a.endAll();
    await rig.pass(300);
    a.obey();
    expect(a.runs()).toEqual([]);
    const uid = rig.job('train')?.metadata.uid;
    a.disconnect();
    rig.kube.delete('computejobs', 'train', 'team-a');
    await rig.pass(120_000);
    expect(rig.job('train')).toBeUndefined();
    a.connect();
    expect(a.desired().goneJobUids).toEqual([uid]);
    expect(b.desired().goneJobUids).toEqual([]);
    await rig.pass(70_000);
    expect(a.desired().goneJobUids).toEqual([]);
  });

  it('finds the run of an attempt, the live one and past ones', async () => {
    const { rig, a } = await running();
    a.endAll({ outcome: 'Stopped', cause: 'Reclaimed', message: '' });
    await rig.pass(500);
    const uid = jobUid(rig.job('train')?.metadata.uid ?? '');
    expect(rig.fleet.locateRun(uid, 1)).toMatchObject({ run: { fence: 1 }, member: a.name });
    expect(rig.fleet.locateRun(uid, undefined)).toMatchObject({ run: { fence: 2 } });
    expect(rig.fleet.locateRun(uid, 9)).toBeUndefined();
    expect(rig.fleet.locateRun(jobUid('none'), undefined)).toBeUndefined();
  });

  it('is told of changes once per turn', async () => {
    const rig = await aHub();
    const member = rig.addMember('member-a').connect();
    await rig.pass(1000);
    const told: string[] = [];
    rig.fleet.onDesiredChanged((name) => told.push(name));
    for (let i = 0; i < 8; i += 1) rig.addJob(`job-${i}`);
    await rig.pass(1000);
    expect(member.desired().runs).toHaveLength(8);
    expect(told.length).toBeGreaterThan(0);
    expect(told.length).toBeLessThan(8);
  });
});
