/** Custom resources, access control, discovery. */
import { beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { JSON_PATCH, MERGE } from './contract-client.ts';
import type { EnvGetter } from './contract-env.ts';

const SCHEMA = {
  type: 'object',
  required: ['spec'],
  properties: {
    spec: {
      type: 'object',
      required: ['size'],
      'x-kubernetes-validations': [
        {
          rule: 'self.size <= self.max',
          messageExpression: "'size ' + string(self.size) + ' is above ' + string(self.max)",
        },
        { rule: 'self.size >= oldSelf.size', message: 'size may not shrink', fieldPath: '.size' },
      ],
      properties: {
        size: { type: 'integer', minimum: 1, description: 'How large, in boards.' },
        max: { type: 'integer', default: 10 },
        mode: { type: 'string', enum: ['Gang', 'Array'], default: 'Gang' },
        name: { type: 'string', maxLength: 5, pattern: '^[a-z]*$' },
        share: { 'x-kubernetes-int-or-string': true },
        items: {
          type: 'array',
          maxItems: 2,
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: {
            type: 'object',
            required: ['name'],
            properties: { name: { type: 'string' }, value: { type: 'string', default: 'none' } },
          },
        },
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        wait: {
          type: 'string',
          format: 'duration',
          'x-kubernetes-validations': [{ rule: "self >= duration('1m')", message: 'wait at least a minute' }],
        },
      },
    },
    status: { type: 'object', properties: { phase: { type: 'string' }, ready: { type: 'integer' } } },
  },
};

const COLUMNS = [
  { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
  { name: 'Phase', type: 'string', jsonPath: '.status.phase', priority: 1 },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
];

function definition(group: string): object {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `widgets.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget', shortNames: ['wdg'] },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: SCHEMA },
          subresources: { status: {} },
          additionalPrinterColumns: COLUMNS,
        },
      ],
    },
  };
}

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

function customContract(env: EnvGetter): void {
  describe('custom resources', () => {
    const path = (): string => `/apis/${env().group}/v1/namespaces/${env().namespace}/widgets`;
    const widget = (name: string, spec: object): object => ({
      apiVersion: `${env().group}/v1`,
      kind: 'Widget',
      metadata: { name },
      spec,
    });

    beforeAll(async () => {
      const { admin, group } = env();
      const { status, body } = await admin.post(DEFINITIONS, definition(group));
      expect([status, body.message]).toEqual([201, undefined]);
      await eventually(
        async () => {
          const { body: found } = await admin.get(`${DEFINITIONS}/widgets.${group}`);
          const established = found.status.conditions.some((c) => c.type === 'Established' && c.status === 'True');
          return established && (await admin.get(path())).status === 200;
        },
        { what: 'the definition is established and served' },
      );
    });

    it('prune unknown fields, keep those they must preserve, and fill in defaults', async () => {
      const { admin } = env();
      const { status, body } = await admin.post(
        path(),
        widget('full', { size: 2, unknown: 1, free: { any: { thing: [1] } }, items: [{ name: 'a' }], share: '50%' }),
      );
      expect(status).toBe(201);
      expect(body.spec).toEqual({
        size: 2,
        max: 10,
        mode: 'Gang',
        free: { any: { thing: [1] } },
        items: [{ name: 'a', value: 'none' }],
        share: '50%',
      });
      expect(body.metadata.generation).toBe(1);
    });

    it.each([
      [
        'a number below its minimum',
        { size: 0 },
        'spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1',
      ],
      ['a missing field', {}, 'spec.size: Required value'],
      [
        'a wrong type',
        { size: 'x' },
        'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"',
      ],
      [
        'a value outside its enum',
        { size: 1, mode: 'Solo' },
        'spec.mode: Unsupported value: "Solo": supported values: "Gang", "Array"',
      ],
      ['a string too long', { size: 1, name: 'abcdef' }, 'spec.name: Too long: may not be more than 5 bytes'],
      [
        'a string against its pattern',
        { size: 1, name: 'A' },
        'spec.name: Invalid value: "A": spec.name in body should match \'^[a-z]*$\'',
      ],
      [
        'too many items',
        { size: 1, items: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] },
        'spec.items: Too many: 3: must have at most 2 items',
      ],
      [
        'two items of one key',
        { size: 1, items: [{ name: 'a' }, { name: 'a' }] },
        'spec.items[1]: Duplicate value: {"name":"a"}',
      ],
      ['a broken rule, with its computed message', { size: 11 }, 'spec: Invalid value: size 11 is above 10'],
      [
        'a broken rule on a duration',
        { size: 1, wait: '10s' },
        'spec.wait: Invalid value: "10s": wait at least a minute',
      ],
    ])('are refused for %s', async (_what, spec, message) => {
      const { admin } = env();
      const { status, body } = await admin.post(path(), widget('refused', spec));
      expect(status).toBe(422);
      expect(body.reason).toBe('Invalid');
      expect(body.message).toContain(message);
      expect((await admin.get(`${path()}/refused`)).status).toBe(404);
    });

    it('check transition rules on updates only', async () => {
      const { admin } = env();
      await admin.post(path(), widget('grow', { size: 3 }));
      expect((await admin.patch(`${path()}/grow`, { spec: { size: 4 } }, MERGE)).status).toBe(200);
      const shrunk = await admin.patch(`${path()}/grow`, { spec: { size: 2 } }, MERGE);
      expect(shrunk.status).toBe(422);
      expect(shrunk.body.message).toContain('spec.size: Invalid value: size may not shrink');
    });

    it('bump the generation for spec, not for status or metadata', async () => {
      const { admin } = env();
      await admin.post(path(), widget('gen', { size: 1 }));
      const labelled = await admin.patch(`${path()}/gen`, { metadata: { labels: { a: 'b' } } }, MERGE);
      expect(labelled.body.metadata.generation).toBe(1);
      const status = await admin.patch(
        `${path()}/gen/status`,
        { status: { phase: 'Ready' }, spec: { size: 9 } },
        MERGE,
      );
      expect(status.body).toMatchObject({ metadata: { generation: 1 }, spec: { size: 1 }, status: { phase: 'Ready' } });
      const ignored = await admin.patch(`${path()}/gen`, { status: { phase: 'Other' }, spec: { size: 2 } }, MERGE);
      expect(ignored.body).toMatchObject({ metadata: { generation: 2 }, status: { phase: 'Ready' } });
    });

    it('are applied by several managers, item by item', async () => {
      const { admin } = env();
      await admin.apply(`${path()}/duo`, widget('duo', { size: 1, items: [{ name: 'a', value: '1' }] }), 'alice');
      const { body } = await admin.apply(
        `${path()}/duo`,
        widget('duo', { size: 1, items: [{ name: 'b', value: '2' }] }),
        'bob',
      );
      expect(body.spec.items).toEqual([
        { name: 'a', value: '1' },
        { name: 'b', value: '2' },
      ]);
    });

    it('take JSON patches of status as a compare-and-swap', async () => {
      const { admin } = env();
      const { body } = await admin.post(path(), widget('swapped', { size: 1 }));
      const ops = [
        { op: 'test', path: '/metadata/resourceVersion', value: body.metadata.resourceVersion },
        { op: 'add', path: '/status', value: { phase: 'Won' } },
      ];
      const outcomes = await Promise.all(
        [0, 1].map(async () => (await admin.patch(`${path()}/swapped/status`, ops, JSON_PATCH)).status),
      );
      expect(outcomes.sort()).toEqual([200, 422]);
    });

    it('are shown with their columns', async () => {
      const { admin } = env();
      await admin.post(path(), widget('shown', { size: 7 }));
      const table = await admin.get(`${path()}/shown`, 'application/json;as=Table;v=v1;g=meta.k8s.io');
      expect(table.body.columnDefinitions.map((c) => [c.name, c.priority])).toEqual([
        ['Name', 0],
        ['Size', 0],
        ['Phase', 1],
        ['Age', 0],
      ]);
      expect(table.body.rows[0]?.cells.slice(0, 3)).toEqual(['shown', 7, null]);
    });

    it('are not replaced without saying which revision', async () => {
      const { admin } = env();
      const { body } = await admin.post(path(), widget('blind', { size: 1 }));
      expect((await admin.put(`${path()}/blind`, widget('blind', { size: 2 }))).status).toBe(422);
      const seeing = {
        ...widget('blind', { size: 2 }),
        metadata: { name: 'blind', resourceVersion: body.metadata.resourceVersion },
      };
      expect((await admin.put(`${path()}/blind`, seeing)).status).toBe(200);
    });

    it('warn of or refuse unknown fields as asked', async () => {
      const { admin } = env();
      const strict = await admin.post(`${path()}?fieldValidation=Strict`, widget('strict', { size: 1, sise: 2 }));
      expect(strict.status).toBe(400);
      expect(strict.body.message).toContain('unknown field "spec.sise"');
    });

    it('are described in discovery and OpenAPI', async () => {
      const { admin, group } = env();
      const list = await admin.get(`/apis/${group}/v1`);
      expect(list.body.resources).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ name: 'widgets', kind: 'Widget', shortNames: ['wdg'], namespaced: true }),
          expect.objectContaining({ name: 'widgets/status' }),
        ]),
      );
      const { body } = await eventually(
        async () => {
          const document = await admin.get(`/openapi/v3/apis/${group}/v1`);
          return document.status === 200 ? document : undefined;
        },
        { what: 'the OpenAPI document of the group' },
      );
      const schemas = Object.values(body.components.schemas);
      const kind = schemas.find((schema) => schema['x-kubernetes-group-version-kind']?.[0]?.kind === 'Widget');
      expect(kind?.properties['spec']?.properties['size']?.description).toBe('How large, in boards.');
    });

    it('refuse a definition whose default breaks its own schema, and one whose rule does not parse', async () => {
      const { admin, group } = env();
      const broken = (spec: object): object => ({
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'CustomResourceDefinition',
        metadata: { name: `gadgets.${group}` },
        spec: {
          group,
          scope: 'Cluster',
          names: { plural: 'gadgets', kind: 'Gadget' },
          versions: [
            {
              name: 'v1',
              served: true,
              storage: true,
              schema: { openAPIV3Schema: { type: 'object', properties: { spec } } },
            },
          ],
        },
      });
      const badDefault = await admin.post(DEFINITIONS, broken({ type: 'integer', minimum: 5, default: 1 }));
      expect(badDefault.status).toBe(422);
      expect(badDefault.body.message).toContain('default');
      const badRule = await admin.post(
        DEFINITIONS,
        broken({ type: 'object', properties: {}, 'x-kubernetes-validations': [{ rule: 'self.a >' }] }),
      );
      expect(badRule.status).toBe(422);
      expect(badRule.body.message).toContain('compilation failed');
    });

    it('go when their definition goes', async () => {
      const { admin, group } = env();
      const name = `gizmos.${group}`;
      const other = definition(group) as { metadata: { name: string }; spec: { names: object } };
      other.metadata.name = name;
      other.spec.names = { plural: 'gizmos', kind: 'Gizmo' };
      await admin.post(DEFINITIONS, other);
      const inside = `/apis/${group}/v1/namespaces/${env().namespace}/gizmos`;
      await eventually(async () => (await admin.get(inside)).status === 200, { what: 'gizmos are served' });
      await eventually(
        async () => (await admin.post(inside, { ...widget('one', { size: 1 }), kind: 'Gizmo' })).status === 201,
        { what: 'a gizmo is made' },
      );
      await admin.delete(`${DEFINITIONS}/${name}`);
      await eventually(async () => (await admin.get(`${DEFINITIONS}/${name}`)).status === 404, {
        what: 'the definition is gone',
      });
      await eventually(async () => (await admin.get(inside)).status === 404, { what: 'gizmos are no longer served' });
    });
  });
}

const RBAC = '/apis/rbac.authorization.k8s.io/v1';

function accessContract(env: EnvGetter): void {
  describe('access', () => {
    const user = (): string => `reader-${env().namespace}`;

    it('refuses what no role allows, in the words that people know', async () => {
      const { core, namespace } = env();
      const nobody = await env().as(`nobody-${namespace}`);
      const { status, body } = await nobody.get(`${core}/configmaps`);
      expect(status).toBe(403);
      expect(body).toMatchObject({ reason: 'Forbidden', details: { kind: 'configmaps' } });
      expect(body.message).toBe(
        `configmaps is forbidden: User "nobody-${namespace}" cannot list resource "configmaps" in API group "" in the namespace "${namespace}"`,
      );
    });

    it('allows what a Role and its binding give, there and nowhere else', async () => {
      const { admin, core, namespace } = env();
      const roles = `${RBAC}/namespaces/${namespace}`;
      await admin.post(`${roles}/roles`, {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'Role',
        metadata: { name: 'reader' },
        rules: [
          { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list'] },
          { apiGroups: [''], resources: ['secrets'], resourceNames: ['one'], verbs: ['get'] },
        ],
      });
      await admin.post(`${roles}/rolebindings`, {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'RoleBinding',
        metadata: { name: 'reader' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
        subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: user() }],
      });
      const reader = await env().as(user());
      await eventually(async () => (await reader.get(`${core}/configmaps`)).status === 200, {
        what: 'the binding takes effect',
      });
      expect((await reader.get(`${core}/secrets/one`)).status).toBe(404);
      expect((await reader.get(`${core}/secrets/two`)).status).toBe(403);
      expect((await reader.post(`${core}/configmaps`, { metadata: { name: 'x' } })).status).toBe(403);
      expect((await reader.get('/api/v1/namespaces/default/configmaps')).status).toBe(403);
    });

    it('asks for the right to create of whoever creates by applying', async () => {
      const { admin, core, namespace } = env();
      const patcher = `patcher-${namespace}`;
      const roles = `${RBAC}/namespaces/${namespace}`;
      const metadata = { name: 'patcher' };
      const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'patch'] }];
      const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'patcher' };
      const subjects = [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: patcher }];
      await admin.post(`${roles}/roles`, { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata, rules });
      await admin.post(`${roles}/rolebindings`, {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'RoleBinding',
        metadata,
        roleRef,
        subjects,
      });
      const client = await env().as(patcher);
      const config = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'patched-in' } };
      await eventually(async () => (await client.get(`${core}/configmaps/patched-in`)).status === 404, {
        what: 'the binding takes effect',
      });
      expect((await client.apply(`${core}/configmaps/patched-in`, config, 'patcher')).status).toBe(403);
      await admin.post(`${core}/configmaps`, config);
      expect((await client.apply(`${core}/configmaps/patched-in`, config, 'patcher')).status).toBe(200);
    });

    it('answers a user who asks what they may do', async () => {
      const { namespace } = env();
      const reader = await env().as(user());
      const ask = async (verb: string): Promise<boolean> => {
        const spec = { resourceAttributes: { namespace, verb, resource: 'configmaps' } };
        const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec };
        return (await reader.post('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', review)).body.status
          .allowed;
      };
      expect([await ask('list'), await ask('delete')]).toEqual([true, false]);
    });

    it('lets nobody hand out what they do not hold', async () => {
      const { admin, namespace } = env();
      const granter = `granter-${namespace}`;
      await admin.post(`${RBAC}/namespaces/${namespace}/roles`, {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'Role',
        metadata: { name: 'granter' },
        rules: [
          { apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles', 'rolebindings'], verbs: ['create', 'get'] },
        ],
      });
      await admin.post(`${RBAC}/namespaces/${namespace}/rolebindings`, {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'RoleBinding',
        metadata: { name: 'granter' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'granter' },
        subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: granter }],
      });
      const client = await env().as(granter);
      const grab = {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'Role',
        metadata: { name: 'grab' },
        rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }],
      };
      const refused = await eventually(
        async () => {
          const answer = await client.post(`${RBAC}/namespaces/${namespace}/roles`, grab);
          return answer.body.message.includes('attempting to grant') ? answer : undefined;
        },
        { what: 'the escalation check speaks' },
      );
      expect(refused.status).toBe(403);
      expect(refused.body.message).toContain('attempting to grant RBAC permissions not currently held');
    });

    it('issues service account tokens that a TokenReview recognises', async () => {
      const { admin, core, namespace } = env();
      const request = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { expirationSeconds: 600 },
      };
      const { status, body } = await admin.post(`${core}/serviceaccounts/default/token`, request);
      expect(status).toBe(201);
      const review = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token: body.status.token },
      };
      const reviewed = await admin.post('/apis/authentication.k8s.io/v1/tokenreviews', review);
      expect(reviewed.body.status).toMatchObject({
        authenticated: true,
        user: { username: `system:serviceaccount:${namespace}:default` },
      });
      expect(reviewed.body.status.user.groups).toContain('system:serviceaccounts');
      const forged = { ...review, spec: { token: `${body.status.token}x` } };
      expect(
        (await admin.post('/apis/authentication.k8s.io/v1/tokenreviews', forged)).body.status.authenticated,
      ).not.toBe(true);
    });
  });
}

function discoveryContract(env: EnvGetter): void {
  describe('discovery', () => {
    it('lists groups in the old form and in one aggregated document', async () => {
      const { admin } = env();
      expect((await admin.get('/version')).body.gitVersion).toMatch(/^v1\.\d+\.\d+/);
      const groups = (await admin.get('/apis')).body.groups.map((group) => group.name);
      expect(groups).toEqual(
        expect.arrayContaining(['batch', 'apps', 'rbac.authorization.k8s.io', 'coordination.k8s.io']),
      );
      const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';
      const aggregated = await admin.get('/apis', accept);
      expect(aggregated.body.kind).toBe('APIGroupDiscoveryList');
      const batch = aggregated.body.items.find((item) => item.metadata.name === 'batch');
      expect(batch?.versions[0]?.resources.map((resource) => resource.resource)).toContain('jobs');
    });

    it('publishes OpenAPI v3 documents that say what can be run dry', async () => {
      const { admin } = env();
      const index = await admin.get('/openapi/v3');
      const url = index.body.paths['apis/batch/v1']?.serverRelativeURL ?? '';
      const { body } = await admin.get(url);
      const path = body.paths['/apis/batch/v1/namespaces/{namespace}/jobs/{name}'];
      expect(path?.patch['x-kubernetes-group-version-kind']).toEqual({ group: 'batch', version: 'v1', kind: 'Job' });
      expect(path?.patch.parameters.map((p) => p.name)).toContain('dryRun');
      expect(body.components.schemas['io.k8s.api.batch.v1.JobSpec']?.properties['completions']?.type).toBe('integer');
    });

    it('is healthy, and has no path that it does not know', async () => {
      const { admin } = env();
      expect((await admin.get('/readyz')).body).toBe('ok');
      const missing = await admin.get('/apis/nothing.example.com/v1/things');
      expect(missing.status).toBe(404);
    });
  });
}

export function extensionContract(env: EnvGetter): void {
  customContract(env);
  accessContract(env);
  discoveryContract(env);
}
