/**
 * Makes a decoded body of a built-in type what the typed server would have seen: unknown fields and nulls dropped (and
 * named), scalars of the wrong type refused, quantities canonical. Works in place on the freshly parsed body.
 */
import type { Json, JsonObject } from '../json-value.ts';
import { isObject } from '../json-value.ts';
import { badRequest } from '../status-error.ts';
import { canonicalText } from './quantity.ts';
import type { MapNode, ObjectNode, ScalarKind, SchemaNode } from './schema-node.ts';

const GO_TYPES: Readonly<Record<ScalarKind, string>> = {
  string: 'string',
  bool: 'bool',
  int32: 'int32',
  int64: 'int64',
  double: 'float64',
  bytes: '[]uint8',
  quantity: 'resource.Quantity',
  time: 'v1.Time',
  microtime: 'v1.MicroTime',
  duration: 'v1.Duration',
  intstr: 'intstr.IntOrString',
};

class Mismatch extends Error {
  readonly path: string;
  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

function jsonKind(value: Json): string {
  if (Array.isArray(value)) return 'array';
  if (value === null) return 'null';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

function mismatch(path: string, value: Json, goType: string): Mismatch {
  const got = typeof value === 'number' && !Number.isInteger(value) ? `number ${value}` : jsonKind(value);
  return new Mismatch(path, `json: cannot unmarshal ${got} into Go struct field ${path} of type ${goType}`);
}

function quantity(value: Json, path: string): Json {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string') throw mismatch(path, value, GO_TYPES.quantity);
  const canonical = canonicalText(text);
  if (canonical !== undefined) return canonical;
  throw new Mismatch(
    path,
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
  );
}

function time(value: Json, path: string, kind: ScalarKind): Json {
  if (typeof value !== 'string') throw mismatch(path, value, GO_TYPES[kind]);
  if (!Number.isNaN(Date.parse(value))) return value;
  throw new Mismatch(path, `parsing time ${JSON.stringify(value)} as "2006-01-02T15:04:05Z07:00": cannot parse`);
}

function integer(value: Json, path: string, kind: 'int32' | 'int64'): Json {
  const fits = typeof value === 'number' && Number.isInteger(value);
  if (!fits || (kind === 'int32' && Math.abs(value) > 2 ** 31)) throw mismatch(path, value, GO_TYPES[kind]);
  return value;
}

function plain(type: 'boolean' | 'number' | 'string', kind: ScalarKind): ScalarReader {
  return (value, path) => {
    if (typeof value !== type) throw mismatch(path, value, GO_TYPES[kind]);
    return value;
  };
}

type ScalarReader = (value: Json, path: string) => Json;

const SCALAR_READERS: Readonly<Record<ScalarKind, ScalarReader>> = {
  string: plain('string', 'string'),
  bytes: plain('string', 'bytes'),
  duration: plain('string', 'duration'),
  bool: plain('boolean', 'bool'),
  double: plain('number', 'double'),
  int32: (value, path) => integer(value, path, 'int32'),
  int64: (value, path) => integer(value, path, 'int64'),
  intstr: (value, path) => (typeof value === 'string' ? value : integer(value, path, 'int32')),
  quantity,
  time: (value, path) => time(value, path, 'time'),
  microtime: (value, path) => time(value, path, 'microtime'),
};

class Walk {
  readonly unknown: string[] = [];

  value(node: SchemaNode, value: Json, path: string): Json {
    switch (node.kind) {
      case 'scalar':
        return SCALAR_READERS[node.scalar](value, path);
      case 'object':
        this.object(node, value, path);
        return value;
      case 'map':
        this.map(node, value, path);
        return value;
      case 'list':
        return this.list(node.items, value, path);
      case 'any':
        return value;
    }
  }

  private object(node: ObjectNode, value: Json, path: string): void {
    if (!isObject(value)) throw mismatch(path, value, node.definition?.split('.').slice(-2).join('.') ?? 'object');
    for (const key in value) {
      const member = value[key];
      const at = path === '' ? key : `${path}.${key}`;
      const field = node.fields.get(key);
      if (field === undefined) {
        this.unknown.push(at);
        Reflect.deleteProperty(value, key);
      } else this.member(value, key, { node: field.node, path: at, value: member });
    }
  }

  private map(node: MapNode, value: Json, path: string): void {
    if (!isObject(value)) throw mismatch(path, value, 'map[string]string');
    for (const key in value) {
      const at = `${path}.${key}`;
      // Go decodes a null string in a map as the empty string.
      if (value[key] === null && node.values.kind === 'scalar') value[key] = '';
      this.member(value, key, { node: node.values, path: at, value: value[key] });
    }
  }

  private list(items: SchemaNode, value: Json, path: string): Json {
    if (!Array.isArray(value)) throw mismatch(path, value, '[]');
    for (let i = 0; i < value.length; i++) {
      const item = value[i];
      if (item !== undefined && item !== null) value[i] = this.value(items, item, `${path}[${i}]`);
    }
    return value;
  }

  private member(
    parent: JsonObject,
    key: string,
    at: { readonly node: SchemaNode; readonly path: string; readonly value: Json | undefined },
  ): void {
    if (at.value === null || at.value === undefined) Reflect.deleteProperty(parent, key);
    else parent[key] = this.value(at.node, at.value, at.path);
  }
}

/** Fields that every typed body may carry besides those of its own shape. */
function hasTypeMeta(key: string): boolean {
  return key === 'apiVersion' || key === 'kind';
}

/**
 * Conforms `body` and returns the paths of fields that were not known. A wrong type is a 400 that names the field.
 */
export function conform(node: ObjectNode, body: JsonObject, handledAs: string): readonly string[] {
  const walk = new Walk();
  try {
    for (const key of Object.keys(body)) {
      const value = body[key];
      const field = node.fields.get(key);
      if (hasTypeMeta(key)) continue;
      if (field === undefined) {
        walk.unknown.push(key);
        Reflect.deleteProperty(body, key);
      } else if (value === null || value === undefined) Reflect.deleteProperty(body, key);
      else body[key] = walk.value(field.node, value, key);
    }
  } catch (error) {
    if (error instanceof Mismatch) throw badRequest(`${handledAs}: ${error.message}`);
    throw error;
  }
  return walk.unknown;
}
