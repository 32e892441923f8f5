/**
 * From a decoded body to an object that may be written: identity checked against the URL, unknown fields dropped and
 * reported, defaults filled in.
 */
import { isObject, type JsonObject, type Metadata, stringAt, textFor } from '../json-value.ts';
import { apiVersionOf, type Resource } from '../registry/resource.ts';
import { conform } from '../schema/conform.ts';
import { badRequest } from '../status-error.ts';
import type { FieldValidation } from './request-body.ts';

export interface Target {
  readonly resource: Resource;
  readonly namespace: string;
  /** '' on create. */
  readonly name: string;
}

function checkType(body: JsonObject, resource: Resource): void {
  const apiVersion = apiVersionOf(resource);
  const given = body['apiVersion'];
  const kind = body['kind'];
  if (given !== undefined && given !== apiVersion) {
    throw badRequest(
      `the API version in the data (${textFor(given)}) does not match the expected API version (${apiVersion})`,
    );
  }
  if (kind !== undefined && kind !== resource.kind) {
    throw badRequest(`the kind in the data (${textFor(kind)}) does not match the expected kind (${resource.kind})`);
  }
}

function checkIdentity(metadata: Metadata, { resource, namespace, name }: Target): void {
  if (!resource.namespaced) {
    if (metadata.namespace !== undefined && metadata.namespace !== '') Reflect.deleteProperty(metadata, 'namespace');
  } else if (metadata.namespace !== undefined && metadata.namespace !== '' && metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  const given = stringAt(metadata, 'name') ?? '';
  if (name !== '' && given !== '' && given !== name) {
    throw badRequest(`the name of the object (${given}) does not match the name on the URL (${name})`);
  }
  if (name !== '') metadata.name = name;
}

export function handledAs(resource: Resource): string {
  return `${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}`;
}

/** Warnings to send; in Strict mode the same findings are a 400. */
function judge(
  resource: Resource,
  found: { readonly unknown: readonly string[]; readonly duplicates: readonly string[] },
  validation: FieldValidation,
): readonly string[] {
  if (validation === 'Ignore') return [];
  const texts = [
    ...found.duplicates.map((path) => `duplicate field "${path}"`),
    ...found.unknown.map((path) => `unknown field "${path}"`),
  ];
  if (validation === 'Strict' && texts.length > 0) {
    throw badRequest(`${handledAs(resource)}: strict decoding error: ${texts.join(', ')}`);
  }
  return texts;
}

/**
 * Prepares `body` in place. Throws 400 for a body of another kind or place, wrong types, and (in Strict mode) unknown or repeated fields.
 * Returns warnings.
 */
export function prepareObject(
  body: JsonObject,
  target: Target,
  found: { readonly duplicates: readonly string[]; readonly validation: FieldValidation },
): readonly string[] {
  const { resource } = target;
  checkType(body, resource);
  body['metadata'] ??= {};
  if (!isObject(body['metadata'])) throw badRequest(`${handledAs(resource)}: metadata must be an object`);
  checkIdentity(body['metadata'] as Metadata, target);
  const unknown =
    resource.custom === undefined ? conform(resource.schema, body, handledAs(resource)) : resource.custom.prune(body);
  const warnings = judge(resource, { unknown, duplicates: found.duplicates }, found.validation);
  body['apiVersion'] = apiVersionOf(resource);
  body['kind'] = resource.kind;
  if (resource.custom === undefined) resource.strategy.setDefaults?.(body);
  else resource.custom.setDefaults(body);
  return warnings;
}
