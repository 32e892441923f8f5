/** JSON merge patch (RFC 7396). Shares what the patch does not touch. */
import { isObject, type Json, type JsonObject } from '../json-value.ts';

function withoutNulls(value: Json): Json {
  if (!isObject(value)) return value;
  const result: JsonObject = {};
  for (const key in value) {
    const member = value[key];
    if (member !== null && member !== undefined) result[key] = withoutNulls(member);
  }
  return result;
}

export function applyMergePatch(target: JsonObject, patch: JsonObject): JsonObject {
  const result: JsonObject = { ...target };
  for (const key in patch) {
    const member = patch[key];
    const present = target[key];
    if (member === null) Reflect.deleteProperty(result, key);
    else if (isObject(member) && isObject(present)) result[key] = applyMergePatch(present, member);
    else if (member !== undefined) result[key] = withoutNulls(member);
  }
  return result;
}
