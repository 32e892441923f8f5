/**
 * When a fence lets go. Decides the complete list of events after which the hub may issue the next fence of a job: its
 * outcome recorded, its cancel acknowledged, the bound of `Fence` passed, AllowDuplicate, or an admin's declare-lost.
 *
 * Invariant: nothing else releases, and above all neither silence under KeepAndWait nor a cancel that nobody acknowledged.
 * Leaves out how the end is recorded (step-run.ts) and what it means for the job (verdict.ts).
 */
import type { MemberHealth } from '../membership/health.ts';
import type { HubRun, HubRunEvent } from './hub-run.ts';
import { mayReplace, replacementBoundMs } from './lease.ts';

export type ReleaseWay = 'OutcomeRecorded' | 'CancelAcknowledged' | 'BoundPassed' | 'DuplicateAllowed' | 'DeclaredLost';

export type Release =
  | { readonly kind: 'released'; readonly by: ReleaseWay }
  /** The event does not end the run, and was not meant to. */
  | { readonly kind: 'held' }
  /** The event claims a release that the run's frozen terms do not grant. */
  | { readonly kind: 'forbidden'; readonly detail: string };

/** Does this event release the run's fence? `run` is the state before the event. */
export function releaseOf(run: HubRun, event: HubRunEvent): Release {
  switch (event.kind) {
    case 'reported':
      if (event.report.phase !== 'Ended') return { kind: 'held' };
      return { kind: 'released', by: run.cancel === undefined ? 'OutcomeRecorded' : 'CancelAcknowledged' };
    case 'cancelRequested':
      return { kind: 'held' };
    case 'fenceBoundPassed':
      return boundRelease(run, event.silentForMs);
    case 'duplicateAllowed':
      if (run.terms.onPartition === 'AllowDuplicate') return { kind: 'released', by: 'DuplicateAllowed' };
      return { kind: 'forbidden', detail: `onPartition is ${run.terms.onPartition}, not AllowDuplicate` };
    case 'declaredLost':
      return { kind: 'released', by: 'DeclaredLost' };
  }
}

function boundRelease(run: HubRun, silenceMs: number): Release {
  const { onPartition, lease } = run.terms;
  if (onPartition !== 'Fence') return { kind: 'forbidden', detail: `onPartition is ${onPartition}, not Fence` };
  if (!run.deadlineArmed)
    return { kind: 'forbidden', detail: 'the start of the run was never seen, so no deadline is known to count' };
  if (mayReplace(lease, silenceMs)) return { kind: 'released', by: 'BoundPassed' };
  return {
    kind: 'forbidden',
    detail: `silent for ${seconds(silenceMs)} s, the bound is ${seconds(replacementBoundMs(lease))} s`,
  };
}

export interface SilenceFacts {
  /** By the smallest of the hub's boot and monotonic clocks (lease.ts). */
  readonly silentForMs: number;
  readonly health: MemberHealth;
  /** While the mass-expiry guard is active no run is released by silence. */
  readonly guardActive: boolean;
}

/** The event that a member's silence has brought about for this run, if any; for the hub's periodic look at its members. */
export function silenceEvent(run: HubRun, facts: SilenceFacts): HubRunEvent | undefined {
  if (facts.guardActive || facts.health !== 'Silent') return undefined;
  const { onPartition } = run.terms;
  if (onPartition === 'AllowDuplicate') return { kind: 'duplicateAllowed', silentForMs: facts.silentForMs };
  if (boundRelease(run, facts.silentForMs).kind !== 'released') return undefined;
  return { kind: 'fenceBoundPassed', silentForMs: facts.silentForMs };
}

/** Why the fence is still held, with numbers, for `EarlierRunUnconfirmed` and conditions. */
export function holdDetail(run: HubRun, silenceMs: number): string {
  const { id, member, onPartition, lease } = run.terms;
  const what = `run with fence ${id.fence} on ${member}`;
  const silence = `silent for ${seconds(silenceMs)} s`;
  if (onPartition === 'KeepAndWait') return `${what} (${silence}) is kept until the member is heard or declared lost`;
  if (onPartition === 'AllowDuplicate')
    return `${what} (${silence}) may be duplicated once the member counts as silent`;
  if (!run.deadlineArmed) {
    return `${what} (${silence}) was never seen to start, so no deadline counts; it is kept until the member is heard or declared lost`;
  }
  return `${what} (${silence}) is placed again after ${seconds(replacementBoundMs(lease))} s of silence`;
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
