import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMPUTE_JOB_RESOURCE } from '../../src/api/v1alpha1/compute-job.ts';
import { LENDING_POLICY_RESOURCE, type LendingPolicyStatus } from '../../src/api/v1alpha1/lending-policy.ts';
import { MEMBER_CLUSTER_RESOURCE } from '../../src/api/v1alpha1/member-cluster.ts';
import type { ComputeJobStatus } from '../../src/api/v1alpha1/compute-job-status.ts';
import { jobs, pods } from '../../src/platform/kube/builtin-resources.ts';
import { isNotFound } from '../../src/platform/kube/kube-error.ts';
import type { KubeObject } from '../../src/platform/kube/object.ts';
import { eventually } from '../support/eventually.ts';
import {
  InProcessFederation,
  aJob,
  aPool,
  isRunning,
  isSucceeded,
  namespace,
  type InProcessMember,
} from '../support/in-process-federation.ts';

const MINUTE_MS = 60_000;
const node = (gpus = 2) => ({ name: 'n-1', gpuModel: 'T4', gpus });

/** One pool for each story, so that none disturbs another; its members have the label of that name. */
function member(name: string, pool: string, more: Partial<InProcessMember> = {}): InProcessMember {
  return { name, nodes: [node()], labels: { 'lumbung.dev/tier': pool }, ...more };
}

const stories = ['paused', 'tightened', 'window', 'reclaim', 'cordon', 'leave', 'revoke', 'lost', 'force'] as const;

let windowAheadMs = 0;
let federation: InProcessFederation;
beforeAll(async () => {
  federation = await InProcessFederation.start({
    members: [
      member('paused', 'paused'),
      member('tightened', 'tightened'),
      member('window', 'window', { wallAheadMs: () => windowAheadMs }),
      member('reclaimed', 'reclaim'),
      member('spare', 'reclaim'),
      member('cordoned', 'cordon'),
      member('leaving', 'leave'),
      member('staying', 'leave', { nodes: [node(1)] }),
      member('revoked', 'revoke'),
      member('lost', 'lost'),
      member('found', 'lost', { nodes: [node(1)] }),
      member('forced', 'force'),
    ],
  });
  await federation.apply(
    namespace('team-a'),
    ...stories.map((name) =>
      aPool({
        name,
        tenants: { 'team-a': 1 },
        spec: { memberSelector: { matchLabels: { 'lumbung.dev/tier': name } } },
      }),
    ),
  );
});
afterAll(() => federation.stop());

async function whenRunning(name: string, pool: string, gpusPerWorker = 2): Promise<ComputeJobStatus> {
  await federation.apply(aJob({ key: `team-a/${name}`, pool, duration: 'infinite', spec: { gpusPerWorker } }));
  return federation.whenJob(`team-a/${name}`, isRunning, 20_000);
}

async function livePods(on: string): Promise<number> {
  type Pod = KubeObject & { readonly status?: { readonly phase?: string } };
  const { items } = await federation.member(on).client.list<Pod>(pods, { labelSelector: 'lumbung.dev/guest=true' });
  return items.filter((pod) => pod.status?.phase === 'Running' || pod.status?.phase === 'Pending').length;
}

async function lending(on: string): Promise<string | undefined> {
  const policy = await federation.member(on).client.get<KubeObject & { readonly status?: LendingPolicyStatus }>({
    type: LENDING_POLICY_RESOURCE,
    name: 'default',
  });
  return policy.status?.conditions?.find((one) => one.type === 'Lending')?.reason;
}

describe.concurrent("the owner's word", () => {
  it('paused ends the guests, which wait with that reason and start again when it is taken back', async () => {
    await whenRunning('paused', 'paused');
    await federation.setPolicy('paused', { paused: true });
    const waiting = await federation.whenJob(
      'team-a/paused',
      (now) => now.queue?.reason === 'NoMemberFits' || now.queue?.reason === 'WaitingForCapacity',
    );
    expect(waiting.history).toMatchObject([{ outcome: 'Stopped', cause: 'PolicyChanged' }]);
    expect(waiting.history?.[0]?.message).toContain('paused');
    expect(waiting.retriesUsed).toBeUndefined();
    expect(waiting.queue?.message).toContain('paused');
    expect(await livePods('paused')).toBe(0);
    await eventually(async () => (await lending('paused')) === 'Paused', { what: 'the policy shows Paused' });
    await federation.setPolicy('paused', { paused: false });
    const again = await federation.whenJob('team-a/paused', isRunning);
    expect(again.run).toMatchObject({ fence: 2 });
  });

  it('tightened ends the guests that it no longer covers: tenants first, then images', async () => {
    await whenRunning('tightened', 'tightened', 1);
    await federation.setPolicy('tightened', { tenants: ['somebody-else'] });
    const refused = await federation.whenJob('team-a/tightened', (now) => now.queue?.message.includes('team-a'));
    expect(refused.history).toMatchObject([{ outcome: 'Stopped', cause: 'PolicyChanged' }]);
    expect((await federation.explain('team-a/tightened')).members).toMatchObject([
      { reason: 'TenantNotLentTo', facts: { tenant: 'team-a' } },
    ]);
    await federation.setPolicy('tightened', { tenants: null });
    await federation.whenJob('team-a/tightened', isRunning);
    await federation.setPolicy('tightened', { images: { allow: ['registry.example/trusted/*'] } });
    const second = await federation.whenJob('team-a/tightened', (now) => now.history?.length === 2);
    expect(second.history?.[1]).toMatchObject({ outcome: 'Stopped', cause: 'PolicyChanged' });
    expect(second.history?.[1]?.message).toContain('registry.example/work:1');
    await federation.whenJob('team-a/tightened', (now) => now.queue !== undefined);
    expect((await federation.explain('team-a/tightened')).members).toMatchObject([{ reason: 'ImageNotAllowed' }]);
    await federation.setPolicy('tightened', { images: { allow: ['registry.example/*'] } });
    await federation.whenJob('team-a/tightened', isRunning);
  });

  it('closing its window by the clock ends the guests', { timeout: 35_000 }, async () => {
    await whenRunning('window', 'window');
    // By the member's clock the minute is over in three seconds.
    windowAheadMs = MINUTE_MS - ((Date.now() + 3_000) % MINUTE_MS);
    const closesAtMs = Math.ceil((Date.now() + windowAheadMs) / MINUTE_MS) * MINUTE_MS;
    const clock = (atMs: number): string => new Date(atMs).toISOString().slice(11, 16);
    await federation.setPolicy('window', {
      windows: [{ start: clock(closesAtMs - 60 * MINUTE_MS), end: clock(closesAtMs) }],
    });
    const ended = await federation.whenJob('team-a/window', (now) => now.history?.length === 1, 25_000);
    expect(ended.history).toMatchObject([{ outcome: 'Stopped', member: 'window' }]);
    expect(ended.history?.[0]?.message).toContain('window');
    // Not before; timestamps have whole seconds.
    expect(Date.parse(ended.history?.[0]?.stoppedAt ?? '')).toBeGreaterThan(closesAtMs - windowAheadMs - 1_000);
    await eventually(async () => (await lending('window')) === 'OutsideWindow', { what: 'the policy says so' });
    expect(await livePods('window')).toBe(0);
  });

  it('in the form of a pod of its own takes the GPUs back; the job goes on elsewhere', async () => {
    const first = await whenRunning('reclaim', 'reclaim');
    const home = first.run?.member ?? '';
    const { client } = federation.member(home);
    const ownerPod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'owner', namespace: 'default', annotations: { 'sandbox.lumbung.dev/duration': 'infinite' } },
      spec: { containers: [{ name: 'main', image: 'x', resources: { limits: { 'nvidia.com/gpu': '2' } } }] },
    };
    await client.create(pods, ownerPod);
    await eventually(
      async () => {
        const pod = await client.get<KubeObject & { readonly status?: { readonly phase?: string } }>({
          type: pods,
          namespace: 'default',
          name: 'owner',
        });
        return pod.status?.phase === 'Running';
      },
      { what: "the owner's pod runs" },
    );
    const moved = await federation.whenJob('team-a/reclaim', (now) => isRunning(now) && now.run?.fence === 2);
    expect(moved.history).toMatchObject([{ member: home, outcome: 'Stopped', cause: 'Reclaimed' }]);
    expect(moved.run?.member).not.toBe(home);
    expect(moved.retriesUsed).toBeUndefined();
  });
});

describe.concurrent("the pool operator's word", () => {
  it('cordon sends no new work and leaves what runs; uncordon sends it again', async () => {
    await whenRunning('before-cordon', 'cordon', 1);
    await federation.lumbung('member', 'cordon', 'cordoned');
    await federation.apply(aJob({ key: 'team-a/after-cordon', pool: 'cordon' }));
    await federation.whenJob('team-a/after-cordon', (now) => now.queue !== undefined);
    expect((await federation.explain('team-a/after-cordon')).members).toMatchObject([
      { reason: 'MemberNotReady', readiness: 'Cordoned' },
    ]);
    expect((await federation.job('team-a', 'before-cordon')).status).toMatchObject({
      phase: 'Running',
      run: { fence: 1 },
    });
    await federation.lumbung('member', 'uncordon', 'cordoned');
    await federation.whenJob('team-a/after-cordon', isSucceeded);
  });

  it('leave drains the member, whose runs go elsewhere, and removes it', { timeout: 30_000 }, async () => {
    await federation.lumbung('member', 'cordon', 'staying');
    await whenRunning('drained', 'leave', 1);
    await federation.lumbung('member', 'uncordon', 'staying');
    const left = await federation.cli('member', 'leave', 'leaving', '--timeout', '20');
    expect(left).toMatchObject({ code: 0 });
    expect(left.out).toContain('has left');
    await expect(federation.hub.client.get({ type: MEMBER_CLUSTER_RESOURCE, name: 'leaving' })).rejects.toSatisfy(
      isNotFound,
    );
    const moved = await federation.whenJob('team-a/drained', isRunning);
    expect(moved).toMatchObject({
      run: { member: 'staying', fence: 2 },
      history: [{ cause: 'Drained', member: 'leaving' }],
    });
    expect(await livePods('leaving')).toBe(0);
  });

  it('revoke ends the open stream, the guests and the agent', { timeout: 30_000 }, async () => {
    await whenRunning('on-revoked', 'revoke');
    await federation.lumbung('member', 'revoke', 'revoked');
    await expect(federation.member('revoked').agent.failure).rejects.toMatchObject({ why: 'Revoked' });
    expect(await livePods('revoked')).toBe(0);
    await federation.whenConnected('revoked', 'False');
    const metrics = await federation.hub.metrics.expose();
    expect(metrics).toMatch(/lumbung_federation_refusals_total\{reason="Revoked"\} [1-9]/);
    // Nobody may confirm the end of its run any more but the operator.
    const status = (await federation.job('team-a', 'on-revoked')).status;
    expect(status?.run).toMatchObject({ fence: 1, member: 'revoked' });
    await federation.lumbung(
      'member',
      'declare-lost',
      'revoked',
      '--reason',
      'its agent said that it stopped',
      '--yes',
    );
    const freed = await federation.whenJob('team-a/on-revoked', (now) => now.run === undefined);
    expect(freed.history).toMatchObject([{ member: 'revoked', outcome: 'Lost', cause: 'MemberLost' }]);
  });

  it(
    'declare-lost lets runs go elsewhere, and what comes back is ended by its fence',
    { timeout: 40_000 },
    async () => {
      await federation.lumbung('member', 'cordon', 'found');
      await whenRunning('lost', 'lost', 1);
      await federation.lumbung('member', 'uncordon', 'found');
      await federation.member('lost').agent.stop();
      await federation.whenJob('team-a/lost', (now) => now.phase === 'Unknown', 20_000);
      const unsure = await federation.cli('member', 'declare-lost', 'lost', '--reason', 'burnt down');
      expect(unsure).toMatchObject({ code: 2, err: expect.stringContaining('--yes') as string });
      expect((await federation.job('team-a', 'lost')).status?.run).toMatchObject({ fence: 1 });
      await federation.lumbung('member', 'declare-lost', 'lost', '--reason', 'burnt down', '--yes');
      const moved = await federation.whenJob('team-a/lost', (now) => isRunning(now) && now.run?.fence === 2);
      expect(moved).toMatchObject({
        run: { member: 'found' },
        history: [{ member: 'lost', outcome: 'Lost', cause: 'MemberLost' }],
      });
      expect(moved.history?.[0]?.message).toContain('burnt down');
      expect(await livePods('lost')).toBe(1);
      await federation.restartAgent('lost');
      await eventually(async () => (await livePods('lost')) === 0, {
        what: 'the returning run is ended',
        withinMs: 15_000,
      });
      expect((await federation.job('team-a', 'lost')).status).toMatchObject({ phase: 'Running', run: { fence: 2 } });
    },
  );

  it('a job deleted by force leaves no run behind', async () => {
    await whenRunning('forced', 'force');
    const { uid = '' } = (await federation.job('team-a', 'forced')).metadata;
    const ref = { type: COMPUTE_JOB_RESOURCE, namespace: 'team-a', name: 'forced' };
    await federation.hub.client.delete(ref, { propagationPolicy: 'Background' });
    // The hub may have taken its own finalizer off by then.
    await federation.hub.client.mergePatch(ref, { metadata: { finalizers: null } }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
    await eventually(async () => (await livePods('forced')) === 0, { what: 'the run of a deleted job is ended' });
    const selector = { labelSelector: `lumbung.dev/job-uid=${uid}` };
    const { client } = federation.member('forced');
    await eventually(async () => (await client.list(jobs, selector)).items.length === 0, { what: 'its Job goes' });
  });
});
