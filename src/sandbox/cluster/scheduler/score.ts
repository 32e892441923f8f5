/**
 * Which of several fitting nodes a pod gets: preferred affinity, then fewer taints it would rather avoid, then the node
 * with the largest free share, then the name. Deterministic, where the real scheduler draws lots among equals.
 */
import { compareBy, compareNumbers, compareStrings } from '../../../std/ordering.ts';
import type { Pod } from '../objects/pod.ts';
import { preferenceWeight } from './node-affinity.ts';
import type { NodeRow } from './node-ledger.ts';
import type { Amounts } from './resource-request.ts';
import { avoidedTaints } from './taints.ts';

interface Scored {
  readonly name: string;
  readonly weight: number;
  readonly avoided: number;
  readonly freeShare: number;
}

const best = compareBy<Scored>(
  (a, b) => compareNumbers(b.weight, a.weight),
  (a, b) => compareNumbers(a.avoided, b.avoided),
  (a, b) => compareNumbers(b.freeShare, a.freeShare),
  (a, b) => compareStrings(a.name, b.name),
);

/** The name of the best of `rows`; undefined when there are none. */
export function chooseNode(pod: Pod, requests: Amounts, rows: readonly NodeRow[]): string | undefined {
  let chosen: Scored | undefined;
  for (const row of rows) {
    const scored: Scored = {
      name: row.node.metadata.name ?? '',
      weight: preferenceWeight(pod, row.node),
      avoided: avoidedTaints(pod, row.node.spec?.taints ?? []),
      freeShare: freeShare(requests, row),
    };
    if (chosen === undefined || best(scored, chosen) < 0) chosen = scored;
  }
  return chosen?.name;
}

/** Mean share, in thousandths, left of CPU, memory and whatever the pod asks for once it is there. */
function freeShare(requests: Amounts, row: NodeRow): number {
  const resources = new Set(['cpu', 'memory', ...requests.keys()]);
  let sum = 0;
  for (const resource of resources) {
    const total = row.allocatable.get(resource) ?? 0;
    const used = (row.requested.get(resource) ?? 0) + (requests.get(resource) ?? 0);
    sum += total === 0 ? 0 : Math.round((1000 * (total - used)) / total);
  }
  return Math.round(sum / resources.size);
}
