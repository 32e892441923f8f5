/** Conditions of Jobs and the times in them. Decides how a condition is replaced; keeps the order in which they came. */
import { formatTimestamp } from '../../../platform/clock/timestamp.ts';
import type { PodCondition } from '../objects/pod.ts';

/** The list with `condition` in it, or the very same list if it says so already. */
export function setCondition(
  conditions: readonly PodCondition[],
  condition: Pick<PodCondition, 'type' | 'status' | 'reason' | 'message'>,
  nowMs: number,
): readonly PodCondition[] {
  const old = conditions.find((other) => other.type === condition.type);
  const { status, reason, message } = condition;
  if (old?.status === status && old.reason === reason && old.message === message) return conditions;
  const now = formatTimestamp(nowMs);
  const lastTransitionTime = old?.status === status ? (old.lastTransitionTime ?? now) : now;
  const next: PodCondition = { ...condition, lastProbeTime: now, lastTransitionTime };
  if (old === undefined) return [...conditions, next];
  return conditions.map((other) => (other === old ? next : other));
}
