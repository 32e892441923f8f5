/**
 * Conditions of every kind: their types and reasons as closed unions, and the one way to set them.
 * Invariant: lastTransitionTime changes only when the status does; nothing is written when nothing changed. Time is passed
 * in as RFC 3339 text, so that this file needs no clock.
 */

export type ConditionStatus = 'True' | 'False' | 'Unknown';

export interface ApiCondition {
  readonly type: string;
  readonly status: ConditionStatus;
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
  readonly observedGeneration?: number;
}

/** Types of conditions by kind. */
export const JOB_CONDITION_TYPES = [
  'Valid',
  'Placed',
  'Running',
  'Succeeded',
  'Failed',
  'Suspended',
  'Stopping',
] as const;
export const POOL_CONDITION_TYPES = ['Ready', 'MembersConflict', 'MassExpiryGuard'] as const;
export const MEMBER_CONDITION_TYPES = ['Accepted', 'Connected', 'Healthy', 'PoolAssigned'] as const;
export const POLICY_CONDITION_TYPES = ['Valid', 'Lending', 'NetworkIsolation'] as const;
export const GUEST_CONDITION_TYPES = ['Started', 'Running', 'Ended', 'TemplateAccepted'] as const;

export type JobConditionType = (typeof JOB_CONDITION_TYPES)[number];
export type PoolConditionType = (typeof POOL_CONDITION_TYPES)[number];
export type MemberConditionType = (typeof MEMBER_CONDITION_TYPES)[number];
export type PolicyConditionType = (typeof POLICY_CONDITION_TYPES)[number];
export type GuestConditionType = (typeof GUEST_CONDITION_TYPES)[number];
export type ConditionType =
  JobConditionType | PoolConditionType | MemberConditionType | PolicyConditionType | GuestConditionType;

/**
 * Reasons that are no cause of a run (core/model/cause) and no reason to wait (core/scheduling/reason): those two closed
 * families are reasons as well, and this one completes them.
 */
export const CONDITION_REASONS = [
  // ComputeJob
  'Accepted',
  'InvalidSpec',
  'Placed',
  'NotPlaced',
  'AllWorkersRunning',
  'WorkersStarting',
  'NotRunning',
  'RetryLimitReached',
  'Finished',
  'NotFinished',
  'MemberSilent',
  'SuspendedBySpec',
  'NotSuspended',
  'StopRequested',
  'StopConfirmed',
  // GpuPool
  'MembersReady',
  'NoMembers',
  'NoConflict',
  'GuardActive',
  'GuardInactive',
  // MemberCluster
  'AcceptedByOperator',
  'WaitingForAcceptance',
  'WaitingForRequest',
  'JurisdictionMismatch',
  'Revoked',
  'DeclaredLost',
  'Reporting',
  'NeverReported',
  'ReportOverdue',
  'StreamClosed',
  'CertificateExpired',
  'PoolConflict',
  'PoolAssigned',
  'NoPool',
  // LendingPolicy
  'PolicyValid',
  'PolicyInvalid',
  'Lending',
  'Paused',
  'OutsideWindow',
  'NothingIdle',
  'Enforced',
  'NotEnforced',
  'NotProbed',
  // GuestRun
  'StartRecorded',
  'TemplateAccepted',
  'Ended',
] as const;

/** What a writer knows; the rest is decided here. */
export interface ConditionUpdate<Type extends string = ConditionType> {
  readonly type: Type;
  readonly status: ConditionStatus;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
}

export function findCondition(
  conditions: readonly ApiCondition[] | undefined,
  type: ConditionType,
): ApiCondition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** Whether a condition is present and True. */
export function isConditionTrue(conditions: readonly ApiCondition[] | undefined, type: ConditionType): boolean {
  return findCondition(conditions, type)?.status === 'True';
}

function sameCondition(a: ApiCondition, b: ApiCondition): boolean {
  return (
    a.status === b.status &&
    a.reason === b.reason &&
    a.message === b.message &&
    a.observedGeneration === b.observedGeneration
  );
}

/**
 * The conditions with one set. Returns the same array when nothing changed, so that a caller can skip the write.
 * `now` is RFC 3339 and becomes lastTransitionTime only if the status changed.
 */
export function setCondition(
  conditions: readonly ApiCondition[] | undefined,
  update: ConditionUpdate,
  now: string,
): readonly ApiCondition[] {
  const before = conditions ?? [];
  const old = findCondition(before, update.type);
  const next: ApiCondition = {
    ...update,
    lastTransitionTime: old?.status === update.status ? old.lastTransitionTime : now,
  };
  if (old === undefined) return [...before, next];
  if (sameCondition(old, next)) return before;
  return before.map((condition) => (condition.type === update.type ? next : condition));
}

/** The conditions with several set, in order. Same array when nothing changed. */
export function setConditions(
  conditions: readonly ApiCondition[] | undefined,
  updates: readonly ConditionUpdate[],
  now: string,
): readonly ApiCondition[] {
  return updates.reduce<readonly ApiCondition[]>((all, update) => setCondition(all, update, now), conditions ?? []);
}
