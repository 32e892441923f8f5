/**
 * Who must leave so that a pod of higher priority can come: the real scheduler's choice, on one node.
 *
 * Invariants: pure; only pods of strictly lower priority are victims, and no victim could have stayed (inclusion-minimal on
 * its node: they are brought back from the most important one down). Among nodes: lowest top priority of the victims, then
 * the smallest sum of priorities, then the fewest victims, then the latest start of the most important one, then the name.
 * Leaves out PodDisruptionBudgets, which the real scheduler honours only as far as it can.
 */
import { compareBy, compareNumbers, compareStrings } from '../../../std/ordering.ts';
import { conditionOf, isTerminating, podKey } from '../objects/pod.ts';
import type { Pod } from '../objects/pod.ts';
import { refusalOf } from './fit.ts';
import type { BookedPod, NodeRow } from './node-ledger.ts';
import { addAll } from './resource-request.ts';
import type { Amounts } from './resource-request.ts';

export type PreemptionPlan =
  | { readonly kind: 'Evict'; readonly nodeName: string; readonly victims: readonly Pod[] }
  /** `reasons` per node name, for the message; empty when the pod may not preempt at all. */
  | { readonly kind: 'Nothing'; readonly ineligible?: string; readonly reasons: ReadonlyMap<string, string> };

/** Why each node refused, as found by the filters; nodes that are absent fit. */
export type Refusals = ReadonlyMap<string, { readonly resolvable: boolean }>;

export function planPreemption(
  pod: Pod,
  requests: Amounts,
  rows: readonly NodeRow[],
  refusals: Refusals,
): PreemptionPlan {
  const ineligible = whyNotEligible(pod, rows);
  if (ineligible !== undefined) return { kind: 'Nothing', ineligible, reasons: new Map() };
  const reasons = new Map<string, string>();
  const candidates: Candidate[] = [];
  for (const row of rows) {
    const nodeName = row.node.metadata.name ?? '';
    if (refusals.get(nodeName)?.resolvable !== true) {
      reasons.set(nodeName, 'Preemption is not helpful for scheduling');
      continue;
    }
    const victims = victimsOn(pod, requests, row);
    if (victims === undefined) reasons.set(nodeName, 'No preemption victims found for incoming pod');
    else candidates.push({ nodeName, victims });
  }
  const best = candidates.sort(byHarm)[0];
  if (best === undefined) return { kind: 'Nothing', reasons };
  return { kind: 'Evict', nodeName: best.nodeName, victims: best.victims.map((victim) => victim.pod) };
}

interface Candidate {
  readonly nodeName: string;
  readonly victims: readonly BookedPod[];
}

function whyNotEligible(pod: Pod, rows: readonly NodeRow[]): string | undefined {
  if (pod.spec.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.';
  const nominated = rows.find((row) => row.node.metadata.name === pod.status?.nominatedNodeName);
  for (const { pod: other, priority } of nominated?.pods.values() ?? []) {
    const leaving = isTerminating(other) && conditionOf(other, 'DisruptionTarget')?.reason === 'PreemptionByScheduler';
    if (leaving && priority < (pod.spec.priority ?? 0))
      return 'not eligible due to a terminating pod on the nominated node.';
  }
  return undefined;
}

/** Undefined when even an empty node of the unimportant would not do, or when there is nobody to evict. */
function victimsOn(pod: Pod, requests: Amounts, row: NodeRow): readonly BookedPod[] | undefined {
  const priority = pod.spec.priority ?? 0;
  const lower = [...row.pods.values()].filter((other) => other.priority < priority);
  if (lower.length === 0) return undefined;
  const left = withoutPods(row, lower);
  if (refusalOf(pod, requests, left) !== undefined) return undefined;
  const victims: BookedPod[] = [];
  for (const candidate of lower.sort(byImportance)) {
    const uid = candidate.pod.metadata.uid ?? '';
    left.pods.set(uid, candidate);
    addAll(left.requested, candidate.requests);
    if (refusalOf(pod, requests, left) === undefined) continue;
    left.pods.delete(uid);
    addAll(left.requested, candidate.requests, -1);
    victims.push(candidate);
  }
  return victims;
}

interface WorkingRow extends NodeRow {
  readonly requested: Map<string, number>;
  readonly pods: Map<string, BookedPod>;
}

function withoutPods(row: NodeRow, gone: readonly BookedPod[]): WorkingRow {
  const requested = new Map(row.requested);
  const pods = new Map(row.pods);
  for (const entry of gone) {
    pods.delete(entry.pod.metadata.uid ?? '');
    addAll(requested, entry.requests, -1);
  }
  return { ...row, requested, pods };
}

/** Most important first: higher priority, then started earlier. */
const byImportance = compareBy<BookedPod>(
  (a, b) => compareNumbers(b.priority, a.priority),
  (a, b) => compareStrings(startOf(a), startOf(b)),
  (a, b) => compareStrings(podKey(a.pod), podKey(b.pod)),
);

const byHarm = compareBy<Candidate>(
  (a, b) => compareNumbers(topPriority(a), topPriority(b)),
  (a, b) => compareNumbers(prioritySum(a), prioritySum(b)),
  (a, b) => compareNumbers(a.victims.length, b.victims.length),
  (a, b) => compareStrings(earliestTopStart(b), earliestTopStart(a)),
  (a, b) => compareStrings(a.nodeName, b.nodeName),
);

function topPriority(candidate: Candidate): number {
  return Math.max(...candidate.victims.map((victim) => victim.priority));
}

/** Shifted so that negative priorities count upwards too, as in the real scheduler. */
function prioritySum(candidate: Candidate): number {
  return candidate.victims.reduce((sum, victim) => sum + victim.priority + 2 ** 31, 0);
}

function earliestTopStart(candidate: Candidate): string {
  const top = topPriority(candidate);
  const starts = candidate.victims.filter((victim) => victim.priority === top).map(startOf);
  return starts.sort()[0] ?? '';
}

function startOf(entry: BookedPod): string {
  return entry.pod.status?.startTime ?? entry.pod.metadata.creationTimestamp ?? '';
}
