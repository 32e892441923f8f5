import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMPUTE_JOB_RESOURCE } from '../../src/api/v1alpha1/compute-job.ts';
import { GUEST_RUN_RESOURCE } from '../../src/api/v1alpha1/guest-run.ts';
import { events, pods } from '../../src/platform/kube/builtin-resources.ts';
import { isNotFound } from '../../src/platform/kube/kube-error.ts';
import type { KubeObject } from '../../src/platform/kube/object.ts';
import { eventually } from '../support/eventually.ts';
import {
  InProcessFederation,
  aJob,
  aPool,
  isFailed,
  isRunning,
  isSucceeded,
  namespace,
} from '../support/in-process-federation.ts';

const tier = (name: string) => ({ 'lumbung.dev/tier': name });
const selecting = (name: string) => ({ memberSelector: { matchLabels: tier(name) } });

let federation: InProcessFederation;
beforeAll(async () => {
  federation = await InProcessFederation.start({
    members: [
      { name: 'wide', nodes: [{ name: 'n-1', gpuModel: 'T4', gpus: 16 }] },
      { name: 'narrow', nodes: [{ name: 'n-1', gpuModel: 'T4', gpus: 1 }], labels: tier('narrow') },
      { name: 'shared', nodes: [{ name: 'n-1', gpuModel: 'T4', gpus: 4 }], labels: tier('weights') },
    ],
  });
  const tenants = { 'team-a': 3, 'team-b': 1 };
  await federation.apply(
    namespace('team-a'),
    namespace('team-b'),
    aPool({ name: 'wide', tenants }),
    aPool({ name: 'narrow', tenants, spec: selecting('narrow') }),
    aPool({ name: 'weights', tenants, spec: selecting('weights') }),
  );
});
afterAll(() => federation.stop());

/** Guest pods of one job on a member. */
async function podsOf(member: string, key: string): Promise<readonly KubeObject[]> {
  const [space = '', name = ''] = key.split('/');
  const { uid = '' } = (await federation.job(space, name)).metadata;
  const selector = { labelSelector: `lumbung.dev/job-uid=${uid}` };
  return (await federation.member(member).client.list(pods, selector)).items;
}

async function whenGone(key: string, withinMs = 10_000): Promise<void> {
  const [space = '', name = ''] = key.split('/');
  await eventually(
    () =>
      federation.job(space, name).then(
        () => false,
        (error: unknown) => isNotFound(error),
      ),
    { what: `${key} is gone`, withinMs },
  );
}

describe.concurrent('the life of a job', () => {
  it('is suspended, which ends its run, and resumed with a new fence', async () => {
    const key = 'team-a/suspended';
    await federation.apply(aJob({ key, pool: 'wide', duration: 'infinite' }));
    const first = await federation.whenJob(key, isRunning);
    expect(first.run).toMatchObject({ fence: 1, attempt: 1 });
    await federation.patchJob('team-a', 'suspended', { suspend: true });
    const held = await federation.whenJob(key, (now) => now.phase === 'Suspended');
    expect(held.history).toMatchObject([{ fence: 1, outcome: 'Stopped', cause: 'Suspended' }]);
    expect(held.conditions).toContainEqual(expect.objectContaining({ type: 'Suspended', status: 'True' }));
    expect(held.run).toBeUndefined();
    await federation.patchJob('team-a', 'suspended', { suspend: false });
    const resumed = await federation.whenJob(key, isRunning);
    expect(resumed.run).toMatchObject({ fence: 2, attempt: 2 });
    expect(resumed.retriesUsed).toBeUndefined();
    expect(resumed.conditions).toContainEqual(expect.objectContaining({ type: 'Suspended', status: 'False' }));
  });

  it('starts suspended and waits for nobody', async () => {
    const key = 'team-a/born-suspended';
    await federation.apply(aJob({ key, pool: 'wide', spec: { suspend: true } }));
    const status = await federation.whenJob(key, (now) => now.phase === 'Suspended');
    expect(status.queue).toBeUndefined();
    await federation.patchJob('team-a', 'born-suspended', { suspend: false });
    await federation.whenJob(key, isSucceeded);
  });

  it('is deleted while it runs: the guest ends first, then the object goes', async () => {
    const key = 'team-a/deleted';
    await federation.apply(aJob({ key, pool: 'wide', duration: 'infinite', spec: { workers: 2 } }));
    await federation.whenJob(key, isRunning);
    const job = await federation.job('team-a', 'deleted');
    expect(job.metadata.finalizers).toHaveLength(1);
    expect(await podsOf('wide', key)).toHaveLength(2);
    await federation.hub.client.delete(
      { type: COMPUTE_JOB_RESOURCE, namespace: 'team-a', name: 'deleted' },
      { propagationPolicy: 'Background' },
    );
    const selector = { labelSelector: `lumbung.dev/job-uid=${job.metadata.uid ?? ''}` };
    const { client } = federation.member('wide');
    let liveWhenGone = -1;
    await eventually(
      async () => {
        const gone = await federation.job('team-a', 'deleted').then(
          () => false,
          (error: unknown) => isNotFound(error),
        );
        if (!gone) return false;
        const { items } = await client.list<KubeObject & { readonly status?: { readonly phase?: string } }>(
          pods,
          selector,
        );
        liveWhenGone = items.filter((pod) => pod.status?.phase === 'Running' || pod.status?.phase === 'Pending').length;
        return true;
      },
      { what: 'the job is gone' },
    );
    expect(liveWhenGone).toBe(0);
    // The member forgets it, too.
    await eventually(async () => (await client.list(GUEST_RUN_RESOURCE, selector)).items.length === 0, {
      what: 'its GuestRun is gone',
    });
  });

  it('is deleted while it waits, at once', async () => {
    await federation.apply(aJob({ key: 'team-a/deleted-early', pool: 'nowhere' }));
    await federation.hub.client.delete(
      { type: COMPUTE_JOB_RESOURCE, namespace: 'team-a', name: 'deleted-early' },
      { propagationPolicy: 'Background' },
    );
    await whenGone('team-a/deleted-early');
  });

  it(
    'is retried after a non-zero exit and fails at the limit, with the exit code said',
    { timeout: 35_000 },
    async () => {
      const key = 'team-a/failing';
      await federation.apply(aJob({ key, pool: 'wide', exitCode: 3, spec: { retry: { limit: 1 } } }));
      const backoff = await federation.whenJob(key, (now) => now.queue?.reason === 'RetryBackoff');
      expect(backoff).toMatchObject({ phase: 'Pending', retriesUsed: 1, history: [{ cause: 'NonZeroExit' }] });
      const failed = await federation.whenJob(key, isFailed, 30_000);
      expect(failed.history).toMatchObject([
        { attempt: 1, fence: 1, outcome: 'Failed', cause: 'NonZeroExit' },
        { attempt: 2, fence: 2, outcome: 'Failed', cause: 'NonZeroExit' },
      ]);
      expect(failed.history?.[0]?.message).toMatch(/\b3\b/);
      const condition = failed.conditions?.find((one) => one.type === 'Failed');
      expect(condition).toMatchObject({ reason: 'NonZeroExit' });
      expect(condition?.message).toContain('1 of 1 retries used');
    },
  );

  it('fails at once where no retries are allowed', async () => {
    await federation.apply(aJob({ key: 'team-a/once', pool: 'wide', exitCode: 1, spec: { retry: { limit: 0 } } }));
    const failed = await federation.whenJob('team-a/once', isFailed);
    expect(failed.history).toHaveLength(1);
    expect(failed.conditions?.find((one) => one.type === 'Failed')?.message).toContain('no retries allowed');
  });

  it('ends at its maxRuntime', async () => {
    const key = 'team-a/endless';
    await federation.apply(
      aJob({ key, pool: 'wide', duration: 'infinite', spec: { maxRuntime: '2s', checkpointGrace: '1s' } }),
    );
    const failed = await federation.whenJob(key, isFailed);
    expect(failed.history).toMatchObject([{ outcome: 'Failed', cause: 'MaxRuntimeExceeded' }]);
    expect(await livePods('wide', key)).toBe(0);
  });

  it('is deleted by itself after ttlAfterFinished', async () => {
    const key = 'team-a/short-lived';
    await federation.apply(aJob({ key, pool: 'wide', spec: { ttlAfterFinished: '1s' } }));
    await whenGone(key, 20_000);
    await eventually(async () => (await eventsOf('team-a', 'short-lived')).includes('Succeeded'), {
      what: 'it had succeeded',
    });
  });

  it('with an image that cannot be pulled fails at startTimeout and says which', async () => {
    const key = 'team-a/no-image';
    const image = 'registry.example/missing:does-not-exist';
    await federation.apply(aJob({ key, pool: 'wide', image, spec: { startTimeout: '2s' } }));
    const failed = await federation.whenJob(key, isFailed);
    expect(failed.history).toMatchObject([{ outcome: 'Failed', cause: 'ImageError' }]);
    expect(failed.history?.[0]?.message).toContain(image);
    expect(await livePods('wide', key)).toBe(0);
  });

  it('tells its story in events', async () => {
    const key = 'team-b/story';
    await federation.apply(aJob({ key, pool: 'wide' }));
    await federation.whenJob(key, isSucceeded);
    await eventually(
      async () => {
        const mine = await eventsOf('team-b', 'story');
        return mine.includes('Placed') && mine.includes('Succeeded');
      },
      { what: 'events Placed and Succeeded' },
    );
  });

  it('goes by priority within its tenant, then by age', async () => {
    await federation.apply(aJob({ key: 'team-a/holds-it', pool: 'narrow', duration: 'infinite' }));
    await federation.whenJob('team-a/holds-it', isRunning);
    const order = [
      ['p-low', -5],
      ['p-mid-1', 0],
      ['p-mid-2', 0],
      ['p-high', 5],
    ] as const;
    for (const [name, priority] of order) {
      await federation.apply(aJob({ key: `team-a/${name}`, pool: 'narrow', duration: '300ms', spec: { priority } }));
      // Ages count in whole seconds, as Kubernetes stores them.
      if (name === 'p-mid-1') await untilNextSecond((await federation.job('team-a', name)).metadata.creationTimestamp);
    }
    const waiting = await federation.whenJob('team-a/p-mid-2', (now) => now.queue?.reason === 'WaitingForCapacity');
    expect(waiting.queue).toMatchObject({ position: 3 });
    expect((await federation.explain('team-a/p-high')).position).toBe(1);
    await federation.patchJob('team-a', 'holds-it', { suspend: true });
    for (const [name] of order) await federation.whenJob(`team-a/${name}`, isSucceeded);
    const stopped: [string, number][] = [];
    for (const [name] of order) {
      const version = Number((await federation.job('team-a', name)).metadata.resourceVersion);
      stopped.push([name, version]);
    }
    // One GPU: they ran one after another, so that the order of their last writes is the order of their runs.
    expect(stopped.sort((a, b) => a[1] - b[1]).map(([name]) => name)).toEqual([
      'p-high',
      'p-mid-1',
      'p-mid-2',
      'p-low',
    ]);
  });

  it('shares a full pool between tenants by weight, three to one', async () => {
    const names = [1, 2, 3, 4, 5, 6];
    await federation.apply(
      aJob({ key: 'team-a/blocker', pool: 'weights', duration: 'infinite', spec: { gpusPerWorker: 4 } }),
    );
    await federation.whenJob('team-a/blocker', isRunning);
    for (const team of ['team-b', 'team-a']) {
      for (const at of names) {
        await federation.apply(aJob({ key: `${team}/w-${at}`, pool: 'weights', duration: 'infinite' }));
      }
    }
    await federation.patchJob('team-a', 'blocker', { suspend: true });
    const running = await eventually(
      async () => {
        const { items } = await federation.hub.client.list<
          KubeObject & { readonly status?: { readonly phase?: string } }
        >(COMPUTE_JOB_RESOURCE);
        const live = items.filter(
          (job) => (job.metadata.name ?? '').startsWith('w-') && job.status?.phase === 'Running',
        );
        return live.length === 4 ? live : undefined;
      },
      { what: 'four jobs fill the pool', withinMs: 15_000 },
    );
    const byTeam = running.map((job) => job.metadata.namespace).sort();
    expect(byTeam).toEqual(['team-a', 'team-a', 'team-a', 'team-b']);
  });
});

async function livePods(member: string, key: string): Promise<number> {
  const all = (await podsOf(member, key)) as readonly (KubeObject & {
    readonly status?: { readonly phase?: string };
  })[];
  return all.filter((pod) => pod.status?.phase === 'Running' || pod.status?.phase === 'Pending').length;
}

async function untilNextSecond(timestamp = ''): Promise<void> {
  await eventually(() => Date.now() >= Date.parse(timestamp) + 1_000, { what: 'the second is over', withinMs: 3_000 });
}

/** Reasons of the events about one job. */
async function eventsOf(space: string, name: string): Promise<readonly string[]> {
  type Event = KubeObject & { readonly reason: string; readonly involvedObject: { readonly name?: string } };
  const { items } = await federation.hub.client.list<Event>(events, { namespace: space });
  return items.filter((one) => one.involvedObject.name === name).map((one) => one.reason);
}
