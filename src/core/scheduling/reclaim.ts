/**
 * Owner first: which guests must go so that the owner's waiting pods fit. Decides the smallest set of whole gangs, and names
 * the pods that no eviction helps.
 *
 * Invariants: a gang goes whole or stays; capacity of gangs that are ending already counts as coming, so that nobody is
 * evicted twice for one pod; no proper subset of what is chosen would do; a pod that cannot be helped evicts nobody. Pods are
 * served by priority, then by key: a lesser pod never takes the room of a greater one. Of pods that could be helped the first 512
 * are served, and the rest when it is decided again; pods that cannot be helped never stand in their way.
 * Smallest = fewest GPUs of gangs that still work (broken ones cost nothing), then least work at risk, then fewest gangs, then
 * key. Exact for small members; beyond that greedy per pod and then pruned. Leaves out volumes, pod affinity and whom the
 * member's own scheduler picks.
 */
import { compareBy, compareNumbers, compareStrings, sorted } from '../../std/ordering.ts';
import { WHOLE_GPU_RESOURCES } from '../model/gpu.ts';
import type { RunId } from '../model/ids.ts';
import { runKey } from '../model/ids.ts';
import { firstShortage } from '../model/resources.ts';
import { nodeMeetsTerms } from '../model/selectors.ts';
import { firstUntolerated } from '../model/tolerations.ts';
import type { Candidate, Gang } from './reclaim-choice.ts';
import { chooseExactly, fitsExactSearch } from './reclaim-exact.ts';
import { chooseGreedily } from './reclaim-greedy.ts';
import type { ReclaimGuest, ReclaimInput, ReclaimNode, WaitingOwnerPod } from './reclaim-input.ts';
import { Room } from './reclaim-room.ts';

export type HopelessReason =
  /** Labels, affinity or taints rule out every node. */
  | { readonly kind: 'NoNodeAllowed'; readonly nodes: number }
  /** Without any guest the roomiest allowed node would still lack this. */
  | { readonly kind: 'NeverFits'; readonly resource: string; readonly need: number; readonly have: number }
  /** Alone it would fit, but the room goes to pods of higher rank. */
  | { readonly kind: 'BehindOtherPods' };

export interface ReclaimDecision {
  /** Gangs to end, sorted by run key, each with the pods that it makes room for. */
  readonly evict: readonly { readonly run: RunId; readonly pods: readonly string[] }[];
  /** Pods that will fit, with the node where this decision sees them. Sorted by key. */
  readonly covered: readonly { readonly pod: string; readonly node: string }[];
  /** Sorted by key. */
  readonly hopeless: readonly { readonly pod: string; readonly reason: HopelessReason }[];
}

/** Bounds the time of one decision. */
const MOST_SERVED = 512;

/** Decides once. Repeat it whenever pods, nodes or guests change: it counts what it has already set in motion. */
export function reclaim(input: ReclaimInput): ReclaimDecision {
  const nodes = sorted(input.nodes, (a, b) => compareStrings(a.node, b.node));
  const index = new Map(nodes.map((node, i) => [node.node, i]));
  const gangs = sorted(input.guests, (a, b) => compareStrings(runKey(a.run), runKey(b.run))).map((guest) =>
    gangOf(guest, index),
  );
  const [ending, standing] = [
    gangs.filter((gang) => gang.guest.stopping),
    gangs.filter((gang) => !gang.guest.stopping),
  ];
  const coming = new Room(nodes.map((node) => node.free));
  for (const gang of ending) coming.release(gang);
  const empty = coming.copy();
  for (const gang of standing) empty.release(gang);
  const byRank = compareBy<WaitingOwnerPod>(
    (a, b) => compareNumbers(b.priority, a.priority),
    (a, b) => compareStrings(a.key, b.key),
  );
  const hopeless: { readonly pod: string; readonly reason: HopelessReason }[] = [];
  const candidates: Candidate[] = [];
  const judgements = new Map<string, Judgement>();
  for (const pod of sorted(input.pods, byRank)) {
    const shape = JSON.stringify([pod.requests, pod.nodeTerms, pod.tolerations, pod.nominatedNode]);
    const judged = judgements.get(shape) ?? judgePod(pod, nodes, empty);
    judgements.set(shape, judged);
    if ('reason' in judged) hopeless.push({ pod: pod.key, reason: judged.reason });
    else if (candidates.length < MOST_SERVED) candidates.push({ pod, nodes: judged.nodes });
  }
  const useful = standing.filter((gang) => isUseful(gang, candidates));
  const choose = fitsExactSearch(candidates, useful, nodes.length) ? chooseExactly : chooseGreedily;
  const choice = choose({ candidates, gangs: useful, coming });
  for (const { pod } of candidates) {
    if (!choice.assigned.has(pod.key)) hopeless.push({ pod: pod.key, reason: { kind: 'BehindOtherPods' } });
  }
  return {
    evict: choice.gangs.map((gang) => ({ run: gang.guest.run, pods: podsOn(gang, choice.assigned) })),
    covered: sorted(choice.assigned, ([a], [b]) => compareStrings(a, b)).map(([pod, node]) => ({
      pod,
      node: nodes[node]?.node ?? '',
    })),
    hopeless: sorted(hopeless, (a, b) => compareStrings(a.pod, b.pod)),
  };
}

function gangOf(guest: ReclaimGuest, index: ReadonlyMap<string, number>): Gang {
  const gpus = guest.nodes.reduce(
    (sum, share) => sum + WHOLE_GPU_RESOURCES.reduce((held, name) => held + (share.resources[name] ?? 0), 0),
    0,
  );
  const shares = guest.nodes.flatMap((share) => {
    const node = index.get(share.node);
    return node === undefined ? [] : [{ node, resources: share.resources }];
  });
  return { key: runKey(guest.run), guest, gpus, shares };
}

/** The nodes that could take a pod without guests, or why there is none. The same for all pods of one shape. */
type Judgement = Pick<Candidate, 'nodes'> | { readonly reason: HopelessReason };

function judgePod(pod: WaitingOwnerPod, nodes: readonly ReclaimNode[], empty: Room): Judgement {
  const allowed = [...nodes.keys()].filter((i) => {
    const node = nodes[i];
    return node !== undefined && mayUse(pod, node);
  });
  if (allowed.length === 0) return { reason: { kind: 'NoNodeAllowed', nodes: nodes.length } };
  const possible = allowed.filter((i) => empty.fits(i, pod.requests));
  if (possible.length > 0) return { nodes: possible };
  return { reason: { kind: 'NeverFits', ...smallestLack(pod, allowed, empty) } };
}

function mayUse(pod: WaitingOwnerPod, node: ReclaimNode): boolean {
  if (pod.nominatedNode !== undefined && pod.nominatedNode !== node.node) return false;
  return firstUntolerated(node.taints, pod.tolerations) === undefined && nodeMeetsTerms(node, pod.nodeTerms);
}

/** The shortage of the node that comes nearest: the one that has the largest part of what it lacks. */
function smallestLack(
  pod: WaitingOwnerPod,
  allowed: readonly number[],
  empty: Room,
): { readonly resource: string; readonly need: number; readonly have: number } {
  let best = { resource: '', need: 0, have: 0 };
  for (const i of allowed) {
    const lack = firstShortage(empty.at(i), pod.requests);
    if (lack === undefined) continue;
    if (best.resource === '' || lack.have * best.need > best.have * lack.need) best = lack;
  }
  return best;
}

function isUseful(gang: Gang, candidates: readonly Candidate[]): boolean {
  return gang.shares.some((share) => candidates.some((candidate) => candidate.nodes.includes(share.node)));
}

function podsOn(gang: Gang, assigned: ReadonlyMap<string, number>): readonly string[] {
  const nodes = new Set(gang.shares.map((share) => share.node));
  const pods = [...assigned].filter(([, node]) => nodes.has(node)).map(([pod]) => pod);
  return sorted(pods, compareStrings);
}
