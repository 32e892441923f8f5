/**
 * Ends a pod on somebody else's account: says why in its conditions, then deletes it gracefully.
 *
 * Invariants: the reason is written before the deletion, so that whoever watches knows the cause; a pod that is leaving or
 * gone already is left alone. Used by the scheduler's preemption and by the node lifecycle.
 */
import { pods } from '../../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { isConflict, isNotFound } from '../../platform/kube/kube-error.ts';
import { formatTimestamp } from '../../platform/clock/timestamp.ts';
import { isTerminating, uidOf } from './objects/pod.ts';
import type { Pod, PodCondition, PodStatus } from './objects/pod.ts';

export interface Disruption {
  /** Of the DisruptionTarget condition, e.g. `PreemptionByScheduler`. */
  readonly reason: string;
  readonly message: string;
  /** Default: the pod's own grace. */
  readonly gracePeriodSeconds?: number;
  /** Set where no kubelet is left to say so: the pod's phase becomes Failed. */
  readonly phase?: 'Failed';
}

/** Resolves when the deletion is accepted. */
export async function disruptPod(client: KubeClient, pod: Pod, disruption: Disruption, nowMs: number): Promise<void> {
  if (isLeftAlone(pod, disruption)) return;
  const condition: PodCondition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: disruption.reason,
    message: disruption.message,
    lastTransitionTime: formatTimestamp(nowMs),
  };
  try {
    if (!(await sayWhy(client, pod, condition, disruption))) return;
    await client.delete(refOf(pod), {
      propagationPolicy: 'Background',
      preconditions: { uid: uidOf(pod) },
      ...(disruption.gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: disruption.gracePeriodSeconds }),
    });
  } catch (error) {
    // Gone, or replaced by another of its name: there is nobody left to disrupt.
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}

/** It is leaving already, and there is a kubelet to see to it. */
function isLeftAlone(pod: Pod, disruption: Disruption): boolean {
  return isTerminating(pod) && disruption.phase === undefined;
}

/** Writes the condition into the newest version; false when that one needs no disruption any more. */
async function sayWhy(client: KubeClient, pod: Pod, condition: PodCondition, disruption: Disruption): Promise<boolean> {
  let newest = pod;
  while (!(await tryStatus(client, newest, condition, disruption.phase))) {
    newest = await client.get<Pod>(refOf(pod));
    if (uidOf(newest) !== uidOf(pod) || isLeftAlone(newest, disruption)) return false;
  }
  return true;
}

function refOf(pod: Pod): { readonly type: typeof pods; readonly namespace: string; readonly name: string } {
  return { type: pods, namespace: pod.metadata.namespace ?? '', name: pod.metadata.name ?? '' };
}

/** False on a conflict: somebody wrote meanwhile. */
async function tryStatus(
  client: KubeClient,
  pod: Pod,
  condition: PodCondition,
  phase: PodStatus['phase'],
): Promise<boolean> {
  const others = (pod.status?.conditions ?? []).filter((other) => other.type !== condition.type);
  const { resourceVersion, uid } = pod.metadata;
  const status = { conditions: [...others, condition], ...(phase === undefined ? {} : { phase }) };
  try {
    await client.mergePatch(refOf(pod), { metadata: { resourceVersion, uid }, status }, { subresource: 'status' });
    return true;
  } catch (error) {
    if (isConflict(error)) return false;
    throw error;
  }
}
