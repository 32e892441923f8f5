/**
 * The JSONPath subset that printer columns use: `.a.b`, `['a.b']`, `[0]`, `[*]` and `[?(@.type=="Ready")]`.
 * Compiled once; a path that is not understood selects nothing.
 */
import { isObject, type Json } from '../json-value.ts';

type Step = (values: readonly Json[]) => Json[];

const TOKEN =
  /^(?:\.([A-Za-z0-9_/-]+)|\['((?:[^'\\]|\\.)*)'\]|\[(-?\d+)\]|(\[\*\]|\.\*)|\[\?\(@\.([\w.-]+)\s*==\s*["']([^"']*)["']\)\])/;

function member(name: string): Step {
  return (values) =>
    values.flatMap((value) => {
      const found = isObject(value) ? value[name] : undefined;
      // Wrapped, because flatMap would take a list apart.
      return found === undefined ? [] : [found];
    });
}

function index(at: number): Step {
  return (values) =>
    values.flatMap((value) => (Array.isArray(value) ? value.slice(at, at === -1 ? undefined : at + 1) : []));
}

function all(values: readonly Json[]): Json[] {
  return values.flatMap((value) =>
    Array.isArray(value)
      ? value
      : isObject(value)
        ? Object.values(value).flatMap((v) => (v === undefined ? [] : [v]))
        : [],
  );
}

function filter(path: string, wanted: string): Step {
  const keys = path.split('.');
  return (values) =>
    values
      .flatMap((value) => (Array.isArray(value) ? value : []))
      .filter((item) => {
        let found: Json | undefined = item;
        for (const key of keys) found = isObject(found) ? found[key] : undefined;
        return found !== undefined && found !== null && typeof found !== 'object' && String(found) === wanted;
      });
}

function stepOf(match: RegExpExecArray): Step {
  const [, dotted, quoted, number, star, key, wanted] = match;
  if (dotted !== undefined) return member(dotted);
  if (quoted !== undefined) return member(quoted.replace(/\\(.)/g, '$1'));
  if (number !== undefined) return index(Number(number));
  if (star !== undefined) return all;
  return filter(key ?? '', wanted ?? '');
}

function steps(text: string): Step[] | undefined {
  // `\.` inside a name stands for a dot that is part of it.
  let rest = text
    .trim()
    .replace(/^\{|\}$/g, '')
    .replace(/^\$/, '');
  if (!rest.startsWith('.') && !rest.startsWith('[')) rest = `.${rest}`;
  const found: Step[] = [];
  while (rest !== '') {
    const escaped = /^\.((?:[A-Za-z0-9_/-]|\\\.)+)/.exec(rest);
    if (escaped?.[1]?.includes('\\.') === true) {
      found.push(member(escaped[1].replaceAll('\\.', '.')));
      rest = rest.slice(escaped[0].length);
      continue;
    }
    const match = TOKEN.exec(rest);
    if (match === null) return undefined;
    found.push(stepOf(match));
    rest = rest.slice(match[0].length);
  }
  return found;
}

export type JsonPath = (root: Json) => readonly Json[];

export function compileJsonPath(text: string): JsonPath {
  const compiled = steps(text);
  if (compiled === undefined) return () => [];
  return (root) => compiled.reduce<readonly Json[]>((values, step) => step(values), [root]);
}

/** For checking definitions. */
export function isJsonPath(text: string): boolean {
  return steps(text) !== undefined;
}
