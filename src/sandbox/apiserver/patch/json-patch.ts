/** JSON patch (RFC 6902) with the real server's answers for what cannot be applied. */
import jsonPatch, { type Operation } from 'fast-json-patch';
import { cloneJson, isObject, type Json, type JsonObject } from '../json-value.ts';
import { ApiError, badRequest } from '../status-error.ts';

const MAX_OPERATIONS = 10_000;

function operations(value: Json): readonly JsonObject[] {
  if (!Array.isArray(value))
    throw badRequest('error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch');
  if (value.length > MAX_OPERATIONS) {
    const text = `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${value.length}`;
    throw new ApiError(413, 'RequestEntityTooLarge', text);
  }
  return value.filter(isObject);
}

function failure(error: unknown): ApiError {
  const detail = error instanceof jsonPatch.JsonPatchError ? error.name : 'cannot be applied';
  const text =
    detail === 'TEST_OPERATION_FAILED'
      ? 'the server rejected our request due to an error in our request: testing value failed: test failed'
      : `the server rejected our request due to an error in our request: ${detail}`;
  return new ApiError(422, 'Invalid', text);
}

export function applyJsonPatch(target: JsonObject, patch: Json): JsonObject {
  const list = operations(patch) as unknown as readonly Operation[];
  try {
    const result: unknown = jsonPatch.applyPatch(cloneJson(target), list, true, true).newDocument;
    if (isObject(result as Json)) return result as JsonObject;
  } catch (error) {
    throw failure(error);
  }
  throw badRequest('the patch does not leave an object');
}
