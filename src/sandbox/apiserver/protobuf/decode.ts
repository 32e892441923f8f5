/**
 * Decodes Kubernetes protobuf bodies into JSON by the field numbers of the built-in schemas. Only requests arrive so;
 * answers are always JSON. Unknown field numbers are skipped, as protobuf demands.
 */
import { isObject, type Json, type JsonObject } from '../json-value.ts';
import type { BuiltinTypes } from '../schema/builtin-notation.ts';
import type { FieldNode, ObjectNode, ScalarKind, SchemaNode } from '../schema/schema-node.ts';
import { badRequest } from '../status-error.ts';

const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00]);

class Reader {
  private readonly bytes: Uint8Array;
  private at: number;
  private readonly end: number;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.at = 0;
    this.end = bytes.length;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  varint(): bigint {
    let value = 0n;
    let shift = 0n;
    for (;;) {
      const byte = this.bytes[this.at++];
      if (byte === undefined || shift > 63n) throw badRequest('malformed protobuf body: bad varint');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
      shift += 7n;
    }
  }

  chunk(length: number): Uint8Array {
    if (length < 0 || this.at + length > this.end) throw badRequest('malformed protobuf body: truncated');
    const chunk = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    return chunk;
  }
}

/** A field as it is on the wire: a number, or bytes. */
type WireValue = bigint | Uint8Array;

function* fieldsOf(bytes: Uint8Array): IterableIterator<readonly [number, WireValue]> {
  const reader = new Reader(bytes);
  while (!reader.done) {
    const tag = Number(reader.varint());
    const number = tag >>> 3;
    switch (tag & 7) {
      case 0:
        yield [number, reader.varint()];
        break;
      case 1:
        yield [number, reader.chunk(8)];
        break;
      case 2:
        yield [number, reader.chunk(Number(reader.varint()))];
        break;
      case 5:
        yield [number, reader.chunk(4)];
        break;
      default:
        throw badRequest(`malformed protobuf body: wire type ${tag & 7}`);
    }
  }
}

function text(value: WireValue): string {
  return typeof value === 'bigint' ? String(value) : Buffer.from(value).toString();
}

function bytesOf(value: WireValue): Uint8Array {
  if (typeof value === 'bigint') throw badRequest('malformed protobuf body: message expected');
  return value;
}

function integer(value: WireValue): number {
  return typeof value === 'bigint' ? Number(BigInt.asIntN(64, value)) : 0;
}

function nested(value: WireValue): Map<number, WireValue> {
  return new Map(fieldsOf(bytesOf(value)));
}

/** metav1.Time and MicroTime: {1: seconds, 2: nanos}. */
function time(value: WireValue, micro: boolean): string {
  const parts = nested(value);
  const ms = integer(parts.get(1) ?? 0n) * 1000 + integer(parts.get(2) ?? 0n) / 1e6;
  const iso = new Date(Math.trunc(ms)).toISOString();
  return micro ? `${iso.slice(0, -1)}000Z` : `${iso.slice(0, 19)}Z`;
}

/** intstr.IntOrString: {1: type, 2: int, 3: string}. */
function intOrString(value: WireValue): Json {
  const parts = nested(value);
  return integer(parts.get(1) ?? 0n) === 1 ? text(parts.get(3) ?? new Uint8Array()) : integer(parts.get(2) ?? 0n);
}

type ScalarReader = (value: WireValue) => Json;

const SCALAR_READERS: Readonly<Record<ScalarKind, ScalarReader>> = {
  string: text,
  bool: (value) => value !== 0n,
  int32: integer,
  int64: integer,
  double: (value) => Buffer.from(bytesOf(value)).readDoubleLE(0),
  bytes: (value) => Buffer.from(bytesOf(value)).toString('base64'),
  quantity: (value) => text(nested(value).get(1) ?? new Uint8Array()),
  time: (value) => time(value, false),
  microtime: (value) => time(value, true),
  duration: (value) => `${integer(nested(value).get(1) ?? 0n) / 1e9}s`,
  intstr: intOrString,
};

/** RawExtension {1: raw}, FieldsV1 {1: raw} and apiextensions.JSON {1: raw} all carry JSON text. */
function raw(value: WireValue): Json {
  const inner = nested(value).get(1);
  if (inner === undefined) return {};
  try {
    return JSON.parse(text(inner)) as Json;
  } catch {
    throw badRequest('malformed protobuf body: embedded object is not JSON');
  }
}

function single(node: SchemaNode, value: WireValue): Json {
  switch (node.kind) {
    case 'scalar':
      return SCALAR_READERS[node.scalar](value);
    case 'object':
      return message(node, bytesOf(value));
    case 'any':
      return raw(value);
    case 'map':
    case 'list':
      throw badRequest('malformed protobuf body: nested collection');
  }
}

function mapEntry(node: SchemaNode, value: WireValue): readonly [string, Json] {
  const parts = nested(value);
  const member = parts.get(2);
  const fallback = node.kind === 'scalar' ? '' : {};
  return [text(parts.get(1) ?? new Uint8Array()), member === undefined ? fallback : single(node, member)];
}

function set(target: JsonObject, name: string, field: FieldNode, value: WireValue): void {
  const { node } = field;
  const present = target[name];
  if (node.kind === 'list') {
    const list = Array.isArray(present) ? present : [];
    list.push(single(node.items, value));
    target[name] = list;
  } else if (node.kind === 'map') {
    const [key, member] = mapEntry(node.values, value);
    target[name] = { ...(isObject(present) ? present : {}), [key]: member };
  } else target[name] = single(node, value);
}

interface Numbering {
  readonly fields: ReadonlyMap<number, readonly [string, FieldNode]>;
}

const numberings = new WeakMap<ObjectNode, Numbering>();

function numberingOf(node: ObjectNode): Numbering {
  let numbering = numberings.get(node);
  if (numbering === undefined) {
    const fields = [...node.fields].filter(([, field]) => field.number > 0);
    numbering = { fields: new Map(fields.map(([name, field]) => [field.number, [name, field] as const])) };
    numberings.set(node, numbering);
  }
  return numbering;
}

const ZERO_WHEN_EMPTY: ReadonlySet<ScalarKind> = new Set(['string', 'time', 'microtime']);

/** Go writes empty strings and zero times of plain fields; JSON leaves them out. */
function isZero(node: SchemaNode, value: WireValue): boolean {
  return typeof value !== 'bigint' && value.length === 0 && node.kind === 'scalar' && ZERO_WHEN_EMPTY.has(node.scalar);
}

function message(node: ObjectNode, bytes: Uint8Array): JsonObject {
  const { fields } = numberingOf(node);
  const object: JsonObject = {};
  for (const [number, value] of fieldsOf(bytes)) {
    const embedded = node.embedded.get(number);
    if (embedded !== undefined) {
      Object.assign(object, message(embedded, bytesOf(value)));
      continue;
    }
    const known = fields.get(number);
    if (known === undefined) continue;
    const [name, field] = known;
    if (isZero(field.node, value)) continue;
    set(object, name, field, value);
  }
  return object;
}

/** Prefix of a group's types in the built-in notation, e.g. `batch` or `rbac` for `rbac.authorization.k8s.io`. */
function prefixOf(apiVersion: string): string {
  return apiVersion.includes('/') ? (apiVersion.split(/[./]/)[0] ?? '') : 'core';
}

function typeNamed(types: BuiltinTypes, apiVersion: string, kind: string): ObjectNode {
  const node = types.find(`${prefixOf(apiVersion)}.${kind}`) ?? types.find(`meta.${kind}`);
  if (node !== undefined) return node;
  throw badRequest(`no kind "${kind}" is registered for version "${apiVersion}" in protobuf form`);
}

/** Decodes `k8s\0` + runtime.Unknown{typeMeta, raw}. */
export function decodeProtobuf(body: Uint8Array, types: BuiltinTypes): JsonObject {
  if (body.length < 4 || !MAGIC.equals(body.subarray(0, 4))) {
    throw badRequest('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]');
  }
  const unknown = new Map(fieldsOf(body.subarray(4)));
  const typeMeta = nested(unknown.get(1) ?? new Uint8Array());
  const apiVersion = text(typeMeta.get(1) ?? new Uint8Array());
  const kind = text(typeMeta.get(2) ?? new Uint8Array());
  const object = message(typeNamed(types, apiVersion, kind), bytesOf(unknown.get(2) ?? new Uint8Array()));
  return { apiVersion, kind, ...object };
}
