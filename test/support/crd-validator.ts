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

function celProblems(schema: StructuralSchema, path: string, value: unknown, old: unknown): string[] {
  const problems: string[] = [];
  for (const { rule, message } of schema['x-kubernetes-validations'] ?? []) {
    const isTransition = rule.includes('oldSelf');
    if (isTransition && old === undefined) continue;
    const verdict = evaluate(rule, { self: celValue(schema, value), oldSelf: celValue(schema, old) });
    if (verdict !== true) problems.push(`${path}: ${verdict === false ? message : `${message} (${verdict})`}`);
  }
  if (Array.isArray(value)) {
    // Items of a map list are matched by key, as the API server does; others have no old value.
    const key = schema['x-kubernetes-list-map-keys']?.[0];
    const oldItems = Array.isArray(old) && key !== undefined ? (old as Json[]) : [];
    value.forEach((item, index) => {
      const before = oldItems.find((one) => isObject(item) && key !== undefined && one[key] === item[key]);
      if (schema.items !== undefined) problems.push(...celProblems(schema.items, `${path}[${index}]`, item, before));
    });
  } else if (isObject(value)) {
    for (const [name, child] of Object.entries(value)) {
      const known = schema.properties?.[name] ?? schema.additionalProperties;
      if (known !== undefined)
        problems.push(...celProblems(known, `${path}.${name}`, child, isObject(old) ? old[name] : undefined));
    }
  }
  return problems;
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
