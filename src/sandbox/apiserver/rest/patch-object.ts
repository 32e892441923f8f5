/** PATCH: the four patch languages, from the request to the stored result. */
import type { Cluster } from '../cluster.ts';
import { type ApiObject, isObject, type Json, type JsonObject, textFor } from '../json-value.ts';
import { applyConfiguration } from '../patch/managed-fields.ts';
import { applyJsonPatch } from '../patch/json-patch.ts';
import { applyMergePatch } from '../patch/merge-patch.ts';
import { applyStrategicPatch } from '../patch/strategic-merge.ts';
import { apiVersionOf, type Resource } from '../registry/resource.ts';
import { badRequest, notFound, unsupportedMediaType } from '../status-error.ts';
import type { ApiCall } from './api-call.ts';
import { duplicateFields } from './duplicate-fields.ts';
import { mediaType } from './media-type.ts';
import { prepareObject, type Target } from './prepare-object.ts';
import { type FieldValidation, fieldValidationOf, parseJson, parseYamlOrJson } from './request-body.ts';
import { createObject, fieldWriter, updateObject, type WriteOptions } from './write-object.ts';

export interface PatchRequest {
  readonly call: ApiCall;
  readonly target: Target;
  readonly old: ApiObject | undefined;
  readonly options: WriteOptions;
}

export interface PatchResult {
  readonly object: ApiObject;
  readonly created: boolean;
  readonly warnings: readonly string[];
}

const JSON_PATCH = 'application/json-patch+json';
const MERGE_PATCH = 'application/merge-patch+json';
const STRATEGIC_PATCH = 'application/strategic-merge-patch+json';
const APPLY_PATCH = 'application/apply-patch+yaml';

function patchTypes(resource: Resource): string[] {
  const common = [JSON_PATCH, MERGE_PATCH, APPLY_PATCH];
  return resource.custom === undefined ? [...common, STRATEGIC_PATCH] : common;
}

function textOf(call: ApiCall): string {
  return Buffer.from(call.body.buffer, call.body.byteOffset, call.body.byteLength).toString();
}

function objectPatch(value: Json): JsonObject {
  if (isObject(value)) return value;
  throw badRequest('cannot unmarshal patch: expected an object');
}

/** The object after a patch that is not an apply. */
function patched(resource: Resource, old: ApiObject, call: ApiCall): JsonObject {
  const type = mediaType(call.headers['content-type']);
  const shown = { ...old, apiVersion: apiVersionOf(resource) };
  const value = parseJson(textOf(call));
  switch (type) {
    case JSON_PATCH:
      return applyJsonPatch(shown, value);
    case MERGE_PATCH:
      return applyMergePatch(shown, objectPatch(value));
    case STRATEGIC_PATCH:
      return applyStrategicPatch(resource.schema, shown, objectPatch(value));
    default:
      throw unsupportedMediaType(type, patchTypes(resource));
  }
}

function duplicatesIn(call: ApiCall, validation: FieldValidation): readonly string[] {
  if (validation === 'Ignore' || call.query.get('fieldValidation') === null) return [];
  const text = textOf(call).trimStart();
  return text.startsWith('{') ? duplicateFields(text) : [];
}

/** Metadata is copied: identity is written into it. */
function loosened(object: JsonObject): JsonObject {
  return { ...object, metadata: isObject(object['metadata']) ? { ...object['metadata'] } : {} };
}

function readConfiguration(call: ApiCall, target: Target): ApiObject {
  const config = objectPatch(parseYamlOrJson(call.body));
  const { resource } = target;
  const expected = apiVersionOf(resource);
  if (config['apiVersion'] !== expected || config['kind'] !== resource.kind) {
    throw badRequest(
      `invalid object type: /${textFor(config['apiVersion'])}, Kind=${textFor(config['kind'])}; expected ${expected}, Kind=${resource.kind}`,
    );
  }
  const metadata = isObject(config['metadata']) ? config['metadata'] : {};
  if (metadata['managedFields'] !== undefined) throw badRequest('metadata.managedFields must be nil');
  return { ...config, metadata: { ...metadata, name: target.name } } as ApiObject;
}

/** The part of a configuration that this endpoint can set. */
function inReach(config: ApiObject, resource: Resource, subresource: string): ApiObject {
  if (subresource === 'status') {
    const { apiVersion, kind, metadata, status } = config;
    const { name, namespace, uid, resourceVersion } = metadata;
    const identity = Object.fromEntries(
      Object.entries({ name, namespace, uid, resourceVersion }).filter(([, value]) => value !== undefined),
    );
    return { apiVersion, kind, metadata: identity, ...(status === undefined ? {} : { status }) } as ApiObject;
  }
  if (!resource.strategy.hasStatus) return config;
  const { status: _status, ...rest } = config;
  return rest;
}

function apply(cluster: Cluster, { call, target, old, options }: PatchRequest): PatchResult {
  const { resource, namespace } = target;
  const force = call.query.get('force') === 'true';
  if ((call.query.get('fieldManager') ?? '') === '') {
    throw badRequest(
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    );
  }
  const validation = fieldValidationOf(call.query);
  if (old === undefined && options.subresource !== '') throw notFound(resource, target.name);
  const config = inReach(readConfiguration(call, target), resource, options.subresource);
  const writer = fieldWriter(cluster, resource, options);
  const applied = applyConfiguration(resource.schema, old, config, { writer, force });
  const object = loosened(applied.object);
  const duplicates = duplicatesIn(call, validation);
  const warnings = prepareObject(object, target, { duplicates, validation });
  const withOwners = { ...options, managedFields: applied.managedFields };
  if (old === undefined) {
    return { object: createObject(cluster, resource, { namespace, object }, withOwners), created: true, warnings };
  }
  const updated = updateObject(cluster, resource, { old, next: object as ApiObject }, withOwners);
  return { object: updated.object, created: false, warnings };
}

/** Applies a PATCH request. Only an apply may create. */
export function patchObject(cluster: Cluster, request: PatchRequest): PatchResult {
  const { call, target, old, options } = request;
  if (mediaType(call.headers['content-type']) === APPLY_PATCH) return apply(cluster, request);
  if (old === undefined) throw notFound(target.resource, target.name);
  const validation = fieldValidationOf(call.query);
  const object = loosened(patched(target.resource, old, call));
  const warnings = prepareObject(object, target, { duplicates: duplicatesIn(call, validation), validation });
  const updated = updateObject(cluster, target.resource, { old, next: object as ApiObject }, options);
  return { object: updated.object, created: false, warnings };
}
