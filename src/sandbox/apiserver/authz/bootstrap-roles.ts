/** Roles that clusters are born with, as far as charts and people expect them. */
import { LOOPBACK } from '../authn/user-info.ts';
import type { Cluster } from '../cluster.ts';
import type { JsonObject } from '../json-value.ts';
import { createObject } from '../rest/write-object.ts';

const GROUP = 'rbac.authorization.k8s.io';
const READ = ['get', 'list', 'watch'];
const WRITE = ['create', 'delete', 'deletecollection', 'patch', 'update'];
const LABELS = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };

function rule(apiGroups: string[], resources: string[], verbs: string[]): JsonObject {
  return { apiGroups, resources, verbs };
}

const CONTENT: readonly (readonly [string, string[]])[] = [
  [
    '',
    [
      'bindings',
      'configmaps',
      'endpoints',
      'events',
      'limitranges',
      'namespaces/status',
      'persistentvolumeclaims',
      'persistentvolumeclaims/status',
      'pods',
      'pods/log',
      'pods/status',
      'replicationcontrollers',
      'replicationcontrollers/scale',
      'replicationcontrollers/status',
      'resourcequotas',
      'resourcequotas/status',
      'serviceaccounts',
      'services',
      'services/status',
    ],
  ],
  [
    'apps',
    [
      'controllerrevisions',
      'daemonsets',
      'deployments',
      'deployments/scale',
      'replicasets',
      'replicasets/scale',
      'statefulsets',
      'statefulsets/scale',
    ],
  ],
  ['autoscaling', ['horizontalpodautoscalers']],
  ['batch', ['cronjobs', 'cronjobs/status', 'jobs', 'jobs/status']],
  ['discovery.k8s.io', ['endpointslices']],
  ['networking.k8s.io', ['ingresses', 'networkpolicies']],
  ['policy', ['poddisruptionbudgets']],
  ['resource.k8s.io', ['resourceclaims', 'resourceclaims/status', 'resourceclaimtemplates']],
];

const VIEW = [...CONTENT.map(([group, resources]) => rule([group], resources, READ)), rule([''], ['namespaces'], READ)];
const EDIT = [
  ...CONTENT.map(([group, resources]) =>
    rule(
      [group],
      resources.filter((name) => !name.endsWith('/status')),
      WRITE,
    ),
  ),
  rule([''], ['secrets'], [...READ, ...WRITE]),
  rule([''], ['pods/attach', 'pods/exec', 'pods/portforward', 'pods/proxy', 'services/proxy'], [...READ, ...WRITE]),
  rule([''], ['pods/eviction', 'serviceaccounts/token'], ['create']),
  rule([''], ['serviceaccounts'], ['impersonate']),
  rule(['coordination.k8s.io'], ['leases'], [...READ, ...WRITE]),
];
const ADMIN = [
  rule([GROUP], ['rolebindings', 'roles'], [...READ, ...WRITE]),
  rule(['authorization.k8s.io'], ['localsubjectaccessreviews'], ['create']),
];

const DISCOVERY_PATHS = [
  '/api',
  '/api/*',
  '/apis',
  '/apis/*',
  '/healthz',
  '/livez',
  '/openapi',
  '/openapi/*',
  '/readyz',
  '/version',
  '/version/',
];
const PUBLIC_PATHS = ['/healthz', '/livez', '/readyz', '/version', '/version/'];

function aggregatesTo(name: string): JsonObject {
  return { clusterRoleSelectors: [{ matchLabels: { [`rbac.authorization.k8s.io/aggregate-to-${name}`]: 'true' } }] };
}

interface RoleSpec {
  readonly name: string;
  readonly labels?: Record<string, string>;
  readonly rules?: JsonObject[];
  readonly aggregationRule?: JsonObject;
}

function part(name: string, rules: JsonObject[]): RoleSpec {
  const labels = { [`rbac.authorization.k8s.io/aggregate-to-${name}`]: 'true' };
  return { name: `system:aggregate-to-${name}`, labels, rules };
}

function whole(name: string, into: string | undefined): RoleSpec {
  const labels = into === undefined ? {} : { [`rbac.authorization.k8s.io/aggregate-to-${into}`]: 'true' };
  return { name, labels, aggregationRule: aggregatesTo(name) };
}

const ROLES: readonly RoleSpec[] = [
  { name: 'cluster-admin', rules: [rule(['*'], ['*'], ['*']), { nonResourceURLs: ['*'], verbs: ['*'] }] },
  { name: 'system:discovery', rules: [{ nonResourceURLs: DISCOVERY_PATHS, verbs: ['get'] }] },
  { name: 'system:public-info-viewer', rules: [{ nonResourceURLs: PUBLIC_PATHS, verbs: ['get'] }] },
  {
    name: 'system:basic-user',
    rules: [
      rule(['authorization.k8s.io'], ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'], ['create']),
      rule(['authentication.k8s.io'], ['selfsubjectreviews'], ['create']),
    ],
  },
  {
    name: 'system:auth-delegator',
    rules: [
      rule(['authentication.k8s.io'], ['tokenreviews'], ['create']),
      rule(['authorization.k8s.io'], ['subjectaccessreviews'], ['create']),
    ],
  },
  part('view', VIEW),
  part('edit', EDIT),
  part('admin', ADMIN),
  whole('view', 'edit'),
  whole('edit', 'admin'),
  whole('admin', undefined),
];

const BINDINGS: readonly { readonly role: string; readonly groups: readonly string[] }[] = [
  { role: 'cluster-admin', groups: ['system:masters'] },
  { role: 'system:discovery', groups: ['system:authenticated'] },
  { role: 'system:basic-user', groups: ['system:authenticated'] },
  { role: 'system:public-info-viewer', groups: ['system:authenticated', 'system:unauthenticated'] },
];

function create(cluster: Cluster, plural: string, namespace: string, object: JsonObject): void {
  const resource = cluster.registry.find(GROUP, 'v1', plural);
  if (resource === undefined) return;
  const options = { user: LOOPBACK, manager: 'kube-apiserver', dryRun: false, subresource: '' };
  createObject(cluster, resource, { namespace, object }, options);
}

/** Called once, on an empty cluster whose default namespaces exist. */
export function createBootstrapRoles(cluster: Cluster): void {
  for (const { name, labels, rules, aggregationRule } of ROLES) {
    create(cluster, 'clusterroles', '', {
      metadata: { name, labels: { ...LABELS, ...labels } },
      rules: rules ?? [],
      ...(aggregationRule === undefined ? {} : { aggregationRule }),
    });
  }
  for (const { role, groups } of BINDINGS) {
    create(cluster, 'clusterrolebindings', '', {
      metadata: { name: role, labels: LABELS },
      roleRef: { apiGroup: GROUP, kind: 'ClusterRole', name: role },
      subjects: groups.map((name) => ({ apiGroup: GROUP, kind: 'Group', name })),
    });
  }
  create(cluster, 'roles', 'kube-system', {
    metadata: { name: 'extension-apiserver-authentication-reader', labels: LABELS },
    rules: [{ ...rule([''], ['configmaps'], READ), resourceNames: ['extension-apiserver-authentication'] }],
  });
}
