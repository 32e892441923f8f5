/** The scale subresource of apps kinds and of custom resources that declare one; and namespaces/finalize. */
import type { Cluster } from '../cluster.ts';
import {
  type ApiObject,
  isObject,
  type JsonObject,
  numberAt,
  objectAt,
  stringAt,
  stringsAt,
  textFor,
  valueAt,
} from '../json-value.ts';
import { applyMergePatch } from '../patch/merge-patch.ts';
import type { Resource } from '../registry/resource.ts';
import { type ApiAnswer, jsonAnswer } from '../rest/api-call.ts';
import type { SubresourceCall, SubresourceHooks } from '../rest/subresource-hooks.ts';
import { isFinished, updateObject } from '../rest/write-object.ts';
import { badRequest, methodNotAllowed } from '../status-error.ts';

export interface ScalePaths {
  readonly replicas: readonly string[];
  readonly statusReplicas: readonly string[];
  readonly selector: readonly string[] | undefined;
}

const BUILTIN_PATHS: ScalePaths = {
  replicas: ['spec', 'replicas'],
  statusReplicas: ['status', 'replicas'],
  selector: undefined,
};

function selectorText(object: ApiObject, paths: ScalePaths): string {
  if (paths.selector !== undefined) {
    const text = valueAt(object, paths.selector);
    return typeof text === 'string' ? text : '';
  }
  const labels = objectAt(objectAt(objectAt(object, 'spec'), 'selector'), 'matchLabels') ?? {};
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${textFor(value)}`)
    .join(',');
}

function scaleOf(object: ApiObject, paths: ScalePaths): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const replicas = valueAt(object, paths.replicas);
  const actual = valueAt(object, paths.statusReplicas);
  const selector = selectorText(object, paths);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: typeof replicas === 'number' ? { replicas } : {},
    status: { replicas: typeof actual === 'number' ? actual : 0, ...(selector === '' ? {} : { selector }) },
  };
}

function withValue(root: JsonObject, path: readonly string[], value: number): JsonObject {
  const [key, ...rest] = path;
  if (key === undefined) return root;
  const below = root[key];
  return { ...root, [key]: rest.length === 0 ? value : withValue(isObject(below) ? below : {}, rest, value) };
}

function wantedScale(call: SubresourceCall, paths: ScalePaths): JsonObject {
  if (call.method === 'PUT') return call.json();
  const patch: unknown = JSON.parse(Buffer.from(call.body).toString());
  if (!isObject(patch as JsonObject)) throw badRequest('cannot unmarshal patch: expected an object');
  return applyMergePatch(scaleOf(call.object, paths), patch as JsonObject);
}

/** Serves GET, PUT and PATCH of `scale`. */
export function serveScale(cluster: Cluster, call: SubresourceCall, paths: ScalePaths): ApiAnswer {
  if (call.method === 'GET') return jsonAnswer(200, scaleOf(call.object, paths));
  if (call.method !== 'PUT' && call.method !== 'PATCH') throw methodNotAllowed();
  const wanted = wantedScale(call, paths);
  const replicas = numberAt(objectAt(wanted, 'spec'), 'replicas') ?? 0;
  if (replicas < 0) throw badRequest(`spec.replicas: Invalid value: ${replicas}: must be greater than or equal to 0`);
  const given = stringAt(objectAt(wanted, 'metadata'), 'resourceVersion');
  const next = withValue(call.object, paths.replicas, replicas) as ApiObject;
  if (given !== undefined) next.metadata = { ...next.metadata, resourceVersion: given };
  const options = {
    user: call.user,
    manager: call.query.get('fieldManager') ?? 'scale',
    dryRun: call.query.getAll('dryRun').includes('All'),
    subresource: 'scale',
  };
  const { object } = updateObject(cluster, call.resource, { old: call.object, next }, options);
  return jsonAnswer(200, scaleOf(object, paths));
}

function finalizeNamespace(cluster: Cluster, call: SubresourceCall): ApiAnswer {
  if (call.method !== 'PUT') throw methodNotAllowed();
  const finalizers = stringsAt(objectAt(call.json(), 'spec'), 'finalizers');
  const next: ApiObject = { ...call.object, spec: finalizers.length === 0 ? {} : { finalizers: [...finalizers] } };
  if (isFinished(call.resource, next)) return jsonAnswer(200, cluster.store.remove(call.resource.storageKey, next));
  return jsonAnswer(200, cluster.store.write(call.resource.storageKey, call.object, next));
}

export function registerScale(cluster: Cluster, hooks: SubresourceHooks): void {
  const scalable = (resource: Resource): boolean => resource.subresources.has('scale') && resource.custom === undefined;
  for (const resource of cluster.registry.all()) {
    if (!scalable(resource)) continue;
    const name = { group: resource.group, resource: resource.plural, subresource: 'scale' };
    hooks.register(name, (call) => serveScale(cluster, call, BUILTIN_PATHS));
  }
  hooks.register({ group: '', resource: 'namespaces', subresource: 'finalize' }, (call) =>
    finalizeNamespace(cluster, call),
  );
}
