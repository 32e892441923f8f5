/**
 * One pod against the whole book: bind, evict somebody, or wait with the real scheduler's sentence.
 *
 * Invariants: pure; a promised (nominated) node is tried first. The sentence has the shape
 * `0/3 nodes are available: 2 Insufficient nvidia.com/gpu, 1 ... . preemption: 0/3 nodes are available: ...`.
 */
import { uidOf } from '../objects/pod.ts';
import type { Pod } from '../objects/pod.ts';
import { refusalOf } from './fit.ts';
import type { Refusal } from './fit.ts';
import type { NodeLedger, NodeRow } from './node-ledger.ts';
import { planPreemption } from './preemption.ts';
import { podRequests } from './resource-request.ts';
import { chooseNode } from './score.ts';

export type SchedulingDecision =
  | { readonly kind: 'Bind'; readonly nodeName: string }
  /** The pod waits with `message` while the victims on `nodeName` leave. */
  | { readonly kind: 'Preempt'; readonly nodeName: string; readonly victims: readonly Pod[]; readonly message: string }
  | { readonly kind: 'Wait'; readonly message: string };

export function decideScheduling(pod: Pod, ledger: Pick<NodeLedger, 'nodes' | 'nominationFor'>): SchedulingDecision {
  const rows = ledger.nodes();
  if (rows.length === 0) return { kind: 'Wait', message: 'no nodes available to schedule pods' };
  const requests = podRequests(pod);
  const refusals = new Map<string, Refusal>();
  const fitting: NodeRow[] = [];
  for (const row of rows) {
    const refusal = refusalOf(pod, requests, row);
    if (refusal === undefined) fitting.push(row);
    else refusals.set(row.node.metadata.name ?? '', refusal);
  }
  const promised = ledger.nominationFor(uidOf(pod));
  const nodeName = fitting.find((row) => row.node.metadata.name === promised)?.node.metadata.name;
  const chosen = nodeName ?? chooseNode(pod, requests, fitting);
  if (chosen !== undefined) return { kind: 'Bind', nodeName: chosen };
  const why = unavailable(
    rows.length,
    [...refusals.values()].flatMap((refusal) => refusal.reasons),
  );
  const plan = planPreemption(pod, requests, rows, refusals);
  if (plan.kind === 'Evict') return { ...plan, kind: 'Preempt', message: why };
  const after = plan.ineligible ?? unavailable(rows.length, [...plan.reasons.values()]);
  return { kind: 'Wait', message: `${why} no new claims to deallocate, preemption: ${after}` };
}

/** `0/3 nodes are available: 1 Too many pods, 2 Insufficient cpu.` Reasons are sorted as texts, counts included. */
export function unavailable(nodeCount: number, reasons: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const parts = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${nodeCount} nodes are available${parts.length > 0 ? `: ${parts.join(', ')}` : ''}.`;
}
