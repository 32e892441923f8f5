/** A schema in words, for `--help` and the reference page. Defaults of secrets are not shown. */
import type { Schema } from './config.ts';
import { flagOf, variableOf } from './setting-names.ts';

export interface SettingDescription {
  readonly key: string;
  /** With its dashes. */
  readonly flag: string;
  readonly variable: string;
  readonly allowed: string;
  /** The default as JSON, `required`, or `not set`. */
  readonly fallback: string;
  readonly help: string;
}

export function describeSettings(schema: Schema, envPrefix: string): readonly SettingDescription[] {
  return Object.entries(schema).map(([key, setting]) => {
    const { presence, secret } = setting;
    const shown = presence.kind === 'default' ? (secret ? '[redacted]' : JSON.stringify(presence.value)) : 'not set';
    return {
      key,
      flag: `--${flagOf(key)}`,
      variable: variableOf(key, envPrefix),
      allowed: setting.parser.allowed,
      fallback: presence.kind === 'required' ? 'required' : shown,
      help: setting.help,
    };
  });
}
