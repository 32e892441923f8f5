/** Configuration in three steps with all problems at once: signatures; the body follows. */
import type { Parser } from './parser.ts';

export interface Setting<T> {
  readonly parser: Parser<unknown>;
  readonly presence:
    { readonly kind: 'required' } | { readonly kind: 'optional' } | { readonly kind: 'default'; readonly value: T };
  /** One sentence for `--help` and the reference page. */
  readonly help: string;
  /** Shown as `[redacted]` everywhere. */
  readonly secret: boolean;
}

export type SettingOptions = { readonly help: string; readonly secret?: boolean };

export declare function required<T>(parser: Parser<T>, options: SettingOptions): Setting<T>;
export declare function optional<T>(parser: Parser<T>, options: SettingOptions): Setting<T | undefined>;
export declare function withDefault<T>(parser: Parser<T>, value: T, options: SettingOptions): Setting<T>;

export type Schema = Readonly<Record<string, Setting<unknown>>>;
export type ConfigOf<S extends Schema> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never };

export interface ConfigSources {
  /** E.g. `LUMBUNG_`; key `listenPort` reads `LUMBUNG_LISTEN_PORT`. */
  readonly envPrefix: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Key `listenPort` reads flag `listen-port`. Unknown flags are problems. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** YAML or JSON with the keys as they are. Unknown keys are problems. */
  readonly file?: { readonly path: string; readonly text: string };
}

export interface ConfigProblem {
  readonly field: string;
  /** Where the value came from, e.g. `--listen-port`, `LUMBUNG_LISTEN_PORT`, `config.yaml`. */
  readonly source: string;
  /** The value as given, `[redacted]` for secrets, `(not set)` if missing. */
  readonly value: string;
  /** What is wrong and what is allowed. */
  readonly problem: string;
}

/** Every problem at once. The message lists them one a line. */
export declare class ConfigProblems extends Error {
  readonly kind: 'ConfigProblems';
  readonly problems: readonly ConfigProblem[];
  constructor(problems: readonly ConfigProblem[]);
}

/** Flag beats environment beats file beats default. `check` sees a complete config and adds problems that span fields. */
export declare function loadConfig<S extends Schema>(
  schema: S,
  sources: ConfigSources,
  check?: (config: ConfigOf<S>, problem: (field: keyof S & string, problem: string) => void) => void,
): ConfigOf<S>;
/** `--name value`, `--name=value`, `--name` (true), `--no-name` (false). Anything else is a ConfigProblems. */
export declare function flagsFromArgv(argv: readonly string[]): Record<string, string | boolean>;
/** For `--help` and docs: flag, variable, default, allowed, help; secrets' defaults hidden. */
export declare function describeSettings(schema: Schema, envPrefix: string): readonly SettingDescription[];

export interface SettingDescription {
  readonly key: string;
  readonly flag: string;
  readonly variable: string;
  readonly allowed: string;
  readonly fallback: string;
  readonly help: string;
}
