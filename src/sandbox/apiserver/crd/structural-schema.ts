/**
 * Compiles a CRD's openAPIV3Schema into schema nodes. The root always knows apiVersion, kind and metadata; embedded
 * resources know them too. The JSON schema stays attached for validation, defaults and publication.
 */
import { BUILTIN_TYPES } from '../builtin/builtin-types.ts';
import { isObject, type JsonObject, objectAt, stringAt, stringsAt } from '../json-value.ts';
import {
  ANY,
  type FieldNode,
  type ListNode,
  type ListType,
  NO_MERGE,
  type ObjectNode,
  type ScalarKind,
  type SchemaNode,
} from '../schema/schema-node.ts';

const OBJECT_META = BUILTIN_TYPES.object('meta.ObjectMeta');

function field(node: SchemaNode, required: boolean): FieldNode {
  return { node, required, merge: NO_MERGE, number: 0 };
}

const TEXT: SchemaNode = { kind: 'scalar', scalar: 'string' };

/** The members that make an object a Kubernetes object. */
const RESOURCE_FIELDS: readonly (readonly [string, FieldNode])[] = [
  ['apiVersion', field(TEXT, false)],
  ['kind', field(TEXT, false)],
  ['metadata', field(OBJECT_META, false)],
];

function scalarKind(source: JsonObject): ScalarKind {
  switch (stringAt(source, 'type') ?? '') {
    case 'integer':
      return 'int64';
    case 'number':
      return 'double';
    case 'boolean':
      return 'bool';
    default:
      return 'string';
  }
}

function listNode(source: JsonObject): ListNode {
  const items = objectAt(source, 'items');
  const listType = (source['x-kubernetes-list-type'] ?? 'atomic') as ListType;
  const keys = stringsAt(source, 'x-kubernetes-list-map-keys');
  return { kind: 'list', items: items === undefined ? ANY : compileNode(items), listType, keys, source };
}

export function preservesUnknown(source: JsonObject | undefined): boolean {
  return source?.['x-kubernetes-preserve-unknown-fields'] === true;
}

export function isEmbedded(source: JsonObject | undefined): boolean {
  return source?.['x-kubernetes-embedded-resource'] === true;
}

function objectNode(source: JsonObject, asResource: boolean): SchemaNode {
  const atomic = source['x-kubernetes-map-type'] === 'atomic';
  const values = source['additionalProperties'];
  const properties = objectAt(source, 'properties');
  if (isObject(values) && properties === undefined) return { kind: 'map', values: compileNode(values), atomic, source };
  if (values === true && properties === undefined) return { kind: 'map', values: ANY, atomic, source };
  const required = new Set(stringsAt(source, 'required'));
  const fields = new Map<string, FieldNode>();
  for (const [name, member] of Object.entries(properties ?? {})) {
    if (isObject(member)) fields.set(name, field(compileNode(member), required.has(name)));
  }
  if (asResource) for (const [name, member] of RESOURCE_FIELDS) fields.set(name, member);
  const node: ObjectNode = {
    kind: 'object',
    fields,
    embedded: new Map(),
    preserveUnknown: preservesUnknown(source),
    atomic,
    source,
  };
  return node;
}

export function compileNode(source: JsonObject): SchemaNode {
  if (source['x-kubernetes-int-or-string'] === true) return { kind: 'scalar', scalar: 'intstr', source };
  switch (stringAt(source, 'type') ?? '') {
    case 'object':
      return objectNode(source, isEmbedded(source));
    case 'array':
      return listNode(source);
    case '':
      return { kind: 'any', source };
    default:
      return { kind: 'scalar', scalar: scalarKind(source), source };
  }
}

/** The root of a custom resource. */
export function compileRoot(source: JsonObject): ObjectNode {
  const node = objectNode({ ...source, type: 'object', additionalProperties: undefined }, true);
  if (node.kind !== 'object') throw new Error('a custom resource is always an object');
  return node;
}
