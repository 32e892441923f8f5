/** Tolerations against taints, as kube-scheduler compares them. Only NoSchedule and NoExecute keep a pod away. */
import type { Toleration } from './job.ts';
import type { Taint } from './member.ts';

/** Does this toleration cover this taint? An empty key with Exists covers all; an empty effect covers every effect. */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect !== undefined && toleration.effect !== taint.effect) return false;
  const key = toleration.key ?? '';
  if (key === '') return toleration.operator === 'Exists';
  if (key !== taint.key) return false;
  return toleration.operator === 'Exists' || (toleration.value ?? '') === taint.value;
}

/** The first taint that keeps the pod away, in the order given; undefined = it may be placed. */
export function firstUntolerated(taints: readonly Taint[], tolerations: readonly Toleration[]): Taint | undefined {
  return taints.find(
    (taint) => taint.effect !== 'PreferNoSchedule' && !tolerations.some((toleration) => tolerates(toleration, taint)),
  );
}

/** `key=value:Effect`, or `key:Effect` without a value, as kubectl writes it. */
export function taintText(taint: Taint): string {
  return taint.value === '' ? `${taint.key}:${taint.effect}` : `${taint.key}=${taint.value}:${taint.effect}`;
}
