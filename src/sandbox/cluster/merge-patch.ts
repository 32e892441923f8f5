/**
 * The smallest JSON merge patch from one value of a status to another, so that a write that would change nothing is not sent.
 *
 * Invariants: applying the patch to `old` gives `next`; undefined means that they are equal. Lists are replaced whole, as
 * merge patches do. Values are plain JSON; a member that is undefined counts as absent.
 */
type Json = Readonly<Record<string, unknown>>;

export function mergePatchBetween(old: Json, next: Json): Json | undefined {
  const patch: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(next)) {
    if (value === undefined) continue;
    const before = old[key];
    if (sameJson(before, value)) continue;
    patch[key] = isPlain(before) && isPlain(value) ? (mergePatchBetween(before, value) ?? {}) : value;
  }
  for (const [key, value] of Object.entries(old)) {
    if (value !== undefined && next[key] === undefined) patch[key] = null;
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

/** Deep equality of JSON values, whatever the order of members. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, i) => sameJson(item, b[i]));
  }
  if (!isPlain(a) || !isPlain(b)) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => sameJson(a[key], b[key]));
}

function isPlain(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
