/**
 * Creating and updating: the one path on which every object enters the store, for clients and for the server's own
 * controllers alike. Decides identity (name, uid, generation), status isolation, optimistic locking, field ownership and
 * whether a write changes anything at all.
 */
import type { UserInfo } from '../authn/user-info.ts';
import { type Cluster, timeText, writeContext } from '../cluster.ts';
import { type FieldError, refuseInvalid } from '../field-error.ts';
import {
  type ApiObject,
  isObject,
  type JsonObject,
  type ManagedFieldsEntry,
  type Metadata,
  sameJson,
  stringAt,
} from '../json-value.ts';
import { EMPTY_SET, type FieldSet } from '../patch/field-set.ts';
import { type FieldWriter, ownByUpdate } from '../patch/managed-fields.ts';
import { apiVersionOf, type Resource } from '../registry/resource.ts';
import { alreadyExists, badRequest, conflict, forbidden, notFound, STALE_OBJECT } from '../status-error.ts';
import { checkMetadata, checkMetadataUpdate } from './object-meta.ts';

export interface WriteOptions {
  readonly user: UserInfo;
  /** Who owns the fields this write changes. */
  readonly manager: string;
  readonly dryRun: boolean;
  /** '' or the written subresource. */
  readonly subresource: string;
  /** Result of a server-side apply; absent for other writes. */
  readonly managedFields?: ManagedFieldsEntry[];
}

const NAMESPACES = { group: '', plural: 'namespaces', key: '/namespaces' };
const NAME_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';
const MAX_GENERATED_BASE = 58;
const NAME_ATTEMPTS = 8;

function randomSuffix(cluster: Cluster): string {
  let suffix = '';
  for (let i = 0; i < 5; i++) suffix += NAME_LETTERS[Math.floor(cluster.random.next() * NAME_LETTERS.length)] ?? 'x';
  return suffix;
}

function chooseName(cluster: Cluster, resource: Resource, namespace: string, metadata: Metadata): string {
  const given = stringAt(metadata, 'name') ?? '';
  if (given !== '') return given;
  const base = metadata.generateName;
  if (base === undefined || base === '') return '';
  let name = '';
  for (let attempt = 0; attempt < NAME_ATTEMPTS; attempt++) {
    name = base.slice(0, MAX_GENERATED_BASE) + randomSuffix(cluster);
    if (cluster.store.get(resource.storageKey, namespace, name) === undefined) return name;
  }
  return name;
}

function bornMetadata(cluster: Cluster, resource: Resource, namespace: string, given: Metadata): Metadata {
  const {
    resourceVersion: _resourceVersion,
    deletionTimestamp: _deletionTimestamp,
    deletionGracePeriodSeconds: _grace,
    selfLink: _selfLink,
    generation: _generation,
    ...kept
  } = given;
  return {
    ...kept,
    name: chooseName(cluster, resource, namespace, given),
    ...(resource.namespaced ? { namespace } : {}),
    uid: cluster.random.uuid(),
    creationTimestamp: timeText(cluster.clock.nowMs()),
    ...(resource.strategy.generationOf.length === 0 ? {} : { generation: 1 }),
  };
}

/** Nothing new may appear in a namespace that is not there or on its way out. */
function refuseAbsentNamespace(cluster: Cluster, resource: Resource, namespace: string, name: string): void {
  if (!resource.namespaced) return;
  const found = cluster.store.get(NAMESPACES.key, '', namespace);
  if (found === undefined) throw notFound(NAMESPACES, namespace);
  const { deletionTimestamp } = found.metadata;
  if (deletionTimestamp === undefined) return;
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
  throw forbidden(resource, name, why, [
    {
      reason: 'NamespaceTerminating',
      message: `namespace ${namespace} is being terminated`,
      field: 'metadata.namespace',
    },
  ]);
}

function validated(resource: Resource, object: ApiObject, old: ApiObject | undefined, subresource: string): void {
  const errors: FieldError[] = [];
  checkMetadata(object, resource.strategy.nameRule, errors);
  if (old !== undefined) checkMetadataUpdate(object, old, errors);
  if (resource.custom !== undefined) errors.push(...resource.custom.validate(object, old));
  else if (subresource === '') {
    resource.strategy.validate?.(object, errors);
    if (old !== undefined) resource.strategy.validateUpdate?.(object, old, errors);
  }
  refuseInvalid(resource, object.metadata.name, errors);
}

/**
 * Stores a new object. `body` is decoded, pruned and defaulted; it is not changed. Throws AlreadyExists, Invalid, or what admission says.
 */
export function createObject(
  cluster: Cluster,
  resource: Resource,
  body: { readonly namespace: string; readonly object: JsonObject },
  options: WriteOptions,
): ApiObject {
  const given = isObject(body.object['metadata']) ? (body.object['metadata'] as Metadata) : ({ name: '' } as Metadata);
  if (given.resourceVersion !== undefined && given.resourceVersion !== '') {
    throw badRequest('resourceVersion should not be set on objects to be created');
  }
  const object: ApiObject = {
    ...body.object,
    apiVersion: apiVersionOf({ group: resource.group, version: resource.storageVersion }),
    kind: resource.kind,
    metadata: bornMetadata(cluster, resource, body.namespace, given),
  };
  refuseAbsentNamespace(cluster, resource, body.namespace, object.metadata.name);
  // What the server adds below belongs to nobody, so that an applier who never named it cannot give it up.
  const entries =
    options.managedFields ?? ownByUpdate(resource.schema, undefined, object, fieldWriter(cluster, resource, options));
  const context = writeContext(cluster, options.user);
  if (resource.strategy.hasStatus && resource.strategy.prepareCreate === undefined)
    Reflect.deleteProperty(object, 'status');
  resource.strategy.prepareCreate?.(object, context);
  resource.strategy.admit?.(object, undefined, context);
  for (const guard of cluster.guards) guard({ resource, object, old: undefined, user: options.user });
  validated(resource, object, undefined, '');
  if (cluster.store.get(resource.storageKey, body.namespace, object.metadata.name) !== undefined) {
    throw alreadyExists(resource, object.metadata.name);
  }
  object.metadata.managedFields = entries;
  return options.dryRun ? object : cluster.store.write(resource.storageKey, undefined, object);
}

const STATUS_FIELDS: FieldSet = { 'f:status': {} };

/** Who writes, as field ownership records it. */
export function fieldWriter(cluster: Cluster, resource: Resource, options: WriteOptions): FieldWriter {
  return {
    manager: options.manager,
    apiVersion: apiVersionOf(resource),
    subresource: options.subresource,
    now: timeText(cluster.clock.nowMs()),
    resets: resource.strategy.hasStatus && options.subresource === '' ? STATUS_FIELDS : EMPTY_SET,
  };
}

function checkPreconditions(resource: Resource, next: ApiObject, old: ApiObject): void {
  const { uid, resourceVersion } = next.metadata;
  if (uid !== undefined && uid !== '' && uid !== old.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid ?? ''}`;
    throw conflict(resource, old.metadata.name, why);
  }
  if (resourceVersion !== undefined && resourceVersion !== '' && resourceVersion !== old.metadata.resourceVersion) {
    throw conflict(resource, old.metadata.name, STALE_OBJECT);
  }
}

const IDENTITY_FIELDS = [
  'name',
  'namespace',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generation',
  'generateName',
  'resourceVersion',
] as const;

function carriedMetadata(next: Metadata, old: Metadata): Metadata {
  const metadata: Metadata = { ...next };
  for (const field of IDENTITY_FIELDS) {
    if (old[field] === undefined) Reflect.deleteProperty(metadata, field);
    else Reflect.set(metadata, field, old[field]);
  }
  return metadata;
}

/** The part of `next` that this endpoint may write, over the old rest. */
function isolated(resource: Resource, next: ApiObject, old: ApiObject, subresource: string): ApiObject {
  if (subresource === 'status') {
    const metadata = resource.custom === undefined ? next.metadata : { ...old.metadata, ...managed(next.metadata) };
    const { status: _status, ...rest } = old;
    return { ...rest, metadata, ...(next['status'] === undefined ? {} : { status: next['status'] }) };
  }
  if (!resource.strategy.hasStatus) return { ...next };
  const { status: _status, ...rest } = next;
  return { ...rest, ...(old['status'] === undefined ? {} : { status: old['status'] }) };
}

function managed(metadata: Metadata): { managedFields?: ManagedFieldsEntry[] } {
  return metadata.managedFields === undefined ? {} : { managedFields: metadata.managedFields };
}

function bumpsGeneration(resource: Resource, next: ApiObject, old: ApiObject): boolean {
  const fields = resource.strategy.generationOf;
  if (fields.length === 0) return false;
  const [first] = fields;
  if (first !== '*') return fields.some((field) => !sameJson(next[field], old[field]));
  const names = new Set([...Object.keys(next), ...Object.keys(old)]);
  for (const name of ['metadata', 'status', 'apiVersion', 'kind']) names.delete(name);
  return [...names].some((name) => !sameJson(next[name], old[name]));
}

function sameButOwnership(next: ApiObject, old: ApiObject): boolean {
  const { managedFields: _next, ...metadata } = next.metadata;
  const { managedFields: _old, ...before } = old.metadata;
  return sameJson({ ...next, metadata }, { ...old, metadata: before });
}

function admitUpdate(
  cluster: Cluster,
  resource: Resource,
  { old, next }: { readonly old: ApiObject; readonly next: ApiObject },
  user: UserInfo,
): void {
  const context = writeContext(cluster, user);
  resource.strategy.prepareUpdate?.(next, old, context);
  resource.strategy.admit?.(next, old, context);
  for (const guard of cluster.guards) guard({ resource, object: next, old, user });
}

/**
 * Replaces `old` by `next`. Returns what is stored afterwards; `removed` when this write took away the last finalizer of an object
 * that was being deleted.
 */
export function updateObject(
  cluster: Cluster,
  resource: Resource,
  change: { readonly old: ApiObject; readonly next: ApiObject },
  options: WriteOptions,
): { readonly object: ApiObject; readonly removed: boolean } {
  const { old } = change;
  checkPreconditions(resource, change.next, old);
  const next = isolated(resource, change.next, old, options.subresource);
  next.apiVersion = old.apiVersion;
  next.kind = old.kind;
  next.metadata = carriedMetadata(next.metadata, old.metadata);
  const entries =
    options.managedFields ?? ownByUpdate(resource.schema, old, next, fieldWriter(cluster, resource, options));
  if (options.subresource === '') admitUpdate(cluster, resource, { old, next }, options.user);
  validated(resource, next, old, options.subresource);
  if (options.subresource !== 'status' && bumpsGeneration(resource, next, old)) {
    next.metadata.generation = (old.metadata.generation ?? 0) + 1;
  }
  const unchanged = sameButOwnership(next, old) && sameJson(entries, old.metadata.managedFields ?? []);
  if (unchanged) return { object: old, removed: false };
  next.metadata.managedFields = entries;
  if (options.dryRun) return { object: next, removed: false };
  if (isFinished(resource, next)) return { object: cluster.store.remove(resource.storageKey, next), removed: true };
  return { object: cluster.store.write(resource.storageKey, old, next), removed: false };
}

/** Being deleted, with nobody left to wait for. */
export function isFinished(resource: Resource, object: ApiObject): boolean {
  const { metadata } = object;
  if (metadata.deletionTimestamp === undefined || (metadata.finalizers ?? []).length > 0) return false;
  if (resource.strategy.isHeld?.(object) === true) return false;
  return metadata.deletionGracePeriodSeconds === undefined || metadata.deletionGracePeriodSeconds === 0;
}
