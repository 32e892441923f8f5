/**
 * Bytes of a watch response -> watch events.
 *
 * Invariants: every line becomes an event; one that cannot be understood becomes an ERROR event with reason `ParseError` and
 * ends the stream, since what follows it cannot be trusted either.
 */
import { LineTooLong, lineBatches } from './json-lines.ts';
import type { WatchEvent } from './kube-client.ts';
import type { KubeObject } from './object.ts';

/** Reason of the ERROR event for a line that is no watch event; its code is 0. */
export const parseErrorReason = 'ParseError';

export async function* watchEvents<T extends KubeObject>(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<WatchEvent<T>, void, undefined> {
  try {
    for await (const lines of lineBatches(body)) {
      const events = parseEvents<T>(lines);
      yield* events;
      if (events.some(isParseError)) return;
    }
  } catch (error) {
    if (!(error instanceof LineTooLong)) throw error;
    yield { type: 'ERROR', code: 0, reason: parseErrorReason, message: error.message };
  }
}

/** The events of these lines, up to and including the first that cannot be understood. */
function parseEvents<T extends KubeObject>(lines: readonly string[]): readonly WatchEvent<T>[] {
  const events: WatchEvent<T>[] = [];
  for (const line of lines) {
    const event = parseEvent<T>(line);
    events.push(event);
    if (isParseError(event)) break;
  }
  return events;
}

function isParseError(event: WatchEvent<KubeObject>): boolean {
  return event.type === 'ERROR' && event.reason === parseErrorReason;
}

function parseEvent<T extends KubeObject>(line: string): WatchEvent<T> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return parseError(`a line of ${line.length} characters is not JSON`);
  }
  if (typeof parsed !== 'object' || parsed === null) return parseError('a line is not an object');
  const { type, object } = parsed as { readonly type?: unknown; readonly object?: unknown };
  if (typeof object !== 'object' || object === null) return parseError('an event has no object');
  if (type === 'ERROR') return errorEvent(object);
  const metadata = (object as { metadata?: unknown }).metadata;
  if (typeof metadata !== 'object' || metadata === null) return parseError('an event has an object without metadata');
  return objectEvent<T>(type, object as T);
}

function objectEvent<T extends KubeObject>(type: unknown, object: T): WatchEvent<T> {
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      return { type, object };
    case 'BOOKMARK': {
      const { resourceVersion } = object.metadata;
      return resourceVersion === undefined
        ? parseError('a bookmark has no resourceVersion')
        : { type, resourceVersion };
    }
    default:
      return parseError(`an event is of unknown type ${JSON.stringify(type).slice(0, 40)}`);
  }
}

function errorEvent<T>(object: object): WatchEvent<T> {
  const { code, reason, message } = object as Record<string, unknown>;
  return {
    type: 'ERROR',
    code: typeof code === 'number' ? code : 500,
    reason: typeof reason === 'string' ? reason : 'Unknown',
    message: typeof message === 'string' ? message : 'the server ended the watch without a reason',
  };
}

function parseError<T>(message: string): WatchEvent<T> {
  return { type: 'ERROR', code: 0, reason: parseErrorReason, message };
}
