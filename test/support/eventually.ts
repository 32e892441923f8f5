/** Polling with a deadline: the only way tests wait. */

export interface EventuallyOptions {
  /** Default 10 s. */
  readonly withinMs?: number;
  /** Default 25 ms. */
  readonly everyMs?: number;
  /** Said when the deadline passes. */
  readonly what: string;
}

/**
 * The first value of `look` that is not undefined (or false). When the deadline passes it throws with `what`, and with the
 * error of the last look if that threw.
 */
export async function eventually<T>(
  look: () => T | undefined | false | Promise<T | undefined | false>,
  options: EventuallyOptions,
): Promise<T> {
  const deadline = performance.now() + (options.withinMs ?? 10_000);
  let last: unknown;
  for (;;) {
    try {
      const value = await look();
      if (value !== undefined && value !== false) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) break;
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? 25));
  }
  throw new Error(
    `not within ${options.withinMs ?? 10_000} ms: ${options.what}`,
    last === undefined ? {} : { cause: last },
  );
}
