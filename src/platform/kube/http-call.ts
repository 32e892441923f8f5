/**
 * How each call of KubeClient looks before it is sent: method, path, body, and whether doing it twice equals doing it once.
 *
 * Invariants: pure; whatever is wrong with the arguments throws a TypeError here, before anything is sent. Leaves out
 * headers, deadlines and retries (http-caller.ts).
 */
import { apiVersionOf } from './builtin-resources.ts';
import type {
  CallOptions,
  DeleteOptions,
  ListOptions,
  LogOptions,
  ObjectRef,
  PatchOptions,
  WatchOptions,
  WriteOptions,
} from './kube-client.ts';
import type { KubeObject, ResourceType } from './object.ts';
import { collectionPath, creationPath, objectPath, withQuery } from './request-path.ts';
import type { KubeRequest } from './transport.ts';

/** As RBAC names verbs; `raw` for paths without a resource type. */
export type CallVerb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'raw';

export interface HttpCall {
  readonly verb: CallVerb;
  readonly method: KubeRequest['method'];
  readonly path: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly contentType?: string;
  readonly body?: unknown;
  readonly idempotent: boolean;
  readonly options: CallOptions;
}

export type PatchKind = 'apply' | 'merge' | 'json';

const patchContentTypes: Readonly<Record<PatchKind, string>> = {
  apply: 'application/apply-patch+yaml',
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
};

export function getCall(ref: ObjectRef, options: CallOptions): HttpCall {
  return { ...named(ref.type), verb: 'get', method: 'GET', path: objectPath(ref), idempotent: true, options };
}

export function listCall(type: ResourceType, options: ListOptions): HttpCall {
  const { namespace, labelSelector, fieldSelector, limit, resourceVersion } = options;
  const query = { labelSelector, fieldSelector, limit, continue: options.continue, resourceVersion };
  const path = withQuery(collectionPath(type, namespace), query);
  return { ...named(type), verb: 'list', method: 'GET', path, idempotent: true, options };
}

export function watchCall(type: ResourceType, options: WatchOptions): HttpCall {
  const { namespace, labelSelector, fieldSelector, resourceVersion, timeoutSeconds } = options;
  const query = {
    watch: true,
    allowWatchBookmarks: true,
    labelSelector,
    fieldSelector,
    resourceVersion,
    timeoutSeconds,
  };
  const path = withQuery(collectionPath(type, namespace), query);
  return { ...named(type), verb: 'watch', method: 'GET', path, idempotent: false, options };
}

/** A create with a fixed name may be repeated: `AlreadyExists` is an answer its caller must expect anyway. */
export function createCall(type: ResourceType, object: KubeObject, options: WriteOptions): HttpCall {
  const path = withQuery(creationPath(type, object.metadata.namespace), writeQuery(options));
  const idempotent = object.metadata.name !== undefined && object.metadata.name !== '';
  return {
    ...named(type),
    verb: 'create',
    method: 'POST',
    path,
    body: withTypeMeta(type, object),
    idempotent,
    options,
  };
}

export function replaceCall(type: ResourceType, object: KubeObject, options: PatchOptions): HttpCall {
  const path = withQuery(objectPath(refOf(type, object), options.subresource), writeQuery(options));
  const body = withTypeMeta(type, object);
  return { ...named(type, options.subresource), verb: 'update', method: 'PUT', path, body, idempotent: false, options };
}

export function patchCall(ref: ObjectRef, kind: PatchKind, body: unknown, options: PatchOptions): HttpCall {
  const query = { ...writeQuery(options), force: kind === 'apply' && options.force === true ? true : undefined };
  return {
    ...named(ref.type, options.subresource),
    verb: 'patch',
    method: 'PATCH',
    path: withQuery(objectPath(ref, options.subresource), query),
    contentType: patchContentTypes[kind],
    body,
    idempotent: kind !== 'json' || (Array.isArray(body) && body.some(isTest)),
    options,
  };
}

export function applyCall(type: ResourceType, object: KubeObject, options: PatchOptions): HttpCall {
  return patchCall(refOf(type, object), 'apply', withTypeMeta(type, object), options);
}

export function deleteCall(ref: ObjectRef, options: DeleteOptions): HttpCall {
  const { propagationPolicy, gracePeriodSeconds, preconditions } = options;
  const dryRun = options.dryRun === true ? ['All'] : undefined;
  const body = {
    kind: 'DeleteOptions',
    apiVersion: 'v1',
    propagationPolicy,
    gracePeriodSeconds,
    preconditions,
    dryRun,
  };
  const idempotent = preconditions?.uid !== undefined;
  return { ...named(ref.type), verb: 'delete', method: 'DELETE', path: objectPath(ref), body, idempotent, options };
}

export function logCall(ref: { readonly namespace: string; readonly pod: string }, options: LogOptions): HttpCall {
  const { container, follow, tailLines, sinceSeconds, timestamps, limitBytes } = options;
  const pod: ResourceType = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true };
  const path = objectPath({ type: pod, namespace: ref.namespace, name: ref.pod }, 'log');
  const query = { container, follow, tailLines, sinceSeconds, timestamps, limitBytes };
  return { ...named(pod, 'log'), verb: 'get', method: 'GET', path: withQuery(path, query), idempotent: true, options };
}

export function rawCall(method: KubeRequest['method'], path: string, body: unknown, options: CallOptions): HttpCall {
  if (!path.startsWith('/')) throw new TypeError(`path: ${JSON.stringify(path)} does not start with a slash`);
  const resource = path.split('?', 1)[0] ?? path;
  return {
    verb: 'raw',
    method,
    path,
    group: '',
    resource,
    subresource: '',
    body,
    idempotent: method === 'GET',
    options,
  };
}

/** For errors and logs: method and path without the query, which may be long. */
export function describeCall(call: Pick<HttpCall, 'method' | 'path' | 'verb'>): string {
  const path = call.path.split('?', 1)[0] ?? call.path;
  return call.verb === 'watch' ? `WATCH ${path}` : `${call.method} ${path}`;
}

function named(type: ResourceType, subresource = ''): Pick<HttpCall, 'group' | 'resource' | 'subresource'> {
  return { group: type.group, resource: type.plural, subresource };
}

function refOf(type: ResourceType, object: KubeObject): ObjectRef {
  const { name, namespace } = object.metadata;
  if (name === undefined) throw new TypeError(`${type.kind}: metadata.name is missing`);
  return { type, name, ...(namespace === undefined ? {} : { namespace }) };
}

function withTypeMeta(type: ResourceType, object: KubeObject): KubeObject {
  if (object.apiVersion !== undefined && object.kind !== undefined) return object;
  return { ...object, apiVersion: apiVersionOf(type), kind: type.kind };
}

function writeQuery(options: WriteOptions): Record<string, string | undefined> {
  const { fieldManager, fieldValidation } = options;
  return { fieldManager, fieldValidation, dryRun: options.dryRun === true ? 'All' : undefined };
}

function isTest(op: unknown): boolean {
  return typeof op === 'object' && op !== null && (op as { op?: unknown }).op === 'test';
}
