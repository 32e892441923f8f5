/**
 * What makes a kind: its names, schemas, root rules and printer columns, as one value that the decoder and the CRD
 * generator both read. `decodeObject` is the only way raw JSON becomes a typed object.
 * Invariants: decoding never throws, reports every problem with its path, tolerates fields it does not know, fills in the
 * same defaults as the CRD, and never repeats a value from a pod template (it may be a secret).
 */
import type { z } from 'zod';
import { err, ok, type Result } from '../../std/result.ts';
import type { FieldRule } from './fields.ts';
import { API_VERSION, type ApiObject, type ApiObjectMeta, type ApiResource } from './kube-object.ts';

/** One thing wrong with an object: where, what is allowed, and (unless it may be secret) what was found. */
export interface FieldProblem {
  /** Dotted path such as `spec.tenants[0].name`. */
  readonly path: string;
  readonly message: string;
}

export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'boolean' | 'date';
  readonly jsonPath: string;
  readonly description: string;
  /** Above 0: only with `-o wide`. */
  readonly priority?: number;
}

export interface KindDefinition<Spec extends z.ZodType = z.ZodType, Status extends z.ZodType = z.ZodType> {
  readonly resource: ApiResource;
  readonly singular: string;
  readonly shortName: string;
  readonly description: string;
  readonly spec: Spec;
  readonly status: Status;
  /** Rules over the whole object; only `metadata.name`, spec and status are visible to CEL there. */
  readonly rootRules: readonly FieldRule<{ readonly metadata: ApiObjectMeta }>[];
  readonly columns: readonly PrinterColumn[];
}

/** Paths below which values are the tenant's own and may be secret. */
const PRIVATE_PATHS = ['spec.template', 'spec.order'];

/** Renders a path as kubectl does: `spec.tenants[0].name`. */
export function renderPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${String(part)}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}

function renderValue(path: string, value: unknown): string {
  if (PRIVATE_PATHS.some((prefix) => path === prefix || path.startsWith(`${prefix}.`))) return '';
  if (value === undefined) return '';
  const text =
    typeof value === 'object' && value !== null
      ? Array.isArray(value)
        ? 'a list'
        : 'an object'
      : JSON.stringify(value);
  return `, got ${text.length > 80 ? `${text.slice(0, 77)}...` : text}`;
}

function describeIssue(issue: z.core.$ZodIssue, prefix: readonly string[]): FieldProblem {
  const path = renderPath([...prefix, ...issue.path]);
  if (issue.code === 'invalid_type' && issue.input === undefined) return { path, message: 'is required' };
  const message = issue.message.replace(/^(Invalid (input|string|option|ISO datetime)|Too (big|small)): /, '');
  return { path, message: `${message}${renderValue(path, issue.input)}` };
}

/** Every problem of a value against a schema, in the order of the schema. `prefix` is where the value stands. */
export function problemsOf(error: z.ZodError, prefix: readonly string[] = []): readonly FieldProblem[] {
  return error.issues.map((issue) => describeIssue(issue, prefix));
}

function decodeMetadata(raw: unknown): Result<ApiObjectMeta, readonly FieldProblem[]> {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    return err([{ path: 'metadata', message: 'must be an object' }]);
  }
  return ok(raw);
}

function decodeTypeMeta(raw: Readonly<Record<string, unknown>>, kind: string): readonly FieldProblem[] {
  const problems: FieldProblem[] = [];
  // Items of a list may come without their type; what is present must be right.
  const found = { apiVersion: raw['apiVersion'], kind: raw['kind'] };
  if (found.apiVersion !== undefined && found.apiVersion !== API_VERSION) {
    problems.push({
      path: 'apiVersion',
      message: `must be ${API_VERSION}${renderValue('apiVersion', found.apiVersion)}`,
    });
  }
  if (found.kind !== undefined && found.kind !== kind) {
    problems.push({ path: 'kind', message: `must be ${kind}${renderValue('kind', found.kind)}` });
  }
  return problems;
}

/** Parses one part of an object. The schema itself is used, never one made for the call: zod compiles each schema once. */
function parsePart(schema: z.ZodType, part: 'spec' | 'status', raw: unknown): Result<unknown, readonly FieldProblem[]> {
  const parsed = schema.safeParse(raw, { reportInput: true });
  return parsed.success ? ok(parsed.data) : err(problemsOf(parsed.error, [part]));
}

interface Parts {
  readonly metadata: Result<ApiObjectMeta, readonly FieldProblem[]>;
  readonly spec: Result<unknown, readonly FieldProblem[]>;
  readonly status: Result<unknown, readonly FieldProblem[]>;
}

const NO_STATUS = ok(undefined);

function decodeParts(kind: KindDefinition, fields: Readonly<Record<string, unknown>>): Parts {
  return {
    metadata: decodeMetadata(fields['metadata']),
    spec: parsePart(kind.spec, 'spec', fields['spec']),
    status: fields['status'] === undefined ? NO_STATUS : parsePart(kind.status, 'status', fields['status']),
  };
}

/** Rules over the whole object; both of those that exist look at the name. */
function brokenRootRules(kind: KindDefinition, metadata: ApiObjectMeta): readonly FieldProblem[] {
  return kind.rootRules
    .filter(({ holds }) => holds !== undefined && !holds({ metadata }))
    .map(({ message }) => ({ path: 'metadata.name', message }));
}

/**
 * Decodes raw JSON of one kind. Unknown fields outside open objects are dropped; defaults are filled in.
 * Metadata is passed through as it is.
 */
export function decodeObject<Kind extends string, Spec, Status>(
  kind: KindDefinition,
  raw: unknown,
): Result<ApiObject<Kind, Spec, Status>, readonly FieldProblem[]> {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    return err([{ path: '', message: 'must be an object' }]);
  }
  const fields = raw as Readonly<Record<string, unknown>>;
  const { metadata, spec, status } = decodeParts(kind, fields);
  const problems = [
    ...decodeTypeMeta(fields, kind.resource.kind),
    ...(metadata.ok ? brokenRootRules(kind, metadata.value) : metadata.error),
    ...(spec.ok ? [] : spec.error),
    ...(status.ok ? [] : status.error),
  ];
  if (problems.length > 0 || !metadata.ok || !spec.ok || !status.ok) return err(problems);
  return ok({
    apiVersion: API_VERSION,
    kind: kind.resource.kind as Kind,
    metadata: metadata.value,
    spec: spec.value as Spec,
    ...(status.value === undefined ? {} : { status: status.value as Status }),
  });
}
