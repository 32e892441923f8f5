/** Namespaces, services, secrets and other simple kinds: their defaults and the few checks that clients rely on. */
import { type FieldError, invalidValue, required, unsupported } from '../field-error.ts';
import {
  type ApiObject,
  type JsonObject,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  stringsAt,
  textFor,
} from '../json-value.ts';
import type { KindRules, WriteContext } from '../registry/resource.ts';
import { checkUnchanged, fill } from './pod-template.ts';

export const NAMESPACE_RULES: KindRules = {
  nameRule: 'namespace',
  returnsDeleted: true,
  prepareCreate: (namespace) => {
    namespace['spec'] = { finalizers: ['kubernetes'] };
    namespace['status'] = { phase: 'Active' };
    const name = namespace.metadata.name;
    namespace.metadata.labels = { ...namespace.metadata.labels, 'kubernetes.io/metadata.name': name };
  },
  prepareUpdate: (namespace, old) => {
    namespace['spec'] = old['spec'];
    const name = namespace.metadata.name;
    namespace.metadata.labels = { ...namespace.metadata.labels, 'kubernetes.io/metadata.name': name };
  },
  mark: (namespace) => {
    namespace['status'] = { ...objectAt(namespace, 'status'), phase: 'Terminating' };
  },
  isHeld: (namespace) => stringsAt(objectAt(namespace, 'spec'), 'finalizers').length > 0,
};

const CLUSTER_RANGE = '10.96';

/** The lowest free address of the service range; .0.1 belongs to the API server. */
function freeAddress(context: WriteContext): string {
  const used = new Set<string>();
  for (const service of context.values('', 'services'))
    used.add(stringAt(objectAt(service, 'spec'), 'clusterIP') ?? '');
  for (let n = 2; n < 65_535; n++) {
    const address = `${CLUSTER_RANGE}.${n >> 8}.${n & 255}`;
    if (!used.has(address)) return address;
  }
  return '';
}

function assignAddress(service: ApiObject, _old: ApiObject | undefined, context: WriteContext): void {
  const spec = objectAt(service, 'spec');
  if (spec === undefined || spec['type'] === 'ExternalName') return;
  if (stringAt(spec, 'clusterIP') === undefined || spec['clusterIP'] === '') spec['clusterIP'] = freeAddress(context);
  fill(spec, {
    clusterIPs: [spec['clusterIP'] ?? ''],
    ipFamilies: ['IPv4'],
    ipFamilyPolicy: 'SingleStack',
    internalTrafficPolicy: 'Cluster',
  });
}

function defaultService(service: JsonObject): void {
  const spec = objectAt(service, 'spec');
  if (spec === undefined) return;
  fill(spec, { type: 'ClusterIP', sessionAffinity: 'None' });
  for (const port of objectsAt(spec, 'ports')) fill(port, { protocol: 'TCP', targetPort: port['port'] });
}

function checkService(service: ApiObject, errors: FieldError[]): void {
  const spec = objectAt(service, 'spec');
  const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
  const type = stringAt(spec, 'type') ?? 'ClusterIP';
  if (!types.includes(type)) errors.push(unsupported('spec.type', type, types));
  const ports = objectsAt(spec, 'ports');
  if (type === 'ExternalName') {
    if ((stringAt(spec, 'externalName') ?? '') === '') errors.push(required('spec.externalName'));
  } else if (ports.length === 0 && spec?.['clusterIP'] !== 'None') errors.push(required('spec.ports'));
  ports.forEach((port, i) => {
    const number = numberAt(port, 'port') ?? 0;
    const range = 'must be between 1 and 65535, inclusive';
    if (number < 1 || number > 65_535) errors.push(invalidValue(`spec.ports[${i}].port`, number, range));
    if (ports.length > 1 && (stringAt(port, 'name') ?? '') === '') errors.push(required(`spec.ports[${i}].name`));
  });
}

export const SERVICE_RULES: KindRules = {
  nameRule: 'service',
  returnsDeleted: true,
  setDefaults: defaultService,
  prepareCreate: (service) => {
    service['status'] = { loadBalancer: {} };
  },
  admit: assignAddress,
  validate: checkService,
};

/** stringData is a way of writing data; it is never stored. */
function defaultSecret(secret: JsonObject): void {
  const text = objectAt(secret, 'stringData');
  if (text !== undefined) {
    const encoded = Object.entries(text).map(([key, value]) => [key, Buffer.from(textFor(value)).toString('base64')]);
    secret['data'] = { ...objectAt(secret, 'data'), ...(Object.fromEntries(encoded) as JsonObject) };
    Reflect.deleteProperty(secret, 'stringData');
  }
  secret['type'] ??= 'Opaque';
}

const DATA_LIMIT_BYTES = 1024 * 1024;
const DATA_KEY = /^[-._a-zA-Z0-9]{1,253}$/;

function checkData(object: ApiObject, fields: readonly string[], errors: FieldError[]): void {
  let bytes = 0;
  for (const field of fields) {
    for (const [key, value] of Object.entries(objectAt(object, field) ?? {})) {
      if (!DATA_KEY.test(key)) {
        const why =
          "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
        errors.push(invalidValue(`${field}[${key}]`, key, why));
      }
      bytes += typeof value === 'string' ? value.length : 0;
    }
  }
  if (bytes > DATA_LIMIT_BYTES * 1.4) {
    const message = `Too long: may not be more than ${DATA_LIMIT_BYTES} bytes`;
    errors.push({ field: 'data', reason: 'FieldValueTooLong', message });
  }
}

function checkImmutableData(now: ApiObject, old: ApiObject, errors: FieldError[]): void {
  if (old['immutable'] !== true) return;
  for (const field of ['data', 'binaryData']) {
    checkUnchanged(field, { now: now[field], before: old[field] }, errors);
  }
}

export const SECRET_RULES: KindRules = {
  setDefaults: defaultSecret,
  validate: (secret, errors) => {
    checkData(secret, ['data'], errors);
  },
  validateUpdate: (now, old, errors) => {
    if (now['type'] !== old['type']) errors.push(invalidValue('type', now['type'], 'field is immutable'));
    checkImmutableData(now, old, errors);
  },
};

function checkLease(lease: ApiObject, errors: FieldError[]): void {
  const spec = objectAt(lease, 'spec');
  const seconds = numberAt(spec, 'leaseDurationSeconds');
  if (seconds !== undefined && seconds <= 0) {
    errors.push(invalidValue('spec.leaseDurationSeconds', seconds, 'must be greater than 0'));
  }
  const transitions = numberAt(spec, 'leaseTransitions');
  if (transitions !== undefined && transitions < 0) {
    errors.push(invalidValue('spec.leaseTransitions', transitions, 'must be greater than or equal to 0'));
  }
}

const HIGHEST_USER_PRIORITY = 1_000_000_000;

function checkPriorityClass(priorityClass: ApiObject, errors: FieldError[]): void {
  const value = numberAt(priorityClass, 'value') ?? 0;
  if (value > HIGHEST_USER_PRIORITY && !priorityClass.metadata.name.startsWith('system-')) {
    const message = `Forbidden: maximum allowed value of a user defined priority is ${HIGHEST_USER_PRIORITY}`;
    errors.push({ field: 'value', reason: 'FieldValueForbidden', message });
  }
}

function defaultNetworkPolicy(policy: JsonObject): void {
  const spec = objectAt(policy, 'spec');
  if (spec === undefined || spec['policyTypes'] !== undefined) return;
  spec['policyTypes'] = spec['egress'] === undefined ? ['Ingress'] : ['Ingress', 'Egress'];
}

function checkEvent(event: ApiObject, errors: FieldError[]): void {
  const involved = stringAt(objectAt(event, 'involvedObject'), 'namespace') ?? '';
  const allowed = involved === '' ? 'default' : involved;
  if (involved !== '' && event.metadata.namespace !== allowed) {
    errors.push(invalidValue('involvedObject.namespace', involved, 'does not match event.namespace'));
  }
}

export const SIMPLE_RULES: Readonly<Record<string, KindRules>> = {
  '/configmaps': {
    validate: (map, errors) => {
      checkData(map, ['data', 'binaryData'], errors);
    },
    validateUpdate: checkImmutableData,
  },
  '/serviceaccounts': { returnsDeleted: true },
  '/events': { validate: checkEvent },
  '/persistentvolumeclaims': {
    returnsDeleted: true,
    prepareCreate: (claim) => {
      claim['status'] = { phase: 'Pending' };
    },
  },
  'coordination.k8s.io/leases': { validate: checkLease },
  'scheduling.k8s.io/priorityclasses': {
    setDefaults: (priorityClass) => {
      fill(priorityClass, { preemptionPolicy: 'PreemptLowerPriority' });
    },
    validate: checkPriorityClass,
    validateUpdate: (now, old, errors) => {
      checkUnchanged('value', { now: now['value'], before: old['value'] }, errors);
      checkUnchanged('preemptionPolicy', { now: now['preemptionPolicy'], before: old['preemptionPolicy'] }, errors);
    },
  },
  'networking.k8s.io/networkpolicies': { setDefaults: defaultNetworkPolicy },
};
