/**
 * The vocabulary of every kind's schema: one function per sort of field. Each returns a zod schema that carries both the
 * check and the metadata the CRD generator reads, so that a bound is written once and holds in both places.
 * Invariants: every field has a description and an upper bound (length, items, properties or range), which keeps CEL cheap;
 * a CEL rule stands beside the predicate that means the same. Leaves out: defaults and optionality, which each kind decides.
 */
import { z } from 'zod';
import { parseDurationSeconds } from './duration.ts';

/** One `x-kubernetes-validations` entry with the predicate that says the same in TypeScript. */
export interface FieldRule<T> {
  /** CEL, evaluated by the API server with `self` as this value. */
  readonly rule: string;
  /** What is allowed, for a person. */
  readonly message: string;
  /** The same rule for the decoder. Absent for transition rules (`oldSelf`), which only an update can break. */
  readonly holds?: (value: T) => boolean;
}

interface ListShape {
  readonly max: number;
  readonly min?: number;
  /** `map` needs `key`; absent means atomic. */
  readonly type?: 'set' | 'map';
  readonly key?: string;
}

/** RFC 1123 label. */
export const LABEL_NAME_PATTERN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
/** RFC 1123 subdomain: what object names are. */
export const SUBDOMAIN_PATTERN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const JURISDICTION_PATTERN = /^[A-Z]{2}$/;
/** Non-negative Kubernetes quantity. */
export const QUANTITY_PATTERN =
  /^[0-9]{1,15}(\.[0-9]{1,9})?(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]{1,2})?$/;
const DURATION_PATTERN = /^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$/;
const TIMESTAMP_PATTERN = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$/;
const SHA256_PATTERN = /^[0-9a-f]{64}$/;

/** Attaches rules to a schema: CEL for the API server, predicates for the decoder. */
export function withRules<S extends z.ZodType>(schema: S, rules: readonly FieldRule<z.output<S>>[]): S {
  let checked: z.ZodType = schema;
  for (const { holds, message } of rules) {
    if (holds !== undefined) checked = checked.refine((value) => holds(value as z.output<S>), message);
  }
  const described = checked as S;
  return described.meta({
    ...schema.meta(),
    'x-kubernetes-validations': rules.map(({ rule, message }) => ({ rule, message })),
  });
}

interface TextShape {
  readonly max?: number;
  readonly min?: number;
  readonly pattern?: RegExp;
  /** What the pattern allows, for a person. */
  readonly allowed?: string;
}

export function text(description: string, shape: TextShape = {}): z.ZodString {
  let schema = z.string().max(shape.max ?? 253);
  if (shape.min !== undefined) schema = schema.min(shape.min);
  if (shape.pattern !== undefined)
    schema = schema.regex(shape.pattern, `must be ${shape.allowed ?? String(shape.pattern)}`);
  return schema.meta({ description });
}

/** An RFC 1123 label, such as a namespace's or a tenant's name. */
export function labelName(description: string): z.ZodString {
  return text(description, {
    min: 1,
    max: 63,
    pattern: LABEL_NAME_PATTERN,
    allowed: 'lower-case letters, digits and "-", beginning and ending with a letter or digit',
  });
}

/** An object's name: an RFC 1123 subdomain. */
export function objectName(description: string): z.ZodString {
  return text(description, {
    min: 1,
    max: 253,
    pattern: SUBDOMAIN_PATTERN,
    allowed: 'lower-case letters, digits, "-" and ".", beginning and ending with a letter or digit',
  });
}

/** ISO 3166-1 alpha-2 country code. */
export function jurisdiction(description: string): z.ZodString {
  return text(description, {
    min: 2,
    max: 2,
    pattern: JURISDICTION_PATTERN,
    allowed: 'an ISO 3166-1 alpha-2 country code in upper case, such as ID',
  });
}

export function sha256Hex(description: string): z.ZodString {
  return text(description, { min: 64, max: 64, pattern: SHA256_PATTERN, allowed: '64 lower-case hexadecimal digits' });
}

export function integer(description: string, range: { readonly min: number; readonly max: number }): z.ZodInt {
  return z.int().min(range.min).max(range.max).meta({ description });
}

/** A count of things: 0 to 2^31 - 1. */
export function count(description: string): z.ZodInt {
  return integer(description, { min: 0, max: 2_147_483_647 });
}

/** A non-negative integer that may grow large: fences, GPU-seconds, generations. At most 2^53 - 1, exact in a double. */
export function counter(description: string): z.ZodInt {
  return integer(description, { min: 0, max: Number.MAX_SAFE_INTEGER });
}

export function flag(description: string): z.ZodBoolean {
  return z.boolean().meta({ description });
}

export function choice<const V extends readonly [string, ...string[]]>(
  description: string,
  values: V,
): z.ZodEnum<{ [K in V[number]]: K }> {
  return z.enum(values).meta({ description });
}

/** A duration in Kubernetes' form in whole hours, minutes and seconds (`1h30m`), within the bounds given in seconds. */
export function duration(
  description: string,
  range: { readonly minSeconds: number; readonly maxSeconds: number },
): z.ZodString {
  const base = text(description, {
    min: 2,
    max: 24,
    pattern: DURATION_PATTERN,
    allowed: 'a duration in whole hours, minutes and seconds, such as 1h30m or 45s',
  });
  const { minSeconds, maxSeconds } = range;
  return withRules(base, [
    {
      rule: `duration(self).getSeconds() >= ${String(minSeconds)} && duration(self).getSeconds() <= ${String(maxSeconds)}`,
      message: `must be from ${String(minSeconds)}s to ${String(maxSeconds)}s`,
      holds: (value) => {
        const seconds = parseDurationSeconds(value);
        // The pattern reports what is no duration at all.
        return seconds === undefined || (seconds >= minSeconds && seconds <= maxSeconds);
      },
    },
  ]);
}

/** A non-negative Kubernetes quantity such as `40Gi` or `2`, written as a string or an integer. */
export function quantity(description: string): z.ZodUnion<readonly [z.ZodInt, z.ZodString]> {
  const message = 'must be a quantity that is not negative, such as 40Gi, 500m or 2';
  return z
    .union([z.int(message).min(0, message), z.string().max(32, message).regex(QUANTITY_PATTERN, message)], message)
    .meta({ description, 'x-kubernetes-int-or-string': true, pattern: QUANTITY_PATTERN.source });
}

/** RFC 3339 time. */
export function timestamp(description: string): z.ZodString {
  return z
    .string()
    .max(40)
    .refine((value) => TIMESTAMP_PATTERN.test(value) && !Number.isNaN(Date.parse(value)), 'must be an RFC 3339 time')
    .meta({ description, format: 'date-time' });
}

export function list<S extends z.ZodType>(description: string, item: S, shape: ListShape): z.ZodArray<S> {
  let schema = z.array(item).max(shape.max);
  if (shape.min !== undefined) schema = schema.min(shape.min);
  if (shape.type === undefined) return schema.meta({ description, 'x-kubernetes-list-type': 'atomic' });
  const { key } = shape;
  const unique = schema.superRefine((items, context) => {
    const seen = new Set<string>();
    items.forEach((value, index) => {
      const identity = JSON.stringify(key === undefined ? value : (value as Record<string, unknown>)[key]);
      if (seen.has(identity)) {
        const path = key === undefined ? [index] : [index, key];
        context.addIssue({ code: 'custom', message: `must not repeat ${identity}`, path });
      }
      seen.add(identity);
    });
  });
  return unique.meta({
    description,
    'x-kubernetes-list-type': shape.type,
    ...(key === undefined ? {} : { 'x-kubernetes-list-map-keys': [key] }),
  });
}

/** A map with free keys, such as labels. `additionalProperties: string` keeps YAML's bare `y` from arriving as a boolean. */
export function mapOf<S extends z.ZodType>(description: string, value: S, max: number): z.ZodRecord<z.ZodString, S> {
  return z
    .record(z.string(), value)
    .refine((entries) => Object.keys(entries).length <= max, `must have at most ${String(max)} entries`)
    .meta({ description, maxProperties: max });
}

/** Labels: values of at most 63 characters. */
export function labelMap(description: string, max = 64): z.ZodRecord<z.ZodString, z.ZodString> {
  return mapOf(description, z.string().max(63), max);
}

/** An object whose fields are all known here: the API server prunes the rest, the decoder drops it. */
export function object<S extends z.core.$ZodLooseShape>(description: string, shape: S): z.ZodObject<S> {
  return z.object(shape).meta({ description });
}

/** An object of which some fields are known here and all are kept, such as a pod template. */
export function openObject<S extends z.core.$ZodLooseShape>(
  description: string,
  shape: S,
): z.ZodObject<S, z.core.$loose> {
  return z.looseObject(shape).meta({ description, 'x-kubernetes-preserve-unknown-fields': true });
}

/** A string that only documents itself: reasons, causes, phases that may gain values in later versions. */
export function word(description: string): z.ZodString {
  return text(description, { max: 64, pattern: /^([A-Za-z][A-Za-z0-9]*)?$/, allowed: 'a CamelCase word' });
}
