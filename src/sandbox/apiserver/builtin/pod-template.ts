/** Defaults and checks of pod specs, shared by pods and every kind that carries a pod template. */
import { type FieldError, fieldNotFound, invalidValue, required, unsupported } from '../field-error.ts';
import {
  isObject,
  type JsonObject,
  numberAt,
  objectAt,
  objectsAt,
  sameJson,
  stringAt,
  textFor,
} from '../json-value.ts';
import { parseQuantity } from '../schema/quantity.ts';
import { checkLabels, checkUniqueNames, dnsLabelProblems } from '../rest/object-meta.ts';

/** Sets members that are absent. */
export function fill(target: JsonObject, defaults: JsonObject): void {
  for (const key in defaults) target[key] ??= defaults[key];
}

function defaultPullPolicy(image: string | undefined): string {
  if (image === undefined) return 'IfNotPresent';
  const last = image.slice(image.lastIndexOf('/') + 1);
  if (last.includes('@')) return 'IfNotPresent';
  return !last.includes(':') || last.endsWith(':latest') ? 'Always' : 'IfNotPresent';
}

function defaultProbe(probe: JsonObject | undefined): void {
  if (probe === undefined) return;
  fill(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 });
  const http = objectAt(probe, 'httpGet');
  if (http !== undefined) fill(http, { path: '/', scheme: 'HTTP' });
}

/** Limits serve as requests where none are given. */
function defaultRequests(container: JsonObject): void {
  const resources = objectAt(container, 'resources');
  const limits = objectAt(resources, 'limits');
  if (resources === undefined || limits === undefined) return;
  const requests = objectAt(resources, 'requests');
  const missing = Object.keys(limits).filter((name) => requests?.[name] === undefined);
  if (missing.length === 0) return;
  resources['requests'] = { ...requests, ...Object.fromEntries(missing.map((name) => [name, limits[name]])) };
}

function defaultContainer(container: JsonObject): void {
  fill(container, {
    imagePullPolicy: defaultPullPolicy(stringAt(container, 'image')),
    resources: {},
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
  });
  defaultRequests(container);
  for (const port of objectsAt(container, 'ports')) fill(port, { protocol: 'TCP' });
  for (const variable of objectsAt(container, 'env')) {
    const fieldRef = objectAt(objectAt(variable, 'valueFrom'), 'fieldRef');
    if (fieldRef !== undefined) fill(fieldRef, { apiVersion: 'v1' });
  }
  for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe']) defaultProbe(objectAt(container, probe));
}

function defaultVolume(volume: JsonObject): void {
  if (Object.keys(volume).length === 1) volume['emptyDir'] = {};
  for (const kind of ['secret', 'configMap', 'downwardAPI', 'projected']) {
    const source = objectAt(volume, kind);
    if (source !== undefined) fill(source, { defaultMode: 420 });
  }
  const hostPath = objectAt(volume, 'hostPath');
  if (hostPath !== undefined) fill(hostPath, { type: '' });
}

export function defaultPodSpec(spec: JsonObject | undefined): void {
  if (spec === undefined) return;
  fill(spec, {
    restartPolicy: 'Always',
    dnsPolicy: 'ClusterFirst',
    schedulerName: 'default-scheduler',
    terminationGracePeriodSeconds: 30,
    securityContext: {},
  });
  for (const list of ['containers', 'initContainers']) objectsAt(spec, list).forEach(defaultContainer);
  objectsAt(spec, 'volumes').forEach(defaultVolume);
  if (spec['serviceAccountName'] !== undefined) spec['serviceAccount'] ??= spec['serviceAccountName'];
}

interface Amounts {
  readonly requests: JsonObject;
  readonly limits: JsonObject;
}

/** Resources with a domain are counted whole and never overcommitted. */
function isExtended(name: string): boolean {
  return name.includes('/');
}

function checkRequest(name: string, { requests, limits }: Amounts, path: string, errors: FieldError[]): void {
  const value = requests[name];
  const limit = limits[name];
  const wanted = textFor(limit);
  const asked = parseQuantity(textFor(value));
  const allowed = limit === undefined ? undefined : parseQuantity(wanted);
  if (asked !== undefined && allowed !== undefined && asked.nano > allowed.nano) {
    const why = `must be less than or equal to ${name} limit of ${wanted}`;
    errors.push(invalidValue(`${path}.resources.requests`, value, why));
  }
  if (!isExtended(name) || sameJson(value, limit)) return;
  errors.push(
    limit === undefined
      ? required(`${path}.resources.limits`, 'Limit must be set for non overcommitable resources')
      : invalidValue(`${path}.resources.requests`, value, `must be equal to ${name} limit of ${wanted}`),
  );
}

function checkResources(container: JsonObject, path: string, errors: FieldError[]): void {
  const resources = objectAt(container, 'resources');
  const amounts = { limits: objectAt(resources, 'limits') ?? {}, requests: objectAt(resources, 'requests') ?? {} };
  for (const name of Object.keys(amounts.requests)) checkRequest(name, amounts, path, errors);
  for (const [name, value] of Object.entries({ ...amounts.requests, ...amounts.limits })) {
    const amount = parseQuantity(textFor(value));
    if (amount !== undefined && isExtended(name) && amount.nano % 1_000_000_000n !== 0n) {
      errors.push(invalidValue(`${path}.resources.limits[${name}]`, value, 'must be an integer'));
    }
  }
}

function checkContainer(
  container: JsonObject,
  path: string,
  at: { readonly volumes: ReadonlySet<string>; readonly errors: FieldError[] },
): void {
  const { volumes, errors } = at;
  const name = stringAt(container, 'name') ?? '';
  if (name === '') errors.push(required(`${path}.name`));
  else for (const problem of dnsLabelProblems(name)) errors.push(invalidValue(`${path}.name`, name, problem));
  if ((stringAt(container, 'image') ?? '') === '') errors.push(required(`${path}.image`));
  objectsAt(container, 'env').forEach((variable, i) => {
    if ((stringAt(variable, 'name') ?? '') === '') errors.push(required(`${path}.env[${i}].name`));
  });
  objectsAt(container, 'volumeMounts').forEach((mount, i) => {
    const volume = stringAt(mount, 'name') ?? '';
    if (!volumes.has(volume)) errors.push(fieldNotFound(`${path}.volumeMounts[${i}].name`, volume));
    if ((stringAt(mount, 'mountPath') ?? '') === '') errors.push(required(`${path}.volumeMounts[${i}].mountPath`));
  });
  checkResources(container, path, errors);
}

const RESTART_POLICIES = ['Always', 'OnFailure', 'Never'];

/** Checks a pod spec at `path`, e.g. `spec.template.spec`. */
export function checkPodSpec(spec: JsonObject | undefined, path: string, errors: FieldError[]): void {
  const containers = objectsAt(spec, 'containers');
  if (containers.length === 0) errors.push(required(`${path}.containers`));
  const volumes = objectsAt(spec, 'volumes');
  checkUniqueNames(containers, `${path}.containers`, errors);
  checkUniqueNames(volumes, `${path}.volumes`, errors);
  const names = new Set(volumes.map((volume) => stringAt(volume, 'name') ?? ''));
  for (const list of ['initContainers', 'containers']) {
    objectsAt(spec, list).forEach((container, i) => {
      checkContainer(container, `${path}.${list}[${i}]`, { volumes: names, errors });
    });
  }
  const policy = stringAt(spec, 'restartPolicy') ?? 'Always';
  if (!RESTART_POLICIES.includes(policy)) errors.push(unsupported(`${path}.restartPolicy`, policy, RESTART_POLICIES));
  for (const field of ['activeDeadlineSeconds', 'terminationGracePeriodSeconds']) {
    const seconds = numberAt(spec, field);
    const least = field === 'activeDeadlineSeconds' ? 1 : 0;
    if (seconds !== undefined && seconds < least) {
      const why = least === 1 ? 'must be between 1 and 2147483647, inclusive' : 'must be greater than or equal to 0';
      errors.push(invalidValue(`${path}.${field}`, seconds, why));
    }
  }
  checkLabels(spec?.['nodeSelector'], `${path}.nodeSelector`, errors);
}

/** A pod template at `path`, e.g. `spec.template`. */
export function checkTemplate(template: JsonObject | undefined, path: string, errors: FieldError[]): void {
  checkLabels(objectAt(template, 'metadata')?.['labels'], `${path}.metadata.labels`, errors);
  checkPodSpec(objectAt(template, 'spec'), `${path}.spec`, errors);
}

/** A label selector must choose what the template makes. */
export function checkSelectorMatches(
  selector: JsonObject | undefined,
  template: JsonObject | undefined,
  errors: FieldError[],
): void {
  const labels = objectAt(objectAt(template, 'metadata'), 'labels') ?? {};
  const wanted = objectAt(selector, 'matchLabels');
  if (selector === undefined) errors.push(required('spec.selector'));
  else if (isObject(wanted) && Object.entries(wanted).some(([key, value]) => labels[key] !== value)) {
    errors.push(invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'));
  }
}

export function checkUnchanged(
  field: string,
  values: { readonly now: JsonObject[string]; readonly before: JsonObject[string] },
  errors: FieldError[],
): void {
  if (!sameJson(values.now, values.before)) errors.push(invalidValue(field, values.now ?? null, 'field is immutable'));
}
