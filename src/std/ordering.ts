/** Total, locale-free comparators: the same order on every machine. */
export type Comparator<T> = (a: T, b: T) => number;

/** By UTF-16 code unit, as `<` does. */
export function compareStrings(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function compareNumbers(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The first comparator that tells the two apart decides. */
export function compareBy<T>(...comparators: readonly Comparator<T>[]): Comparator<T> {
  return (a, b) => {
    for (const compare of comparators) {
      const order = compare(a, b);
      if (order !== 0) return order;
    }
    return 0;
  };
}

/** A sorted copy. */
export function sorted<T>(items: Iterable<T>, compare: Comparator<T>): T[] {
  return [...items].sort(compare);
}
