/**
 * Reads a request body into JSON, from JSON, YAML or Kubernetes protobuf. Decides which encodings are taken; what the
 * body may contain is decided by the kind's schema.
 */
import { parse as parseYaml, YAMLError } from 'yaml';
import { isObject, type Json, type JsonObject } from '../json-value.ts';
import { decodeProtobuf } from '../protobuf/decode.ts';
import type { BuiltinTypes } from '../schema/builtin-notation.ts';
import { badRequest, unsupportedMediaType } from '../status-error.ts';
import type { ApiCall } from './api-call.ts';
import { duplicateFields } from './duplicate-fields.ts';
import { mediaType } from './media-type.ts';

export const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf';
const OBJECT_TYPES = ['application/json', 'application/yaml', PROTOBUF_TYPE];

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

/** Said in the query, else Warn as the real server defaults. */
export function fieldValidationOf(query: URLSearchParams): FieldValidation {
  const text = query.get('fieldValidation');
  if (text === null || text === '') return 'Warn';
  if (text === 'Ignore' || text === 'Warn' || text === 'Strict') return text;
  throw badRequest(
    `invalid fieldValidation: Unsupported value: "${text}": supported values: "Ignore", "Strict", "Warn"`,
  );
}

export interface DecodedBody {
  readonly object: JsonObject;
  /** Members that the text named twice; looked for only when the client asked for field validation. */
  readonly duplicates: readonly string[];
}

export function parseJson(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    const why = error instanceof Error ? error.message : 'malformed JSON';
    throw badRequest(`couldn't get version/kind; json parse error: ${why}`);
  }
}

function fromYaml(text: string): Json {
  try {
    return parseYaml(text) as Json;
  } catch (error) {
    if (error instanceof YAMLError)
      throw badRequest(`error converting YAML to JSON: ${error.message.split('\n')[0] ?? ''}`);
    throw error;
  }
}

/** JSON text starts like JSON whatever the header says: kubectl sends JSON as `application/apply-patch+yaml`. */
export function parseYamlOrJson(bytes: Uint8Array): Json {
  const text = Buffer.from(bytes).toString();
  return text.trimStart().startsWith('{') ? parseJson(text) : fromYaml(text);
}

function asObject(value: Json): JsonObject {
  if (isObject(value)) return value;
  throw badRequest('the body of the request must be an object');
}

export function decodeBody(call: ApiCall, types: BuiltinTypes): DecodedBody {
  const type = mediaType(call.headers['content-type']) || 'application/json';
  if (!OBJECT_TYPES.includes(type)) throw unsupportedMediaType(type, OBJECT_TYPES);
  if (type === PROTOBUF_TYPE) return { object: decodeProtobuf(call.body, types), duplicates: [] };
  if (type === 'application/yaml') return { object: asObject(parseYamlOrJson(call.body)), duplicates: [] };
  const text = Buffer.from(call.body.buffer, call.body.byteOffset, call.body.byteLength).toString();
  const object = asObject(parseJson(text));
  const asked = call.query.get('fieldValidation');
  return { object, duplicates: asked === 'Strict' || asked === 'Warn' ? duplicateFields(text) : [] };
}

/** DELETE bodies are optional. */
export function decodeOptionalBody(call: ApiCall, types: BuiltinTypes): JsonObject {
  return call.body.byteLength === 0 ? {} : decodeBody(call, types).object;
}
