/**
 * Finds keys that a JSON text names twice in one object: JSON.parse keeps the last silently, strict field validation must not.
 * The text has been parsed already, so it is known to be well formed.
 */
interface Frame {
  readonly keys: Set<string> | undefined;
  /** Member being read, or the array index. */
  step: string | number;
}

function pathOf(frames: readonly Frame[]): string {
  let path = '';
  for (const { step } of frames) path += typeof step === 'number' ? `[${step}]` : path === '' ? step : `.${step}`;
  return path;
}

/** Paths of members that came twice, in order of appearance. */
export function duplicateFields(text: string): string[] {
  const found: string[] = [];
  const frames: Frame[] = [];
  let expectsKey = false;
  for (let i = 0; i < text.length; i++) {
    const ch = text[i];
    const top = frames[frames.length - 1];
    if (ch === '"') {
      const end = endOfString(text, i);
      if (expectsKey && top?.keys !== undefined) {
        const key = JSON.parse(text.slice(i, end + 1)) as string;
        top.step = key;
        if (top.keys.has(key)) found.push(pathOf(frames));
        top.keys.add(key);
        expectsKey = false;
      }
      i = end;
    } else if (ch === '{') {
      frames.push({ keys: new Set(), step: '' });
      expectsKey = true;
    } else if (ch === '[') {
      frames.push({ keys: undefined, step: 0 });
      expectsKey = false;
    } else if (ch === '}' || ch === ']') {
      frames.pop();
      expectsKey = false;
    } else if (ch === ',' && top !== undefined) expectsKey = nextMember(top);
  }
  return found;
}

function nextMember(frame: Frame): boolean {
  if (frame.keys !== undefined) return true;
  if (typeof frame.step === 'number') frame.step++;
  return false;
}

function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
  return i;
}
