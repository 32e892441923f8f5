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

class Scan {
  readonly found: string[] = [];
  private readonly frames: Frame[] = [];
  private expectsKey = false;

  /** Handles the character at `i`; returns where to go on. */
  step(text: string, i: number): number {
    switch (text[i] ?? '') {
      case '"':
        return this.string(text, i);
      case '{':
        this.open({ keys: new Set(), step: '' });
        return i;
      case '[':
        this.open({ keys: undefined, step: 0 });
        return i;
      case '}':
      case ']':
        this.frames.pop();
        this.expectsKey = false;
        return i;
      case ',':
        this.expectsKey = nextMember(this.frames.at(-1));
        return i;
      default:
        return i;
    }
  }

  private open(frame: Frame): void {
    this.frames.push(frame);
    this.expectsKey = frame.keys !== undefined;
  }

  private string(text: string, start: number): number {
    const end = endOfString(text, start);
    const top = this.frames.at(-1);
    if (this.expectsKey && top?.keys !== undefined) {
      const key = JSON.parse(text.slice(start, end + 1)) as string;
      top.step = key;
      if (top.keys.has(key)) this.found.push(pathOf(this.frames));
      top.keys.add(key);
      this.expectsKey = false;
    }
    return end;
  }
}

/** Paths of members that came twice, in order of appearance. */
export function duplicateFields(text: string): string[] {
  const scan = new Scan();
  for (let i = 0; i < text.length; i++) i = scan.step(text, i);
  return scan.found;
}

/** Whether a key follows the comma. */
function nextMember(frame: Frame | undefined): boolean {
  if (typeof frame?.step === 'number') frame.step++;
  return frame?.keys !== undefined;
}

function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
  return i;
}
