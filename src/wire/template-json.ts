/**
 * The pod template as bytes on the wire: JSON, kept as the tenant wrote it. Bounded in size and depth, so that no later
 * walk over it can be driven into the ground; a `__proto__` key is refused, since no Kubernetes field has that name.
 */
import type { FieldChecks } from './field-checks.ts';
import { TEMPLATE_BYTES_MAX, TEMPLATE_DEPTH_MAX } from './wire-limits.ts';

type Flaw = 'too deep' | 'a __proto__ key';

function findFlaw(value: unknown, depth: number): Flaw | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth >= TEMPLATE_DEPTH_MAX) return 'too deep';
  if (Object.hasOwn(value, '__proto__')) return 'a __proto__ key';
  for (const item of Object.values(value)) {
    const flaw = findFlaw(item, depth + 1);
    if (flaw !== undefined) return flaw;
  }
  return undefined;
}

function parseJson(bytes: Uint8Array): { readonly json: unknown } | undefined {
  try {
    return { json: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown };
  } catch {
    // Neither UTF-8 nor JSON: the caller names the field; the text itself may hold a tenant's secrets.
    return undefined;
  }
}

/** The template, or a problem at `path` and an empty object. Contents are never repeated: they may be secrets. */
export function parseTemplate(checks: FieldChecks, path: string, bytes: Uint8Array): unknown {
  checks.bytes(path, bytes, { min: 2, max: TEMPLATE_BYTES_MAX });
  if (bytes.length < 2 || bytes.length > TEMPLATE_BYTES_MAX) return {};
  const parsed = parseJson(bytes);
  if (parsed === undefined || typeof parsed.json !== 'object' || parsed.json === null || Array.isArray(parsed.json)) {
    checks.problem(path, 'must be a JSON object in UTF-8');
    return {};
  }
  const flaw = findFlaw(parsed.json, 0);
  if (flaw === 'too deep') checks.problem(path, `must not be nested deeper than ${TEMPLATE_DEPTH_MAX}`);
  if (flaw === 'a __proto__ key') checks.problem(path, 'must not have a __proto__ key');
  return flaw === undefined ? parsed.json : {};
}
