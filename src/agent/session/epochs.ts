/**
 * Connection epochs: every connection of this member, by whichever of its agent pods, has a higher one than all before it.
 *
 * An epoch is (term of the agent's Lease, connections within that term) as one number. The term is persisted in the Lease and
 * rises with every acquisition by anybody, so an epoch needs no write of its own and an old pod's can never overtake a new
 * one's.
 */
const CONNECTIONS_PER_TERM = 2 ** 24;

export interface Epochs {
  /** The epoch of the next connection. Throws RangeError after 2^24 connections in one term: the process should start anew. */
  next(): number;
}

/** `term` is the Lease's, a positive integer below 2^29. */
export function createEpochs(term: number): Epochs {
  if (!Number.isSafeInteger(term) || term < 1 || term >= 2 ** 29) {
    throw new RangeError(`term: ${term} must be a whole number from 1 to ${2 ** 29 - 1}`);
  }
  let connections = 0;
  return {
    next: () => {
      connections += 1;
      if (connections >= CONNECTIONS_PER_TERM) throw new RangeError(`connections: ${connections} in term ${term}`);
      return term * CONNECTIONS_PER_TERM + connections;
    },
  };
}
