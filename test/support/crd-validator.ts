/**
 * Judges an object as an API server does from a CRD alone: prune unknown fields, fill in defaults, check the schema (ajv),
 * check sets and maps for repetitions, evaluate the CEL rules (cel-js), transition rules on update only. It shares nothing
 * with the zod decoders, so that the two can be compared.
 */
import { Environment } from '@marcbachmann/cel-js';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import type { CustomResourceDefinition } from '../../src/api/crd/custom-resource-definition.ts';
import type { StructuralSchema } from '../../src/api/crd/structural-schema.ts';

export interface CrdVerdict {
  readonly accepted: boolean;
  readonly problems: readonly string[];
  /** The object as it would be stored: pruned and with defaults. */
  readonly stored: Record<string, unknown>;
}

export type CrdValidator = (object: unknown, old?: unknown) => CrdVerdict;

type Json = Record<string, unknown>;

// CJS under NodeNext: the callable is the module's default export.
const withFormats = addFormats as unknown as (ajv: Ajv) => void;
const environment = new Environment().registerVariable('self', 'dyn').registerVariable('oldSelf', 'dyn');
const compiled = new Map<string, ReturnType<typeof environment.parse>>();

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function prune(schema: StructuralSchema, value: unknown): unknown {
  if (Array.isArray(value))
    return value.map((item) => (schema.items === undefined ? (item as unknown) : prune(schema.items, item)));
  if (!isObject(value)) return value;
  const kept: Json = {};
  for (const [key, child] of Object.entries(value)) {
    const known = schema.properties?.[key] ?? schema.additionalProperties;
    // The API server knows the whole of metadata without being told.
    if (known !== undefined && key !== 'metadata') kept[key] = prune(known, child);
    else if (schema['x-kubernetes-preserve-unknown-fields'] === true || key === 'metadata') kept[key] = child;
  }
  return kept;
}

/** CEL sees integers as int64 and times as timestamps. */
function celValue(schema: StructuralSchema | undefined, value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (typeof value === 'string') return schema?.format === 'date-time' ? new Date(value) : value;
  if (Array.isArray(value)) return value.map((item) => celValue(schema?.items, item));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => [
      key,
      celValue(schema?.properties?.[key] ?? schema?.additionalProperties, child),
    ]),
  );
}

function evaluate(rule: string, context: Record<string, unknown>): boolean | string {
  const run = compiled.get(rule) ?? environment.parse(rule);
  compiled.set(rule, run);
  try {
    return run(context) === true;
  } catch (error) {
    // An API server counts a rule that cannot be evaluated as broken.
    return error instanceof Error ? error.message : 'failed';
  }
}

function ownRuleProblems(schema: StructuralSchema, at: { path: string; value: unknown; old: unknown }): string[] {
  const rules = (schema['x-kubernetes-validations'] ?? []).filter(
    // A transition rule says nothing about a value that is new.
    ({ rule }) => !rule.includes('oldSelf') || at.old !== undefined,
  );
  return rules.flatMap(({ rule, message }) => {
    const verdict = evaluate(rule, { self: celValue(schema, at.value), oldSelf: celValue(schema, at.old) });
    if (verdict === true) return [];
    return [`${at.path}: ${verdict === false ? message : `${message} (${verdict})`}`];
  });
}

/** The old item of a map list is the one with the same key, as for the API server; other lists have no old items. */
function oldItem(schema: StructuralSchema, old: unknown, item: unknown): unknown {
  const key = schema['x-kubernetes-list-map-keys']?.[0];
  if (key === undefined || !Array.isArray(old) || !isObject(item)) return undefined;
  return (old as Json[]).find((one) => one[key] === item[key]);
}

function celProblems(schema: StructuralSchema, path: string, value: unknown, old: unknown): string[] {
  const own = ownRuleProblems(schema, { path, value, old });
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined) return own;
    return [
      ...own,
      ...value.flatMap((item, i) => celProblems(items, `${path}[${i}]`, item, oldItem(schema, old, item))),
    ];
  }
  if (!isObject(value)) return own;
  const before = isObject(old) ? old : {};
  const inner = Object.entries(value).flatMap(([name, child]) => {
    const known = schema.properties?.[name] ?? schema.additionalProperties;
    return known === undefined ? [] : celProblems(known, `${path}.${name}`, child, before[name]);
  });
  return [...own, ...inner];
}

function listProblems(schema: StructuralSchema, path: string, value: unknown): string[] {
  if (Array.isArray(value)) {
    const key = schema['x-kubernetes-list-map-keys']?.[0];
    const isSet = schema['x-kubernetes-list-type'] === 'set';
    const identities = value.map((item) => JSON.stringify(key === undefined ? item : (item as Json)[key]));
    const repeated = (isSet || key !== undefined) && new Set(identities).size !== identities.length;
    const inner = value.flatMap((item, index) =>
      schema.items === undefined ? [] : listProblems(schema.items, `${path}[${index}]`, item),
    );
    return [...(repeated ? [`${path}: Duplicate value`] : []), ...inner];
  }
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, child]) => {
    const known = schema.properties?.[name] ?? schema.additionalProperties;
    return known === undefined ? [] : listProblems(known, `${path}.${name}`, child);
  });
}

/** A judge for one kind. `object` is not changed. */
export function crdValidator(crd: CustomResourceDefinition): CrdValidator {
  const schema = crd.spec.versions[0]!.schema.openAPIV3Schema;
  const ajv = new Ajv({ strict: false, allErrors: true, useDefaults: true });
  withFormats(ajv);
  const check = ajv.compile(schema);
  const stored = (object: unknown): Json => prune(schema, structuredClone(object)) as Json;
  return (object, old) => {
    const after = stored(object);
    const problems: string[] = [];
    if (!check(after)) {
      problems.push(
        ...(check.errors ?? []).map(({ instancePath, message }) => `${instancePath}: ${message ?? 'invalid'}`),
      );
    }
    problems.push(...listProblems(schema, '', after));
    const before = old === undefined ? undefined : stored(old);
    // What was stored before has its defaults too.
    if (before !== undefined) check(before);
    if (problems.length === 0) problems.push(...celProblems(schema, '', after, before));
    return { accepted: problems.length === 0, problems, stored: after };
  };
}
