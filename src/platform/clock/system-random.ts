/** Randomness of a real process: strong bytes and identifiers from the operating system, cheap numbers for jitter. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Random } from './random.ts';

/** `next` is for jitter alone and is not secret; `bytes` and `uuid` are cryptographically strong. */
export function systemRandom(): Random {
  return {
    next: () => Math.random(),
    bytes: (count) => new Uint8Array(randomBytes(count)),
    uuid: () => randomUUID(),
  };
}
