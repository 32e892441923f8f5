/**
 * Small parsers for configuration values, from the text of a flag or variable or from the JSON value of a file.
 *
 * Invariants: a parser takes its whole input or refuses it; `allowed` says in words what it takes, and stands in every
 * problem. Leaves out where values come from (config.ts).
 */
import { isIP } from 'node:net';
import { err, ok, type Result } from '../../std/result.ts';

export interface Parser<T> {
  /** What is allowed, as it stands in a problem: `a port from 0 to 65535`. */
  readonly allowed: string;
  /** From a string (environment, flag) or a JSON value (file). The error says what is wrong. */
  parse(raw: unknown): Result<T, string>;
}

export interface TextOptions {
  readonly pattern?: RegExp;
  /** What the pattern means, in words; wanted with `pattern`. */
  readonly allowed?: string;
  /** Default 4,096. */
  readonly maxLength?: number;
}

/** A non-empty text without surrounding white space. */
export function text(options: TextOptions = {}): Parser<string> {
  const { pattern, maxLength = 4_096 } = options;
  const allowed = options.allowed ?? `a text of 1 to ${maxLength} characters`;
  return parser(allowed, (raw) => {
    const value = typeof raw === 'string' ? raw.trim() : typeof raw === 'number' ? String(raw) : undefined;
    if (value === undefined || value === '' || value.length > maxLength) return undefined;
    return pattern === undefined || pattern.test(value) ? value : undefined;
  });
}

export function integer(range: { readonly min: number; readonly max: number }): Parser<number> {
  return parser(`a whole number from ${range.min} to ${range.max}`, (raw) => {
    const value =
      typeof raw === 'number' ? raw : typeof raw === 'string' && /^[+-]?\d+$/.test(raw.trim()) ? Number(raw) : NaN;
    return Number.isSafeInteger(value) && value >= range.min && value <= range.max ? value : undefined;
  });
}

/** true or false; `1`, `0`, `yes`, `no`, `on`, `off` too. */
export function boolean(): Parser<boolean> {
  const words: Readonly<Record<string, boolean>> = {
    true: true,
    false: false,
    '1': true,
    '0': false,
    yes: true,
    no: false,
    on: true,
    off: false,
  };
  return parser('true or false', (raw) => {
    if (typeof raw === 'boolean') return raw;
    const word = typeof raw === 'string' ? raw.trim().toLowerCase() : '';
    return Object.hasOwn(words, word) ? words[word] : undefined;
  });
}

/** 0 means: pick a free one. */
export function port(): Parser<number> {
  const whole = integer({ min: 0, max: 65_535 });
  return { allowed: 'a port from 0 to 65535', parse: (raw) => whole.parse(raw) };
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `1h30m`, `250ms`, `1.5s`, `0` -> whole milliseconds. */
export function durationMs(range: { readonly minMs: number; readonly maxMs: number }): Parser<number> {
  const allowed = `a duration such as 1h30m or 250ms, from ${formatDuration(range.minMs)} to ${formatDuration(range.maxMs)}`;
  return parser(allowed, (raw) => {
    const value = typeof raw === 'string' ? parseDurationMs(raw.trim()) : raw === 0 ? 0 : undefined;
    return value !== undefined && value >= range.minMs && value <= range.maxMs ? value : undefined;
  });
}

/** Milliseconds of `1h30m` and the like; undefined if it is none. */
export function parseDurationMs(value: string): number | undefined {
  if (value === '0') return 0;
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(value)) return undefined;
  let sum = 0;
  for (const [, amount = '', unit = ''] of value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    sum += Number(amount) * (unitMs[unit] ?? NaN);
  }
  const rounded = Math.round(sum);
  return Number.isSafeInteger(rounded) ? rounded : undefined;
}

/** `90s` -> `1m30s`: the shortest exact form. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  let rest = ms;
  let out = '';
  for (const unit of ['h', 'm', 's', 'ms']) {
    const size = unitMs[unit] ?? 1;
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) out += `${count}${unit}`;
  }
  return out;
}

const byteUnits: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** `64Mi`, `1.5G`, `512` -> whole bytes. */
export function bytes(range: { readonly min: number; readonly max: number }): Parser<number> {
  return parser(`a size such as 64Mi or 512k, from ${range.min} to ${range.max} bytes`, (raw) => {
    const shown = typeof raw === 'number' ? String(raw) : typeof raw === 'string' ? raw.trim() : '';
    const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)([kMGT]i?|Ki)?$/.exec(shown) ?? [];
    const factor = byteUnits[unit];
    if (amount === undefined || factor === undefined) return undefined;
    const value = Number(amount) * factor;
    return Number.isSafeInteger(value) && value >= range.min && value <= range.max ? value : undefined;
  });
}

export interface HostPort {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
}

/** `host:port`, `[v6]:port`, or `:port` for every address of the machine (host `::`). */
export function hostPort(): Parser<HostPort> {
  return parser('host:port, [IPv6]:port or :port', (raw) => {
    const shown = typeof raw === 'string' ? raw.trim() : '';
    const [, v6, name = '', portText] = /^(?:\[([^\]]+)\]|([^:[\]/\s]*)):(\d{1,5})$/.exec(shown) ?? [];
    const number = Number(portText);
    if (portText === undefined || number > 65_535 || (v6 !== undefined && isIP(v6) !== 6)) return undefined;
    return { host: v6 ?? (name === '' ? '::' : name), port: number };
  });
}

/** An absolute URL, given back as it was. */
export function url(options: { readonly protocols: readonly string[] }): Parser<string> {
  const protocols = options.protocols.map((protocol) => `${protocol}:`);
  return parser(`a URL with ${options.protocols.join(' or ')}`, (raw) => {
    if (typeof raw !== 'string' || !URL.canParse(raw.trim())) return undefined;
    return protocols.includes(new URL(raw.trim()).protocol) ? raw.trim() : undefined;
  });
}

export function oneOf<const T extends string>(values: readonly T[]): Parser<T> {
  return parser(`one of ${values.join(', ')}`, (raw) => values.find((value) => value === raw));
}

/** Comma-separated text or a list; no empty items. */
export function listOf<T>(item: Parser<T>): Parser<readonly T[]> {
  const allowed = `a list, or comma-separated text, of: ${item.allowed}`;
  return {
    allowed,
    parse: (raw) => {
      const parts = typeof raw === 'string' ? raw.split(',').map((part) => part.trim()) : raw;
      if (!Array.isArray(parts)) return err(`must be ${allowed}`);
      const values: T[] = [];
      for (const [index, part] of parts.entries()) {
        const parsed = item.parse(part);
        if (!parsed.ok) return err(`item ${index + 1} ${parsed.error}`);
        values.push(parsed.value);
      }
      return ok(values);
    },
  };
}

/** A parser from a function that gives undefined for what it does not take. */
function parser<T>(allowed: string, read: (raw: unknown) => T | undefined): Parser<T> {
  return {
    allowed,
    parse: (raw) => {
      const value = read(raw);
      return value === undefined ? err(`must be ${allowed}`) : ok(value);
    },
  };
}
