/**
 * Whether a pod may go to a node now, and if not, why, in the words of the real scheduler.
 *
 * Invariants: pure; the reasons of a node are all that hold of the first filter that refuses, so that the counts of a
 * message add up per node as they do on a real cluster; a pod promised a place by preemption keeps it against pods of the
 * same or lower priority. Leaves out inter-pod affinity and topology spread: pods that require them are refused in plain
 * words instead of being placed as if they had not asked.
 */
import { uidOf } from '../objects/pod.ts';
import type { Pod } from '../objects/pod.ts';
import { matchesRequired } from './node-affinity.ts';
import type { NodeRow } from './node-ledger.ts';
import type { Amounts } from './resource-request.ts';
import { untoleratedTaint } from './taints.ts';

/** `resolvable` refusals may vanish when pods leave the node; the others do not. */
export interface Refusal {
  readonly resolvable: boolean;
  readonly reasons: readonly string[];
}

const fixed = (reason: string): Refusal => ({ resolvable: false, reasons: [reason] });
const unschedulable = fixed('node(s) were unschedulable');
const unmatched = fixed("node(s) didn't match Pod's node affinity/selector");
const tainted = fixed('node(s) had untolerated taint(s)');
const unsupported = fixed('the sandbox scheduler does not know inter-pod affinity or topology spread constraints');

/** Undefined: the pod fits. `requests` are `podRequests(pod)`, computed once by the caller. */
export function refusalOf(pod: Pod, requests: Amounts, row: NodeRow): Refusal | undefined {
  const taints = row.node.spec?.taints ?? [];
  if (row.node.spec?.unschedulable === true && !toleratesCordon(pod)) return unschedulable;
  if (untoleratedTaint(pod, taints) !== undefined) return tainted;
  if (!matchesRequired(pod, row.node)) return unmatched;
  if (needsOtherPods(pod)) return unsupported;
  const reasons = shortages(pod, requests, row);
  return reasons.length === 0 ? undefined : { resolvable: true, reasons };
}

/** Resources of which the node has too little left, with the places under `pods` first. */
function shortages(pod: Pod, requests: Amounts, row: NodeRow): readonly string[] {
  const promised = promisedTo(pod, row);
  const reasons: string[] = [];
  const places = row.pods.size + promised.count + 1;
  if (places > (row.allocatable.get('pods') ?? 0)) reasons.push('Too many pods');
  for (const [resource, amount] of requests) {
    if (amount === 0) continue;
    const used = (row.requested.get(resource) ?? 0) + (promised.amounts.get(resource) ?? 0);
    if (used + amount > (row.allocatable.get(resource) ?? 0)) reasons.push(`Insufficient ${resource}`);
  }
  return reasons;
}

function promisedTo(pod: Pod, row: NodeRow): { readonly count: number; readonly amounts: Amounts } {
  const amounts = new Map<string, number>();
  let count = 0;
  for (const [uid, other] of row.nominated) {
    if (uid === uidOf(pod) || other.priority < (pod.spec.priority ?? 0)) continue;
    count += 1;
    for (const [resource, amount] of other.requests) amounts.set(resource, (amounts.get(resource) ?? 0) + amount);
  }
  return { count, amounts };
}

function toleratesCordon(pod: Pod): boolean {
  return untoleratedTaint(pod, [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }]) === undefined;
}

function needsOtherPods(pod: Pod): boolean {
  const { affinity, topologySpreadConstraints } = pod.spec;
  return (
    (affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).length > 0 ||
    (affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).length > 0 ||
    (topologySpreadConstraints ?? []).some((constraint) => constraint.whenUnsatisfiable !== 'ScheduleAnyway')
  );
}
