/**
 * Object values as CEL sees them, by schema: integers as BigInt, times and durations as such, and only the members that
 * the schema names, with names that are no identifiers escaped.
 */
import { isObject, type Json, stringAt } from '../json-value.ts';
import type { SchemaNode } from '../schema/schema-node.ts';
import { celEnvironment } from './cel-environment.ts';

/** Words that CEL reserves; members of these names are reached as `__word__`. */
const RESERVED: ReadonlySet<string> = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);

/** A member's name in rules, or `undefined` when rules cannot name it. */
export function celName(name: string): string | undefined {
  if (RESERVED.has(name)) return `__${name}__`;
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return name.replaceAll('__', '__underscores__');
  if (!/^[A-Za-z_][A-Za-z0-9_./-]*$/.test(name)) return undefined;
  return name
    .replaceAll('__', '__underscores__')
    .replaceAll('.', '__dot__')
    .replaceAll('-', '__dash__')
    .replaceAll('/', '__slash__');
}

let durationOf: ((context: { self: string }) => unknown) | undefined;

function duration(text: string): unknown {
  durationOf ??= celEnvironment().parse('duration(self)') as (context: { self: string }) => unknown;
  return durationOf({ self: text });
}

function textValue(value: string, format: string): unknown {
  switch (format) {
    case 'date-time':
    case 'date':
      return new Date(value);
    case 'duration':
      return duration(value);
    case 'byte':
      return new Uint8Array(Buffer.from(value, 'base64'));
    default:
      return value;
  }
}

/** Parts without a schema: numbers that are whole count as integers. */
function untyped(value: Json): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(untyped);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, member]) => (member === undefined ? [] : [[key, untyped(member)]])),
  );
}

function scalarValue(node: SchemaNode & { readonly kind: 'scalar' }, value: Json): unknown {
  if (typeof value === 'number') return node.scalar === 'double' ? value : BigInt(Math.trunc(value));
  return typeof value === 'string' ? textValue(value, stringAt(node.source, 'format') ?? '') : value;
}

export function celValue(node: SchemaNode, value: Json): unknown {
  if (value === null) return null;
  switch (node.kind) {
    case 'any':
      return untyped(value);
    case 'scalar':
      return scalarValue(node, value);
    case 'list':
      return Array.isArray(value) ? value.map((item) => celValue(node.items, item)) : untyped(value);
    case 'map':
    case 'object':
      return isObject(value) ? members(node, value) : untyped(value);
  }
}

function members(
  node: SchemaNode & { readonly kind: 'map' | 'object' },
  value: Record<string, Json | undefined>,
): unknown {
  const result: Record<string, unknown> = {};
  if (node.kind === 'map') {
    for (const key in value) if (value[key] !== undefined) result[key] = celValue(node.values, value[key]);
    return result;
  }
  for (const [name, field] of node.fields) {
    const member = value[name];
    const key = member === undefined ? undefined : celName(name);
    if (key !== undefined && member !== undefined) result[key] = celValue(field.node, member);
  }
  return result;
}
