/** Creating, reading, replacing and listing objects. */
import { describe, expect, it } from 'vitest';
import { configMap, type EnvGetter, idleJob, idlePod } from './contract-env.ts';
import { JSON_BODY, MERGE } from './contract-client.ts';

export function objectContract(env: EnvGetter): void {
  describe('objects', () => {
    it('gives a new object identity, a creation time and a revision', async () => {
      const { admin, core, namespace } = env();
      const { status, body } = await admin.post(`${core}/configmaps`, configMap('fresh', { a: 'b' }));
      expect(status).toBe(201);
      expect(body).toMatchObject({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'fresh', namespace },
        data: { a: 'b' },
      });
      expect(body.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
      expect(Date.parse(body.metadata.creationTimestamp)).not.toBeNaN();
      expect(Number(body.metadata.resourceVersion)).toBeGreaterThan(0);
      expect((await admin.get(`${core}/configmaps/fresh`)).body).toEqual(body);
    });

    it('refuses a second object of the same name with AlreadyExists', async () => {
      const { admin, core } = env();
      await admin.post(`${core}/configmaps`, configMap('twice'));
      const { status, body } = await admin.post(`${core}/configmaps`, configMap('twice'));
      expect(status).toBe(409);
      expect(body).toMatchObject({
        kind: 'Status',
        status: 'Failure',
        reason: 'AlreadyExists',
        message: 'configmaps "twice" already exists',
      });
    });

    it('answers NotFound for what does not exist, naming it', async () => {
      const { admin, core } = env();
      const { status, body } = await admin.get(`${core}/configmaps/absent`);
      expect(status).toBe(404);
      expect(body).toMatchObject({
        reason: 'NotFound',
        message: 'configmaps "absent" not found',
        details: { name: 'absent', kind: 'configmaps' },
        code: 404,
      });
    });

    it('refuses objects in a namespace that does not exist', async () => {
      const { admin } = env();
      const { status, body } = await admin.post('/api/v1/namespaces/no-such-place/configmaps', configMap('x'));
      expect(status).toBe(404);
      expect(body.message).toBe('namespaces "no-such-place" not found');
    });

    it('makes names from generateName', async () => {
      const { admin, core } = env();
      const make = (): object => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'made-' } });
      const names = await Promise.all(
        [1, 2, 3].map(async () => (await admin.post(`${core}/configmaps`, make())).body.metadata.name),
      );
      expect(new Set(names).size).toBe(3);
      for (const name of names) expect(name).toMatch(/^made-[a-z0-9]{5}$/);
    });

    it.each([
      ['an upper-case name', { name: 'Bad' }, 'metadata.name'],
      ['a label value with a space', { name: 'ok', labels: { a: 'b c' } }, 'metadata.labels'],
      ['a label key with two slashes', { name: 'ok', labels: { 'a/b/c': 'd' } }, 'metadata.labels'],
      ['no name', {}, 'metadata.name'],
    ])('refuses %s and says which field', async (_what, metadata, field) => {
      const { admin, core } = env();
      const { status, body } = await admin.post(`${core}/configmaps`, {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata,
      });
      expect(status).toBe(422);
      expect(body.reason).toBe('Invalid');
      expect(body.details.causes.map((cause) => cause.field)).toContain(field);
    });

    it('refuses a replace with a stale revision and takes one with the current', async () => {
      const { admin, core } = env();
      const { body: created } = await admin.post(`${core}/configmaps`, configMap('cas', { n: '1' }));
      const first = await admin.put(`${core}/configmaps/cas`, { ...created, data: { n: '2' } });
      expect(first.status).toBe(200);
      const stale = await admin.put(`${core}/configmaps/cas`, { ...created, data: { n: '3' } });
      expect(stale.status).toBe(409);
      expect(stale.body).toMatchObject({ reason: 'Conflict' });
      expect(stale.body.message).toBe(
        'Operation cannot be fulfilled on configmaps "cas": the object has been modified; please apply your changes to the latest version and try again',
      );
      expect((await admin.get(`${core}/configmaps/cas`)).body.data).toEqual({ n: '2' });
    });

    it('keeps the revision when a write changes nothing', async () => {
      const { admin, core } = env();
      const { body } = await admin.post(`${core}/configmaps`, configMap('same', { n: '1' }));
      const again = await admin.patch(`${core}/configmaps/same`, { data: { n: '1' } }, MERGE);
      expect(again.body.metadata.resourceVersion).toBe(body.metadata.resourceVersion);
    });

    it('stores nothing on a dry run', async () => {
      const { admin, core } = env();
      const { status } = await admin.post(`${core}/configmaps?dryRun=All`, configMap('ghost'));
      expect(status).toBe(201);
      expect((await admin.get(`${core}/configmaps/ghost`)).status).toBe(404);
    });

    it('refuses unknown and repeated fields in Strict mode, and warns of them otherwise', async () => {
      const { admin, core } = env();
      const text = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"odd"},"data":{"a":"1","a":"2"},"dataa":{}}`;
      const strict = await admin.call('POST', `${core}/configmaps?fieldValidation=Strict`, { body: text });
      expect(strict.status).toBe(400);
      expect(strict.body.message).toContain('unknown field "dataa"');
      expect(strict.body.message).toContain('duplicate field "data.a"');
      const warned = await admin.call('POST', `${core}/configmaps?fieldValidation=Warn`, { body: text });
      expect(warned.status).toBe(201);
      expect(warned.headers['warning']).toContain('unknown field \\"dataa\\"');
      expect(warned.body.dataa).toBeUndefined();
    });

    it('refuses a wrong type with the field in the message', async () => {
      const { admin, core } = env();
      const { status, body } = await admin.post(`${core}/configmaps`, { ...configMap('typed'), data: { n: 1 } });
      expect(status).toBe(400);
      expect(body.reason).toBe('BadRequest');
      expect(body.message).toContain('cannot unmarshal number');
    });

    it('takes YAML bodies', async () => {
      const { admin, core } = env();
      const body = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yaml\ndata:\n  a: "1"\n';
      const answer = await admin.call('POST', `${core}/configmaps`, { body, type: 'application/yaml' });
      expect(answer.status).toBe(201);
      expect(answer.body.data).toEqual({ a: '1' });
    });

    it('refuses bodies in an encoding it does not know', async () => {
      const { admin, core } = env();
      const answer = await admin.call('POST', `${core}/configmaps`, { body: 'x', type: 'text/csv' });
      expect(answer.status).toBe(415);
    });

    it('selects by label and by field', async () => {
      const { admin, core } = env();
      await admin.post(`${core}/configmaps`, configMap('sel-1', {}, { labels: { tier: 'gold', zone: 'a' } }));
      await admin.post(`${core}/configmaps`, configMap('sel-2', {}, { labels: { tier: 'gold', zone: 'b' } }));
      await admin.post(`${core}/configmaps`, configMap('sel-3', {}, { labels: { tier: 'iron' } }));
      const names = async (query: string): Promise<string[]> => {
        const { body } = await admin.get(`${core}/configmaps?${query}`);
        return body.items.map((item) => item.metadata.name);
      };
      const label = (text: string): string => `labelSelector=${encodeURIComponent(text)}`;
      expect(await names(label('tier=gold'))).toEqual(['sel-1', 'sel-2']);
      expect(await names(label('tier in (gold, iron),zone!=a'))).toEqual(['sel-2', 'sel-3']);
      expect(await names(label('tier,!zone'))).toEqual(['sel-3']);
      expect(await names(`fieldSelector=${encodeURIComponent('metadata.name=sel-2')}`)).toEqual(['sel-2']);
      const refused = await admin.get(`${core}/configmaps?fieldSelector=${encodeURIComponent('data.a=b')}`);
      expect(refused.status).toBe(400);
    });

    it('pages a list that shows one moment', async () => {
      const { admin, core } = env();
      const selector = `labelSelector=${encodeURIComponent('paged=yes')}`;
      for (let i = 0; i < 5; i++)
        await admin.post(`${core}/configmaps`, configMap(`page-${i}`, {}, { labels: { paged: 'yes' } }));
      const first = await admin.get(`${core}/configmaps?${selector}&limit=2`);
      expect(first.body.items).toHaveLength(2);
      expect(first.body.metadata.continue).not.toBe('');
      await admin.post(`${core}/configmaps`, configMap('page-9', {}, { labels: { paged: 'yes' } }));
      await admin.delete(`${core}/configmaps/page-4`);
      const token = encodeURIComponent(first.body.metadata.continue);
      const second = await admin.get(`${core}/configmaps?${selector}&limit=10&continue=${token}`);
      expect(second.body.items.map((item) => item.metadata.name)).toEqual(['page-2', 'page-3', 'page-4']);
      expect(second.body.metadata.resourceVersion).toBe(first.body.metadata.resourceVersion);
    });

    it('shows tables with a row per object, and metadata alone', async () => {
      const { admin, core } = env();
      await admin.post(`${core}/configmaps`, configMap('tabled', { a: '1', b: '2' }));
      const path = `${core}/configmaps?fieldSelector=${encodeURIComponent('metadata.name=tabled')}`;
      const table = await admin.get(path, `application/json;as=Table;v=v1;g=meta.k8s.io,${JSON_BODY}`);
      expect(table.body).toMatchObject({ kind: 'Table', apiVersion: 'meta.k8s.io/v1' });
      expect(table.body.columnDefinitions.map((c) => c.name)).toEqual(['Name', 'Data', 'Age']);
      expect(table.body.rows[0]?.cells.slice(0, 2)).toEqual(['tabled', 2]);
      expect(table.body.rows[0]?.object).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: 'tabled' } });
      const partial = await admin.get(path, 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io');
      expect(partial.body.kind).toBe('PartialObjectMetadataList');
      expect(partial.body.items[0]?.data).toBeUndefined();
    });
  });

  describe('built-in kinds', () => {
    it('turns stringData of a Secret into data', async () => {
      const { admin, core } = env();
      const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'words' }, stringData: { key: 'value' } };
      const { body } = await admin.post(`${core}/secrets`, secret);
      expect(body).toMatchObject({ type: 'Opaque', data: { key: Buffer.from('value').toString('base64') } });
      expect(body.stringData).toBeUndefined();
    });

    it('stores quantities in their canonical spelling and requests from limits', async () => {
      const { admin, core } = env();
      const resources = { limits: { cpu: '0.5', memory: '1024Mi' } };
      const pod = idlePod('canonical', {}, { containers: [{ name: 'main', image: 'example.com/none', resources }] });
      const { body } = await admin.post(`${core}/pods`, pod);
      expect(body.spec.containers[0]?.resources).toEqual({
        limits: { cpu: '500m', memory: '1Gi' },
        requests: { cpu: '500m', memory: '1Gi' },
      });
    });

    it('fills in a pod and lets little of its spec change', async () => {
      const { admin, core } = env();
      const { body } = await admin.post(`${core}/pods`, idlePod('still'));
      expect(body.spec).toMatchObject({
        restartPolicy: 'Always',
        dnsPolicy: 'ClusterFirst',
        terminationGracePeriodSeconds: 30,
        serviceAccountName: 'default',
      });
      expect(body.status).toMatchObject({ phase: 'Pending', qosClass: 'BestEffort' });
      const changed = await admin.patch(`${core}/pods/still`, { spec: { restartPolicy: 'Never' } }, MERGE);
      expect(changed.status).toBe(422);
      expect(changed.body.message).toContain('pod updates may not change fields other than');
      const image = [{ op: 'replace', path: '/spec/containers/0/image', value: 'example.com/other' }];
      expect((await admin.patch(`${core}/pods/still`, image, 'application/json-patch+json')).status).toBe(200);
    });

    it('writes status through the status subresource alone', async () => {
      const { admin, core } = env();
      await admin.post(`${core}/pods`, idlePod('split'));
      const wrong = await admin.patch(`${core}/pods/split`, { status: { message: 'no' } }, MERGE);
      expect(wrong.body.status.message).toBeUndefined();
      const right = await admin.patch(
        `${core}/pods/split/status`,
        { status: { message: 'yes' }, metadata: { labels: { x: 'y' } }, spec: { priority: 7 } },
        MERGE,
      );
      expect(right.status).toBe(200);
      expect(right.body.status.message).toBe('yes');
      expect(right.body.spec.priority).toBe(0);
    });

    it('gives a Job its selector and freezes template, selector and completions', async () => {
      const { admin, namespace } = env();
      const path = `/apis/batch/v1/namespaces/${namespace}/jobs`;
      const { status, body } = await admin.post(
        path,
        idleJob('frozen', { completions: 2, parallelism: 2, completionMode: 'Indexed' }),
      );
      expect(status).toBe(201);
      expect(body.spec).toMatchObject({ backoffLimit: 6, podReplacementPolicy: 'TerminatingOrFailed' });
      expect(body.spec.template.metadata.labels['batch.kubernetes.io/controller-uid']).toBe(body.metadata.uid);
      expect(body.spec.selector.matchLabels).toEqual({ 'batch.kubernetes.io/controller-uid': body.metadata.uid });
      for (const spec of [
        { completions: 3 },
        { completionMode: 'NonIndexed' },
        { selector: { matchLabels: { a: 'b' } } },
      ]) {
        expect((await admin.patch(`${path}/frozen`, { spec }, MERGE)).status).toBe(422);
      }
      const image = [{ op: 'replace', path: '/spec/template/spec/containers/0/image', value: 'example.com/other' }];
      const refused = await admin.patch(`${path}/frozen`, image, 'application/json-patch+json');
      expect(refused.status).toBe(422);
      expect(refused.body.message).toContain('spec.template: Invalid value');
      expect(refused.body.message).toContain('field is immutable');
      const deadline = await admin.patch(`${path}/frozen`, { spec: { activeDeadlineSeconds: 60 } }, MERGE);
      expect(deadline.status).toBe(200);
      expect(deadline.body.metadata.generation).toBe(2);
    });

    it('refuses a Job whose pods would restart for ever', async () => {
      const { admin, namespace } = env();
      const job = idleJob('always', {}, 'Always');
      const { status, body } = await admin.post(`/apis/batch/v1/namespaces/${namespace}/jobs`, job);
      expect(status).toBe(422);
      expect(body.message).toContain(
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
      );
    });

    it('refuses a pod that names a priority class nobody made', async () => {
      const { admin, core } = env();
      const { status, body } = await admin.post(
        `${core}/pods`,
        idlePod('vip', {}, { priorityClassName: 'contract-nobody' }),
      );
      expect(status).toBe(403);
      expect(body.message).toBe('pods "vip" is forbidden: no PriorityClass with name contract-nobody was found');
    });

    it('refuses unequal requests and limits of an extended resource', async () => {
      const { admin, core } = env();
      const resources = { limits: { 'example.com/gpu': '2' }, requests: { 'example.com/gpu': '1' } };
      const pod = idlePod('uneven', {}, { containers: [{ name: 'main', image: 'example.com/none', resources }] });
      const { status, body } = await admin.post(`${core}/pods`, pod);
      expect(status).toBe(422);
      expect(body.message).toContain('must be equal to example.com/gpu limit of 2');
    });

    it('gives Services an address, and headless ones and external names none', async () => {
      const { admin, core } = env();
      const service = (name: string, spec: object): object => ({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name },
        spec,
      });
      const plain = await admin.post(`${core}/services`, service('plain', { ports: [{ port: 80 }] }));
      expect(plain.body.spec.clusterIP).toMatch(/^[\d.]+$/);
      expect(plain.body.spec.ports[0]).toMatchObject({ protocol: 'TCP', targetPort: 80 });
      const headless = await admin.post(
        `${core}/services`,
        service('headless', { clusterIP: 'None', ports: [{ port: 80 }] }),
      );
      expect(headless.body.spec.clusterIP).toBe('None');
      const external = await admin.post(
        `${core}/services`,
        service('external', { type: 'ExternalName', externalName: 'example.com' }),
      );
      expect(external.body.spec.clusterIP).toBeUndefined();
    });
  });
}
