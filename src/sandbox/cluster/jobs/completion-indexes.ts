/**
 * The text form of sets of completion indexes, as in `status.completedIndexes`: `0-2,5`.
 *
 * Invariants: `formatIndexes(parseIndexes(t))` is the canonical form of `t`: ascending, three neighbours or more joined by a
 * hyphen, no spaces.
 * What cannot be read, or lies at or above `completions`, is left out, as the real controller does after a shrink.
 */
const largestIndex = 100_000;

export function parseIndexes(text: string | undefined, completions: number = largestIndex): Set<number> {
  const out = new Set<number>();
  for (const part of (text ?? '').split(',')) {
    const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part);
    if (match === null) continue;
    const from = Number(match[1]);
    const to = Math.min(Number(match[2] ?? match[1]), completions - 1, largestIndex);
    for (let index = from; index <= to; index += 1) out.add(index);
  }
  return out;
}

export function formatIndexes(indexes: Iterable<number>): string {
  const parts: string[] = [];
  let from: number | undefined;
  let to = -1;
  const close = (): void => {
    if (from !== undefined) parts.push(from === to ? String(from) : `${from}${to === from + 1 ? ',' : '-'}${to}`);
  };
  for (const index of [...indexes].sort((a, b) => a - b)) {
    if (from !== undefined && index <= to + 1) {
      to = index;
      continue;
    }
    close();
    from = index;
    to = index;
  }
  close();
  return parts.join(',');
}
