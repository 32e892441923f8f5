/**
 * What a hub's term is always above. Agents refuse terms lower than one they have seen, and a hub whose store was set back to
 * a backup, or whose Lease object was deleted, would count on from an old one: every agent would refuse it until restarted.
 *
 * The wall clock is the only thing such a hub has that was not set back with its store. It decides nothing else: while the
 * store is whole the Lease's own count keeps terms rising, whatever the clock does.
 */

/** 2020-01-01T00:00:00Z. Terms live in a Lease's leaseTransitions, an int32: seconds from here last until 2088. */
const ORIGIN_MS = 1_577_836_800_000;
const HIGHEST = 2 ** 31 - 2;

/** Whole seconds since 2020: a hub cannot be elected more often than that for long. */
export function termFloor(wallMs: number): number {
  return Math.min(HIGHEST, Math.max(0, Math.floor((wallMs - ORIGIN_MS) / 1000)));
}
