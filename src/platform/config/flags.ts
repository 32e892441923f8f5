/** The flags of a command line as raw values, for processes that take nothing but settings. The CLI has its own parser. */
import { ConfigProblems } from './config.ts';

/**
 * `--name value`, `--name=value`, `--name` (true), `--no-name` (false). Values of a flag that is given several times are joined
 * by commas, as lists take them. Throws ConfigProblems for anything else.
 */
export function flagsFromArgv(argv: readonly string[]): Record<string, string | boolean> {
  const flags: Record<string, string | boolean> = {};
  const strays: string[] = [];
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? '';
    const [, name = '', value] = /^--([a-z][a-z0-9-]*)(?:=([\s\S]*))?$/.exec(word) ?? [];
    if (name === '') {
      strays.push(word);
      continue;
    }
    const next = argv[index + 1];
    const before = typeof flags[name] === 'string' ? `${flags[name]},` : '';
    if (value !== undefined) flags[name] = before + value;
    else if (next !== undefined && !next.startsWith('--')) {
      flags[name] = before + next;
      index += 1;
    } else if (name.startsWith('no-')) flags[name.slice(3)] = false;
    else flags[name] = true;
  }
  if (strays.length === 0) return flags;
  throw new ConfigProblems(
    // A stray word may be half of a mistyped secret, so only its place is told.
    strays.map((word) => ({
      field: '(argument)',
      source: 'command line',
      value: `word ${argv.indexOf(word) + 1}`,
      problem: 'must be a flag such as --name value or --name=value',
    })),
  );
}
