/** Builds the served built-in resources from the table, their shapes, their strategies and their columns. */
import { ALL_VERBS, type Resource, type Subresource, type Verb } from '../registry/resource.ts';
import { resourceKey } from '../storage/object-store.ts';
import { columnsFor } from '../table/builtin-columns.ts';
import { BUILTIN_TABLE, type GroupTable } from './builtin-table.ts';
import { BUILTIN_TYPES } from './builtin-types.ts';
import { strategyFor } from './builtin-strategies.ts';

const SELECTABLE: Readonly<Record<string, readonly string[]>> = {
  '/pods': [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.nominatedNodeName',
  ],
  '/nodes': ['spec.unschedulable'],
  '/namespaces': ['status.phase'],
  '/secrets': ['type'],
  '/services': ['spec.clusterIP', 'spec.type'],
  '/replicationcontrollers': ['status.replicas'],
  '/events': [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
  'events.k8s.io/events': [
    'reason',
    'reportingController',
    'regarding.kind',
    'regarding.name',
    'regarding.namespace',
    'type',
  ],
  'batch/jobs': ['status.successful'],
  'apps/replicasets': ['status.replicas'],
  'resource.k8s.io/resourceslices': ['spec.nodeName', 'spec.driver'],
};

const STATUS_VERBS: readonly Verb[] = ['get', 'patch', 'update'];

/** Subresources beside status and scale. */
const EXTRA_SUBRESOURCES: Readonly<Record<string, readonly Subresource[]>> = {
  '/pods': [
    { name: 'binding', kind: 'Binding', verbs: ['create'] },
    { name: 'eviction', kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] },
    { name: 'log', kind: 'Pod', verbs: ['get'] },
  ],
  '/namespaces': [{ name: 'finalize', kind: 'Namespace', verbs: ['update'] }],
  '/serviceaccounts': [
    { name: 'token', kind: 'TokenRequest', group: 'authentication.k8s.io', version: 'v1', verbs: ['create'] },
  ],
};

function subresourcesOf(key: string, kind: string, flags: ReadonlySet<string>): Map<string, Subresource> {
  const list: Subresource[] = [...(EXTRA_SUBRESOURCES[key] ?? [])];
  if (flags.has('scale')) {
    list.push({ name: 'scale', kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: STATUS_VERBS });
  }
  if (flags.has('status')) list.push({ name: 'status', kind, verbs: STATUS_VERBS });
  return new Map(list.map((subresource) => [subresource.name, subresource]));
}

const FLAGS: ReadonlySet<string> = new Set(['status', 'scale', 'gen', 'create']);

function resourceOf(table: GroupTable, line: string): Resource {
  const [plural = '', kind = '', shape = '', scope = '', ...words] = line.trim().split(/\s+/);
  const flags = new Set(words.filter((word) => FLAGS.has(word)));
  const key = resourceKey(table.group, plural);
  return {
    group: table.group,
    version: table.version,
    plural,
    kind,
    listKind: `${kind}List`,
    singular: words.find((word) => word.startsWith('='))?.slice(1) ?? kind.toLowerCase(),
    namespaced: scope === 'ns',
    shortNames: words.filter((word) => /^[a-z]/.test(word) && !word.includes(':') && !FLAGS.has(word)),
    categories: words.filter((word) => word.startsWith('c:')).map((word) => word.slice(2)),
    verbs: flags.has('create') ? ['create'] : ALL_VERBS,
    storageKey: key,
    storageVersion: table.version,
    schema: BUILTIN_TYPES.object(shape),
    strategy: strategyFor(key, { status: flags.has('status'), generation: flags.has('gen') }),
    selectableFields: SELECTABLE[key] ?? [],
    columns: columnsFor(key),
    subresources: subresourcesOf(key, kind, flags),
  };
}

export function builtinResources(): Resource[] {
  return BUILTIN_TABLE.flatMap((table) =>
    table.lines
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => resourceOf(table, line)),
  );
}
