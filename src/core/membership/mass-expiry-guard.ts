/**
 * The mass-expiry guard: when many members seem silent at once, the fault is probably the hub's own, and placing all their work
 * again would be the real disaster. Decides when the guard is active and when it ends.
 *
 * A pure fold: state in, state out, time as an argument (the hub's monotonic clock; never a wall clock).
 * Invariants: it delays only the release of runs by silence, never a job without an earlier run; it never starts again for
 * the silence of members that an operator has already excused, until they have been heard.
 * Leaves out what health is (health.ts) and which runs are held (run/release.ts).
 */
import { compareStrings, sorted } from '../../std/ordering.ts';
import type { MemberName } from '../model/ids.ts';
import type { MemberHealth } from './health.ts';

export type GuardCause =
  /** The hub began to lead: until now nobody could reach it. */
  | 'HubOutage'
  /** At least two members, and more than half, fell silent within one window. */
  | 'MassSilence';

export interface GuardState {
  readonly active?: {
    readonly cause: GuardCause;
    readonly sinceMs: number;
    /** Members whose return ends it. Sorted. */
    readonly awaiting: readonly MemberName[];
  };
  /** Members that are silent now. Sorted by name. */
  readonly silent: readonly {
    readonly member: MemberName;
    readonly sinceMs: number;
    /** An operator released the guard while it was silent. */
    readonly excused: boolean;
  }[];
}

export interface GuardTerms {
  /** Members falling silent within this time of each other count together. */
  readonly windowMs: number;
  /** After a hub outage it lasts at most so long, unless it has become a mass silence: one lease. */
  readonly outageMs: number;
}

export interface GuardObservation {
  /** Every accepted member that is not declared lost or revoked. */
  readonly members: readonly { readonly member: MemberName; readonly health: MemberHealth }[];
  /** An operator says: go on. */
  readonly releasedByHand?: boolean;
}

/** At the start of leadership: active until the members report, if there are any. */
export function guardAtLeaderStart(accepted: readonly MemberName[], nowMs: number): GuardState {
  if (accepted.length === 0) return { silent: [] };
  return { active: { cause: 'HubOutage', sinceMs: nowMs, awaiting: sorted(accepted, compareStrings) }, silent: [] };
}

/** One look at the members. */
export function stepGuard(state: GuardState, seen: GuardObservation, terms: GuardTerms, nowMs: number): GuardState {
  const silent = silentNow(state, seen, nowMs);
  if (seen.releasedByHand === true) return { silent: silent.map((one) => ({ ...one, excused: true })) };
  const active =
    state.active === undefined ? startsNow(silent, seen, terms, nowMs) : goesOn(state.active, seen, terms, nowMs);
  return active === undefined ? { silent } : { active, silent };
}

/** Why it is active, as a sentence with numbers; undefined while it is not. */
export function guardDetail(state: GuardState, nowMs: number): string | undefined {
  if (state.active === undefined) return undefined;
  const { cause, sinceMs, awaiting } = state.active;
  const what =
    cause === 'HubOutage' ? 'the hub has just begun to lead' : `${awaiting.length} members fell silent together`;
  const names =
    awaiting.length <= 5 ? awaiting.join(', ') : `${awaiting.slice(0, 5).join(', ')} and ${awaiting.length - 5} more`;
  return `${what}; waiting for ${names} for ${Math.floor((nowMs - sinceMs) / 1000)} s`;
}

function silentNow(state: GuardState, seen: GuardObservation, nowMs: number): GuardState['silent'] {
  const before = new Map(state.silent.map((one) => [one.member, one]));
  const silent = seen.members.filter((one) => one.health === 'Silent');
  return sorted(silent, (a, b) => compareStrings(a.member, b.member)).map(
    ({ member }) => before.get(member) ?? { member, sinceMs: nowMs, excused: false },
  );
}

function startsNow(
  silent: GuardState['silent'],
  seen: GuardObservation,
  terms: GuardTerms,
  nowMs: number,
): GuardState['active'] {
  const together = silent.filter((one) => !one.excused && nowMs - one.sinceMs <= terms.windowMs);
  if (!isMass(together.length, seen)) return undefined;
  return { cause: 'MassSilence', sinceMs: nowMs, awaiting: together.map((one) => one.member) };
}

function goesOn(
  active: NonNullable<GuardState['active']>,
  seen: GuardObservation,
  terms: GuardTerms,
  nowMs: number,
): GuardState['active'] {
  const health = new Map(seen.members.map((one) => [one.member, one.health]));
  // Members that are gone, revoked or declared lost are no longer waited for.
  const awaiting = active.awaiting.filter((member) => health.has(member) && health.get(member) !== 'Connected');
  if (active.cause === 'HubOutage' && nowMs - active.sinceMs < terms.outageMs) {
    return awaiting.length === 0 ? undefined : { ...active, awaiting };
  }
  return isMass(awaiting.length, seen) ? { cause: 'MassSilence', sinceMs: active.sinceMs, awaiting } : undefined;
}

function isMass(count: number, seen: GuardObservation): boolean {
  return count >= 2 && 2 * count > seen.members.length;
}
