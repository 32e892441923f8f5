/** Schema nodes as OpenAPI v3 component schemas, for `kubectl explain` and client-side checks. */
import { BUILTIN_TYPES } from '../builtin/builtin-types.ts';
import { isObject, type Json, type JsonObject } from '../json-value.ts';
import { apiVersionOf, type Resource } from '../registry/resource.ts';
import type { FieldNode, ObjectNode, ScalarKind, SchemaNode } from '../schema/schema-node.ts';

const SCALARS: Readonly<Record<ScalarKind, JsonObject>> = {
  string: { type: 'string' },
  bool: { type: 'boolean' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  double: { type: 'number', format: 'double' },
  bytes: { type: 'string', format: 'byte' },
  quantity: { $ref: '#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity' },
  time: { $ref: '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.Time' },
  microtime: { $ref: '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime' },
  duration: { type: 'string' },
  intstr: { $ref: '#/components/schemas/io.k8s.apimachinery.pkg.util.intstr.IntOrString' },
};

/** Named scalars that other schemas refer to. */
export const SCALAR_DEFINITIONS: Readonly<Record<string, JsonObject>> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { oneOf: [{ type: 'string' }, { type: 'number' }] },
  'io.k8s.apimachinery.pkg.apis.meta.v1.Time': { type: 'string', format: 'date-time' },
  'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime': { type: 'string', format: 'date-time' },
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': {
    format: 'int-or-string',
    oneOf: [{ type: 'integer' }, { type: 'string' }],
  },
};

const REF = '#/components/schemas/';
const TYPE_META: JsonObject = { apiVersion: { type: 'string' }, kind: { type: 'string' } };

function reference(name: string): JsonObject {
  return { allOf: [{ $ref: REF + name }], default: {} };
}

class SchemaWriter {
  readonly schemas: Record<string, JsonObject> = {};

  node(node: SchemaNode): JsonObject {
    if (node.source !== undefined) return node.source;
    switch (node.kind) {
      case 'scalar':
        return SCALARS[node.scalar];
      case 'any':
        return { type: 'object' };
      case 'map':
        return { type: 'object', additionalProperties: this.node(node.values) };
      case 'list':
        return { type: 'array', items: this.node(node.items) };
      case 'object':
        return node.definition === undefined ? this.shape(node) : reference(this.define(node, node.definition));
    }
  }

  /** Adds a named shape and everything it refers to. */
  define(node: ObjectNode, name: string): string {
    if (this.schemas[name] === undefined) {
      // Set before descending: types may refer to themselves.
      this.schemas[name] = {};
      this.schemas[name] = this.shape(node);
    }
    return name;
  }

  shape(node: ObjectNode): JsonObject {
    const properties: JsonObject = {};
    const required: string[] = [];
    for (const [name, field] of node.fields) {
      properties[name] = this.field(field);
      if (field.required) required.push(name);
    }
    return { type: 'object', properties, ...(required.length === 0 ? {} : { required }) };
  }

  private field({ node, merge }: FieldNode): JsonObject {
    const schema: JsonObject = { ...this.node(node) };
    if (node.kind === 'list' && node.source === undefined) {
      schema['x-kubernetes-list-type'] = node.listType;
      if (node.listType === 'map') schema['x-kubernetes-list-map-keys'] = [...node.keys];
    }
    if (merge.patchMerge) schema['x-kubernetes-patch-strategy'] = merge.retainKeys ? 'merge,retainKeys' : 'merge';
    if (merge.patchMergeKey !== undefined) schema['x-kubernetes-patch-merge-key'] = merge.patchMergeKey;
    return schema;
  }
}

export interface PublishedKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

function gvk({ group, version, kind }: PublishedKind): JsonObject {
  return { group, version, kind };
}

/** `dev.lumbung.v1alpha1.ComputeJob` for a custom kind; a built-in's own definition name otherwise. */
export function schemaName(resource: Resource): string {
  if (resource.custom === undefined && resource.schema.definition !== undefined) return resource.schema.definition;
  return `${resource.group.split('.').reverse().join('.')}.${resource.version}.${resource.kind}`;
}

function customShape(resource: Resource, metaName: string): JsonObject {
  const source = resource.schema.source ?? {};
  const properties = isObject(source['properties']) ? source['properties'] : {};
  return {
    ...source,
    type: 'object',
    properties: { ...TYPE_META, ...properties, metadata: reference(metaName) },
  };
}

const OBJECT_META = BUILTIN_TYPES.object('meta.ObjectMeta');
const LIST_META = BUILTIN_TYPES.object('meta.ListMeta');
const DELETE_OPTIONS = BUILTIN_TYPES.object('meta.DeleteOptions');

/** All component schemas of one group version. */
export function componentSchemas(resources: readonly Resource[]): JsonObject {
  const writer = new SchemaWriter();
  const named = (node: ObjectNode): string => writer.define(node, node.definition ?? '');
  const meta = named(OBJECT_META);
  const listMeta = named(LIST_META);
  named(DELETE_OPTIONS);
  for (const resource of resources) {
    const name = schemaName(resource);
    const shape = resource.custom === undefined ? writer.shape(resource.schema) : customShape(resource, meta);
    const properties: Json = { ...TYPE_META, ...(shape['properties'] as JsonObject) };
    writer.schemas[name] = { ...shape, properties, 'x-kubernetes-group-version-kind': [gvk(resource)] };
    writer.schemas[`${name}List`] = {
      type: 'object',
      properties: { ...TYPE_META, metadata: reference(listMeta), items: { type: 'array', items: reference(name) } },
      required: ['items'],
      'x-kubernetes-group-version-kind': [gvk({ ...resource, kind: resource.listKind })],
    };
  }
  return { ...SCALAR_DEFINITIONS, ...writer.schemas };
}

export function apiPathOf(resource: { readonly group: string; readonly version: string }): string {
  return resource.group === '' ? `/api/${resource.version}` : `/apis/${apiVersionOf(resource)}`;
}
