import { afterEach, describe, expect, it } from 'vitest';
import type { RequestRecord } from '../../../src/sandbox/apiserver/rest/request-handler.ts';
import { contractClient, MERGE } from '../../contract/contract-client.ts';
import { apiServerRig, type ApiServerRig, map, MAPS } from './api-server-rig.ts';

let rig: ApiServerRig;
afterEach(() => rig.server.stop());

describe('the API server as a whole', () => {
  it('accounts for every request with user, verb, resource and outcome', async () => {
    rig = apiServerRig();
    const records: RequestRecord[] = [];
    const unsubscribe = rig.server.onRequest((record) => records.push(record));
    await rig.admin.post(MAPS, map('a'));
    await contractClient(rig.server.transport({ user: 'eve', groups: [] })).get(`${MAPS}/a`);
    await rig.admin.patch(`${MAPS}/a`, { data: { x: 'y' } }, MERGE);
    unsubscribe();
    await rig.admin.delete(`${MAPS}/a`);
    expect(records.map((r) => [r.user, r.verb, r.resource, r.namespace, r.name, r.status])).toEqual([
      ['kubernetes-admin', 'create', 'configmaps', 'default', '', 201],
      ['eve', 'get', 'configmaps', 'default', 'a', 403],
      ['kubernetes-admin', 'patch', 'configmaps', 'default', 'a', 200],
    ]);
  });

  it('gives the same history for the same seed', async () => {
    const story = async (): Promise<unknown> => {
      rig = apiServerRig();
      await rig.admin.post(MAPS, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'x-' } });
      rig.clock.advance(5000);
      await rig.admin.post(MAPS, map('late'));
      const snapshot: unknown = JSON.parse(rig.server.snapshot());
      await rig.server.stop();
      return snapshot;
    };
    expect(await story()).toEqual(await story());
  });

  it('puts a backup back: later writes vanish, watches end, old revisions are gone, ownership works on', async () => {
    rig = apiServerRig();
    const { body: parent } = await rig.admin.post(MAPS, map('parent'));
    const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'parent', uid: parent.metadata.uid };
    await rig.admin.post(MAPS, { ...map('child'), metadata: { name: 'child', ownerReferences: [reference] } });
    const backup = rig.server.snapshot();
    const before = (await rig.admin.get(MAPS)).body.metadata.resourceVersion;
    await rig.admin.post(MAPS, map('after-backup'));
    const watch = await rig.admin.watch(`${MAPS}?watch=true&resourceVersion=${before}`);
    expect((await watch.next()).object.metadata.name).toBe('after-backup');

    rig.server.restore(backup);

    await expect(watch.next()).rejects.toThrow('the watch ended');
    expect((await rig.admin.get(`${MAPS}/after-backup`)).status).toBe(404);
    expect((await rig.admin.get(`${MAPS}/child`)).body.metadata.uid).toBeDefined();
    const resumed = await rig.admin.watch(`${MAPS}?watch=true&resourceVersion=${before}`);
    expect(await resumed.next()).toMatchObject({ type: 'ERROR', object: { code: 410, reason: 'Expired' } });
    await rig.admin.delete(`${MAPS}/parent`, { propagationPolicy: 'Background' });
    await rig.clock.advanceAsync(100);
    expect((await rig.admin.get(`${MAPS}/child`)).status).toBe(404);
  });

  it('can put a backup back without raising revisions, as a careless operator would', async () => {
    rig = apiServerRig();
    const backup = rig.server.snapshot();
    const { body } = await rig.admin.post(MAPS, map('lost'));
    rig.server.restore(backup, { bumpRevision: 0 });
    const { body: again } = await rig.admin.post(MAPS, map('new'));
    expect(again.metadata.resourceVersion).toBe(body.metadata.resourceVersion);
    const future = await rig.admin.get(`${MAPS}?resourceVersion=999999`);
    expect(future.status).toBe(504);
    expect(future.body.message).toContain('Too large resource version: 999999');
  });

  it('serves custom kinds again after a restore, and none that came later', async () => {
    rig = apiServerRig();
    const definition = (plural: string, kind: string): object => ({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `${plural}.example.com` },
      spec: {
        group: 'example.com',
        scope: 'Cluster',
        names: { plural, kind },
        versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
      },
    });
    const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    await rig.admin.post(definitions, definition('barns', 'Barn'));
    const backup = rig.server.snapshot();
    await rig.admin.post(definitions, definition('silos', 'Silo'));
    rig.server.restore(backup);
    expect((await rig.admin.get('/apis/example.com/v1/barns')).status).toBe(200);
    expect((await rig.admin.get('/apis/example.com/v1/silos')).status).toBe(404);
  });

  it('ends watches when it stops and refuses what comes after', async () => {
    rig = apiServerRig();
    const watch = await rig.admin.watch(`${MAPS}?watch=true`);
    await rig.server.stop();
    await expect(
      (async () => {
        for (;;) await watch.next();
      })(),
    ).rejects.toThrow('the watch ended');
    await expect(rig.admin.get(MAPS)).rejects.toThrow('connection refused');
  });

  it('lets other rooms serve subresources, with the parent at hand', async () => {
    rig = apiServerRig();
    rig.server.registerSubresource({ group: '', resource: 'pods', subresource: 'log' }, (call) => ({
      status: 200,
      headers: { 'content-type': 'text/plain' },
      body: Buffer.from(`${call.object.metadata.uid ?? ''} ${call.query.get('tailLines') ?? ''}`),
    }));
    const pods = '/api/v1/namespaces/default/pods';
    const { body } = await rig.admin.post(pods, {
      metadata: { name: 'p' },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    });
    expect((await rig.admin.get(`${pods}/p/log?tailLines=3`)).body).toBe(`${body.metadata.uid} 3`);
    expect((await rig.admin.get(`${pods}/absent/log`)).status).toBe(404);
    expect((await rig.admin.get(`${pods}/p/exec`)).status).toBe(404);
  });

  it('takes bearer tokens in-process, and no wrong ones', async () => {
    rig = apiServerRig();
    rig.server.addToken('open-sesame', { user: 'ali', groups: ['forty'] });
    const ask = async (token: string): Promise<number> => {
      const headers = { authorization: `Bearer ${token}` };
      return (await rig.admin.call('GET', MAPS, { headers })).status;
    };
    expect([await ask('open-sesame'), await ask('wrong')]).toEqual([403, 401]);
  });
});

describe('time', () => {
  it('sends bookmarks to those who allow them, and ends watches in time', async () => {
    rig = apiServerRig();
    const query = 'watch=true&allowWatchBookmarks=true&timeoutSeconds=100';
    const { body } = await rig.admin.get(MAPS);
    const watch = await rig.admin.watch(`${MAPS}?${query}&resourceVersion=${body.metadata.resourceVersion}`);
    await rig.admin.post('/api/v1/namespaces/default/secrets', { metadata: { name: 's' } });
    rig.clock.advance(60_000);
    const mark = await watch.next();
    expect(mark.type).toBe('BOOKMARK');
    expect(Number(mark.object.metadata.resourceVersion)).toBeGreaterThan(Number(body.metadata.resourceVersion));
    rig.clock.advance(40_000);
    expect((await watch.next()).type).toBe('BOOKMARK');
    await expect(watch.next()).rejects.toThrow('the watch ended');
  });

  it('forgets events after an hour, from when they were last written', async () => {
    rig = apiServerRig();
    const events = '/api/v1/namespaces/default/events';
    const event = (name: string): object => ({
      metadata: { name },
      involvedObject: { namespace: 'default', name: 'x' },
      lastTimestamp: new Date(rig.clock.nowMs()).toISOString(),
    });
    await rig.admin.post(events, event('old'));
    rig.clock.advance(40 * 60_000);
    await rig.admin.post(events, event('new'));
    rig.clock.advance(25 * 60_000);
    const { body } = await rig.admin.get(events);
    expect(body.items.map((item) => item.metadata.name)).toEqual(['new']);
  });

  it('refuses service account tokens after their time, and those of accounts that are gone', async () => {
    rig = apiServerRig();
    const accounts = '/api/v1/namespaces/default/serviceaccounts';
    await rig.admin.post(accounts, { metadata: { name: 'robot' } });
    const issue = async (): Promise<string> => {
      const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 600 } };
      return (await rig.admin.post(`${accounts}/robot/token`, body)).body.status.token;
    };
    const who = async (token: string): Promise<number> => {
      const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
      const headers = { authorization: `Bearer ${token}` };
      return (await rig.admin.call('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', { body, headers }))
        .status;
    };
    const token = await issue();
    expect(await who(token)).toBe(201);
    rig.clock.advance(601_000);
    expect(await who(token)).toBe(401);
    const fresh = await issue();
    await rig.admin.delete(`${accounts}/robot`);
    await rig.admin.post(accounts, { metadata: { name: 'robot' } });
    expect(await who(fresh)).toBe(401);
  });
});

describe('eviction', () => {
  const pods = '/api/v1/namespaces/default/pods';
  const evict = (name: string): Promise<{ status: number }> =>
    rig.admin.post(`${pods}/${name}/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name } });

  async function readyPod(name: string): Promise<void> {
    await rig.admin.post(pods, {
      metadata: { name, labels: { app: 'x' } },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    });
    await rig.admin.post(`${pods}/${name}/binding`, { target: { kind: 'Node', name: 'n' } });
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
    await rig.admin.patch(`${pods}/${name}/status`, { status }, MERGE);
  }

  it('respects disruption budgets', async () => {
    rig = apiServerRig();
    await readyPod('one');
    await readyPod('two');
    const budget = { metadata: { name: 'b' }, spec: { minAvailable: 1, selector: { matchLabels: { app: 'x' } } } };
    await rig.admin.post('/apis/policy/v1/namespaces/default/poddisruptionbudgets', budget);
    expect((await evict('one')).status).toBe(201);
    expect((await rig.admin.get(`${pods}/one`)).body.metadata.deletionTimestamp).toBeDefined();
    expect((await evict('two')).status).toBe(429);
  });
});
