/**
 * How decoded protobuf is checked before it becomes a core value: one collector per message, bounds on every string,
 * list and number, all problems with their path. Protobuf itself bounds nothing: a peer can send any length, a missing
 * message and any number of an enum.
 * Invariants: checks never throw; a value returned after a problem is only a placeholder, and the message is then refused
 * by `finish`. Values are never repeated in problems, since they may be secrets.
 */
import { err, ok, type Result } from '../std/result.ts';

/** One thing wrong with a message: where and what is allowed. */
export interface WireProblem {
  /** Dotted path in proto field names as in TypeScript, e.g. `runs[3].id.fence`; empty for the message itself. */
  readonly path: string;
  readonly message: string;
}

export type WireResult<T> = Result<T, readonly WireProblem[]>;

/** A message with more problems than this is refused with the first ones. */
const PROBLEM_LIMIT = 20;

/** Whole numbers travel as uint64 and must be exact here. */
const MAX_EXACT = BigInt(Number.MAX_SAFE_INTEGER);

export class FieldChecks {
  readonly #problems: WireProblem[] = [];

  problem(path: string, message: string): void {
    if (this.#problems.length < PROBLEM_LIMIT) this.#problems.push({ path, message });
  }

  get failed(): boolean {
    return this.#problems.length > 0;
  }

  /** A string of `min` to `max` UTF-16 units without NUL. */
  text(path: string, value: string, bounds: { readonly max: number; readonly min?: number }): string {
    const min = bounds.min ?? 0;
    if (value.length < min) this.problem(path, min === 1 ? 'is required' : `must have at least ${min} characters`);
    else if (value.length > bounds.max)
      this.problem(path, `must have at most ${bounds.max} characters, has ${value.length}`);
    else if (value.includes('\u0000')) this.problem(path, 'must not contain NUL');
    return value;
  }

  /** A string that must be present and match. */
  matching(
    path: string,
    value: string,
    rule: { readonly pattern: RegExp; readonly max: number; readonly allowed: string },
  ): string {
    this.text(path, value, { min: 1, max: rule.max });
    if (value !== '' && value.length <= rule.max && !rule.pattern.test(value))
      this.problem(path, `must be ${rule.allowed}`);
    return value;
  }

  /** A whole number within bounds; 64-bit ones beyond 2^53 - 1 are refused, since they would not stay exact. */
  whole(path: string, value: number | bigint, bounds: { readonly min?: number; readonly max?: number } = {}): number {
    const min = bounds.min ?? 0;
    const max = bounds.max ?? Number.MAX_SAFE_INTEGER;
    const exact = typeof value === 'bigint' ? value >= -MAX_EXACT && value <= MAX_EXACT : Number.isSafeInteger(value);
    const number = Number(value);
    if (!exact || number < min || number > max) {
      this.problem(path, `must be a whole number from ${min} to ${max}`);
      return min;
    }
    return number;
  }

  bytes(path: string, value: Uint8Array, bounds: { readonly max: number; readonly min?: number }): Uint8Array {
    if (value.length < (bounds.min ?? 0))
      this.problem(path, `must have at least ${bounds.min ?? 0} bytes, has ${value.length}`);
    if (value.length > bounds.max) this.problem(path, `must have at most ${bounds.max} bytes, has ${value.length}`);
    return value;
  }

  /** Decodes each item unless the list is too long. */
  list<In, Out>(
    path: string,
    items: readonly In[],
    max: number,
    decode: (path: string, item: In) => Out,
  ): readonly Out[] {
    if (items.length > max) {
      this.problem(path, `must have at most ${max} items, has ${items.length}`);
      return [];
    }
    return items.map((item, index) => decode(`${path}[${index}]`, item));
  }

  /** A list without repetitions by `key`. */
  distinct<T>(path: string, items: readonly T[], key: (item: T) => string): readonly T[] {
    const seen = new Set<string>();
    items.forEach((item, index) => {
      const identity = key(item);
      if (seen.has(identity)) this.problem(`${path}[${index}]`, 'repeats an earlier item');
      seen.add(identity);
    });
    return items;
  }

  /** A message that must be present. */
  required<In, Out>(
    path: string,
    value: In | undefined,
    decode: (path: string, value: In) => Out,
    placeholder: Out,
  ): Out {
    if (value === undefined) {
      this.problem(path, 'is required');
      return placeholder;
    }
    return decode(path, value);
  }

  /** The value, or every problem that was found on the way. */
  finish<T>(value: T): WireResult<T> {
    return this.#problems.length === 0 ? ok(value) : err(this.#problems);
  }
}

/** Parses bytes by a generated decoder; truncated or malformed bytes become a problem instead of an exception. */
export function parseBytes<T>(decode: (bytes: Uint8Array) => T, bytes: Uint8Array): WireResult<T> {
  try {
    return ok(decode(bytes));
  } catch (error) {
    // The generated reader throws plain Errors and RangeErrors for truncated varints, bad wire types and wrong lengths.
    const detail = error instanceof Error ? error.message : 'unreadable';
    return err([{ path: '', message: `is not a valid protobuf message: ${detail}` }]);
  }
}

/** For the log line and the goodbye of a refused message. */
export function describeProblems(problems: readonly WireProblem[]): string {
  return problems.map(({ path, message }) => (path === '' ? message : `${path} ${message}`)).join('; ');
}
