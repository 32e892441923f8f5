/**
 * What never reaches a log line, and how any value becomes plain JSON.
 *
 * Invariants: a field whose name contains token, secret, password, authorization, cookie, credential or names a private key
 * shows `[redacted]` whatever it holds; PEM private keys, bearer and basic credentials and JSON web tokens inside texts are
 * cut out; cyclic, deep and huge values end in a marker instead of an exception. Names that only *refer* to a Secret
 * (`secretName`, `tokenId`, `secretRef`...) stay, or nobody could debug a missing one.
 */

const redacted = '[redacted]';
const secretName =
  /token|secret|passw(or)?d|authorization|cookie|credential|private[-_. ]?key|key[-_. ]?pem|api[-_. ]?key/i;
const referenceName =
  /(Names?|Namespace|Ref|Refs|Id|Ids|Kind|Type|Count|Seconds|Ms|Present|Expiry)$|[-_.](names?|ref|id|count|seconds|ms)$/;
const secretTexts: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g, redacted],
  [/\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi, `$1 ${redacted}`],
  [/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g, redacted],
];
const deepest = 6;
const longestText = 8_192;
const mostEntries = 200;

/** `text` without private keys and credentials, cut at 8,192 characters. */
export function redactText(text: string): string {
  let out = text;
  for (const [pattern, replacement] of secretTexts) out = out.replace(pattern, replacement);
  return out.length > longestText ? `${out.slice(0, longestText)}... (${out.length} characters)` : out;
}

/** Whether a field of this name is hidden. */
export function isSecretName(name: string): boolean {
  return secretName.test(name) && !referenceName.test(name);
}

/** Fields as plain JSON values without secrets. Never throws. */
export function plainFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return plainRecord(fields, 0, new Set());
}

function plainRecord(record: object, depth: number, above: Set<object>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  let entries = 0;
  for (const [name, value] of Object.entries(record)) {
    if (value === undefined) continue;
    if ((entries += 1) > mostEntries) {
      out['...'] = 'more entries left out';
      break;
    }
    out[name] = isSecretName(name) ? redacted : plainValue(value, depth + 1, above);
  }
  return out;
}

function plainValue(value: unknown, depth: number, above: Set<object>): unknown {
  switch (typeof value) {
    case 'string':
      return redactText(value);
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'boolean':
      return value;
    case 'bigint':
      return value.toString();
    case 'object':
      return value === null ? null : plainObject(value, depth, above);
    case 'undefined':
      return null;
    case 'function':
    case 'symbol':
      return `[${typeof value}]`;
  }
}

function plainObject(value: object, depth: number, above: Set<object>): unknown {
  if (above.has(value)) return '[cycle]';
  if (depth > deepest) return '[too deep]';
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  above.add(value);
  try {
    if (value instanceof Error) return plainError(value, depth, above);
    if (value instanceof Map) return plainRecord(Object.fromEntries(value) as object, depth, above);
    const list = value instanceof Set ? [...(value as Set<unknown>)] : value;
    if (Array.isArray(list)) return plainList(list, depth, above);
    return plainRecord(value, depth, above);
  } finally {
    above.delete(value);
  }
}

function plainList(list: readonly unknown[], depth: number, above: Set<object>): unknown[] {
  const out = list.slice(0, mostEntries).map((item) => plainValue(item, depth + 1, above));
  if (list.length > mostEntries) out.push(`... ${list.length - mostEntries} more`);
  return out;
}

/** An error as its class, message, own fields and stack; causes and members of an aggregate included. */
function plainError(error: Error, depth: number, above: Set<object>): Record<string, unknown> {
  const out: Record<string, unknown> = { error: error.name, message: redactText(error.message) };
  Object.assign(out, plainRecord(withoutStandardFields(error), depth, above));
  if (error.stack !== undefined) out['stack'] = redactText(error.stack);
  if (error.cause !== undefined) out['cause'] = plainValue(error.cause, depth + 1, above);
  if (error instanceof AggregateError) out['errors'] = plainList(error.errors as unknown[], depth, above);
  return out;
}

function withoutStandardFields(error: Error): Record<string, unknown> {
  const { name: _name, message: _message, stack: _stack, cause: _cause, ...own } = error as Error & { cause?: unknown };
  return own;
}
