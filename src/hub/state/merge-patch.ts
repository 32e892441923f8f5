/**
 * The JSON merge patch (RFC 7386) from one value to another: what changed and nothing else, so that a write of one field does
 * not carry the whole status. Lists are replaced whole. Pure.
 */
type Json = Readonly<Record<string, unknown>>;

/** Undefined when both are equal; else a patch that makes `after` out of `before`. Fields of value undefined count as absent. */
export function mergePatchBetween(before: Json, after: Json): Record<string, unknown> | undefined {
  const patch: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [old, next] = [before[name], after[name]];
    if (next === undefined) {
      if (old !== undefined && old !== null) patch[name] = null;
    } else if (isObject(next) && isObject(old)) {
      const nested = mergePatchBetween(old, next);
      if (nested !== undefined) patch[name] = nested;
    } else if (!sameJson(old, next)) patch[name] = next;
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Equality of JSON values, whatever the order of keys. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => sameJson(item, b[i]));
  if (!isObject(a) || !isObject(b)) return false;
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => sameJson(a[name], b[name]));
}
