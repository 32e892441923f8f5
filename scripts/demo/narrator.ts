/** Tells a person what happens: time since the start, headings, facts. Colours only on a terminal. */
import pc from 'picocolors';

export interface Narrator {
  chapter(title: string): void;
  say(text: string): void;
  /** Several lines as they are, indented: what a command printed. */
  quote(text: string): void;
}

export function createNarrator(out: NodeJS.WriteStream): Narrator {
  const colors = pc.createColors(out.isTTY && process.env['NO_COLOR'] === undefined);
  const started = performance.now();
  const at = (): string => colors.dim(`${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s`);
  const write = (line: string): void => {
    out.write(`${line}\n`);
  };
  return {
    chapter: (title) => {
      write(`\n${at()}  ${colors.bold(colors.cyan(title))}`);
    },
    say: (text) => {
      write(`${at()}  ${text}`);
    },
    quote: (text) => {
      for (const line of text.trimEnd().split('\n')) write(`         ${colors.dim('│')} ${line}`);
    },
  };
}
