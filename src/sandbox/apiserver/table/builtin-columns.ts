/** Printer columns of built-in kinds, as people know them from kubectl. Kinds not named here show name and age. */
import { type ApiObject, type JsonObject, numberAt, objectAt, objectsAt, stringAt, stringsAt } from '../json-value.ts';
import type { Column } from '../registry/resource.ts';
import { ageCell, ageColumn, nameColumn } from './cells.ts';
import { at, count, integer, selectorText, sizeOf, text, textOf, wide } from './column-notation.ts';
import { POD_COLUMNS } from './pod-columns.ts';
import { JOB_COLUMNS, WORKLOAD_COLUMNS } from './workload-columns.ts';

function nodeStatus(node: ApiObject): string {
  const ready = objectsAt(objectAt(node, 'status'), 'conditions').find((c) => c['type'] === 'Ready');
  const words = [ready === undefined ? 'Unknown' : ready['status'] === 'True' ? 'Ready' : 'NotReady'];
  if (objectAt(node, 'spec')?.['unschedulable'] === true) words.push('SchedulingDisabled');
  return words.join(',');
}

const ROLE_PREFIX = 'node-role.kubernetes.io/';

function nodeRoles(node: ApiObject): string {
  const roles = Object.keys(node.metadata.labels ?? {})
    .filter((label) => label.startsWith(ROLE_PREFIX))
    .map((label) => label.slice(ROLE_PREFIX.length));
  return roles.length === 0 ? '<none>' : roles.sort().join(',');
}

function address(type: string): (node: ApiObject) => string {
  return (node) => {
    const found = objectsAt(objectAt(node, 'status'), 'addresses').find((candidate) => candidate['type'] === type);
    return textOf(found?.['address']);
  };
}

const NODE_COLUMNS: readonly Column[] = [
  nameColumn,
  text('Status', nodeStatus),
  text('Roles', nodeRoles),
  ageColumn,
  text('Version', at('status.nodeInfo.kubeletVersion', '')),
  wide('Internal-IP', address('InternalIP')),
  wide('External-IP', address('ExternalIP')),
  wide('OS-Image', at('status.nodeInfo.osImage', '<unknown>')),
  wide('Kernel-Version', at('status.nodeInfo.kernelVersion', '<unknown>')),
  wide('Container-Runtime', at('status.nodeInfo.containerRuntimeVersion', '<unknown>')),
];

function lastSeen(event: ApiObject, nowMs: number): string {
  const series = stringAt(objectAt(event, 'series'), 'lastObservedTime');
  const time =
    series ?? stringAt(event, 'lastTimestamp') ?? stringAt(event, 'eventTime') ?? event.metadata.creationTimestamp;
  return ageCell(time, nowMs);
}

function firstSeen(event: ApiObject, nowMs: number): string {
  return ageCell(
    stringAt(event, 'firstTimestamp') ?? stringAt(event, 'eventTime') ?? event.metadata.creationTimestamp,
    nowMs,
  );
}

function involved(event: ApiObject): string {
  const object = objectAt(event, 'involvedObject') ?? objectAt(event, 'regarding');
  return `${(stringAt(object, 'kind') ?? '').toLowerCase()}/${stringAt(object, 'name') ?? ''}`;
}

function eventSource(event: ApiObject): string {
  const source = objectAt(event, 'source');
  const component = stringAt(source, 'component') ?? stringAt(event, 'reportingComponent') ?? '';
  const host = stringAt(source, 'host') ?? stringAt(event, 'reportingInstance') ?? '';
  return host === '' ? component : `${component}, ${host}`;
}

const EVENT_COLUMNS: readonly Column[] = [
  text('Last Seen', lastSeen),
  text('Type', at('type', '')),
  text('Reason', at('reason', '')),
  text('Object', involved),
  wide('Subobject', at('involvedObject.fieldPath', '')),
  wide('Source', eventSource),
  text('Message', (event) => (stringAt(event, 'message') ?? stringAt(event, 'note') ?? '').trim()),
  wide('First Seen', firstSeen),
  wide('Count', (event) => numberAt(event, 'count') ?? numberAt(objectAt(event, 'series'), 'count') ?? 1),
  { ...nameColumn, priority: 1 },
];

function ports(service: ApiObject): string {
  const list = objectsAt(objectAt(service, 'spec'), 'ports').map((port) => {
    const node = numberAt(port, 'nodePort');
    return `${textOf(port['port'])}${node === undefined ? '' : `:${node}`}/${textOf(port['protocol'], 'TCP')}`;
  });
  return list.length === 0 ? '<none>' : list.join(',');
}

function externalAddress(service: ApiObject): string {
  const spec = objectAt(service, 'spec');
  const own = stringsAt(spec, 'externalIPs').join(',');
  if (spec?.['type'] === 'ExternalName') return textOf(spec['externalName']);
  if (spec?.['type'] !== 'LoadBalancer') return own === '' ? '<none>' : own;
  const ingress = objectsAt(objectAt(objectAt(service, 'status'), 'loadBalancer'), 'ingress');
  return ingress.length === 0
    ? '<pending>'
    : ingress.map((entry) => textOf(entry['ip'] ?? entry['hostname'])).join(',');
}

const SERVICE_COLUMNS: readonly Column[] = [
  nameColumn,
  text('Type', at('spec.type')),
  text('Cluster-IP', at('spec.clusterIP')),
  text('External-IP', externalAddress),
  text('Port(s)', ports),
  ageColumn,
  wide('Selector', (service) => selectorText({ matchLabels: objectAt(objectAt(service, 'spec'), 'selector') ?? {} })),
];

function subjects(kind: string): (binding: ApiObject) => string {
  return (binding) =>
    objectsAt(binding, 'subjects')
      .filter((subject) => subject['kind'] === kind)
      .map(
        (subject) =>
          (kind === 'ServiceAccount' ? `${textOf(subject['namespace'], '')}/` : '') + textOf(subject['name']),
      )
      .join(', ');
}

const BINDING_COLUMNS: readonly Column[] = [
  nameColumn,
  text('Role', (binding) => {
    const role: JsonObject | undefined = objectAt(binding, 'roleRef');
    return `${textOf(role?.['kind'])}/${textOf(role?.['name'])}`;
  }),
  ageColumn,
  wide('Users', subjects('User')),
  wide('Groups', subjects('Group')),
  wide('ServiceAccounts', subjects('ServiceAccount')),
];

const CREATED_COLUMNS: readonly Column[] = [
  nameColumn,
  { ...ageColumn, name: 'Created At', type: 'date', value: (object) => object.metadata.creationTimestamp },
];

function available(service: ApiObject): string {
  const condition = objectsAt(objectAt(service, 'status'), 'conditions').find((c) => c['type'] === 'Available');
  if (condition === undefined) return 'Unknown';
  return condition['status'] === 'True' ? 'True' : `False (${textOf(condition['reason'], '')})`;
}

function backingService(service: ApiObject): string {
  const reference = objectAt(objectAt(service, 'spec'), 'service');
  return reference === undefined ? 'Local' : `${textOf(reference['namespace'])}/${textOf(reference['name'])}`;
}

const COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  '/pods': POD_COLUMNS,
  '/nodes': NODE_COLUMNS,
  '/namespaces': [nameColumn, text('Status', at('status.phase')), ageColumn],
  '/events': EVENT_COLUMNS,
  'events.k8s.io/events': EVENT_COLUMNS,
  '/services': SERVICE_COLUMNS,
  '/configmaps': [nameColumn, integer('Data', sizeOf('data', 'binaryData')), ageColumn],
  '/secrets': [nameColumn, text('Type', at('type')), integer('Data', sizeOf('data')), ageColumn],
  '/serviceaccounts': [nameColumn, ageColumn],
  '/persistentvolumeclaims': [
    nameColumn,
    text('Status', at('status.phase')),
    text('Volume', at('spec.volumeName', '')),
    text('Capacity', at('status.capacity.storage', '')),
    text('StorageClass', at('spec.storageClassName', '')),
    ageColumn,
  ],
  'batch/jobs': JOB_COLUMNS,
  ...WORKLOAD_COLUMNS,
  'coordination.k8s.io/leases': [nameColumn, text('Holder', at('spec.holderIdentity', '')), ageColumn],
  'scheduling.k8s.io/priorityclasses': [
    nameColumn,
    integer('Value', count('value')),
    text('Global-Default', (object) => String(object['globalDefault'] === true)),
    ageColumn,
    text('PreemptionPolicy', at('preemptionPolicy', 'PreemptLowerPriority')),
  ],
  'rbac.authorization.k8s.io/roles': CREATED_COLUMNS,
  'rbac.authorization.k8s.io/clusterroles': CREATED_COLUMNS,
  'rbac.authorization.k8s.io/rolebindings': BINDING_COLUMNS,
  'rbac.authorization.k8s.io/clusterrolebindings': BINDING_COLUMNS,
  'networking.k8s.io/networkpolicies': [
    nameColumn,
    text('Pod-Selector', (object) => selectorText(objectAt(objectAt(object, 'spec'), 'podSelector'))),
    ageColumn,
  ],
  'policy/poddisruptionbudgets': [
    nameColumn,
    text('Min Available', at('spec.minAvailable', 'N/A')),
    text('Max Unavailable', at('spec.maxUnavailable', 'N/A')),
    integer('Allowed Disruptions', count('status.disruptionsAllowed')),
    ageColumn,
  ],
  'apiextensions.k8s.io/customresourcedefinitions': CREATED_COLUMNS,
  'apiregistration.k8s.io/apiservices': [
    nameColumn,
    text('Service', backingService),
    text('Available', available),
    ageColumn,
  ],
  'resource.k8s.io/resourceslices': [
    nameColumn,
    text('Node', at('spec.nodeName')),
    text('Driver', at('spec.driver')),
    text('Pool', at('spec.pool.name')),
    ageColumn,
  ],
};

export function columnsFor(key: string): readonly Column[] {
  return COLUMNS[key] ?? [nameColumn, ageColumn];
}
