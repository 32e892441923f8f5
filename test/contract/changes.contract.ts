/** Watching, patching and applying. */
import { describe, expect, it } from 'vitest';
import type { Body, FieldsEntry } from './answer-body.ts';
import { JSON_PATCH, MERGE, STRATEGIC } from './contract-client.ts';
import { configMap, type EnvGetter, idlePod } from './contract-env.ts';

function watchContract(env: EnvGetter): void {
  describe('watching', () => {
    it('tells every change after a list, in order', async () => {
      const { admin, core } = env();
      const selector = `labelSelector=${encodeURIComponent('watched=one')}`;
      const { body: list } = await admin.get(`${core}/configmaps?${selector}`);
      const watch = await admin.watch(
        `${core}/configmaps?${selector}&watch=true&resourceVersion=${list.metadata.resourceVersion}`,
      );
      const labels = { watched: 'one' };
      await admin.post(`${core}/configmaps`, configMap('seen', { n: '1' }, { labels }));
      await admin.patch(`${core}/configmaps/seen`, { data: { n: '2' } }, MERGE);
      await admin.delete(`${core}/configmaps/seen`);
      const events = [await watch.next(), await watch.next(), await watch.next()];
      expect(events.map((event) => [event.type, event.object.data['n']])).toEqual([
        ['ADDED', '1'],
        ['MODIFIED', '2'],
        ['DELETED', '2'],
      ]);
      const revisions = events.map((event) => Number(event.object.metadata.resourceVersion));
      expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
      await watch.close();
    });

    it('starts with what exists when no revision is given', async () => {
      const { admin, core } = env();
      await admin.post(`${core}/configmaps`, configMap('before', {}, { labels: { watched: 'two' } }));
      const watch = await admin.watch(
        `${core}/configmaps?watch=true&labelSelector=${encodeURIComponent('watched=two')}`,
      );
      expect(await watch.next()).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'before' } } });
      await watch.close();
    });

    it('shows an object that leaves or enters a selector as deleted or added', async () => {
      const { admin, core } = env();
      const query = `labelSelector=${encodeURIComponent('moving=in')}`;
      await admin.post(`${core}/configmaps`, configMap('mover', {}, { labels: { moving: 'in' } }));
      const watch = await admin.watch(`${core}/configmaps?watch=true&${query}`);
      expect((await watch.next()).type).toBe('ADDED');
      await admin.patch(`${core}/configmaps/mover`, { metadata: { labels: { moving: 'out' } } }, MERGE);
      expect((await watch.next()).type).toBe('DELETED');
      await admin.patch(`${core}/configmaps/mover`, { metadata: { labels: { moving: 'in' } } }, MERGE);
      expect((await watch.next()).type).toBe('ADDED');
      await watch.close();
    });

    it('tells the end of the initial events with a bookmark', async () => {
      const { admin, core } = env();
      await admin.post(`${core}/configmaps`, configMap('initial'));
      const query = `watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&fieldSelector=${encodeURIComponent('metadata.name=initial')}`;
      const watch = await admin.watch(`${core}/configmaps?${query}`);
      expect((await watch.next()).type).toBe('ADDED');
      const mark = await watch.next();
      expect(mark.type).toBe('BOOKMARK');
      expect(mark.object.metadata.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' });
      await watch.close();
    });

    it('refuses sendInitialEvents without the match that it needs', async () => {
      const { admin, core } = env();
      const { status } = await admin.get(`${core}/configmaps?watch=true&sendInitialEvents=true`);
      expect(status).toBe(422);
    });

    it('ends a watch after its time', async () => {
      const { admin, core } = env();
      const watch = await admin.watch(`${core}/configmaps?watch=true&timeoutSeconds=1&labelSelector=none%3Dsuch`);
      await expect(watch.next(4000)).rejects.toThrow('the watch ended');
    });

    it('says 410 Gone to a revision from before the beginning of its memory', async () => {
      const { admin, core } = env();
      const { status, body } = await admin.get(`${core}/configmaps?limit=1&continue=bm90LWEtdG9rZW4`);
      expect([400, 410]).toContain(status);
      expect(body.kind).toBe('Status');
    });
  });
}

function patchContract(env: EnvGetter): void {
  describe('patching', () => {
    it('merges: objects member by member, null removes, lists are replaced', async () => {
      const { admin, core } = env();
      await admin.post(`${core}/configmaps`, configMap('merge', { a: '1', b: '2' }, { annotations: { x: 'y' } }));
      const { body } = await admin.patch(`${core}/configmaps/merge`, { data: { b: null, c: '3' } }, MERGE);
      expect(body.data).toEqual({ a: '1', c: '3' });
      expect(body.metadata.annotations).toEqual({ x: 'y' });
    });

    it('applies JSON patches whole or not at all', async () => {
      const { admin, core } = env();
      await admin.post(`${core}/configmaps`, configMap('ops', { a: '1' }));
      const good = await admin.patch(
        `${core}/configmaps/ops`,
        [
          { op: 'test', path: '/data/a', value: '1' },
          { op: 'replace', path: '/data/a', value: '2' },
        ],
        JSON_PATCH,
      );
      expect(good.body.data).toEqual({ a: '2' });
      const failed = await admin.patch(
        `${core}/configmaps/ops`,
        [
          { op: 'replace', path: '/data/a', value: '3' },
          { op: 'test', path: '/data/a', value: '9' },
        ],
        JSON_PATCH,
      );
      expect(failed.status).toBe(422);
      const missing = await admin.patch(
        `${core}/configmaps/ops`,
        [{ op: 'remove', path: '/data/nothing' }],
        JSON_PATCH,
      );
      expect(missing.status).toBe(422);
      expect((await admin.get(`${core}/configmaps/ops`)).body.data).toEqual({ a: '2' });
    });

    it('makes a JSON patch with a test of the revision a compare-and-swap', async () => {
      const { admin, core } = env();
      const { body } = await admin.post(`${core}/configmaps`, configMap('swap', { n: '0' }));
      const swap = [
        { op: 'test', path: '/metadata/resourceVersion', value: body.metadata.resourceVersion },
        { op: 'replace', path: '/data/n', value: '1' },
      ];
      const outcomes = await Promise.all(
        [1, 2, 3].map(async () => (await admin.patch(`${core}/configmaps/swap`, swap, JSON_PATCH)).status),
      );
      expect(outcomes.filter((status) => status === 200)).toHaveLength(1);
    });

    it('refuses a merge patch whose revision is stale', async () => {
      const { admin, core } = env();
      const { body } = await admin.post(`${core}/configmaps`, configMap('stale', { n: '0' }));
      await admin.patch(`${core}/configmaps/stale`, { data: { n: '1' } }, MERGE);
      const patch = { metadata: { resourceVersion: body.metadata.resourceVersion }, data: { n: '2' } };
      expect((await admin.patch(`${core}/configmaps/stale`, patch, MERGE)).status).toBe(409);
    });

    it('merges lists by their keys in strategic patches', async () => {
      const { admin, core } = env();
      const tolerations = [{ key: 'one', operator: 'Exists' }];
      await admin.post(`${core}/pods`, idlePod('strategic', {}, { tolerations }));
      const conditions = (type: string, status: string): object => ({ status: { conditions: [{ type, status }] } });
      await admin.patch(`${core}/pods/strategic/status`, conditions('example.com/one', 'True'), STRATEGIC);
      await admin.patch(`${core}/pods/strategic/status`, conditions('example.com/two', 'False'), STRATEGIC);
      const { body } = await admin.patch(
        `${core}/pods/strategic/status`,
        conditions('example.com/one', 'False'),
        STRATEGIC,
      );
      const own = body.status.conditions.filter((c) => c.type.startsWith('example.com/'));
      expect(own.map((c) => [c.type, c.status]).sort()).toEqual([
        ['example.com/one', 'False'],
        ['example.com/two', 'False'],
      ]);
    });

    it('deletes list items by $patch: delete', async () => {
      const { admin, core } = env();
      await admin.post(`${core}/pods`, idlePod('pruned'));
      const two = {
        status: {
          conditions: [
            { type: 'example.com/a', status: 'True' },
            { type: 'example.com/b', status: 'True' },
          ],
        },
      };
      await admin.patch(`${core}/pods/pruned/status`, two, STRATEGIC);
      const gone = { status: { conditions: [{ $patch: 'delete', type: 'example.com/a' }] } };
      const { body } = await admin.patch(`${core}/pods/pruned/status`, gone, STRATEGIC);
      const own = body.status.conditions.filter((c) => c.type.startsWith('example.com/'));
      expect(own).toEqual([expect.objectContaining({ type: 'example.com/b' })]);
    });

    it('refuses patches of unknown kinds', async () => {
      const { admin, core } = env();
      await admin.post(`${core}/configmaps`, configMap('plain'));
      expect((await admin.patch(`${core}/configmaps/plain`, { data: {} }, 'application/json')).status).toBe(415);
    });
  });
}

/** Without any field that could be owned. */
function bare(name: string): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } };
}

function applyContract(env: EnvGetter): void {
  describe('server-side apply', () => {
    const entriesOf = (body: Body): readonly FieldsEntry[] => body.metadata.managedFields;

    it('creates, then changes nothing when applied again', async () => {
      const { admin, core } = env();
      const path = `${core}/configmaps/applied`;
      const first = await admin.apply(path, configMap('applied', { a: '1' }), 'alice');
      expect(first.status).toBe(201);
      const again = await admin.apply(path, configMap('applied', { a: '1' }), 'alice');
      expect(again.status).toBe(200);
      expect(again.body.metadata.resourceVersion).toBe(first.body.metadata.resourceVersion);
      expect(entriesOf(again.body)).toEqual([
        expect.objectContaining({
          manager: 'alice',
          operation: 'Apply',
          fieldsType: 'FieldsV1',
          fieldsV1: { 'f:data': { 'f:a': {} } },
        }),
      ]);
    });

    it('requires a field manager', async () => {
      const { admin, core } = env();
      const { status } = await admin.patch(
        `${core}/configmaps/nobody`,
        configMap('nobody'),
        'application/apply-patch+yaml',
      );
      expect(status).toBe(400);
    });

    it('removes what its owner no longer applies, and keeps what others own', async () => {
      const { admin, core } = env();
      const path = `${core}/configmaps/shared`;
      await admin.apply(path, configMap('shared', { a: '1', b: '2' }), 'alice');
      await admin.apply(path, configMap('shared', { b: '2', c: '3' }), 'bob');
      const { body } = await admin.apply(path, bare('shared'), 'alice');
      expect(body.data).toEqual({ b: '2', c: '3' });
      expect(entriesOf(body).map((entry) => entry.manager)).toEqual(['bob']);
    });

    it('refuses to change what another manager owns, naming field and manager, unless forced', async () => {
      const { admin, core } = env();
      const path = `${core}/configmaps/contested`;
      await admin.apply(path, configMap('contested', { a: '1' }), 'alice');
      const refused = await admin.apply(path, configMap('contested', { a: '2' }), 'bob');
      expect(refused.status).toBe(409);
      expect(refused.body).toMatchObject({
        reason: 'Conflict',
        message: 'Apply failed with 1 conflict: conflict with "alice": .data.a',
        details: { causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "alice"', field: '.data.a' }] },
      });
      const forced = await admin.apply(path, configMap('contested', { a: '2' }), 'bob', true);
      expect(forced.status).toBe(200);
      expect(forced.body.data).toEqual({ a: '2' });
      expect(entriesOf(forced.body).map((entry) => entry.manager)).toEqual(['bob']);
    });

    it('lets two managers own one field while they agree', async () => {
      const { admin, core } = env();
      const path = `${core}/configmaps/agreed`;
      await admin.apply(path, configMap('agreed', { a: '1' }), 'alice');
      expect((await admin.apply(path, configMap('agreed', { a: '1' }), 'bob')).status).toBe(200);
      const { body } = await admin.apply(path, bare('agreed'), 'alice');
      expect(body.data).toEqual({ a: '1' });
    });

    it('gives fields changed by an update to the updater', async () => {
      const { admin, core } = env();
      const path = `${core}/configmaps/taken`;
      await admin.apply(path, configMap('taken', { a: '1', b: '1' }), 'alice');
      await admin.call('PATCH', `${path}?fieldManager=carol`, { body: { data: { a: '2' } }, type: MERGE });
      const refused = await admin.apply(path, configMap('taken', { a: '1', b: '1' }), 'alice');
      expect(refused.status).toBe(409);
      expect(refused.body.details.causes[0]?.message).toMatch(/^conflict with "carol" using v1/);
    });

    it('merges list items of several appliers by key', async () => {
      const { admin, core } = env();
      const path = `${core}/services/merged`;
      const service = (port: object): object => ({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'merged' },
        spec: { ports: [port] },
      });
      await admin.apply(path, service({ name: 'http', port: 80, protocol: 'TCP' }), 'alice');
      const both = await admin.apply(path, service({ name: 'https', port: 443, protocol: 'TCP' }), 'bob');
      expect(both.body.spec.ports.map((p) => p.port).sort()).toEqual([443, 80]);
      const { body } = await admin.apply(
        path,
        { apiVersion: 'v1', kind: 'Service', metadata: { name: 'merged' }, spec: { type: 'ClusterIP' } },
        'bob',
      );
      expect(body.spec.ports.map((p) => p.port)).toEqual([80]);
    });

    it('owns status through the subresource apart from the rest', async () => {
      const { admin, core } = env();
      await admin.post(`${core}/pods`, idlePod('halves'));
      const status = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'halves' }, status: { message: 'from apply' } };
      const { body } = await admin.apply(`${core}/pods/halves/status`, status, 'kubelet');
      expect(body.status).toMatchObject({ message: 'from apply', phase: 'Pending' });
      const entry = entriesOf(body).find(({ manager }) => manager === 'kubelet');
      expect(entry).toMatchObject({
        operation: 'Apply',
        subresource: 'status',
        fieldsV1: { 'f:status': { 'f:message': {} } },
      });
    });
  });
}

export function changeContract(env: EnvGetter): void {
  watchContract(env);
  patchContract(env);
  applyContract(env);
}
