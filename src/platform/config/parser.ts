/** Small parsers for configuration values: signatures; the bodies follow. */
import type { Result } from '../../std/result.ts';

export interface Parser<T> {
  /** What is allowed, as it stands in a problem: `a port from 0 to 65535`. */
  readonly allowed: string;
  /** From a string (environment, flag) or a JSON value (file). The error says what is wrong beyond `allowed`. */
  parse(raw: unknown): Result<T, string>;
}

export declare function text(options?: {
  readonly pattern?: RegExp;
  readonly allowed?: string;
  readonly maxLength?: number;
}): Parser<string>;
export declare function integer(range: { readonly min: number; readonly max: number }): Parser<number>;
export declare function boolean(): Parser<boolean>;
export declare function port(): Parser<number>;
/** `1h30m`, `250ms`, `0s` -> milliseconds. */
export declare function durationMs(range: { readonly minMs: number; readonly maxMs: number }): Parser<number>;
/** `64Mi`, `1G`, `512` -> bytes. */
export declare function bytes(range: { readonly min: number; readonly max: number }): Parser<number>;
/** `host:port` or `[v6]:port` or `:port`. */
export declare function hostPort(): Parser<{ readonly host: string; readonly port: number }>;
export declare function url(options: { readonly protocols: readonly string[] }): Parser<string>;
export declare function oneOf<const T extends string>(values: readonly T[]): Parser<T>;
/** Comma-separated text or a list; no empty items. */
export declare function listOf<T>(item: Parser<T>): Parser<readonly T[]>;
