/**
 * Who is silent, for how long, and what must wait for whom: folds the clock into member health, the mass-expiry guard and the
 * recovery barrier, once per tick.
 *
 * Invariants: silence is measured by monotonic and boot time only; when this hub begins to lead, every admitted member counts
 * as heard at that moment plus the leader's lease, since the leader before may have acknowledged until then; members that
 * never connected hold no runs and are waited for by nobody.
 */
import type { MemberName, PoolName } from '../../core/model/ids.ts';
import { memberHealth, type MemberHealth } from '../../core/membership/health.ts';
import {
  guardAtLeaderStart,
  guardDetail,
  stepGuard,
  type GuardState,
} from '../../core/membership/mass-expiry-guard.ts';
import {
  barrierAtLeaderStart,
  barrierBlocks,
  LIFTED_BARRIER,
  stepBarrier,
  type BarrierJob,
  type BarrierState,
} from '../../core/membership/recovery-barrier.ts';
import { silentForMs } from '../../core/run/lease.ts';
import { findCondition } from '../../api/v1alpha1/conditions.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { parseTimestamp } from '../../platform/clock/timestamp.ts';
import { clusterOf, everConnected, isAdmitted, type MemberEntry } from './member-record.ts';

export interface LivenessSettings {
  /** Age of the last report from which a member counts as silent. */
  readonly silentAfterMs: number;
  /** Members falling silent within this time of each other count together. */
  readonly massSilenceWindowMs: number;
  /** Of the leader election: until then the leader before may have acknowledged reports. */
  readonly leaderLeaseMs: number;
}

/** Bounds that the pools set. */
export interface PoolBounds {
  /** Longest lease.duration. */
  readonly longestLeaseMs: number;
  /** Longest silence after which a run under any pool's lease has certainly stopped. */
  readonly longestBoundMs: number;
}

export interface Leadership {
  /** How long ago the leader before renewed the lease that this store shows; absent = there was none. */
  readonly sincePredecessorMs?: number;
}

export class Liveness {
  private readonly clock: Clock;
  private readonly settings: LivenessSettings;
  private guard: GuardState = { silent: [] };
  private barrier: BarrierState = LIFTED_BARRIER;
  private releasedByHand = false;
  private restored = false;

  constructor(deps: { readonly clock: Clock; readonly settings: LivenessSettings }) {
    this.clock = deps.clock;
    this.settings = deps.settings;
  }

  /** This hub begins to lead. */
  begin(members: Iterable<MemberEntry>, bounds: PoolBounds, leadership: Leadership): void {
    const now = this.clock.read();
    const credited = {
      ...now,
      monotonicMs: now.monotonicMs + this.settings.leaderLeaseMs,
      bootMs: now.bootMs + this.settings.leaderLeaseMs,
    };
    const admitted: MemberName[] = [];
    const recent: MemberName[] = [];
    for (const member of members) {
      if (!isAdmitted(member) || !everConnected(member)) continue;
      member.heardAt = credited;
      member.health = memberHealth(0, this.settings.silentAfterMs);
      admitted.push(member.name);
      if (!silentSinceBefore(member, now.wallMs - bounds.longestBoundMs)) recent.push(member.name);
    }
    this.releasedByHand = false;
    this.restored = false;
    this.guard = guardAtLeaderStart(recent, now.monotonicMs);
    // All of them: what a restored store says of a member's silence is as old as the backup.
    this.barrier = barrierAtLeaderStart(admitted, {
      continuityGapMs: 2 * this.settings.leaderLeaseMs,
      ...(leadership.sincePredecessorMs === undefined ? {} : { sincePredecessorMs: leadership.sincePredecessorMs }),
    });
  }

  /** How long the member has been silent for certain; undefined if it was never heard. */
  silenceMs(member: MemberEntry): number | undefined {
    return member.heardAt === undefined ? undefined : silentForMs(member.heardAt, this.clock.read());
  }

  /** Looks at the clock. Returns the members whose health changed; `eased` = the guard or the barrier let something go. */
  tick(
    members: Iterable<MemberEntry>,
    bounds: PoolBounds,
  ): { readonly changed: readonly MemberName[]; readonly eased: boolean } {
    const changed: MemberName[] = [];
    const facts: MemberLook[] = [];
    for (const member of members) {
      const before = member.health;
      const look = this.look(member);
      if (before !== member.health) changed.push(member.name);
      if (isAdmitted(member) && member.heardAt !== undefined) facts.push(look);
    }
    const guardBefore = this.guardActive;
    const heldBefore = heldBy(this.barrier);
    const terms = { windowMs: this.settings.massSilenceWindowMs, outageMs: bounds.longestLeaseMs };
    const seen = { members: facts, releasedByHand: this.releasedByHand };
    this.guard = stepGuard(this.guard, seen, terms, this.clock.monotonicMs());
    this.releasedByHand = false;
    const { restored } = this;
    this.barrier = stepBarrier(this.barrier, { members: facts, boundMs: bounds.longestBoundMs, restored });
    return { changed, eased: (guardBefore && !this.guardActive) || heldBy(this.barrier) < heldBefore };
  }

  private look(member: MemberEntry): MemberLook {
    const silence = this.silenceMs(member);
    const heard = member.reportsHeard > 0;
    member.health = memberHealth(silence, this.settings.silentAfterMs);
    // Credited at the start of leadership, a member counts as connected only once it has really reported.
    const health = heard || member.health === 'Silent' ? member.health : 'NeverReported';
    return { member: member.name, health, heard, silentForMs: silence ?? 0 };
  }

  get guardActive(): boolean {
    return this.guard.active !== undefined;
  }

  /** Why the guard is active, with numbers; undefined while it is not. */
  guardReason(): string | undefined {
    return guardDetail(this.guard, this.clock.monotonicMs());
  }

  /** An operator says that silent members really are gone: release by silence goes on. */
  releaseGuard(): void {
    this.releasedByHand = true;
  }

  /** The hub's store is known to be older than what members have seen. */
  markRestored(): void {
    this.restored = true;
  }

  /** May fences that this hub's predecessors issued be missing from its store? */
  get mayHaveLostFences(): boolean {
    return !this.barrier.continuous || this.barrier.restored;
  }

  /** The member that a job must wait for before it may get a new fence. */
  blocks(job: BarrierJob, poolOf: (member: MemberName) => PoolName | undefined): MemberName | undefined {
    return barrierBlocks(this.barrier, job, poolOf);
  }
}

interface MemberLook {
  readonly member: MemberName;
  readonly health: MemberHealth;
  readonly heard: boolean;
  readonly silentForMs: number;
}

/** A member given up waiting for holds back less than one that is awaited. */
function heldBy(barrier: BarrierState): number {
  return 2 * barrier.awaiting.length + barrier.unheard.length;
}

/** The hub itself recorded, long enough ago, that the member had fallen silent: it is no news that it is. */
function silentSinceBefore(member: MemberEntry, wallMs: number): boolean {
  const connected = findCondition(clusterOf(member)?.status?.conditions, 'Connected');
  if (connected?.status !== 'False') return false;
  const since = parseTimestamp(connected.lastTransitionTime);
  return since !== undefined && since <= wallMs;
}
