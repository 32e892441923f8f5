/** The hub's whole word to one member. Absence of a run stops nothing; only a cancel does. */
import type { JobUid, RunId } from './ids.ts';
import type { Generation } from './member.ts';
import type { CancelOrder, RunOrder } from './run.ts';

export interface DesiredContent {
  /** Runs that the member should execute, sorted by run key. */
  readonly runs: readonly RunOrder[];
  /** Explicit cancels, sorted by run key; repeated until the member reports the run Ended. */
  readonly cancels: readonly CancelOrder[];
  /** Outcomes durably in ComputeJob.status: the agent may let go of GuestRun, Job and pods. */
  readonly outcomeAcks: readonly RunId[];
  /** Job UIDs that the hub confirms gone: the member may forget their fences. */
  readonly goneJobUids: readonly JobUid[];
  readonly cordoned: boolean;
}

export interface Desired extends DesiredContent {
  readonly generation: Generation;
}

/** Total order of generations from one hub lineage: term first, then counter. Incarnations are compared for equality only. */
export function compareGenerations(a: Generation, b: Generation): number {
  if (a.term !== b.term) return a.term < b.term ? -1 : 1;
  if (a.counter !== b.counter) return a.counter < b.counter ? -1 : 1;
  return 0;
}
