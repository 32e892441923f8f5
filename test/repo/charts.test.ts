/** The charts, what is generated from them, and the code that they install say the same. Needs no helm, but for one test. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { evaluate } from '@marcbachmann/cel-js';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { CHARTS, chartFiles, renderedManifests, valueRows } from '../../scripts/generate/chart-files.ts';
import { describeAgentSettings } from '../../src/agent/config.ts';
import { GUEST_CLUSTER_ROLE, GUEST_PRIORITY, priorityClassObject } from '../../src/agent/runs/guest/tenant-objects.ts';
import { guestNamespace } from '../../src/api/v1alpha1/child-names.ts';
import { decodeObject } from '../../src/api/schema/kind.ts';
import { ALL_KINDS } from '../../src/api/v1alpha1/kinds.ts';
import { describeHubSettings } from '../../src/hub/config.ts';
import { toolsDir } from '../support/tools.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

type Json = Readonly<Record<string, unknown>>;
interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: Json;
  readonly rules?: readonly Rule[];
}
interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}
interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
  readonly type?: unknown;
}

const objectsOf = (path: string): Manifest[] =>
  parseAllDocuments(read(path))
    .map((document) => document.toJS() as Manifest | null)
    .filter((object) => object !== null);
const hub = objectsOf('manifests/install-hub.yaml');
const agent = objectsOf('manifests/install-agent.yaml');
const named = (objects: readonly Manifest[], kind: string, name: string): Manifest => {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (found === undefined) throw new Error(`no ${kind} ${name}`);
  return found;
};
const schemaOf = (chart: string): Schema => JSON.parse(read(`helm/${chart}/values.schema.json`)) as Schema;
const schemaAt = (schema: Schema, path: string): Schema | undefined =>
  path.split('.').reduce<Schema | undefined>((at, key) => at?.properties?.[key], schema);

describe('what is generated for the charts', () => {
  const files = chartFiles(root);

  it.each([...files.keys()])('%s is what `npm run generate` makes now', (path) => {
    expect(read(path)).toBe(files.get(path));
  });

  it('is every CRD in exactly one chart, equal to crds/ but for the annotation that keeps it', () => {
    const carried = CHARTS.flatMap(({ name }) =>
      readdirSync(join(root, 'helm', name, 'files/crds')).map(
        (file) => [file, `helm/${name}/files/crds/${file}`] as const,
      ),
    );
    expect(carried.map(([file]) => file).sort()).toEqual(readdirSync(join(root, 'crds')).sort());
    expect(carried).toHaveLength(ALL_KINDS.length);
    for (const [file, path] of carried) {
      const { metadata, ...rest } = parse(read(path)) as { readonly metadata: Json };
      const { annotations, ...plain } = metadata;
      expect(annotations).toEqual({ 'helm.sh/resource-policy': 'keep' });
      expect({ ...rest, metadata: plain }).toEqual(parse(read(`crds/${file}`)));
    }
  });

  it.skipIf(toolsDir() === undefined)('are the manifests that helm makes of the charts now', () => {
    for (const [path, text] of renderedManifests(root, join(toolsDir() ?? '', 'helm'))) expect(read(path)).toBe(text);
  });
});

describe.each(CHARTS.map(({ name }) => name))('chart %s', (name) => {
  const rows = valueRows(read(`helm/${name}/values.yaml`));
  const schema = schemaOf(name);

  it('has the version of the package', () => {
    const { version } = JSON.parse(read('package.json')) as { readonly version: string };
    const chart = parse(read(`helm/${name}/Chart.yaml`)) as Json;
    expect(chart).toMatchObject({ version, appVersion: version });
  });

  it('says of every value what it means', () => {
    expect(rows.filter(({ text }) => text === '').map(({ path }) => path)).toEqual([]);
    expect(rows.length).toBeGreaterThan(20);
  });

  it('has a schema for every value, and values for all that the schema knows', () => {
    expect(rows.map(({ path }) => path).filter((path) => schemaAt(schema, path) === undefined)).toEqual([]);
    const known = (at: Schema, path: string): string[] =>
      at.properties === undefined || path === 'settings'
        ? [path]
        : Object.entries(at.properties).flatMap(([key, child]) => known(child, path === '' ? key : `${path}.${key}`));
    const listed = new Set(rows.map(({ path }) => path));
    expect(known(schema, '').filter((path) => path !== 'global' && !listed.has(path))).toEqual([]);
  });

  it('refuses what it does not know, at every level', () => {
    const open = (at: Schema, path: string): string[] => [
      ...(at.properties !== undefined && at.additionalProperties !== false ? [path] : []),
      ...Object.entries(at.properties ?? {}).flatMap(([key, child]) => open(child, `${path}.${key}`)),
    ];
    expect(open(schema, '')).toEqual([]);
  });
});

describe('settings of the programs', () => {
  // What the charts decide, or what has no sense in a pod.
  const decided = {
    'lumbung-hub': [
      ...['kubeconfig', 'kubeContext', 'namespace', 'identity', 'federationAddress', 'enrolmentAddress'],
      ...['aggregatedApiAddress', 'aggregatedApiService', 'metricsAddress', 'advertisedFederationAddress'],
      ...['advertisedEnrolmentAddress', 'serverNames'],
    ],
    'lumbung-agent': [
      ...['kubeconfig', 'kubeContext', 'namespace', 'identity', 'member', 'hub', 'hubServerName', 'enrolAddress'],
      ...['token', 'tokenFile', 'hubCaSha256', 'metricsAddress', 'serviceAccountName'],
    ],
  };
  it.each([
    ['lumbung-hub', describeHubSettings()],
    ['lumbung-agent', describeAgentSettings()],
  ] as const)('%s takes every other one under `settings`', (chart, settings) => {
    const taken = Object.keys(schemaAt(schemaOf(chart), 'settings')?.properties ?? {});
    expect([...taken, ...decided[chart]].sort()).toEqual(settings.map(({ key }) => key).sort());
  });

  it.each([
    ['lumbung-hub', hub, describeHubSettings()],
    ['lumbung-agent', agent, describeAgentSettings()],
  ] as const)('%s is started with flags that the program has', (name, objects, settings) => {
    const { args } = containerOf(named(objects, 'Deployment', name));
    const flags = args.map((arg) => /^(--[a-z0-9-]+)=/.exec(arg)?.[1]);
    expect(flags.filter((flag) => !settings.some((setting) => setting.flag === flag))).toEqual([]);
    expect(flags.length).toBeGreaterThan(5);
  });

  it('the values that `lumbung member invite` prints exist in the agent chart', () => {
    const printed = [...read('src/cli/commands/member-invite.ts').matchAll(/--set ([A-Za-z.0-9]+)=/g)];
    const names = printed.map((match) => match[1] ?? '');
    expect(names).toContain('token');
    expect(names.filter((path) => schemaAt(schemaOf('lumbung-agent'), path) === undefined)).toEqual([]);
  });
});

interface Container {
  readonly args: readonly string[];
  readonly securityContext: Json;
}
interface PodSpec {
  readonly containers: readonly [Container];
  readonly securityContext: Json;
  readonly enableServiceLinks: boolean;
}
const podOf = (deployment: Manifest): PodSpec => (deployment.spec?.['template'] as { readonly spec: PodSpec }).spec;
const containerOf = (deployment: Manifest): Container => podOf(deployment).containers[0];

describe.each([
  ['lumbung-hub', hub],
  ['lumbung-agent', agent],
] as const)('the pods of %s', (name, objects) => {
  const pod = podOf(named(objects, 'Deployment', name));

  it('pass Pod Security `restricted`, with a read-only root', () => {
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 65532,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(pod.containers[0].securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    const types = ((pod as unknown as Json)['volumes'] ?? []) as readonly Json[];
    expect(types.flatMap((volume) => Object.keys(volume)).filter((key) => key !== 'name' && key !== 'secret')).toEqual(
      [],
    );
    expect(Object.keys(pod).filter((key) => key.startsWith('host'))).toEqual([]);
    expect(pod.enableServiceLinks).toBe(false);
  });

  it('are probed, bounded and spread, and alone have no disruption budget', () => {
    for (const key of ['startupProbe', 'livenessProbe', 'readinessProbe', 'resources']) {
      expect(pod.containers[0]).toHaveProperty(key);
    }
    expect(pod).toHaveProperty('topologySpreadConstraints');
    expect(objects.filter(({ kind }) => kind === 'PodDisruptionBudget')).toEqual([]);
  });

  it('start a file that the build makes, as the image lays it out', () => {
    const entry = /\/app\/([a-z]+)\.js/.exec(JSON.stringify(pod.containers[0]))?.[1] ?? '';
    expect(read('scripts/bundle.ts')).toContain(`src/bin/${entry}.ts`);
    expect(read('Dockerfile')).toContain('COPY --from=build /src/dist /app');
  });
});

describe('roles', () => {
  const rules = [...hub, ...agent].flatMap(({ kind, metadata, rules: list = [] }) =>
    list.map((rule) => ({ role: `${kind} ${metadata.name}`, ...rule })),
  );
  const allowing = (verb: string, resource: string): string[] =>
    rules
      .filter(({ verbs, resources }) => verbs.includes(verb) && resources.includes(resource))
      .map(({ role }) => role);

  it('name every verb, group and resource', () => {
    const stars = rules.filter((rule) =>
      [...rule.verbs, ...rule.apiGroups, ...rule.resources].some((one) => one.includes('*')),
    );
    expect(stars).toEqual([]);
    expect(rules.length).toBeGreaterThan(30);
  });

  it('let nobody list Secrets, escalate or impersonate', () => {
    for (const verb of ['list', 'watch', 'delete', 'update']) expect(allowing(verb, 'secrets')).toEqual([]);
    expect(rules.filter(({ verbs }) => verbs.includes('escalate') || verbs.includes('impersonate'))).toEqual([]);
  });

  it('let the agent bind one role, read one Secret, and delete nothing outside the namespaces of guests', () => {
    const binding = rules.filter(({ verbs }) => verbs.includes('bind'));
    expect(binding).toEqual([
      expect.objectContaining({ resources: ['clusterroles'], resourceNames: [GUEST_CLUSTER_ROLE] }),
    ]);
    const reads = rules.filter(
      ({ role, resources, verbs }) =>
        /lumbung-(agent|guest)$/.test(role) && resources.includes('secrets') && verbs.includes('get'),
    );
    expect(reads.map(({ resourceNames }) => resourceNames)).toEqual([['lumbung-agent-identity']]);
    const deletes = rules.filter(({ role, verbs }) => role.endsWith('lumbung-agent') && verbs.includes('delete'));
    expect(deletes).toEqual([]);
  });

  it('let people write no status, and only tenants read logs', () => {
    const people = rules.filter(({ role }) => /lumbung-(tenant|pool|auditor)/.test(role));
    expect(people.filter(({ resources }) => resources.some((one) => one.endsWith('/status')))).toEqual([]);
    expect(allowing('get', 'computejobs/log')).toEqual(['ClusterRole lumbung-tenant-view']);
    const auditor = rules.filter(({ role }) => role.endsWith('lumbung-auditor')).flatMap(({ verbs }) => verbs);
    expect([...new Set(auditor)].sort()).toEqual(['get', 'list', 'watch']);
  });
});

describe('admission policies of the agent, evaluated', () => {
  const user = 'system:serviceaccount:lumbung-system:lumbung-agent';
  const guest = { metadata: { name: 'guest-a', labels: { 'lumbung.dev/guest': 'true' } } };
  const owner = { metadata: { name: 'prod', labels: { team: 'prod' } } };
  const bare = { metadata: { name: 'prod' } };

  /** Undefined: another user's request. Otherwise whether every validation holds. */
  function judge(policy: string, variables: Json): boolean | undefined {
    const { matchConditions, validations } = named(agent, 'ValidatingAdmissionPolicy', policy).spec as unknown as {
      readonly matchConditions: readonly { readonly expression: string }[];
      readonly validations: readonly { readonly expression: string }[];
    };
    const holds = ({ expression }: { readonly expression: string }): boolean =>
      evaluate(expression, variables) === true;
    return matchConditions.every(holds) ? validations.every(holds) : undefined;
  }
  const request = (more: Json): Json => ({ userInfo: { username: user }, operation: 'CREATE', ...more });

  it('never concern anybody else', () => {
    const other = { userInfo: { username: 'system:serviceaccount:lumbung-system:default' }, namespace: 'prod' };
    for (const policy of ['stays-with-guests', 'cluster-objects', 'binds-itself']) {
      expect(judge(`lumbung-agent-${policy}`, { request: other, namespaceObject: owner })).toBeUndefined();
      const { failurePolicy } = named(agent, 'ValidatingAdmissionPolicy', `lumbung-agent-${policy}`).spec!;
      expect(failurePolicy).toBe('Fail');
      expect(named(agent, 'ValidatingAdmissionPolicyBinding', `lumbung-agent-${policy}`).spec).toMatchObject({
        policyName: `lumbung-agent-${policy}`,
        validationActions: ['Deny'],
      });
    }
  });

  it.each([
    ['its own namespace', 'lumbung-system', bare, true],
    ['a namespace of guests', 'guest-a', guest, true],
    ["an owner's namespace", 'prod', owner, false],
    ["an owner's namespace without labels", 'prod', bare, false],
    ['a namespace whose label says otherwise', 'x', { metadata: { labels: { 'lumbung.dev/guest': 'false' } } }, false],
  ])('writing in %s', (_name, namespace, namespaceObject, allowed) => {
    expect(judge('lumbung-agent-stays-with-guests', { request: request({ namespace }), namespaceObject })).toBe(
      allowed,
    );
  });

  const namespaces = { resource: { resource: 'namespaces' } };
  const guestOf = (tenant: string): Json => ({
    metadata: { name: guestNamespace(tenant), labels: { 'lumbung.dev/guest': 'true' } },
  });
  const bareGuest = { metadata: { name: 'guest-a' } };
  it.each([
    ["making a tenant's namespace", { object: guestOf('team-a') }, true],
    ['making the namespace of a tenant whose name is no label', { object: guestOf('Team A!') }, true],
    ['making a namespace without the label', { object: bareGuest }, false],
    ['making a namespace of another name', { object: { metadata: { ...guest.metadata, name: 'kube-x' } } }, false],
    ['changing its own', { object: guest, oldObject: guest }, true],
    ["labelling an owner's namespace", { object: guest, oldObject: bareGuest }, false],
    ['taking the label away', { object: bareGuest, oldObject: guest }, false],
  ])('%s', (_name, { object, oldObject }: { object: Json; oldObject?: Json }, allowed) => {
    const operation = oldObject === undefined ? 'CREATE' : 'UPDATE';
    const variables = { request: request({ ...namespaces, operation }), object, oldObject: oldObject ?? null };
    expect(judge('lumbung-agent-cluster-objects', variables)).toBe(allowed);
  });

  const classes = { resource: { resource: 'priorityclasses' } };
  it.each([
    ["the agent's own", priorityClassObject(), true],
    ['one that is worth more', { ...priorityClassObject(), value: GUEST_PRIORITY + 1 }, false],
    ['one that preempts', { ...priorityClassObject(), preemptionPolicy: 'PreemptLowerPriority' }, false],
    ['one for everybody', { ...priorityClassObject(), globalDefault: true }, false],
    ['one of another name', { ...priorityClassObject(), metadata: { name: 'high' } }, false],
  ])('priority class: %s', (_name, object, allowed) => {
    const wire = JSON.parse(JSON.stringify(object), (_key, value: unknown) =>
      typeof value === 'number' ? BigInt(value) : value,
    ) as Json;
    expect(judge('lumbung-agent-cluster-objects', { request: request(classes), object: wire, oldObject: null })).toBe(
      allowed,
    );
  });

  const self = { kind: 'ServiceAccount', name: 'lumbung-agent', namespace: 'lumbung-system' };
  const binding = { metadata: { name: 'lumbung-guest' }, roleRef: { kind: 'ClusterRole', name: 'lumbung-guest' } };
  it.each([
    ['itself', { ...binding, subjects: [self] }, true],
    ['somebody else too', { ...binding, subjects: [self, { ...self, name: 'thief' }] }, false],
    ['somebody else', { ...binding, subjects: [{ ...self, name: 'thief' }] }, false],
    ['nobody', binding, false],
    ['another role', { ...binding, roleRef: { kind: 'ClusterRole', name: 'admin' }, subjects: [self] }, false],
  ])('binding %s', (_name, object, allowed) => {
    const variables = { request: request({ namespace: 'guest-a' }), object, namespaceObject: guest };
    expect(judge('lumbung-agent-binds-itself', variables)).toBe(allowed);
  });
});

describe('docs/install.md', () => {
  const text = read('docs/install.md');

  it('shows objects that the API takes', () => {
    const written = [...text.matchAll(/```yaml\n([\s\S]*?)```|<<END\n([\s\S]*?)\nEND/g)];
    const objects = written.map(([, block, inline]) => parse(block ?? inline ?? '') as Manifest);
    expect(objects.map(({ kind }) => kind)).toEqual(['GpuPool', 'LendingPolicy', 'ComputeJob']);
    for (const object of objects) {
      const kind = ALL_KINDS.find(({ resource }) => resource.kind === object.kind);
      const decoded = kind === undefined ? undefined : decodeObject(kind, object);
      expect(decoded).toMatchObject({ ok: true });
    }
  });

  it('sets values that the charts have', () => {
    const commands = text.split('```').filter((block) => block.startsWith('sh'));
    const used = commands
      .flatMap((block) => block.replaceAll('\\\n', ' ').split('\n'))
      .flatMap((line) => {
        const chart = /helm (?:install|upgrade) (lumbung-\w+)/.exec(line)?.[1];
        const names = [...line.matchAll(/--set '?([A-Za-z.0-9]+)=/g)].map((match) => match[1] ?? '');
        return chart === undefined ? [] : names.map((name) => [chart, name] as const);
      });
    expect(used.length).toBeGreaterThan(8);
    expect(used.filter(([chart, name]) => schemaAt(schemaOf(chart), name) === undefined)).toEqual([]);
    const named = [...text.matchAll(/`((?:[a-z]\w+\.)+\w+)`/g)].map((match) => match[1] ?? '');
    const known = (name: string): boolean => CHARTS.some((chart) => schemaAt(schemaOf(chart.name), name) !== undefined);
    expect(
      named.filter(
        (name) => /^(image|federation|references|crds|settings|hub|networkPolicy)\./.test(name) && !known(name),
      ),
    ).toEqual([]);
  });
});

describe('the image', () => {
  const lines = read('Dockerfile').split('\n');

  it('names its bases by build argument, without a host', () => {
    const bases = lines.flatMap((line) => /^ARG (?:BUILD_)?BASE=(.+)$/.exec(line)?.[1] ?? []);
    expect(bases).toEqual(['node:24-slim', 'node:24-slim']);
    expect(lines.filter((line) => line.startsWith('FROM '))).toEqual(['FROM ${BUILD_BASE} AS build', 'FROM ${BASE}']);
  });

  it('runs as the user that the charts expect', () => {
    expect(lines).toContain('USER 65532:65532');
  });

  it('is built from what .dockerignore lets in', () => {
    const allowed = new Set(
      read('.dockerignore')
        .split('\n')
        .flatMap((line) => /^!(.+)$/.exec(line)?.[1] ?? []),
    );
    const copied = lines
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from'))
      .flatMap((line) => line.split(' ').slice(1, -1));
    expect(new Set(copied)).toEqual(allowed);
  });
});
