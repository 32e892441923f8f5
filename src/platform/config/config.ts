/**
 * Configuration in three steps: raw values from flags, environment and a file; parsed and defaulted; checked as a whole.
 *
 * Invariants: every problem is reported at once, with its source, the value as given and what is allowed; values of secrets
 * are never shown; unknown flags and file keys are problems, unknown variables are not (clusters inject their own). The
 * schema is the caller's. Leaves out reading files and the process (bin).
 */
import { parse as parseYaml } from 'yaml';
import type { Parser } from './parser.ts';
import { flagOf, variableOf } from './setting-names.ts';

export interface Setting<T> {
  readonly parser: Parser<unknown>;
  readonly presence:
    { readonly kind: 'required' } | { readonly kind: 'optional' } | { readonly kind: 'default'; readonly value: T };
  /** One sentence for `--help` and the reference page. */
  readonly help: string;
  /** Shown as `[redacted]` everywhere. */
  readonly secret: boolean;
}

export interface SettingOptions {
  readonly help: string;
  readonly secret?: boolean;
}

export function required<T>(parser: Parser<T>, options: SettingOptions): Setting<T> {
  return { parser, presence: { kind: 'required' }, help: options.help, secret: options.secret === true };
}

/** undefined when not set. */
export function optional<T>(parser: Parser<T>, options: SettingOptions): Setting<T | undefined> {
  return { parser, presence: { kind: 'optional' }, help: options.help, secret: options.secret === true };
}

export function withDefault<T>(parser: Parser<T>, value: T, options: SettingOptions): Setting<T> {
  return { parser, presence: { kind: 'default', value }, help: options.help, secret: options.secret === true };
}

export type Schema = Readonly<Record<string, Setting<unknown>>>;
export type ConfigOf<S extends Schema> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never };

export interface ConfigSources {
  /** E.g. `LUMBUNG_`; key `listenPort` reads `LUMBUNG_LISTEN_PORT`. An empty variable counts as not set. */
  readonly envPrefix: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Key `listenPort` reads flag `listen-port`. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** YAML or JSON with the keys as they are. */
  readonly file?: { readonly path: string; readonly text: string };
}

export interface ConfigProblem {
  readonly field: string;
  /** Where the value came from, e.g. `--listen-port`, `LUMBUNG_LISTEN_PORT`, the file's path. */
  readonly source: string;
  /** The value as given, `[redacted]` for secrets, `(not set)` if missing. */
  readonly value: string;
  /** What is wrong and what is allowed. */
  readonly problem: string;
}

/** Every problem at once. The message lists them one a line. */
export class ConfigProblems extends Error {
  readonly kind = 'ConfigProblems';
  override readonly name = 'ConfigProblems';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map((each) => `  ${each.field} (${each.source}): ${each.value}: ${each.problem}`);
    super(`the configuration has ${problems.length} problem${problems.length === 1 ? '' : 's'}:\n${lines.join('\n')}`);
    this.problems = problems;
  }
}

interface Given {
  readonly source: string;
  readonly raw: unknown;
}

const notSet = '(not set)';
const hidden = '[redacted]';

/**
 * Flag beats environment beats file beats default. `check` sees a config whose single values are all good, and adds problems
 * that span fields. Throws ConfigProblems.
 */
export function loadConfig<S extends Schema>(
  schema: S,
  sources: ConfigSources,
  check?: (config: ConfigOf<S>, problem: (field: keyof S & string, problem: string) => void) => void,
): ConfigOf<S> {
  const problems: ConfigProblem[] = [];
  const file = readFile(sources, problems);
  problems.push(...unknownNames(schema, sources, file));
  const values: Record<string, unknown> = {};
  for (const [key, setting] of Object.entries(schema)) {
    const given = rawValue(key, sources, file);
    const value = given === undefined ? absent(key, setting, sources, problems) : parsed(key, setting, given, problems);
    if (value !== undefined) values[key] = value;
  }
  const config = values as ConfigOf<S>;
  if (problems.length === 0)
    check?.(config, (field, problem) => problems.push(spanning(schema, config, field, problem)));
  if (problems.length > 0) throw new ConfigProblems(problems);
  return Object.freeze(config);
}

function readFile(sources: ConfigSources, problems: ConfigProblem[]): Readonly<Record<string, unknown>> {
  const { file } = sources;
  if (file === undefined) return {};
  const refuse = (problem: string): Record<string, unknown> => {
    problems.push({ field: '(file)', source: file.path, value: `${file.text.length} characters`, problem });
    return {};
  };
  let content: unknown;
  try {
    content = parseYaml(file.text) as unknown;
  } catch (error) {
    const line = (error as { readonly linePos?: readonly { readonly line: number }[] }).linePos?.[0]?.line;
    return refuse(`is not YAML${line === undefined ? '' : ` (line ${line})`}`);
  }
  if (content === null || content === undefined) return {};
  if (typeof content !== 'object' || Array.isArray(content)) return refuse('must be a mapping of settings');
  return content as Record<string, unknown>;
}

function unknownNames(
  schema: Schema,
  sources: ConfigSources,
  file: Readonly<Record<string, unknown>>,
): readonly ConfigProblem[] {
  const keys = Object.keys(schema);
  const flags = keys.map(flagOf);
  const problems: ConfigProblem[] = [];
  const unknown = (field: string, source: string, allowed: readonly string[]): void => {
    problems.push({ field, source, value: '(given)', problem: `is unknown; there are ${allowed.join(', ')}` });
  };
  for (const name of Object.keys(sources.flags)) if (!flags.includes(name)) unknown(name, `--${name}`, flags);
  for (const name of Object.keys(file)) if (!keys.includes(name)) unknown(name, sources.file?.path ?? '', keys);
  return problems;
}

function rawValue(key: string, sources: ConfigSources, file: Readonly<Record<string, unknown>>): Given | undefined {
  const flag = flagOf(key);
  if (sources.flags[flag] !== undefined) return { source: `--${flag}`, raw: sources.flags[flag] };
  const variable = variableOf(key, sources.envPrefix);
  const inEnvironment = sources.env[variable];
  if (inEnvironment !== undefined && inEnvironment !== '') return { source: variable, raw: inEnvironment };
  const inFile = file[key];
  return inFile === undefined || inFile === null ? undefined : { source: sources.file?.path ?? '', raw: inFile };
}

function absent(key: string, setting: Setting<unknown>, sources: ConfigSources, problems: ConfigProblem[]): unknown {
  switch (setting.presence.kind) {
    case 'default':
      return setting.presence.value;
    case 'optional':
      return undefined;
    case 'required': {
      const source = `--${flagOf(key)} or ${variableOf(key, sources.envPrefix)}`;
      problems.push({ field: key, source, value: notSet, problem: `is required: ${setting.parser.allowed}` });
      return undefined;
    }
  }
}

function parsed(key: string, setting: Setting<unknown>, given: Given, problems: ConfigProblem[]): unknown {
  const result = setting.parser.parse(given.raw);
  if (result.ok) return result.value;
  problems.push({ field: key, source: given.source, value: shown(setting, given.raw), problem: result.error });
  return undefined;
}

function spanning<S extends Schema>(
  schema: S,
  config: ConfigOf<S>,
  field: keyof S & string,
  problem: string,
): ConfigProblem {
  const setting = schema[field];
  const value = setting === undefined ? notSet : shown(setting, config[field]);
  return { field, source: 'together with others', value, problem };
}

function shown(setting: Setting<unknown>, raw: unknown): string {
  if (raw === undefined) return notSet;
  return setting.secret ? hidden : JSON.stringify(raw).slice(0, 200);
}
