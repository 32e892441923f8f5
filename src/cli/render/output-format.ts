/** `--output table|json|yaml`: one value, three faces. The machine forms are the value itself. */
import type { Argv } from 'yargs';
import { stringify } from 'yaml';

export type OutputFormat = 'table' | 'json' | 'yaml';

export interface OutputOptions {
  readonly output: OutputFormat;
}

export function withOutput<T>(argv: Argv<T>): Argv<T & OutputOptions> {
  const choices: readonly OutputFormat[] = ['table', 'json', 'yaml'];
  return argv.option('output', { alias: 'o', choices, default: 'table' as const, describe: 'how to print the result' });
}

/** The text to print; `table` is called only for the human form. */
export function render(format: OutputFormat, value: unknown, table: () => string): string {
  switch (format) {
    case 'json':
      return JSON.stringify(value, null, 2);
    case 'yaml':
      return stringify(value).trimEnd();
    case 'table':
      return table();
  }
}
