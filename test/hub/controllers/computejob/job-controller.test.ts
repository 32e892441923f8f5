import { afterEach, describe, expect, it } from 'vitest';
import type { Cause } from '../../../../src/core/model/cause.ts';
import { RECOVERY_FENCE_LEAP } from '../../../../src/core/run/next-fence.ts';
import type { RunEnd } from '../../../../src/core/model/run.ts';
import { FakeHubKube } from '../../../support/fake-hub-kube.ts';
import { aJobSpec, HubRig, type FakeMember, type HubRigOptions } from '../../../support/hub-rig.ts';

const rigs: HubRig[] = [];

async function aHub(options: HubRigOptions = {}): Promise<HubRig> {
  const rig = await new HubRig(options).lead();
  rigs.push(rig);
  return rig;
}

/** A hub with one pool, one connected member of 8 GPUs, and job `train` in the phase asked for. */
async function aHubWithJob(
  phase: 'Starting' | 'Running',
  spec: Record<string, unknown> = {},
): Promise<{ rig: HubRig; member: FakeMember }> {
  const rig = await aHub();
  rig.addPool();
  const member = rig.addMember('member-a').connect();
  await rig.pass(1000);
  rig.addJob('train', spec);
  await rig.pass(200);
  if (phase === 'Running') member.obey('Running');
  await rig.pass(200);
  expect(rig.status('train').phase).toBe(phase);
  return { rig, member };
}

function stopped(
  cause: Cause,
  outcome: RunEnd['outcome'] = 'Stopped',
  message = `because of ${cause}`,
): Partial<RunEnd> {
  return { outcome, cause, message };
}

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.kill();
});

describe('a job from creation to outcome', () => {
  it('costs four writes and two events, no reads, and tells its story in conditions', async () => {
    const rig = await aHub();
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
      observedGeneration: 1,
      run: { fence: 1, member: 'member-a', workers: 2, gpusPerWorker: 2 },
      placements: [{ member: 'member-a', workers: 2, gpus: 4 }],
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
    const told = rig.events.filter((event) => event.regarding.metadata.name === 'train').map((event) => event.reason);
    expect(told).toEqual(['Placed', 'Succeeded']);
    expect(rig.logs.filter((line) => line.level === 'error' || line.level === 'warn')).toEqual([]);
  });

  it('records a success that was reported before the start was ever written', async () => {
    const { rig, member } = await aHubWithJob('Starting');
    member.obey('Running');
    member.endAll();
    await rig.pass(500);
    expect(rig.status('train').phase).toBe('Succeeded');
    expect(rig.status('train').startTime).toBeDefined();
    expect(rig.jobWrites('train')).toHaveLength(3);
  });

  it('stays within four writes for a short job that had to wait and say so', async () => {
    const { rig, member } = await aHubWithJob('Running', { gpusPerWorker: 8 });
    rig.addJob('next', { gpusPerWorker: 8 });
    await rig.pass(3000);
    expect(rig.status('next').queue).toMatchObject({ reason: 'WaitingForCapacity', position: 1 });
    member.endAll();
    await rig.pass(300);
    expect(rig.status('next').run?.fence).toBe(1);
    expect(rig.status('next').queue).toBeUndefined();
    member.obey('Running');
    await rig.pass(300);
    member.endAll();
    await rig.pass(3000);
    expect(rig.status('next').phase).toBe('Succeeded');
    expect(rig.jobWrites('next')).toHaveLength(4);
  });

  it('says how far a slow start is, but not more often than every half minute', async () => {
    const { rig, member } = await aHubWithJob('Starting', { workers: 4, gpusPerWorker: 1 });
    member.obey('Starting');
    for (let step = 0; step < 7; step += 1) {
      member.say(`pulling image, step ${step}`);
      await rig.pass(10_000);
    }
    expect(rig.condition('train', 'Running')).toMatchObject({ status: 'False', reason: 'WorkersStarting' });
    expect(rig.condition('train', 'Running')?.message).toMatch(/^pulling image, step \d$/);
    expect(rig.jobWrites('train').length).toBeLessThanOrEqual(4);
  });
});

describe('ends and what follows from them', () => {
  it.each<{ cause: Cause; outcome: RunEnd['outcome']; phase: string; retriesUsed: number | undefined }>([
    { cause: 'Reclaimed', outcome: 'Stopped', phase: 'Starting', retriesUsed: undefined },
    { cause: 'Preempted', outcome: 'Stopped', phase: 'Starting', retriesUsed: undefined },
    { cause: 'NodeLost', outcome: 'Stopped', phase: 'Starting', retriesUsed: undefined },
    { cause: 'NonZeroExit', outcome: 'Failed', phase: 'Starting', retriesUsed: 1 },
    { cause: 'OutOfMemory', outcome: 'Failed', phase: 'Starting', retriesUsed: 1 },
    { cause: 'ImageError', outcome: 'Failed', phase: 'Failed', retriesUsed: undefined },
    { cause: 'TemplateRefused', outcome: 'Refused', phase: 'Failed', retriesUsed: undefined },
    { cause: 'MaxRuntimeExceeded', outcome: 'Stopped', phase: 'Failed', retriesUsed: undefined },
  ])('after $cause the job is $phase', async ({ cause, outcome, phase, retriesUsed }) => {
    const { rig, member } = await aHubWithJob('Running');
    member.endAll(stopped(cause, outcome));
    await rig.pass(60_000);
    expect(rig.status('train').phase).toBe(phase);
    expect(rig.status('train').retriesUsed).toBe(retriesUsed);
    expect(rig.status('train').history).toMatchObject([{ fence: 1, cause, outcome, message: `because of ${cause}` }]);
    if (phase === 'Starting')
      expect(rig.status('train')).toMatchObject({ attempt: 2, highestFence: 2, run: { fence: 2, attempt: 2 } });
    else expect(rig.condition('train', 'Failed')).toMatchObject({ status: 'True', reason: cause });
  });

  it('fails after the last retry and never runs again', async () => {
    const { rig, member } = await aHubWithJob('Running', { retry: { limit: 2 } });
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      member.endAll(stopped('NonZeroExit', 'Failed', 'worker 0 exited 1'));
      await rig.pass(400_000);
      member.obey('Running');
      await rig.pass(1000);
    }
    expect(rig.status('train')).toMatchObject({ phase: 'Failed', attempt: 3, retriesUsed: 2 });
    expect(rig.condition('train', 'Failed')?.message).toContain('2 of 2 retries used');
    expect(member.started).toHaveLength(3);
  });

  it('waits before a counted retry', async () => {
    const { rig, member } = await aHubWithJob('Running');
    member.endAll(stopped('NonZeroExit', 'Failed'));
    await rig.pass(9_000);
    expect(rig.status('train').run).toBeUndefined();
    await rig.pass(2_000);
    expect(rig.status('train').run?.fence).toBe(2);
  });

  it('goes elsewhere after a refusal, and back once that is forgotten', async () => {
    const rig = await aHub();
    rig.addPool();
    const members = [rig.addMember('member-a').connect(), rig.addMember('member-b').connect()];
    await rig.pass(1000);
    rig.addJob('train');
    await rig.pass(200);
    const first = members.find((member) => member.desired().runs.length === 1)!;
    first.obey('Accepted');
    first.endAll({ outcome: 'Refused', cause: 'StaleOffer', message: 'an owner pod came first', everStarted: false });
    await rig.pass(1500);
    expect(rig.status('train').run?.member).not.toBe(first.name);
    expect(rig.status('train')).toMatchObject({
      run: { fence: 2 },
      history: [{ outcome: 'Refused', cause: 'StaleOffer' }],
    });
  });

  it('keeps the last ten attempts and never lowers the fence', async () => {
    const { rig, member } = await aHubWithJob('Running');
    for (let attempt = 1; attempt <= 12; attempt += 1) {
      member.endAll(stopped('Reclaimed'));
      await rig.pass(500);
      member.obey('Running');
      await rig.pass(200);
    }
    expect(rig.status('train').history?.map((entry) => entry.fence)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(rig.status('train')).toMatchObject({ highestFence: 13, attempt: 13, usage: { gpuSeconds: 720 } });
  });

  it('ends a run whose references cannot be read, and fails the job with the reason', async () => {
    const { rig, member } = await aHubWithJob('Starting');
    const [order] = member.desired().runs;
    rig.fleet.referenceProblem(order!.id, 'Secret team-a/missing not found');
    await rig.pass(200);
    expect(rig.status('train').run?.cancel).toMatchObject({ cause: 'ReferenceNotFound' });
    member.obey();
    member.report({
      runs: [
        {
          ...reportFor(order!),
          phase: 'Ended',
          end: {
            outcome: 'Stopped',
            cause: 'ReferenceNotFound',
            message: 'never taken',
            everStarted: false,
            exits: [],
            endedAtMs: 0,
          },
        },
      ],
    });
    await rig.pass(200);
    expect(rig.status('train').phase).toBe('Failed');
    expect(rig.condition('train', 'Failed')?.reason).toBe('ReferenceNotFound');
  });
});

function reportFor(
  order: ReturnType<FakeMember['desired']>['runs'][number],
): Parameters<HubRig['fleet']['applyReport']>[1]['runs'][number] {
  return {
    id: order.id,
    job: order.job,
    tenant: order.tenant,
    pool: order.pool,
    attempt: order.attempt,
    templateHash: order.templateHash,
    gpuModel: order.gpuModel,
    gpusPerWorker: order.gpusPerWorker,
    phase: 'Accepted',
    workers: { pending: order.workers, running: 0, succeeded: 0, failed: 0 },
    nodes: order.nodes,
    gpuSeconds: 0,
    deadlineArmed: false,
    message: '',
  };
}

describe('wishes of the tenant', () => {
  it('suspends a running job by an explicit cancel, and resumes it with a new fence', async () => {
    const { rig, member } = await aHubWithJob('Running');
    rig.kube.edit('computejobs', 'train', (spec) => ({ ...spec, suspend: true }), 'team-a');
    await rig.pass(200);
    expect(rig.status('train')).toMatchObject({ phase: 'Stopping', run: { fence: 1, cancel: { cause: 'Suspended' } } });
    expect(member.desired()).toMatchObject({ runs: [], cancels: [{ id: { fence: 1 }, cause: 'Suspended' }] });
    member.obey();
    await rig.pass(500);
    expect(rig.status('train')).toMatchObject({ phase: 'Suspended' });
    expect(rig.condition('train', 'Suspended')?.status).toBe('True');
    await rig.pass(60_000);
    expect(rig.status('train').run).toBeUndefined();
    rig.kube.edit('computejobs', 'train', (spec) => ({ ...spec, suspend: false }), 'team-a');
    await rig.pass(500);
    expect(rig.status('train')).toMatchObject({ phase: 'Starting', run: { fence: 2 } });
    expect(rig.condition('train', 'Suspended')?.status).toBe('False');
  });

  it('does not place a job that is suspended from the start', async () => {
    const rig = await aHub();
    rig.addPool();
    rig.addMember('member-a').connect();
    rig.addJob('train', { suspend: true });
    await rig.pass(2000);
    expect(rig.status('train')).toMatchObject({ phase: 'Suspended' });
    expect(rig.status('train').run).toBeUndefined();
  });

  it('lets a deleted job go only once its run is confirmed stopped, and says where it waits', async () => {
    const { rig, member } = await aHubWithJob('Running');
    rig.kube.delete('computejobs', 'train', 'team-a');
    await rig.pass(30_000);
    expect(rig.job('train')).toBeDefined();
    expect(rig.condition('train', 'Stopping')).toMatchObject({ status: 'True', reason: 'StopRequested' });
    expect(rig.condition('train', 'Stopping')?.message).toContain('member-a');
    expect(member.desired().cancels).toMatchObject([{ cause: 'Deleted' }]);
    member.obey();
    await rig.pass(500);
    expect(rig.job('train')).toBeUndefined();
    expect(member.desired().goneJobUids).toHaveLength(1);
    member.obey();
    expect(member.runs()).toEqual([]);
  });

  it('deletes a job without a run at once', async () => {
    const rig = await aHub();
    rig.addPool();
    rig.addJob('train');
    await rig.pass(3000);
    rig.kube.delete('computejobs', 'train', 'team-a');
    await rig.pass(200);
    expect(rig.job('train')).toBeUndefined();
  });

  it('records a success that raced with the deletion, and then lets go', async () => {
    const { rig, member } = await aHubWithJob('Running');
    rig.kube.delete('computejobs', 'train', 'team-a');
    member.endAll();
    await rig.pass(500);
    expect(rig.job('train')).toBeUndefined();
    expect(rig.events.map((event) => event.reason)).toContain('Succeeded');
  });

  it('deletes a finished job when its time to live is over', async () => {
    const { rig, member } = await aHubWithJob('Running', { ttlAfterFinished: '2m' });
    member.endAll();
    await rig.pass(100_000);
    expect(rig.status('train').phase).toBe('Succeeded');
    await rig.pass(30_000);
    expect(rig.job('train')).toBeUndefined();
  });

  it('keeps the order of a live run as it was issued when the spec is edited', async () => {
    const { rig, member } = await aHubWithJob('Starting');
    const before = member.desired().runs[0]!;
    rig.kube.edit(
      'computejobs',
      'train',
      (spec) => ({ ...spec, template: { spec: { containers: [{ name: 'main', image: 'other:2' }] } }, workers: 2 }),
      'team-a',
    );
    await rig.pass(500);
    const after = member.desired().runs[0]!;
    expect(after).toMatchObject({ id: before.id, workers: 1, templateHash: before.templateHash });
    expect(after.template).toEqual(before.template);
    member.obey('Running');
    member.endAll(stopped('Reclaimed'));
    await rig.pass(500);
    const next = member.desired().runs[0]!;
    expect(next.workers).toBe(2);
    expect(next.templateHash).not.toBe(before.templateHash);
  });
});

describe('silence, loss and return', () => {
  const lease = { duration: '20s', terminationGrace: '5s', margin: '5s', maxClockDriftPercent: 1, replaceAfter: '31s' };

  async function silence(rig: HubRig, members: readonly FakeMember[], ms: number): Promise<void> {
    for (const member of members) member.fallSilent();
    await rig.pass(ms);
  }

  async function aFleet(
    spec: Record<string, unknown>,
  ): Promise<{ rig: HubRig; a: FakeMember; b: FakeMember; c: FakeMember }> {
    const rig = await aHub();
    rig.addPool({ lease });
    const [a, b, c] = ['member-a', 'member-b', 'member-c'].map((name) => rig.addMember(name).connect()) as [
      FakeMember,
      FakeMember,
      FakeMember,
    ];
    await rig.pass(1000);
    rig.addJob('train', { memberSelector: {}, ...spec });
    await rig.pass(200);
    for (const member of [a, b, c]) member.obey('Running');
    await rig.pass(200);
    expect(rig.status('train').run?.member).toBe('member-a');
    return { rig, a, b, c };
  }

  it('keeps a KeepAndWait run for ever, and shows that its member is silent', async () => {
    const { rig, a } = await aFleet({ onPartition: 'KeepAndWait' });
    await silence(rig, [a], 120_000);
    expect(rig.status('train')).toMatchObject({ phase: 'Unknown', run: { fence: 1, member: 'member-a' } });
    expect(rig.condition('train', 'Running')).toMatchObject({ status: 'Unknown', reason: 'MemberSilent' });
    expect(rig.condition('train', 'Running')?.message).toContain('until the member is heard or declared lost');
  });

  it('goes back to Running when the member is heard again, with the same fence', async () => {
    const { rig, a } = await aFleet({});
    await silence(rig, [a], 30_000);
    a.connect();
    await rig.pass(500);
    expect(rig.status('train')).toMatchObject({ phase: 'Running', run: { fence: 1 } });
    expect(rig.condition('train', 'Running')?.status).toBe('True');
  });

  it('places a Fence run again after its bound, never before, and cancels the old one by its fence', async () => {
    const { rig, a } = await aFleet({ onPartition: 'Fence' });
    await silence(rig, [a], 28_000);
    expect(rig.status('train').run).toMatchObject({ fence: 1, member: 'member-a' });
    await silence(rig, [a], 8_000);
    expect(rig.status('train').run).toMatchObject({ fence: 2, member: 'member-b' });
    expect(rig.status('train').history).toMatchObject([{ fence: 1, outcome: 'Lost', cause: 'FencePassed' }]);
    a.connect();
    await rig.pass(200);
    expect(a.desired().cancels).toMatchObject([{ id: { fence: 1 }, cause: 'FencePassed' }]);
    a.obey();
    await rig.pass(200);
    expect(rig.status('train').run?.fence).toBe(2);
    expect(rig.status('train').history).toMatchObject([{ fence: 1, outcome: 'Stopped', superseded: true }]);
    expect(a.desired().outcomeAcks).toHaveLength(1);
  });

  it('keeps a superseded success in history and does not let it end the job', async () => {
    const { rig, a, b } = await aFleet({ onPartition: 'Fence' });
    await silence(rig, [a], 40_000);
    expect(rig.status('train').run?.fence).toBe(2);
    a.endAll();
    a.connect();
    await rig.pass(500);
    expect(rig.status('train')).toMatchObject({
      run: { fence: 2 },
      history: [{ fence: 1, outcome: 'Succeeded', superseded: true }],
    });
    expect(rig.condition('train', 'Succeeded')?.status).not.toBe('True');
    b.obey('Running');
    await rig.pass(200);
    b.endAll();
    await rig.pass(2000);
    expect(rig.status('train').phase).toBe('Succeeded');
    expect(
      rig.status('train').history?.filter((entry) => entry.superseded !== true && entry.outcome === 'Succeeded'),
    ).toHaveLength(1);
  });

  it('does not place a Fence run again that was never seen to be armed', async () => {
    const rig = await aHub();
    rig.addPool({ lease });
    const a = rig.addMember('member-a').connect();
    for (const name of ['member-b', 'member-c']) rig.addMember(name).connect();
    await rig.pass(1000);
    rig.addJob('train', { onPartition: 'Fence' });
    await rig.pass(200);
    await silence(rig, [a], 120_000);
    expect(rig.status('train').run).toMatchObject({ fence: 1, member: 'member-a' });
  });

  it('duplicates an AllowDuplicate run elsewhere as soon as its member is silent', async () => {
    const { rig, a } = await aFleet({ onPartition: 'AllowDuplicate' });
    await silence(rig, [a], 18_000);
    expect(rig.status('train').run).toMatchObject({ fence: 2 });
    expect(rig.status('train').run?.member).not.toBe('member-a');
  });

  it('releases the run of a member that is declared lost, and cancels it when the member returns', async () => {
    const { rig, a } = await aFleet({ onPartition: 'KeepAndWait' });
    await silence(rig, [a], 20_000);
    const at = '2026-01-01T00:00:30Z';
    rig.kube.edit('memberclusters', 'member-a', (spec) => ({
      ...spec,
      declaredLost: { at, reason: 'the site burnt down' },
    }));
    await rig.pass(500);
    expect(rig.status('train').run).toMatchObject({ fence: 2 });
    expect(rig.status('train').history).toMatchObject([{ fence: 1, outcome: 'Lost', cause: 'MemberLost' }]);
    expect(rig.status('train').history?.[0]?.message).toContain('the site burnt down');
    expect(rig.fleet.admission(a.name).kind).toBe('DeclaredLost');
    a.connect();
    await rig.pass(200);
    expect(a.desired().cancels).toMatchObject([{ id: { fence: 1 } }]);
    a.obey();
    await rig.pass(500);
    expect(rig.status('train').history).toMatchObject([{ fence: 1, outcome: 'Stopped', superseded: true }]);
  });

  it('holds back when most members fall silent together, and goes on when they return', async () => {
    const { rig, a, b } = await aFleet({ onPartition: 'AllowDuplicate' });
    await silence(rig, [a, b], 85_000);
    expect(rig.state.liveness.guardActive).toBe(true);
    expect(rig.status('train').run).toMatchObject({ fence: 1, member: 'member-a' });
    expect(await rig.metrics.expose()).not.toContain('lumbung_reclaims_total{');
    a.connect();
    b.connect();
    await rig.pass(2000);
    expect(rig.state.liveness.guardActive).toBe(false);
    expect(rig.status('train')).toMatchObject({ phase: 'Running', run: { fence: 1 } });
  });

  it('goes on after the operator releases the guard by hand', async () => {
    const { rig, a, b } = await aFleet({ onPartition: 'AllowDuplicate' });
    await silence(rig, [a, b], 30_000);
    expect(rig.status('train').run?.fence).toBe(1);
    rig.state.liveness.releaseGuard();
    await silence(rig, [a, b], 3_000);
    expect(rig.status('train').run).toMatchObject({ fence: 2, member: 'member-c' });
  });

  it('waits with the deletion of a job whose duplicate may live on a silent member', async () => {
    const { rig, a, b, c } = await aFleet({ onPartition: 'AllowDuplicate' });
    await silence(rig, [a], 18_000);
    const second = rig.status('train').run?.member === 'member-b' ? b : c;
    second.obey('Running');
    await rig.pass(300);
    rig.kube.delete('computejobs', 'train', 'team-a');
    await rig.pass(200);
    second.obey();
    await silence(rig, [a], 15_000);
    expect(rig.job('train')).toBeDefined();
    a.connect();
    await rig.pass(100);
    a.obey();
    await rig.pass(15_000);
    expect(rig.job('train')).toBeUndefined();
  });
});

describe('bad input', () => {
  it('shows Valid=False with the field path within two seconds', async () => {
    const rig = await aHub();
    rig.addPool();
    rig.addJob('train', {
      template: { spec: { containers: [{ name: 'main', resources: { requests: { cpu: 'lots' } } }] } },
    });
    await rig.pass(1900);
    expect(rig.condition('train', 'Valid')).toMatchObject({ status: 'False', reason: 'InvalidSpec' });
    expect(rig.condition('train', 'Valid')?.message).toContain(
      'spec.template.spec.containers[0].resources.requests.cpu',
    );
    rig.kube.edit('computejobs', 'train', (spec) => ({ ...spec, ...aJobSpec() }), 'team-a');
    await rig.pass(3000);
    expect(rig.condition('train', 'Valid')?.status).toBe('True');
  });

  it.each([
    { what: 'a missing pool', spec: { pool: 'nowhere' }, reason: 'PoolNotFound', says: 'pool nowhere does not exist' },
    {
      what: 'a shape bigger than any member',
      spec: { workers: 3, gpusPerWorker: 8 },
      reason: 'NoMemberFits',
      says: 'needs 24 GPUs',
    },
    {
      what: 'a model nobody has',
      spec: { gpu: { models: ['B200-192GB'] } },
      reason: 'NoMemberFits',
      says: 'B200-192GB',
    },
  ])('waits with the reason for $what', async ({ spec, reason, says }) => {
    const rig = await aHub();
    rig.addPool();
    rig.addMember('member-a').connect();
    await rig.pass(500);
    rig.addJob('train', spec);
    await rig.pass(2500);
    expect(rig.status('train').queue).toMatchObject({ reason });
    expect(rig.status('train').queue?.message).toContain(says);
    expect(rig.condition('train', 'Placed')).toMatchObject({ status: 'False', reason });
  });

  it('refuses a namespace that no tenant lists, and starts once it is listed', async () => {
    const rig = await aHub();
    rig.kube.put('gpupools', {
      metadata: { name: 'research' },
      spec: { memberSelector: {}, tenants: [{ name: 'b', namespaces: ['team-b'] }] },
    });
    const member = rig.addMember('member-a').connect();
    rig.addJob('train');
    await rig.pass(2500);
    expect(rig.status('train').queue?.reason).toBe('TenantNotAllowed');
    rig.kube.edit('gpupools', 'research', (spec) => ({
      ...spec,
      tenants: [{ name: 'b', namespaces: ['team-b', 'team-a'] }],
    }));
    await rig.pass(500);
    expect(rig.status('train').run?.tenant).toBe('b');
    expect(member.desired().runs).toHaveLength(1);
  });

  it('starts a job once the pool it names comes to be', async () => {
    const rig = await aHub();
    rig.addMember('member-a').connect();
    rig.addJob('train');
    await rig.pass(2500);
    expect(rig.status('train').queue?.reason).toBe('PoolNotFound');
    rig.addPool();
    await rig.pass(500);
    expect(rig.status('train').run?.member).toBe('member-a');
  });

  it('serves other jobs while one cannot be written at all', async () => {
    const rig = await aHub();
    rig.addPool();
    const member = rig.addMember('member-a').connect();
    rig.kube.beforeCall = (call) => {
      if (call.name === 'team-a/poisoned') throw new Error('the server hates this one');
    };
    rig.addJob('poisoned');
    rig.addJob('train');
    await rig.pass(1000);
    expect(rig.status('train').run?.fence).toBe(1);
    member.obey('Running');
    await rig.pass(500);
    member.endAll();
    await rig.pass(500);
    expect(rig.status('train').phase).toBe('Succeeded');
    rig.kube.beforeCall = () => undefined;
    await rig.pass(120_000);
    expect(rig.status('poisoned').run?.fence).toBe(1);
  });

  it('leaves a job with an unreadable status alone, finalizer included, and says so', async () => {
    const { rig, member } = await aHubWithJob('Running');
    const object = rig.job('train')!;
    rig.kube.restore('computejobs', { ...object, status: { highestFence: 'many' } });
    await rig.pass(500);
    rig.kube.delete('computejobs', 'train', 'team-a');
    await rig.pass(5000);
    expect(rig.job('train')?.metadata.finalizers).toEqual(['lumbung.dev/run-stopped']);
    expect(rig.events.map((event) => event.reason)).toContain('StatusUnreadable');
    expect(member.desired().goneJobUids).toEqual([]);
  });
});

describe('other writers', () => {
  it('reads again and goes on after losing a race', async () => {
    const { rig, member } = await aHubWithJob('Starting');
    rig.kube.holdWatch();
    rig.kube.edit('computejobs', 'train', (spec) => ({ ...spec, priority: 7 }), 'team-a');
    member.obey('Running');
    await rig.pass(500);
    expect(rig.status('train').phase).toBe('Running');
    expect(rig.kube.callsOf(/^get computejobs/)).toHaveLength(1);
    rig.kube.releaseWatch();
    await rig.pass(500);
    expect(rig.status('train').phase).toBe('Running');
  });

  it('goes on when the answer to its write is lost', async () => {
    const { rig, member } = await aHubWithJob('Starting');
    let lost = 0;
    rig.kube.afterCall = (call) => {
      if (call.subresource === 'status' && lost++ === 0) throw new Error('connection reset');
    };
    member.obey('Running');
    await rig.pass(2000);
    member.endAll();
    await rig.pass(2000);
    expect(rig.status('train')).toMatchObject({ phase: 'Succeeded', highestFence: 1 });
    expect(rig.status('train').history).toHaveLength(1);
  });
});

describe('a new hub process', () => {
  /** The old process is killed; a new one finds the custom resources and nothing else. */
  async function restarted(rig: HubRig, options: HubRigOptions = {}): Promise<HubRig> {
    await rig.kill();
    const kube = new FakeHubKube(rig.clock, rig.kube);
    return aHub({ clock: rig.clock, kube, term: 2, ...options });
  }

  it('goes on from status alone when killed before the job was placed', async () => {
    const rig = await aHub();
    rig.addPool();
    const member = rig.addMember('member-a');
    rig.addJob('train');
    await rig.pass(3000);
    const next = await restarted(rig);
    member.movedTo(next).connect();
    await next.pass(1500);
    expect(next.status('train').run?.fence).toBe(RECOVERY_FENCE_LEAP);
  });

  it.each(['Starting', 'Running'] as const)(
    'goes on with the same fence when killed while the job is %s',
    async (phase) => {
      const { rig, member } = await aHubWithJob(phase);
      const next = await restarted(rig);
      const moved = member.movedTo(next).connect();
      await next.pass(500);
      moved.obey('Running');
      await next.pass(500);
      expect(next.status('train')).toMatchObject({ phase: 'Running', run: { fence: 1 }, highestFence: 1 });
      moved.endAll();
      await next.pass(500);
      expect(next.status('train')).toMatchObject({ phase: 'Succeeded' });
      expect(moved.started).toHaveLength(1);
    },
  );

  it('cancels again what was being stopped', async () => {
    const { rig, member } = await aHubWithJob('Running');
    rig.kube.edit('computejobs', 'train', (spec) => ({ ...spec, suspend: true }), 'team-a');
    await rig.pass(300);
    const next = await restarted(rig);
    const moved = member.movedTo(next).connect();
    await next.pass(300);
    expect(moved.desired().cancels).toMatchObject([{ cause: 'Suspended' }]);
    moved.obey();
    await next.pass(300);
    expect(next.status('train').phase).toBe('Suspended');
  });

  it('acknowledges an outcome that was recorded but never acknowledged', async () => {
    const { rig, member } = await aHubWithJob('Running');
    member.endAll();
    await rig.pass(300);
    const next = await restarted(rig);
    const moved = member.movedTo(next).connect();
    await next.pass(300);
    expect(moved.desired().outcomeAcks).toHaveLength(1);
    expect(next.status('train').history).toHaveLength(1);
  });

  it('counts members as heard when it begins to lead, so that a bound starts anew', async () => {
    const rig = await aHub();
    rig.addPool({ lease: { duration: '20s', terminationGrace: '5s', margin: '5s', replaceAfter: '31s' } });
    const a = rig.addMember('member-a').connect();
    await rig.pass(1000);
    rig.addJob('train', { onPartition: 'Fence' });
    await rig.pass(200);
    a.obey('Running');
    await rig.pass(1000);
    a.fallSilent();
    await rig.pass(20_000);
    const next = await restarted(rig, { sincePredecessorMs: 1000 });
    await next.pass(30_000);
    expect(next.status('train').run?.fence).toBe(1);
    await next.pass(60_000);
    expect(next.status('train').history).toMatchObject([{ fence: 1, outcome: 'Lost' }]);
  });

  it('adopts a run above its highest fence when it was restored from a backup', async () => {
    const { rig, member } = await aHubWithJob('Starting');
    const backup = rig.job('train')!;
    member.obey('Running');
    member.endAll(stopped('Reclaimed'));
    await rig.pass(500);
    member.obey('Running');
    await rig.pass(300);
    expect(rig.status('train').run?.fence).toBe(2);
    await rig.kill();
    const kube = new FakeHubKube(rig.clock, rig.kube);
    kube.restore('computejobs', backup);
    const next = await aHub({ clock: rig.clock, kube, term: 2 });
    await next.pass(500);
    const moved = member.movedTo(next).connect();
    await next.pass(500);
    expect(next.status('train')).toMatchObject({
      highestFence: 2,
      attempt: 2,
      run: { fence: 2, member: 'member-a', onPartition: 'KeepAndWait' },
    });
    expect(next.status('train').history).toMatchObject([{ fence: 1, superseded: true }]);
    expect(next.events.map((event) => event.reason)).toContain('RunAdopted');
    moved.endAll();
    await next.pass(500);
    expect(next.status('train').phase).toBe('Succeeded');
    expect(moved.started).toHaveLength(2);
  });

  it('issues no new fence for an older job until every member has reported, but places younger ones', async () => {
    const rig = await aHub();
    rig.addPool({ lease: { duration: '20s', terminationGrace: '5s', margin: '5s', replaceAfter: '31s' } });
    const [a, b] = ['member-a', 'member-b'].map((name) => rig.addMember(name).connect()) as [FakeMember, FakeMember];
    rig.addJob('older', { suspend: true });
    await rig.pass(1000);
    b.fallSilent();
    const next = await restarted(rig);
    a.movedTo(next).connect();
    next.kube.edit('computejobs', 'older', (spec) => ({ ...spec, suspend: false }), 'team-a');
    next.addJob('younger');
    await next.pass(3000);
    expect(next.status('younger').run?.fence).toBe(1);
    expect(next.status('older').run).toBeUndefined();
    expect(next.status('older').queue).toMatchObject({ reason: 'EarlierRunUnconfirmed' });
    expect(next.status('older').queue?.message).toContain('member-b');
    b.movedTo(next).connect();
    await next.pass(2500);
    expect(next.status('older').run?.fence).toBe(RECOVERY_FENCE_LEAP);
  });

  it('gives up waiting for a member that stays silent past the longest bound', async () => {
    const rig = await aHub();
    rig.addPool({ lease: { duration: '20s', terminationGrace: '5s', margin: '5s', replaceAfter: '31s' } });
    const [a, b] = ['member-a', 'member-b'].map((name) => rig.addMember(name).connect()) as [FakeMember, FakeMember];
    rig.addJob('older', { suspend: true });
    await rig.pass(1000);
    b.fallSilent();
    const next = await restarted(rig);
    a.movedTo(next).connect();
    next.kube.edit('computejobs', 'older', (spec) => ({ ...spec, suspend: false }), 'team-a');
    await next.pass(40_000);
    expect(next.status('older').run).toBeUndefined();
    await next.pass(10_000);
    expect(next.status('older').run?.member).toBe('member-a');
  });

  it('waits for nobody when the leader before it was there a moment ago', async () => {
    const rig = await aHub();
    rig.addPool();
    const [a, b] = ['member-a', 'member-b'].map((name) => rig.addMember(name).connect()) as [FakeMember, FakeMember];
    rig.addJob('older', { suspend: true });
    await rig.pass(1000);
    b.fallSilent();
    const next = await restarted(rig, { sincePredecessorMs: 2000 });
    a.movedTo(next).connect();
    next.kube.edit('computejobs', 'older', (spec) => ({ ...spec, suspend: false }), 'team-a');
    await next.pass(1000);
    expect(next.status('older').run?.member).toBe('member-a');
  });

  it('lets only the one that leads write', async () => {
    const rig = await aHub();
    const other = new HubRig({ clock: rig.clock, kube: rig.kube });
    await other.state.start(new AbortController().signal);
    rigs.push(other);
    rig.addPool();
    const member = rig.addMember('member-a').connect();
    await rig.pass(500);
    rig.addJob('train');
    await rig.pass(500);
    expect(other.fleet.ready).toBe(false);
    expect(other.fleet.desired(member.name).runs).toEqual([]);
    expect(rig.jobWrites('train')).toHaveLength(2);
    expect(other.state.jobs.size).toBe(1);
  });
});
