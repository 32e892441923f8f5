/**
 * Checks custom objects against their JSON schema with ajv, and words the findings as the real server does:
 * `spec.workers: Invalid value: 0: spec.workers in body should be greater than or equal to 1`.
 */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { type FieldError, invalidValue, required, tooLong, tooMany, typeInvalid, unsupported } from '../field-error.ts';
import { isObject, type Json, type JsonObject, textFor } from '../json-value.ts';

const KNOWN_FORMATS: ReadonlySet<string> = new Set([
  'date',
  'date-time',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uri',
  'uuid',
  'byte',
  'duration',
  'int32',
  'int64',
]);

/** Members that ajv understands and that hold further schemas. */
const NESTED_LISTS = ['allOf', 'anyOf', 'oneOf'] as const;
const PLAIN_MEMBERS = [
  'type',
  'nullable',
  'enum',
  'maximum',
  'minimum',
  'multipleOf',
  'maxLength',
  'minLength',
  'pattern',
  'maxItems',
  'minItems',
  'uniqueItems',
  'maxProperties',
  'minProperties',
  'required',
] as const;

function properties(source: JsonObject): JsonObject {
  const result: JsonObject = {};
  for (const [name, member] of Object.entries(source)) if (isObject(member)) result[name] = toJsonSchema(member);
  return result;
}

function bounds(source: JsonObject, result: JsonObject): void {
  for (const [limit, exclusive] of [
    ['maximum', 'exclusiveMaximum'],
    ['minimum', 'exclusiveMinimum'],
  ] as const) {
    if (source[exclusive] !== true || source[limit] === undefined) continue;
    result[exclusive] = source[limit];
    Reflect.deleteProperty(result, limit);
  }
}

const NESTED = ['additionalProperties', 'items', 'not'] as const;

function nested(source: JsonObject, result: JsonObject): void {
  if (isObject(source['properties'])) result['properties'] = properties(source['properties']);
  for (const member of NESTED) {
    const schema = source[member];
    if (isObject(schema)) result[member] = toJsonSchema(schema);
  }
  for (const list of NESTED_LISTS) {
    const schemas = source[list];
    if (Array.isArray(schemas)) result[list] = schemas.filter(isObject).map(toJsonSchema);
  }
}

/** OpenAPI 3.0 to the JSON schema dialect that ajv speaks; extensions are dropped. */
function toJsonSchema(source: JsonObject): JsonObject {
  const result: JsonObject = {};
  for (const member of PLAIN_MEMBERS) if (source[member] !== undefined) result[member] = source[member];
  bounds(source, result);
  if (typeof source['format'] === 'string' && KNOWN_FORMATS.has(source['format'])) result['format'] = source['format'];
  nested(source, result);
  if (source['x-kubernetes-int-or-string'] === true) {
    Reflect.deleteProperty(result, 'anyOf');
    Reflect.deleteProperty(result, 'nullable');
    result['type'] = source['nullable'] === true ? ['integer', 'string', 'null'] : ['integer', 'string'];
  }
  return result;
}

const GO_DURATION = /^[-+]?(\d+(\.\d*)?(ns|us|µs|ms|s|m|h|d|w))+$|^0$/;

function createAjv(): Ajv {
  const ajv = new Ajv({ allErrors: true, verbose: true, strict: false, logger: false, unicodeRegExp: false });
  // The default export of a CommonJS module reaches ESM as a namespace whose `default` is the function.
  addFormats.default(ajv);
  ajv.addFormat('duration', GO_DURATION);
  ajv.addFormat('byte', /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/);
  ajv.addFormat('int32', { type: 'number', validate: (n: number) => Math.abs(n) <= 2 ** 31 });
  ajv.addFormat('int64', { type: 'number', validate: (n: number) => Number.isInteger(n) });
  return ajv;
}

function fieldPath(pointer: string, base: string): string {
  let path = base;
  for (const part of pointer.split('/').slice(1)) {
    const step = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (/^\d+$/.test(step)) path += `[${step}]`;
    else path += path === '' ? step : `.${step}`;
  }
  return path;
}

function typeName(value: Json): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function numericBound(error: ErrorObject, path: string, value: Json): FieldError {
  const { limit } = error.params as { limit: number };
  const texts: Readonly<Record<string, string>> = {
    minimum: 'greater than or equal to',
    maximum: 'less than or equal to',
    exclusiveMinimum: 'greater than',
    exclusiveMaximum: 'less than',
  };
  return invalidValue(path, value, `${path} in body should be ${texts[error.keyword] ?? 'within'} ${limit}`);
}

function sizeBound(error: ErrorObject, path: string, value: Json): FieldError | undefined {
  const { limit } = error.params as { limit: number };
  const size = Array.isArray(value) ? value.length : isObject(value) ? Object.keys(value).length : 0;
  switch (error.keyword) {
    case 'maxLength':
      return tooLong(path, limit);
    case 'minLength':
      return invalidValue(path, value, `${path} in body should be at least ${limit} chars long`);
    case 'maxItems':
    case 'maxProperties':
      return tooMany(path, size, limit);
    case 'minItems':
      return invalidValue(path, size, `${path} in body should have at least ${limit} items`);
    case 'minProperties':
      return invalidValue(path, size, `${path} in body should have at least ${limit} properties`);
    default:
      return undefined;
  }
}

function valueProblem(error: ErrorObject, path: string, value: Json): FieldError {
  const params = error.params as Record<string, Json>;
  switch (error.keyword) {
    case 'enum':
      return unsupported(path, value, (params['allowedValues'] as Json[] | undefined) ?? []);
    case 'pattern':
      return invalidValue(path, value, `${path} in body should match '${textFor(params['pattern'])}'`);
    case 'format':
      return invalidValue(
        path,
        value,
        `${path} in body must be of type ${textFor(params['format'])}: ${JSON.stringify(value)}`,
      );
    case 'multipleOf':
      return invalidValue(path, value, `${path} in body should be a multiple of ${textFor(params['multipleOf'])}`);
    case 'uniqueItems':
      return invalidValue(path, value, `${path} in body shouldn't contain duplicates`);
    case 'anyOf':
      return invalidValue(path, '', `${path} in body must validate at least one schema (anyOf)`);
    case 'oneOf':
      return invalidValue(path, '', `${path} in body must validate one and only one schema (oneOf)`);
    case 'not':
      return invalidValue(path, '', `${path} in body must not validate the schema (not)`);
    default:
      return invalidValue(path, value, `${path} in body ${error.message ?? 'is not valid'}`);
  }
}

function typeProblem(error: ErrorObject, path: string, value: Json): FieldError {
  const { type } = error.params as { type: string | readonly string[] };
  const wanted = typeof type === 'string' ? type : type.join(',');
  const got = typeName(value);
  return typeInvalid(path, got, `${path} in body must be of type ${wanted}: ${JSON.stringify(got)}`);
}

const NUMERIC: ReadonlySet<string> = new Set(['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum']);

function asFieldError(error: ErrorObject, base: string): FieldError {
  const path = fieldPath(error.instancePath, base);
  const value = (error.data ?? null) as Json;
  if (error.keyword === 'required') {
    const { missingProperty } = error.params as { missingProperty: string };
    return required(path === '' ? missingProperty : `${path}.${missingProperty}`);
  }
  if (error.keyword === 'type') return typeProblem(error, path, value);
  if (NUMERIC.has(error.keyword)) return numericBound(error, path, value);
  return sizeBound(error, path, value) ?? valueProblem(error, path, value);
}

/** Findings inside the branches of anyOf and the like are told by the branch's own line alone. */
function isInsideBranch(error: ErrorObject): boolean {
  return /\/(anyOf|oneOf|not)\/?\d*\//.test(error.schemaPath);
}

export type ValueValidator = (value: Json, path: string) => readonly FieldError[];

/** Compiles on first use. Throws (from ajv) when the schema is none, e.g. for an impossible pattern. */
export function compileValidator(source: JsonObject): ValueValidator {
  let compiled: ValidateFunction | undefined;
  return (value, path) => {
    compiled ??= createAjv().compile(toJsonSchema(source));
    if (compiled(value)) return [];
    const errors = (compiled.errors ?? []).filter((error) => !isInsideBranch(error));
    return errors.map((error) => asFieldError(error, path));
  };
}

/** For validation of the schema itself. */
export function checkSchemaCompiles(source: JsonObject): string | undefined {
  try {
    createAjv().compile(toJsonSchema(source));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
