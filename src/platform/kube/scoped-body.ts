/**
 * A response body that ends with its call's scope.
 *
 * Invariants: whichever way reading ends (done, error, abort, `return`), timers and listeners are gone and the connection is
 * let go; a transport that ignores aborts does not keep a reader waiting.
 */
import type { CallScope } from './call-scope.ts';

/** `body`, failing with the scope's reason once the scope ends. Iterate once. */
export function scopedBody(body: AsyncIterable<Uint8Array>, scope: CallScope): AsyncIterable<Uint8Array> {
  const inner = body[Symbol.asyncIterator]();
  const finished: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined };
  let over = false;

  function finish(abort: boolean): void {
    over = true;
    scope.release(abort);
  }

  const iterator: AsyncIterator<Uint8Array, undefined> = {
    next: async () => {
      if (over) return finished;
      try {
        const step = await scope.wait(inner.next());
        if (step.done !== true) return step;
        finish(false);
        return finished;
      } catch (error) {
        finish(true);
        throw error;
      }
    },
    return: async () => {
      if (!over) {
        finish(true);
        await letGo(inner);
      }
      return finished;
    },
  };
  return { [Symbol.asyncIterator]: () => iterator };
}

async function letGo(inner: AsyncIterator<Uint8Array>): Promise<void> {
  try {
    await inner.return?.();
  } catch {
    // The reader asked to stop, so how the transport took the abort no longer matters to anybody.
  }
}
