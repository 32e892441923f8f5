/**
 * Listening to abort signals that live longer than the listener.
 *
 * Invariants: a link fires at most once, at once if the signal has aborted already, and never after `unlink`; nothing stays
 * behind on the signal. Signals that many share are made with `sharedAbort`, since Node warns of a leak at eleven listeners.
 */
import { setMaxListeners } from 'node:events';

/** Calls `fn` when `signal` aborts. Returns the unlink. */
export function onAbort(signal: AbortSignal, fn: () => void): () => void {
  if (signal.aborted) {
    fn();
    return () => undefined;
  }
  signal.addEventListener('abort', fn, { once: true });
  return () => {
    signal.removeEventListener('abort', fn);
  };
}

/** A controller whose signal any number of listeners may share. */
export function sharedAbort(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
