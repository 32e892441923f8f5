/**
 * Hub and agent with the charts' roles and nothing else, from invitation to clean-up: nothing that they need is missing. And
 * what the roles do not give is refused, by the same API server.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GUEST_RUN_RESOURCE } from '../../src/api/v1alpha1/guest-run.ts';
import * as types from '../../src/platform/kube/builtin-resources.ts';
import { createKubeClient } from '../../src/platform/kube/kube-client-http.ts';
import type { KubeClient } from '../../src/platform/kube/kube-client.ts';
import { isForbidden } from '../../src/platform/kube/kube-error.ts';
import type { KubeObject } from '../../src/platform/kube/object.ts';
import { systemClock } from '../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../src/platform/clock/system-random.ts';
import { COMPUTE_JOB_RESOURCE } from '../../src/api/v1alpha1/compute-job.ts';
import { GPU_POOL_RESOURCE } from '../../src/api/v1alpha1/gpu-pool.ts';
import { MEMBER_CLUSTER_RESOURCE } from '../../src/api/v1alpha1/member-cluster.ts';
import { eventually } from '../support/eventually.ts';
import {
  InProcessFederation,
  aJob,
  aPool,
  isSucceeded,
  namespace,
  type ProgramAccess,
  type Side,
} from '../support/in-process-federation.ts';
import { readObjects } from '../support/yaml-objects.ts';

const ACCESS_KINDS = new Set(['ServiceAccount', 'ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding']);

const HELD = /^lumbung-(hub|agent|guest|hub-references)$/;

interface Rule {
  readonly verbs: readonly string[];
  readonly resources: readonly string[];
}

async function accessOf(program: 'hub' | 'agent'): Promise<ProgramAccess> {
  const objects = (await readObjects(`manifests/install-${program}.yaml`)).filter(({ kind = '' }) =>
    ACCESS_KINDS.has(kind),
  );
  return { serviceAccount: `lumbung-${program}`, objects };
}

/** `hub: patch computejobs/status` and so on, of the roles that programs hold. */
function grantsOf(program: 'hub' | 'agent', { objects }: ProgramAccess): string[] {
  const roles = objects.filter(({ kind = '', metadata }) => kind.endsWith('Role') && HELD.test(metadata.name ?? ''));
  const rules = roles.flatMap((role) => (role as KubeObject & { readonly rules: readonly Rule[] }).rules);
  return rules.flatMap(({ verbs, resources }) =>
    verbs.flatMap((verb) => resources.map((resource) => `${program}: ${verb} ${resource}`)),
  );
}

let grants: readonly string[];
let federation: InProcessFederation;
beforeAll(async () => {
  const access = { hub: await accessOf('hub'), agent: await accessOf('agent') };
  grants = [...grantsOf('hub', access.hub), ...grantsOf('agent', access.agent)];
  federation = await InProcessFederation.start({
    access,
    members: [
      { name: 'north', nodes: [{ name: 'n-1', gpuModel: 'T4', gpus: 4 }], policy: { finishedRetention: '1s' } },
      { name: 'south', nodes: [{ name: 'n-1', gpuModel: 'L4', gpus: 1 }] },
    ],
  });
  await federation.apply(
    namespace('team-a'),
    aPool({ name: 'research', tenants: { 'team-a': 1 } }),
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'key', namespace: 'team-a' }, stringData: { key: 'value' } },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'mode', namespace: 'team-a' }, data: { MODE: 'fast' } },
  );
});
afterAll(() => federation.stop());

const sides = (): readonly [string, Side][] => [['hub', federation.hub], ...federation.members];
const refusals = (): string[] =>
  sides().flatMap(([name, side]) =>
    side.requests
      .filter(({ status }) => status === 403)
      .map(({ verb, resource, subresource }) => `${name}: ${verb} ${resource}/${subresource}`),
  );

describe('with the roles of the charts and no other rights', () => {
  it('hub and agents run a gang with references, show its log, give GPUs back to an owner, and clean up', async () => {
    await federation.apply(
      aJob({
        key: 'team-a/gang',
        pool: 'research',
        duration: '1s',
        spec: { workers: 2, gpu: { models: ['T4'] }, maxRuntime: '30m', ttlAfterFinished: '2s', onPartition: 'Fence' },
        container: {
          env: [{ name: 'KEY', valueFrom: { secretKeyRef: { name: 'key', key: 'key' } } }],
          envFrom: [{ configMapRef: { name: 'mode' } }],
        },
      }),
      aJob({
        key: 'team-a/evicted',
        pool: 'research',
        duration: 'infinite',
        spec: { gpu: { models: ['L4'] }, checkpointGrace: '0s' },
      }),
      aJob({ key: 'team-a/hostile', pool: 'research', podSpec: { hostNetwork: true } }),
    );
    await federation.whenJob('team-a/gang', (status) => status.phase === 'Running');
    expect(await federation.lumbung('logs', 'gang', '-n', 'team-a')).toBe('');
    await federation.whenJob('team-a/evicted', (status) => status.phase === 'Running');
    await federation.member('south').client.create(types.pods, ownerPod);
    await federation.whenJob('team-a/gang', isSucceeded);
    await federation.whenJob('team-a/evicted', ({ history = [] }) =>
      history.some(({ cause }) => cause === 'Reclaimed'),
    );
    await federation.patchJob('team-a', 'evicted', { suspend: true });

    // Another policy changes the ground that the tenant stands on; a wish from the hub ends a run.
    await federation.setPolicy('north', { podSecurity: 'baseline', egress: { allowPrivateRanges: true } });
    const endless = {
      pool: 'research',
      duration: 'infinite',
      spec: { gpu: { models: ['T4'] }, checkpointGrace: '0s' },
    };
    await federation.apply(aJob({ key: 'team-a/stopped', ...endless }));
    await federation.whenJob('team-a/stopped', (status) => status.phase === 'Running');
    await federation.patchJob('team-a', 'stopped', { suspend: true });
    await federation.whenJob('team-a/stopped', (status) => status.phase === 'Suspended');
    expect((await federation.explain('team-a/hostile')).job).toBeDefined();

    // ttlAfterFinished on the hub, finishedRetention on the member.
    await eventually(async () => (await federation.hub.client.list(COMPUTE_JOB_RESOURCE)).items.length === 3, {
      what: 'the finished job is gone',
      withinMs: 15_000,
    });
    await eventually(
      async () => (await federation.member('north').client.list(GUEST_RUN_RESOURCE)).items.length === 0,
      {
        what: 'its GuestRun is gone',
        withinMs: 15_000,
      },
    );
    await federation.restartAgent('north');
    await federation.whenConnected('north');
    expect(refusals()).toEqual([]);
    for (const [, side] of sides()) expect(side.log.filter((line) => /forbidden/i.test(line))).toEqual([]);
  }, 60_000);
});

const RACE = 'read anew after a lost race or a lost answer';
const BRING_BACK = 'brought back when somebody changed it';
/** Granted, and asked for by few lives of jobs: why it is granted all the same. */
const RARELY = new Map([
  ['hub: get computejobs', RACE],
  ['hub: get gpupools', RACE],
  ['hub: get memberclusters', RACE],
  ['hub: patch events', 'an event that repeats counts up'],
  ['hub: create apiservices', 'asked by the API server when an apply creates'],
  ['hub: create configmaps', 'asked by the API server when an apply creates'],
  ['agent: bind clusterroles', 'asked by the API server when a binding is made'],
  ['agent: get guestruns', RACE],
  ['agent: get jobs', RACE],
  ['agent: get configmaps', RACE],
  ['agent: patch configmaps', 'fence memory that has no room for jobs in this test'],
  ['agent: list events', 'runs that lost pods while no agent looked'],
  ['agent: patch priorityclasses', BRING_BACK],
  ['agent: patch rolebindings', BRING_BACK],
  ['agent: patch serviceaccounts', BRING_BACK],
]);

describe('what the roles give', () => {
  it('is asked for in the life of a job, or has a stated reason', () => {
    const asked = new Set(
      sides().flatMap(([name, side]) =>
        side.requests.map(
          ({ verb, resource, subresource }) =>
            `${name === 'hub' ? 'hub' : 'agent'}: ${verb} ${[resource, subresource].filter(Boolean).join('/')}`,
        ),
      ),
    );
    const unused = grants.filter((grant) => !asked.has(grant) && !RARELY.has(grant));
    expect(unused).toEqual([]);
    expect([...RARELY.keys()].filter((grant) => !grants.includes(grant))).toEqual([]);
  });
});

const ownerPod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'owner', namespace: 'default' },
  spec: {
    containers: [{ name: 'main', image: 'registry.example/own:1', resources: { limits: { 'nvidia.com/gpu': '1' } } }],
  },
} as KubeObject;

describe('what the roles do not give', () => {
  const clients: KubeClient[] = [];
  afterAll(() => Promise.all(clients.map((client) => client.close())));

  function as(side: Side, account: string): KubeClient {
    const user = `system:serviceaccount:lumbung-system:${account}`;
    const transport = side.sandbox.transport({ user, groups: ['system:authenticated'] });
    const client = createKubeClient({ clock: systemClock(), random: systemRandom(), transport, userAgent: 'test' });
    clients.push(client);
    return client;
  }
  const refused = async (call: Promise<unknown>): Promise<boolean> =>
    call.then(
      () => false,
      (error: unknown) => isForbidden(error),
    );
  const remove = { propagationPolicy: 'Background' } as const;
  const bindingTo = (role: string): KubeObject =>
    ({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: 'mine', namespace: 'default' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'ServiceAccount', name: 'lumbung-agent', namespace: 'lumbung-system' }],
    }) as KubeObject;

  it("the agent reads no Secret but its own, touches nothing of the owner's, and raises itself by no role", async () => {
    const agent = as(federation.member('north'), 'lumbung-agent');
    await expect(agent.list(types.pods, { limit: 1 })).resolves.toBeDefined();
    const inDefault = { namespace: 'default', name: 'x' };
    const calls: readonly Promise<unknown>[] = [
      agent.list(types.secrets, { namespace: 'lumbung-system' }),
      agent.list(types.secrets, { namespace: 'guest-team-a' }),
      agent.get({ type: types.secrets, namespace: 'guest-team-a', name: 'x' }),
      agent.get({ type: types.secrets, ...inDefault }),
      agent.create(types.pods, ownerPod),
      agent.delete({ type: types.pods, ...inDefault }, remove),
      agent.delete({ type: types.namespaces, name: 'default' }, remove),
      agent.logs({ namespace: 'default', pod: 'owner' }),
      agent.mergePatch({ type: types.nodes, name: 'n-1' }, { metadata: { labels: { mine: 'true' } } }),
      agent.create(types.roleBindings, bindingTo('cluster-admin')),
      agent.create(types.roleBindings, bindingTo('edit')),
      agent.mergePatch({ type: types.clusterRoles, name: 'lumbung-guest' }, { rules: [] }),
    ];
    expect(await Promise.all(calls.map(refused))).toEqual(calls.map(() => true));
  });

  it('the hub lists no Secret, writes no pool and no specification of a job', async () => {
    const hub = as(federation.hub, 'lumbung-hub');
    await expect(hub.list(GPU_POOL_RESOURCE)).resolves.toBeDefined();
    const calls: readonly Promise<unknown>[] = [
      hub.list(types.secrets, { namespace: 'team-a' }),
      hub.mergePatch({ type: types.secrets, namespace: 'team-a', name: 'key' }, { stringData: { key: 'other' } }),
      hub.create(COMPUTE_JOB_RESOURCE, aJob({ key: 'team-a/forged', pool: 'research' })),
      hub.mergePatch({ type: GPU_POOL_RESOURCE, name: 'research' }, { spec: { tenants: [] } }),
      hub.delete({ type: MEMBER_CLUSTER_RESOURCE, name: 'north' }, remove),
      hub.list(types.pods, { namespace: 'team-a' }),
    ];
    expect(await Promise.all(calls.map(refused))).toEqual(calls.map(() => true));
  });
});
