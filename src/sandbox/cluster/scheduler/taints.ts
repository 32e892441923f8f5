/**
 * Taints and tolerations. Decides which taints a pod does not stand, and for how long it may stay under `NoExecute`.
 *
 * Invariants: a toleration without effect covers every effect, one without key and with `Exists` covers every key.
 */
import type { Taint } from '../objects/node.ts';
import type { Pod, Toleration } from '../objects/pod.ts';

export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (!isAnyOr(toleration.effect, taint.effect) || !isAnyOr(toleration.key, taint.key)) return false;
  const { operator = '' } = toleration;
  if (operator === 'Exists') return true;
  const named = (toleration.key ?? '') !== '';
  return (operator === 'Equal' || operator === '') && named && (toleration.value ?? '') === (taint.value ?? '');
}

/** Absent and empty stand for everything. */
function isAnyOr(wanted: string | undefined, actual: string): boolean {
  return wanted === undefined || wanted === '' || wanted === actual;
}

/** The first taint that keeps `pod` off; `PreferNoSchedule` never does. */
export function untoleratedTaint(pod: Pick<Pod, 'spec'>, taints: readonly Taint[]): Taint | undefined {
  return taints.find(
    (taint) =>
      taint.effect !== 'PreferNoSchedule' &&
      !(pod.spec.tolerations ?? []).some((toleration) => tolerates(toleration, taint)),
  );
}

/** How many `PreferNoSchedule` taints `pod` would rather avoid. */
export function avoidedTaints(pod: Pick<Pod, 'spec'>, taints: readonly Taint[]): number {
  return taints.filter(
    (taint) =>
      taint.effect === 'PreferNoSchedule' &&
      !(pod.spec.tolerations ?? []).some((toleration) => tolerates(toleration, taint)),
  ).length;
}

/**
 * Seconds for which a running `pod` may stay under the `NoExecute` taints: 0 = leave now, undefined = for ever.
 * The shortest of several tolerations decides, as in the taint eviction controller.
 */
export function staySeconds(pod: Pick<Pod, 'spec'>, taints: readonly Taint[]): number | undefined {
  let shortest: number | undefined;
  for (const taint of taints) {
    if (taint.effect !== 'NoExecute') continue;
    const matching = (pod.spec.tolerations ?? []).filter((toleration) => tolerates(toleration, taint));
    if (matching.length === 0) return 0;
    for (const { tolerationSeconds } of matching) {
      if (tolerationSeconds === undefined) continue;
      shortest = Math.min(shortest ?? Infinity, Math.max(0, tolerationSeconds));
    }
  }
  return shortest;
}
