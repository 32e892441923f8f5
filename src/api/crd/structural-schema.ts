/**
 * zod schemas as structural schemas of apiextensions.k8s.io/v1. Everything that a structural schema cannot say is refused
 * here with its path, so that a mistake shows when files are generated and not when a cluster rejects them.
 * Invariants: no anyOf, oneOf, allOf, not or const but the one legal int-or-string; every integer has a format; what is
 * open keeps unknown fields; keys come in one order.
 */
import { z } from 'zod';

/** A structural schema as plain JSON. */
export interface StructuralSchema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly anyOf?: readonly { readonly type: string }[];
  readonly items?: StructuralSchema;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly additionalProperties?: StructuralSchema;
  readonly 'x-kubernetes-int-or-string'?: true;
  readonly 'x-kubernetes-preserve-unknown-fields'?: true;
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message: string }[];
}

type Json = Readonly<Record<string, unknown>>;

const KEPT = [
  'description',
  'type',
  'format',
  'enum',
  'default',
  'pattern',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'minItems',
  'maxItems',
  'maxProperties',
  'required',
  'x-kubernetes-int-or-string',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-validations',
] as const;

/** Read below, or known to say nothing that a structural schema lacks. */
const HANDLED = new Set<string>([
  ...KEPT,
  'properties',
  'additionalProperties',
  'items',
  'anyOf',
  '$schema',
  'propertyNames',
]);

const INT32_MAX = 2_147_483_647;
const INT_OR_STRING = [{ type: 'integer' }, { type: 'string' }] as const;

function refuse(path: string, what: string): never {
  throw new Error(`${path}: ${what} has no place in a structural schema`);
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function integerFormat(schema: Json): Json {
  const { minimum, maximum } = schema;
  const fits =
    typeof minimum === 'number' && typeof maximum === 'number' && minimum >= -INT32_MAX - 1 && maximum <= INT32_MAX;
  return { ...schema, format: fits ? 'int32' : 'int64' };
}

function convertMap(additional: unknown, path: string): Json {
  // A zod object that keeps unknown fields says `{}`; its own metadata says that it preserves them.
  if (additional === undefined || (isJson(additional) && Object.keys(additional).length === 0)) return {};
  if (!isJson(additional)) return refuse(path, 'additionalProperties that is no schema');
  return { additionalProperties: convert(additional, `${path}.*`) };
}

function convertProperties(properties: unknown, path: string): Json {
  if (!isJson(properties)) return {};
  const entries = Object.entries(properties).map(
    ([name, schema]) => [name, convert(schema, `${path}.${name}`)] as const,
  );
  return { properties: Object.fromEntries(entries) };
}

function convertIntOrString(schema: Json): StructuralSchema {
  const { description, pattern, default: fallback } = schema;
  return {
    ...(typeof description === 'string' ? { description } : {}),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: INT_OR_STRING,
    ...(typeof pattern === 'string' ? { pattern } : {}),
    'x-kubernetes-int-or-string': true,
  };
}

function convert(schema: unknown, path: string): StructuralSchema {
  if (!isJson(schema)) return refuse(path, 'a schema that is no object');
  const unknownKey = Object.keys(schema).find((key) => !HANDLED.has(key));
  if (unknownKey !== undefined) return refuse(path, unknownKey);
  if (schema['x-kubernetes-int-or-string'] === true) return convertIntOrString(schema);
  if (schema['anyOf'] !== undefined) return refuse(path, 'anyOf');
  if (typeof schema['type'] !== 'string') return refuse(path, 'a schema without a type');
  const typed = schema['type'] === 'integer' ? integerFormat(schema) : schema;
  const kept = KEPT.filter((key) => typed[key] !== undefined).map((key) => [key, typed[key]] as const);
  return {
    ...Object.fromEntries(kept),
    ...(schema['type'] === 'array' ? { items: convert(schema['items'], `${path}[]`) } : {}),
    ...convertProperties(schema['properties'], path),
    ...convertMap(schema['additionalProperties'], path),
  };
}

/** The structural schema of a zod schema. Throws with the path of the first thing that cannot be said. */
export function toStructural(schema: z.ZodType, path: string): StructuralSchema {
  return convert(z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input' }), path);
}
