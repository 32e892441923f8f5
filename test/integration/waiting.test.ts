import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ComputeJobStatus } from '../../src/api/v1alpha1/compute-job-status.ts';
import { GPU_POOL_RESOURCE } from '../../src/api/v1alpha1/gpu-pool.ts';
import { isKubeError } from '../../src/platform/kube/kube-error.ts';
import {
  InProcessFederation,
  aJob,
  aPool,
  hasCondition,
  isSucceeded,
  namespace,
} from '../support/in-process-federation.ts';
import { typeOfKind } from '../support/yaml-objects.ts';

const waitsFor = (reason: string) => (status: ComputeJobStatus) => status.queue?.reason === reason;

describe.concurrent('a job that cannot run yet says why, and starts once it can', () => {
  let federation: InProcessFederation;
  beforeAll(async () => {
    federation = await InProcessFederation.start({
      members: [
        { name: 'north', nodes: [{ name: 'n-1', gpuModel: 'T4', gpus: 4 }] },
        { name: 'late', nodes: [{ name: 'n-1', gpuModel: 'L4', gpus: 1 }], labels: { 'lumbung.dev/tier': 'late' } },
      ],
    });
    await federation.apply(
      namespace('team-a'),
      namespace('team-b'),
      aPool({ name: 'research', tenants: { 'team-a': 1 } }),
    );
  });
  afterAll(() => federation.stop());

  /** Applies the job and returns its waiting status, with the same reason in conditions and in the explanation. */
  async function waiting(job: ReturnType<typeof aJob>, reason: string): Promise<ComputeJobStatus> {
    await federation.apply(job);
    const key = `${job.metadata.namespace ?? ''}/${job.metadata.name ?? ''}`;
    const status = await federation.whenJob(key, waitsFor(reason));
    expect(status.conditions).toContainEqual(
      expect.objectContaining({ type: 'Placed', status: 'False', reason, message: status.queue?.message }),
    );
    expect(status).toMatchObject({ phase: 'Pending' });
    const explained = await federation.explain(key);
    expect(explained).toMatchObject({ reason, summary: status.queue?.message });
    return status;
  }

  async function whyNot(key: string, member: string): Promise<unknown> {
    const { members } = await federation.explain(key);
    return members.find((one) => one.member === member);
  }

  it('waits for a pool that does not exist, and starts when somebody creates it', async () => {
    const job = aJob({ key: 'team-a/no-pool', pool: 'later' });
    const status = await waiting(job, 'PoolNotFound');
    expect(status.queue?.message).toBe('pool later does not exist');
    const spec = { memberSelector: { matchLabels: { 'lumbung.dev/tier': 'late' } } };
    await federation.apply(aPool({ name: 'later', tenants: { 'team-a': 1 }, spec }));
    const done = await federation.whenJob('team-a/no-pool', isSucceeded);
    expect(done.history).toMatchObject([{ member: 'late' }]);
    expect(done.queue).toBeUndefined();
  });

  it('waits for members of its pool, and starts when one is labelled for it', async () => {
    const selector = (tier: string) => ({ memberSelector: { matchLabels: { 'lumbung.dev/tier': tier } } });
    await federation.apply(aPool({ name: 'empty', tenants: { 'team-b': 1 }, spec: selector('nobody-yet') }));
    await waiting(aJob({ key: 'team-b/no-members', pool: 'empty' }), 'PoolHasNoMembers');
    const nodes = [{ name: 'n-1', gpuModel: 'T4', gpus: 1 }];
    await federation.addMember({ name: 'newcomer', nodes, labels: { 'lumbung.dev/tier': 'nobody-yet' } }, 9);
    const done = await federation.whenJob('team-b/no-members', isSucceeded);
    expect(done.history).toMatchObject([{ member: 'newcomer' }]);
  });

  it('waits while its namespace belongs to no tenant, and starts when the tenant is added', async () => {
    const status = await waiting(aJob({ key: 'team-b/stranger', pool: 'research' }), 'TenantNotAllowed');
    expect(status.queue?.message).toContain('namespace team-b');
    const tenants = [
      { name: 'team-a', namespaces: ['team-a'] },
      { name: 'team-b', namespaces: ['team-b'] },
    ];
    await federation.hub.client.mergePatch({ type: GPU_POOL_RESOURCE, name: 'research' }, { spec: { tenants } });
    await federation.whenJob('team-b/stranger', isSucceeded);
  });

  it('waits in an impossible shape with the numbers of the member, and starts when a node is added', async () => {
    const job = aJob({ key: 'team-a/too-big', pool: 'research', spec: { workers: 2, gpusPerWorker: 8 } });
    const status = await waiting(job, 'NoMemberFits');
    expect(status.queue?.message).toMatch(/needs 16 GPUs \(2 workers x 8\)/);
    expect(await whyNot('team-a/too-big', 'north')).toMatchObject({
      reason: 'TooBigForMember',
      facts: { needWorkers: 2, couldHoldWorkers: 0, perWorkerGpus: 8 },
    });
    const { sandbox } = federation.member('north');
    for (const name of ['big-1', 'big-2']) await sandbox.addNode({ name, gpuModel: 'T4', gpus: 8 });
    const done = await federation.whenJob('team-a/too-big', isSucceeded);
    expect(done.history).toMatchObject([{ outcome: 'Succeeded' }]);
  });

  it('waits for a model that nobody has, and starts when it appears', async () => {
    const job = aJob({ key: 'team-a/model', pool: 'research', spec: { gpu: { models: ['H200'] } } });
    const status = await waiting(job, 'NoMemberFits');
    expect(status.queue?.message).toContain('H200');
    expect(await whyNot('team-a/model', 'north')).toMatchObject({
      reason: 'NoSuchGpuModel',
      facts: { wanted: ['H200'] },
    });
    await federation.member('north').sandbox.addNode({ name: 'new-model', gpuModel: 'H200', gpus: 1 });
    await federation.whenJob('team-a/model', isSucceeded);
  });

  it('waits for a jurisdiction, and starts when a member of it joins', async () => {
    const job = aJob({ key: 'team-a/abroad', pool: 'research', spec: { placement: { jurisdictions: ['SG'] } } });
    await waiting(job, 'NoMemberFits');
    expect(await whyNot('team-a/abroad', 'north')).toMatchObject({
      reason: 'ResidencyForbids',
      facts: { memberJurisdiction: 'ID', by: 'Job' },
    });
    const nodes = [{ name: 'n-1', gpuModel: 'L4', gpus: 1 }];
    await federation.addMember({ name: 'abroad', jurisdiction: 'SG', nodes }, 10);
    const done = await federation.whenJob('team-a/abroad', isSucceeded);
    expect(done.history).toMatchObject([{ member: 'abroad' }]);
  });

  it.each([
    ['no workers', { workers: 0 }, 'spec.workers', '1'],
    ['a priority out of range', { priority: 1001 }, 'spec.priority', '1000'],
    ['an unknown rendezvous', { rendezvous: 'Mpi' }, 'spec.rendezvous', 'Torch'],
    ['a time that is none', { startTimeout: 'soon' }, 'spec.startTimeout', 'duration'],
    ['a negative retry limit', { retry: { limit: -1 } }, 'spec.retry.limit', '0'],
    ['a country that is none', { placement: { jurisdictions: ['Indonesia'] } }, 'spec.placement.jurisdictions', ''],
    ['a GPU container that is not there', { gpuContainer: 'other' }, 'spec', 'template.spec.containers'],
    ['no containers', { template: { spec: { containers: [] } } }, 'spec.template.spec.containers', '1'],
    [
      'a template that names GPUs itself',
      { template: { spec: { containers: [{ name: 'main', resources: { limits: { 'nvidia.com/gpu': 1 } } }] } } },
      'spec.template.spec.containers',
      'gpusPerWorker',
    ],
  ])(
    'is refused by the API server with %s, naming the field and what is allowed',
    async (_name, spec, path, allowed) => {
      const job = aJob({ key: 'team-a/invalid', pool: 'research' }) as ReturnType<typeof aJob> & { spec: object };
      const error = await refusalOf({ ...job, spec: { ...job.spec, ...spec } });
      expect(error).toMatchObject({ status: 422, reason: 'Invalid' });
      const causes = (error.details?.causes ?? []).map((cause) => `${cause.field ?? ''}: ${cause.message ?? ''}`);
      expect(causes.join('\n')).toContain(path);
      expect(error.message).toContain(allowed);
    },
  );

  it.each([
    [
      'a namespace of two tenants',
      aPool({
        name: 'bad',
        spec: {
          tenants: [
            { name: 'a', namespaces: ['x'] },
            { name: 'b', namespaces: ['x'] },
          ],
        },
      }),
      'spec.tenants',
      'one tenant only',
    ],
    [
      'a bound shorter than the lease',
      aPool({
        name: 'bad',
        spec: {
          lease: {
            duration: '60s',
            terminationGrace: '1s',
            margin: '1s',
            maxClockDriftPercent: 1,
            replaceAfter: '60s',
          },
        },
      }),
      'spec.lease',
      'replaceAfter must be at least',
    ],
    [
      'a member accepted for no jurisdiction',
      {
        apiVersion: 'lumbung.dev/v1alpha1',
        kind: 'MemberCluster',
        metadata: { name: 'm' },
        spec: { accepted: true },
      },
      'spec',
      'jurisdiction is required',
    ],
  ])('refuses %s', async (_name, object, path, allowed) => {
    const error = await refusalOf(object);
    expect(error).toMatchObject({ status: 422 });
    expect(error.details?.causes?.map((cause) => cause.field)).toContain(path);
    expect(error.message).toContain(allowed);
  });

  it('shows within 2 s, with the path, what the API server cannot see', async () => {
    const nodeAffinity = {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'Near', values: ['x'] }] }],
      },
    };
    const job = aJob({ key: 'team-a/unseen', pool: 'research', podSpec: { affinity: { nodeAffinity } } });
    await federation.apply(job);
    const status = await federation.whenJob('team-a/unseen', (now) => hasCondition(now, 'Valid', 'False'), 2_000);
    const valid = status.conditions?.find((condition) => condition.type === 'Valid');
    expect(valid).toMatchObject({ reason: 'InvalidSpec' });
    expect(valid?.message).toMatch(/^spec\.template\.spec\.affinity\.nodeAffinity\..*\.operator: must be one of In/);
    const explained = await federation.cli('explain', 'unseen', '-n', 'team-a');
    expect(explained.out).toContain('.operator: must be one of In');
    // Once corrected, it runs.
    const corrected = aJob({ key: 'team-a/unseen', pool: 'research' }) as unknown as KubeSpec;
    await federation.hub.client.mergePatch(
      { type: typeOfKind('ComputeJob'), namespace: 'team-a', name: 'unseen' },
      {
        spec: { template: { spec: { affinity: null, containers: corrected.spec.template.spec.containers } } },
      },
    );
    const done = await federation.whenJob('team-a/unseen', isSucceeded);
    expect(hasCondition(done, 'Valid')).toBe(true);
  });

  interface KubeSpec {
    readonly spec: { readonly template: { readonly spec: { readonly containers: readonly unknown[] } } };
  }

  async function refusalOf(object: object): Promise<{
    readonly status: number;
    readonly reason: string;
    readonly message: string;
    readonly details?: { readonly causes?: readonly { readonly field?: string; readonly message?: string }[] };
  }> {
    const type = typeOfKind((object as { readonly kind: string }).kind);
    try {
      await federation.hub.client.create(type, object as never, { dryRun: true });
    } catch (error) {
      if (isKubeError(error)) return error as never;
      throw error;
    }
    throw new Error('the API server took it');
  }
});
