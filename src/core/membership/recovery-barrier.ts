/**
 * The recovery barrier: a hub that may have been restored from a backup does not know which fences it issued after the backup
 * was taken. Decides which jobs must wait for which members before they may get a new fence.
 *
 * Invariants: a job created under this leader never waits, for no fence of it can be lost; while any member is awaited every
 * older job waits; members silent past the bound block only jobs that could still run there unseen.
 * A pure fold; times are the hub's monotonic clock. Leaves out the adoption itself (run/adopt-run.ts).
 */
import { compareStrings, sorted } from '../../std/ordering.ts';
import type { MemberName, PoolName } from '../model/ids.ts';
import type { OnPartition } from '../model/run.ts';

export interface BarrierState {
  /** Neither heard under this leader nor silent past the bound. Sorted. */
  readonly awaiting: readonly MemberName[];
  /** Silent past the bound and never heard under this leader. Sorted. */
  readonly unheard: readonly MemberName[];
  /** Known to be restored: an operator said so, or a member reported what this hub does not remember. */
  readonly restored: boolean;
  /** The store is proven to be the predecessor's; otherwise fences of older jobs leap ahead (run/next-fence.ts). */
  readonly continuous: boolean;
}

export const LIFTED_BARRIER: BarrierState = { awaiting: [], unheard: [], restored: false, continuous: true };

/**
 * At the start of leadership. `sincePredecessorMs` = how long ago the predecessor last renewed the leader lease that is in
 * the hub's own store; absent = there was none. A store restored from a backup shows an old renewal, so that a gap of no more
 * than `continuityGapMs` (twice the leader lease is right) proves that nothing was lost, and no barrier is needed.
 */
export function barrierAtLeaderStart(
  accepted: readonly MemberName[],
  continuity: { readonly sincePredecessorMs?: number; readonly continuityGapMs: number },
): BarrierState {
  const gapMs = continuity.sincePredecessorMs;
  if (gapMs !== undefined && gapMs >= 0 && gapMs <= continuity.continuityGapMs) return LIFTED_BARRIER;
  return { awaiting: sorted(accepted, compareStrings), unheard: [], restored: false, continuous: false };
}

export interface BarrierObservation {
  /** Accepted members that are not declared lost or revoked: heard at least once under this leader, and their silence. */
  readonly members: readonly { readonly member: MemberName; readonly heard: boolean; readonly silentForMs: number }[];
  /** Longest replacement bound of all pools (run/lease.ts). */
  readonly boundMs: number;
  /** A higher fence was adopted, or an operator says that the hub was restored. */
  readonly restored?: boolean;
}

export function stepBarrier(state: BarrierState, seen: BarrierObservation): BarrierState {
  const facts = new Map(seen.members.map((one) => [one.member, one]));
  const notHeard = (member: MemberName): boolean => facts.get(member)?.heard === false;
  const pastBound = (member: MemberName): boolean => (facts.get(member)?.silentForMs ?? 0) >= seen.boundMs;
  const still = state.awaiting.filter(notHeard);
  const unheard = [...state.unheard.filter(notHeard), ...still.filter(pastBound)];
  return {
    awaiting: still.filter((member) => !pastBound(member)),
    unheard: sorted(unheard, compareStrings),
    restored: state.restored || seen.restored === true,
    continuous: state.continuous,
  };
}

export interface BarrierJob {
  readonly createdUnderThisLeader: boolean;
  readonly pool: PoolName;
  readonly onPartition: OnPartition;
}

/**
 * The first member that this job must wait for, or undefined. `poolOf` says which pool a member is in.
 * Past the bound a Fence run has stopped and AllowDuplicate does not care; KeepAndWait may still run, if anything was lost.
 */
export function barrierBlocks(
  state: BarrierState,
  job: BarrierJob,
  poolOf: (member: MemberName) => PoolName | undefined,
): MemberName | undefined {
  if (job.createdUnderThisLeader || job.onPartition === 'AllowDuplicate') return undefined;
  if (state.awaiting.length > 0) return state.awaiting[0];
  if (!state.restored || job.onPartition !== 'KeepAndWait') return undefined;
  return state.unheard.find((member) => poolOf(member) === job.pool);
}
