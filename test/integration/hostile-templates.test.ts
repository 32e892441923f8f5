import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMPUTE_JOB_RESOURCE } from '../../src/api/v1alpha1/compute-job.ts';
import { GPU_POOL_RESOURCE } from '../../src/api/v1alpha1/gpu-pool.ts';
import { MEMBER_CLUSTER_RESOURCE } from '../../src/api/v1alpha1/member-cluster.ts';
import { customResourceDefinitions, events, jobs, pods } from '../../src/platform/kube/builtin-resources.ts';
import type { KubeObject, ResourceType } from '../../src/platform/kube/object.ts';
import { eventually } from '../support/eventually.ts';
import {
  InProcessFederation,
  aJob,
  aPool,
  hasCondition,
  isFailed,
  isRunning,
  isSucceeded,
  namespace,
} from '../support/in-process-federation.ts';

interface EventObject extends KubeObject {
  readonly reason: string;
  readonly involvedObject?: { readonly name?: string };
}
type Raw = KubeObject & { readonly spec: Record<string, unknown>; readonly status?: Record<string, unknown> };

let federation: InProcessFederation;
beforeAll(async () => {
  federation = await InProcessFederation.start({
    members: [
      { name: 'north', nodes: [{ name: 'n-1', gpuModel: 'T4', gpus: 8 }] },
      {
        name: 'open',
        nodes: [{ name: 'n-1', gpuModel: 'L4', gpus: 4 }],
        policy: { templatePaths: { allow: ['spec.containers.futureField', 'spec.futureThing'] } },
      },
    ],
  });
  await federation.apply(namespace('team-a'), aPool({ name: 'research', tenants: { 'team-a': 1 } }));
});
afterAll(() => federation.stop());

const onNorth = { gpu: { models: ['T4'] } };

describe.concurrent('what a member is sent and shown', () => {
  it.each([
    [
      'a hostPath',
      { podSpec: { volumes: [{ name: 'v', hostPath: { path: '/' } }] } },
      'template.spec.volumes[0].hostPath',
    ],
    ['a nodeName', { podSpec: { nodeName: 'n-1' } }, 'template.spec.nodeName'],
    [
      'another priority class',
      { podSpec: { priorityClassName: 'system-node-critical' } },
      'template.spec.priorityClassName',
    ],
    ['a priority', { podSpec: { priority: 1_000_000 } }, 'template.spec.priority'],
    [
      'NVIDIA_VISIBLE_DEVICES=all',
      { container: { env: [{ name: 'NVIDIA_VISIBLE_DEVICES', value: 'all' }] } },
      'template.spec.containers[0].env[0].name',
    ],
    [
      'a huge grace',
      { podSpec: { terminationGracePeriodSeconds: 86_400 } },
      'template.spec.terminationGracePeriodSeconds',
    ],
    ['a service account', { podSpec: { serviceAccountName: 'admin' } }, 'template.spec.serviceAccountName'],
    ['the host network', { podSpec: { hostNetwork: true } }, 'template.spec.hostNetwork'],
    [
      'a privileged container',
      { container: { securityContext: { privileged: true } } },
      'template.spec.containers[0].securityContext.privileged',
    ],
    ['a finalizer', { metadata: { finalizers: ['example.com/never'] } }, 'template.metadata.finalizers'],
    ['an unknown field', { podSpec: { futureThing: { a: 1 } } }, 'template.spec.futureThing'],
  ])('is refused with %s, with cause and path, and nothing of it is made', async (name, hostile, path) => {
    const key = `team-a/hostile-${name.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`;
    await federation.apply(aJob({ key, pool: 'research', duration: 'infinite', spec: onNorth, ...hostile }));
    const status = await federation.whenJob(key, isFailed);
    expect(status.history).toMatchObject([{ outcome: 'Refused', cause: 'TemplateRefused', member: 'north' }]);
    expect(status.history?.[0]?.message).toContain(path);
    expect(status.history?.[0]?.startedAt).toBeUndefined();
    expect(status.conditions).toContainEqual(
      expect.objectContaining({ type: 'Failed', status: 'True', reason: 'TemplateRefused' }),
    );
    const { uid } = (await federation.job('team-a', key.split('/')[1] ?? '')).metadata;
    const made = await federation.member('north').client.list(jobs, { labelSelector: `lumbung.dev/job-uid=${uid}` });
    expect(made.items).toEqual([]);
  });

  it('is refused with tolerations for a taint of the owner', async () => {
    const tolerations = [{ operator: 'Exists' }];
    await federation.apply(aJob({ key: 'team-a/tolerant', pool: 'research', spec: onNorth, podSpec: { tolerations } }));
    const status = await federation.whenJob('team-a/tolerant', isFailed);
    expect(status.history).toMatchObject([{ cause: 'TemplateRefused' }]);
    expect(status.history?.[0]?.message).toContain('template.spec.tolerations');
  });

  it('keeps fields that it does not know all the way to the pod, where the owner opened them', async () => {
    const job = aJob({
      key: 'team-a/future',
      pool: 'research',
      duration: 'infinite',
      spec: { gpu: { models: ['L4'] } },
      podSpec: { futureThing: { deep: [{ y: 'no' }] } },
      container: { futureField: { n: 1 } },
    });
    await federation.apply(job);
    const stored = (await federation.job('team-a', 'future')).spec;
    expect(stored).toMatchObject({ template: { spec: { futureThing: { deep: [{ y: 'no' }] } } } });
    const status = await federation.whenJob('team-a/future', isRunning);
    expect(status.run?.member).toBe('open');
    const wire = federation.member('open').wire.filter((line) => line.startsWith('<-') && line.includes('futureThing'));
    expect(wire.join()).toContain('"futureThing":{"deep":[{"y":"no"}]}');
    expect(wire.join()).toContain('"futureField":{"n":1}');
    const { uid } = (await federation.job('team-a', 'future')).metadata;
    const selector = { labelSelector: `lumbung.dev/job-uid=${uid}` };
    const [made] = (await federation.member('open').client.list<Raw>(jobs, selector)).items;
    expect(made?.metadata.name).toBeDefined();
  });

  it('sees a pod with weird fields on the member and goes on serving', async () => {
    const { client } = federation.member('open');
    const weird = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'weird',
        namespace: 'default',
        annotations: { 'sandbox.lumbung.dev/duration': 'infinite' },
        labels: { 'lumbung.dev/guest': 'true', 'lumbung.dev/job-uid': 'nobody', 'lumbung.dev/fence': 'minus-one' },
      },
      spec: {
        nodeName: 'n-1',
        tolerations: [{ key: 'load', operator: 'Gt', value: '5' }],
        nodeSelector: {},
        containers: [{ name: 'x', image: 'x', resources: { limits: { 'nvidia.com/gpu': '1', cpu: '0.0001' } } }],
      },
    };
    await client.create(pods, weird);
    await federation.apply(aJob({ key: 'team-a/beside', pool: 'research', spec: { gpu: { models: ['L4'] } } }));
    await federation.whenJob('team-a/beside', isSucceeded);
  });
});

describe('poisoned objects', () => {
  const types = [COMPUTE_JOB_RESOURCE, GPU_POOL_RESOURCE, MEMBER_CLUSTER_RESOURCE];
  const definitionOf = (type: ResourceType) => ({
    type: customResourceDefinitions,
    name: `${type.plural}.${type.group}`,
  });

  /** Lets anything be stored, as a definition of another version could. */
  async function loosen(type: ResourceType): Promise<void> {
    const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
    const patch = [{ op: 'replace' as const, path: '/spec/versions/0/schema/openAPIV3Schema', value: anything }];
    await federation.hub.client.jsonPatch(definitionOf(type), patch);
  }

  async function store(type: ResourceType, object: object, status?: unknown): Promise<KubeObject> {
    const { client } = federation.hub;
    const typed = { apiVersion: 'lumbung.dev/v1alpha1', kind: type.kind, ...object } as KubeObject;
    const made = await eventually(() => client.create(type, typed), { what: `${type.kind} takes anything` });
    if (status === undefined) return made;
    const { name = '', namespace: space } = made.metadata;
    const ref = { type, name, ...(space === undefined ? {} : { namespace: space }) };
    return client.mergePatch(ref, { status }, { subresource: 'status' });
  }

  it('never stop the hub from serving the others, and are named', { timeout: 30_000 }, async () => {
    for (const type of types) await loosen(type);
    const inTeam = (name: string) => ({ metadata: { name, namespace: 'team-a' } });
    const healthySpec = (aJob({ key: 'team-a/x', pool: 'research' }) as Raw).spec;
    await store(
      COMPUTE_JOB_RESOURCE,
      { ...inTeam('garbage-status'), spec: healthySpec },
      {
        run: 'garbage',
        highestFence: 'many',
        conditions: { not: 'a list' },
        history: [42],
      },
    );
    await store(COMPUTE_JOB_RESOURCE, { ...inTeam('garbage-spec'), spec: { pool: ['a', 'list'], workers: -4 } });
    await store(COMPUTE_JOB_RESOURCE, inTeam('no-spec'));
    await store(GPU_POOL_RESOURCE, {
      metadata: { name: 'absurd' },
      spec: { memberSelector: 'everyone', tenants: 7, lease: { duration: 'never' }, queueing: null },
    });
    await store(
      GPU_POOL_RESOURCE,
      { metadata: { name: 'absurd-status' }, spec: { memberSelector: { matchLabels: { no: 'body' } } } },
      { gpus: 'plenty', members: -1 },
    );
    await store(
      MEMBER_CLUSTER_RESOURCE,
      { metadata: { name: 'absurd', labels: { 'lumbung.dev/tier': 'shared' } }, spec: { accepted: 'maybe' } },
      { clusterUid: 12, gpus: { a: 1 }, epoch: 'first' },
    );
    await federation.apply(aJob({ key: 'team-a/healthy', pool: 'research', spec: onNorth }));
    await federation.whenJob('team-a/healthy', isSucceeded);

    const status = await federation.whenJob('team-a/garbage-spec', (now) => hasCondition(now, 'Valid', 'False'));
    expect(status.conditions?.find((one) => one.type === 'Valid')?.message).toMatch(/spec\.workers/);
    await federation.whenJob('team-a/no-spec', (now) => hasCondition(now, 'Valid', 'False'));
    // A status that cannot be read may hide a live run: it is left as it is, and an event says so.
    const { status: left } = await federation.job('team-a', 'garbage-status');
    expect(left).toMatchObject({ run: 'garbage' });
    await eventually(
      async () => {
        const { items } = await federation.hub.client.list<EventObject>(events, { namespace: 'team-a' });
        return items.some((one) => one.reason === 'StatusUnreadable' && one.involvedObject?.name === 'garbage-status');
      },
      { what: 'an event names the job whose status cannot be read' },
    );
    const page = await federation.hub.metrics.expose();
    expect(page).toMatch(/lumbung_jobs\{[^}]*phase="Succeeded"\}/);
    await federation.lumbung('member', 'list');
    expect((await federation.cli('explain', 'garbage-status', '-n', 'team-a')).out).toContain('cannot be read');
  });
});
