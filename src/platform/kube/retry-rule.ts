/**
 * Which failed calls are sent again, and after how long.
 *
 * Rule: 429 and 503 mean "not done, come back" and are safe for any verb; 500, 502, 504 and a lost connection leave open
 * whether the request was carried out, so only idempotent calls are repeated. What the caller gave up on is never repeated.
 */
import type { Random } from '../clock/random.ts';
import { isKubeError, isUnreachable } from './kube-error.ts';

const firstDelayMs = 100;
const longestDelayMs = 5_000;
const mostTriesWhenTold = 10;
const mostTriesWhenUnsure = 6;

/**
 * Milliseconds to wait before try number `tries + 1`, or undefined if `error` is final. `tries` counts those made, from 1.
 * Retry-After is a lower bound; the rest is exponential with jitter over its upper half.
 */
export function retryDelayMs(
  error: unknown,
  tries: number,
  idempotent: boolean,
  random: Pick<Random, 'next'>,
): number | undefined {
  if (tries >= triesAllowed(error, idempotent)) return undefined;
  const stepMs = Math.min(longestDelayMs, firstDelayMs * 2 ** (tries - 1));
  const jitteredMs = stepMs / 2 + (random.next() * stepMs) / 2;
  const toldMs = isKubeError(error) ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
  return toldMs + jitteredMs;
}

function triesAllowed(error: unknown, idempotent: boolean): number {
  if (isKubeError(error)) {
    if (error.status === 429 || error.status === 503) return mostTriesWhenTold;
    const unsure = error.status === 500 || error.status === 502 || error.status === 504;
    return unsure && idempotent ? mostTriesWhenUnsure : 1;
  }
  return isUnreachable(error) && error.why === 'Connection' && idempotent ? mostTriesWhenUnsure : 1;
}
