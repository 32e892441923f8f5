import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/platform/clock/system-clock.ts';
import { seededRandom } from '../../../src/platform/clock/seeded-random.ts';
import { leases, nodes, pods } from '../../../src/platform/kube/builtin-resources.ts';
import { createKubeClient, type KubeClientOptions } from '../../../src/platform/kube/kube-client-http.ts';
import type { KubeRequestRecord } from '../../../src/platform/kube/request-accounting.ts';
import type { KubeClient, WatchEvent } from '../../../src/platform/kube/kube-client.ts';
import {
  isAlreadyExists,
  isConflict,
  isForbidden,
  isKubeError,
  isNotFound,
  isUnreachable,
} from '../../../src/platform/kube/kube-error.ts';
import type { KubeObject } from '../../../src/platform/kube/object.ts';
import { createUndiciTransport } from '../../../src/platform/kube/undici-transport.ts';
import { sharedAbort } from '../../../src/platform/lifecycle/abort-link.ts';
import { createMetrics } from '../../../src/platform/metrics/registry.ts';
import { eventually } from './eventually.ts';
import { FakeApiServer } from './fake-api-server.ts';

let server: FakeApiServer;
let client: KubeClient;
let records: KubeRequestRecord[];

function aClient(options: Partial<KubeClientOptions> = {}): KubeClient {
  const clock = systemClock();
  const transport = createUndiciTransport(
    { server: server.url, current: () => Promise.resolve({ headers: { authorization: 'Bearer very-secret-token' } }) },
    { clock },
  );
  return createKubeClient({
    transport,
    clock,
    random: seededRandom(1),
    userAgent: 'lumbung-test/1',
    onRequest: (record) => records.push(record),
    ...options,
  });
}

beforeEach(async () => {
  server = await FakeApiServer.start();
  records = [];
  client = aClient();
});

afterEach(async () => {
  await client.close();
  await server.stop();
});

const podA = { type: pods, namespace: 'team', name: 'a' };

function aPod(name: string, more: Record<string, unknown> = {}): KubeObject & { metadata: { name: string } } {
  return { metadata: { name, namespace: 'team' }, ...more };
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('expected a failure');
    },
    (error: unknown) => error,
  );
}

describe('KubeClient on the wire', () => {
  it('names paths, queries and content types as an API server expects them', async () => {
    server.put('pods', aPod('a'));
    server.put('nodes', { metadata: { name: 'n1' } });
    await client.get(podA);
    await client.list(pods, { labelSelector: 'app in (x,y)', fieldSelector: 'spec.nodeName=n1', limit: 10 });
    await client.list(pods, { namespace: 'team' });
    await client.get({ type: nodes, name: 'n1' });
    await client.create(pods, aPod('b'), { dryRun: true, fieldManager: 'me', fieldValidation: 'Strict' });
    await client.mergePatch(podA, { spec: {} }, { subresource: 'status' });
    await client.jsonPatch(podA, [{ op: 'test', path: '/x', value: 1 }]).catch(() => undefined);
    await client.apply(pods, aPod('a'), { fieldManager: 'me', force: true });
    await client.delete(podA, { propagationPolicy: 'Foreground', preconditions: { uid: 'u' }, gracePeriodSeconds: 3 });
    const seen = server.requests.map(
      (r) => `${r.method} ${r.path}?${r.query.toString()} ${r.headers['content-type'] ?? '-'}`,
    );
    expect(seen).toEqual([
      'GET /api/v1/namespaces/team/pods/a? -',
      'GET /api/v1/pods?labelSelector=app+in+%28x%2Cy%29&fieldSelector=spec.nodeName%3Dn1&limit=10 -',
      'GET /api/v1/namespaces/team/pods? -',
      'GET /api/v1/nodes/n1? -',
      'POST /api/v1/namespaces/team/pods?fieldManager=me&fieldValidation=Strict&dryRun=All application/json',
      'PATCH /api/v1/namespaces/team/pods/a/status? application/merge-patch+json',
      'PATCH /api/v1/namespaces/team/pods/a? application/json-patch+json',
      'PATCH /api/v1/namespaces/team/pods/a?fieldManager=me&force=true application/apply-patch+yaml',
      'DELETE /api/v1/namespaces/team/pods/a? application/json',
    ]);
    expect(JSON.parse(server.requests.at(-2)!.body)).toMatchObject({ apiVersion: 'v1', kind: 'Pod' });
    expect(JSON.parse(server.requests.at(-1)!.body)).toEqual({
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      propagationPolicy: 'Foreground',
      gracePeriodSeconds: 3,
      preconditions: { uid: 'u' },
    });
    expect(server.requests[0]!.headers).toMatchObject({
      'user-agent': 'lumbung-test/1',
      authorization: 'Bearer very-secret-token',
      accept: 'application/json',
    });
  });

  it('keeps unknown fields and gives listed items their apiVersion and kind', async () => {
    server.put('pods', aPod('a', { spec: { futureField: { deep: [1] } } }));
    const got = await client.get<KubeObject & { spec: unknown }>(podA);
    expect(got.spec).toEqual({ futureField: { deep: [1] } });
    const list = await client.list(pods);
    expect(list.items[0]).toMatchObject({ apiVersion: 'v1', kind: 'Pod' });
  });

  it.each([
    ['a namespaced object without namespace', () => client.get({ type: pods, name: 'a' })],
    ['a namespace for a cluster-scoped type', () => client.list(nodes, { namespace: 'x' })],
    ['an empty name', () => client.get({ type: pods, namespace: 'x', name: '' })],
    ['creating without namespace', () => client.create(pods, { metadata: { name: 'a' } })],
    ['replacing without name', () => client.replace(pods, { metadata: { namespace: 'x' } })],
    ['a relative raw path', () => client.raw('GET', 'version')],
  ])('refuses %s before anything is sent', async (_name, call) => {
    expect(await failure(call())).toBeInstanceOf(TypeError);
    expect(server.requests).toHaveLength(0);
  });

  it('tells refusals apart by kind and reason, without the token', async () => {
    server.put('pods', aPod('a'));
    const missing = await failure(client.get({ ...podA, name: 'nope' }));
    expect(isNotFound(missing) && missing.reason === 'NotFound').toBe(true);
    const taken = await failure(client.create(pods, aPod('a')));
    expect([isAlreadyExists(taken), isConflict(taken)]).toEqual([true, false]);
    const stale = await failure(
      client.replace(pods, { metadata: { name: 'a', namespace: 'team', resourceVersion: '1' } }),
    );
    expect([isAlreadyExists(stale), isConflict(stale)]).toEqual([false, true]);
    server.fail({ status: 403, body: '<html>proxy says no</html>' });
    const forbidden = await failure(client.get(podA));
    expect(isForbidden(forbidden) && forbidden.reason).toBe('Forbidden');
    for (const error of [missing, taken, stale, forbidden]) {
      expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain('very-secret-token');
    }
  });

  it('refuses an answer that is no list or no JSON as a protocol failure', async () => {
    server.fail({ status: 200, body: '{"kind":"Pod"}' });
    expect(await failure(client.list(pods))).toMatchObject({ kind: 'KubeUnreachable', why: 'Protocol' });
    server.fail({ status: 200, body: 'hello' });
    expect(await failure(client.get(podA))).toMatchObject({ kind: 'KubeUnreachable', why: 'Protocol' });
    server.fail({ status: 302, headers: { location: 'http://elsewhere' } });
    expect(await failure(client.get(podA))).toMatchObject({ kind: 'KubeUnreachable', why: 'Protocol' });
  });

  it('streams logs and closes the connection of a reader who stops early', async () => {
    const chunks: string[] = [];
    for await (const chunk of await client.logs({ namespace: 'team', pod: 'a' }, { tailLines: 5, container: 'main' })) {
      chunks.push(Buffer.from(chunk).toString());
    }
    expect(chunks.join('')).toBe('line one\nline two\n');
    expect(server.requests[0]!.query.toString()).toBe('container=main&tailLines=5');
    const stream = await client.rawStream('/api/v1/pods?watch=true');
    await eventually(() => server.openWatches === 1);
    await stream[Symbol.asyncIterator]().return?.();
    await eventually(() => server.openWatches === 0);
  });
});

describe('KubeClient retries', () => {
  it.each([429, 503])('repeats any verb after %i, waiting at least Retry-After', async (status) => {
    server.fail({ status, headers: { 'retry-after': '1' }, times: 1 });
    const startMs = performance.now();
    await client.create(pods, { metadata: { generateName: 'x-', namespace: 'team' } });
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(1_000);
    expect(records.map((record) => record.status)).toEqual([status, 201]);
  });

  it.each([
    { what: 'get', call: () => client.get(podA), repeated: true },
    { what: 'list', call: () => client.list(pods), repeated: true },
    { what: 'merge patch', call: () => client.mergePatch(podA, {}), repeated: true },
    { what: 'apply', call: () => client.apply(pods, aPod('a'), { fieldManager: 'me' }), repeated: true },
    {
      what: 'json patch with a test',
      call: () => client.jsonPatch(podA, [{ op: 'test', path: '/a', value: 1 }]),
      repeated: true,
    },
    { what: 'json patch without', call: () => client.jsonPatch(podA, [{ op: 'remove', path: '/a' }]), repeated: false },
    { what: 'replace', call: () => client.replace(pods, aPod('a')), repeated: false },
    {
      what: 'delete by uid',
      call: () => client.delete(podA, { propagationPolicy: 'Background', preconditions: { uid: 'x' } }),
      repeated: true,
    },
    { what: 'delete by name', call: () => client.delete(podA, { propagationPolicy: 'Background' }), repeated: false },
    {
      what: 'create of a generated name',
      call: () => client.create(pods, { metadata: { generateName: 'g', namespace: 'team' } }),
      repeated: false,
    },
    { what: 'raw POST', call: () => client.raw('POST', '/api/v1/namespaces/team/pods', aPod('z')), repeated: false },
  ])('after 500 and lost connections: $what repeated = $repeated', async ({ call, repeated }) => {
    server.put('pods', aPod('a'));
    for (const fault of [{ status: 500 }, { reset: true }]) {
      server.fail(fault);
      records = [];
      const outcome = await call().then(
        () => 'ok',
        (error: unknown) => (isKubeError(error) ? error.status : isUnreachable(error) ? error.why : error),
      );
      expect(records.length).toBe(repeated ? 2 : 1);
      if (repeated) expect(outcome).toBe('ok');
      else expect(outcome).toBe('status' in fault ? 500 : 'Connection');
      server.put('pods', aPod('a'));
    }
  });

  it('lets a create of a fixed name be repeated: AlreadyExists is the answer when the first one had got through', async () => {
    server.fail({ loseAnswer: true });
    const error = await failure(client.create(pods, aPod('once')));
    expect(isAlreadyExists(error)).toBe(true);
    expect(records.map((record) => record.status)).toEqual([0, 409]);
  });

  it('gives the real reason at once when waiting would outlast the deadline', async () => {
    server.fail({ status: 429, headers: { 'retry-after': '60' } });
    const startMs = performance.now();
    expect(await failure(client.get(podA, { timeoutMs: 2_000 }))).toMatchObject({ status: 429, retryAfterSeconds: 60 });
    expect(performance.now() - startMs).toBeLessThan(1_500);
  });

  it('never repeats what the caller did wrong', async () => {
    for (const status of [400, 401, 403, 404, 409, 410, 413, 422]) {
      records = [];
      server.fail({ status });
      expect(await failure(client.get(podA))).toMatchObject({ status });
      expect(records).toHaveLength(1);
    }
  });

  it('reports a server that is not there as unreachable, after a few tries', async () => {
    await server.refuse();
    expect(await failure(client.get(podA))).toMatchObject({ kind: 'KubeUnreachable', code: 'ECONNREFUSED' });
    expect(records.length).toBe(6);
    await server.listen();
  });
});

describe('KubeClient deadlines', () => {
  it('ends by the deadline when nothing answers', async () => {
    server.fail({ hang: true });
    expect(await failure(client.get(podA, { timeoutMs: 100 }))).toMatchObject({ why: 'Timeout' });
  });

  it('ends when the caller aborts, and frees the connection', async () => {
    server.fail({ hang: true });
    const controller = new AbortController();
    const call = failure(client.get(podA, { signal: controller.signal }));
    await eventually(() => server.requests.length === 1);
    controller.abort();
    expect(await call).toMatchObject({ why: 'Aborted' });
    expect(await failure(client.get(podA, { signal: controller.signal }))).toMatchObject({ why: 'Aborted' });
    expect(server.requests).toHaveLength(1);
  });

  it('ends every call in flight when the client closes', async () => {
    server.fail({ hang: true });
    const call = failure(client.get(podA));
    await eventually(() => server.requests.length === 1);
    await client.close();
    expect(await call).toMatchObject({ why: 'Closed' });
  });

  it('does not end a watch that began, however short the deadline', async () => {
    const controller = new AbortController();
    const events: WatchEvent<KubeObject>[] = [];
    const watching = (async () => {
      for await (const event of client.watch(pods, { timeoutMs: 200, signal: controller.signal })) events.push(event);
    })();
    await eventually(() => server.openWatches === 1);
    await new Promise((resolve) => setTimeout(resolve, 400));
    server.put('pods', aPod('late'));
    await eventually(() => events.length === 1);
    controller.abort();
    expect(await failure(watching)).toMatchObject({ why: 'Aborted' });
    await eventually(() => server.openWatches === 0);
  });
});

describe('KubeClient watches', () => {
  it('tells additions, changes, deletions, bookmarks and errors apart', async () => {
    const events: WatchEvent<KubeObject>[] = [];
    const watching = (async () => {
      for await (const event of client.watch(pods, { resourceVersion: '100', timeoutSeconds: 300 })) events.push(event);
    })();
    await eventually(() => server.openWatches === 1);
    server.put('pods', aPod('a'));
    server.put('pods', aPod('a', { spec: {} }));
    server.remove('pods', 'team', 'a');
    server.bookmark();
    server.sendToWatches('{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"old"}}');
    server.sendToWatches('{"type":"ADDED","obj');
    await watching;
    expect(events.map((event) => event.type)).toEqual(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR', 'ERROR']);
    expect(events[3]).toEqual({ type: 'BOOKMARK', resourceVersion: '103' });
    expect(events[4]).toEqual({ type: 'ERROR', code: 410, reason: 'Expired', message: 'old' });
    expect(events[5]).toMatchObject({ type: 'ERROR', code: 0, reason: 'ParseError' });
    expect(server.requests[0]!.query.toString()).toBe(
      'watch=true&allowWatchBookmarks=true&resourceVersion=100&timeoutSeconds=300',
    );
  });

  it('throws the refusal of a watch once, without retrying', async () => {
    server.fail({ status: 503 });
    const watching = (async () => {
      for await (const _event of client.watch(pods)) throw new Error('no events expected');
    })();
    expect(await failure(watching)).toMatchObject({ status: 503 });
    expect(records).toHaveLength(1);
  });
});

describe('KubeClient accounting', () => {
  it('counts each request, retries one by one, by verb, group, resource and subresource', async () => {
    const metrics = createMetrics();
    await client.close();
    client = aClient({ metrics, host: 'hub' });
    server.put('pods', aPod('a'));
    server.fail({ status: 503 });
    await client.mergePatch(podA, {}, { subresource: 'status' });
    await failure(client.get({ type: leases, namespace: 'x', name: 'y' }));
    expect(records.map(({ durationMs: _durationMs, ...rest }) => rest)).toEqual([
      { verb: 'patch', group: '', resource: 'pods', subresource: 'status', status: 503 },
      { verb: 'patch', group: '', resource: 'pods', subresource: 'status', status: 200 },
      { verb: 'get', group: 'coordination.k8s.io', resource: 'leases', subresource: '', status: 404 },
    ]);
    const page = await metrics.expose();
    expect(page).toContain('rest_client_requests_total{code="503",method="PATCH",host="hub"} 1');
    expect(page).toContain('rest_client_requests_total{code="404",method="GET",host="hub"} 1');
    expect(page).toContain('rest_client_request_duration_seconds_count{verb="patch",host="hub"} 2');
  });

  it('shares few connections among many requests, and gives watches their own', async () => {
    server.put('pods', aPod('a'));
    const controller = sharedAbort();
    const watches = Array.from({ length: 40 }, async () => {
      for await (const _event of client.watch(pods, { signal: controller.signal, resourceVersion: '101' })) break;
    });
    await eventually(() => server.openWatches === 40);
    await Promise.all(Array.from({ length: 100 }, () => client.get(podA)));
    expect(records.filter((record) => record.verb === 'get' && record.status === 200)).toHaveLength(100);
    controller.abort();
    await Promise.allSettled(watches);
  });
});
