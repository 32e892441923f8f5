/**
 * A small set of gangs for members too large to look at every set: pod by pod the cheapest set on one node, gangs chosen for
 * earlier pods counted as gone, and at the end every gang is taken back whose pods fit without it.
 *
 * Invariant: the outcome is inclusion-minimal for up to six pods, and beyond that as far as moving the pods of one gang can
 * tell. It may be larger than the smallest; the exact search is for that.
 */
import type { Candidate, Choice, ChoiceQuestion, Gang } from './reclaim-choice.ts';
import { compareCost, costOf } from './reclaim-choice.ts';
import { packAll } from './reclaim-exact.ts';
import type { Room } from './reclaim-room.ts';

/** Steps of the search over one node's gangs; after that the best set found so far stands. */
const MOST_STEPS_PER_NODE = 2_000;
const MOST_PODS_TO_REPACK = 6;

interface Work {
  readonly room: Room;
  /** The cheapest first. */
  readonly gangsOn: ReadonlyMap<number, readonly Gang[]>;
  readonly chosen: Set<Gang>;
  readonly assigned: Map<string, number>;
}

export function chooseGreedily({ candidates, gangs, coming }: ChoiceQuestion): Choice {
  const gangsOn = new Map<number, Gang[]>();
  for (const gang of gangs) {
    for (const node of new Set(gang.shares.map((share) => share.node))) {
      const list = gangsOn.get(node);
      if (list === undefined) gangsOn.set(node, [gang]);
      else list.push(gang);
    }
  }
  for (const list of gangsOn.values()) list.sort((a, b) => compareCost(costOf([a]), costOf([b])));
  const work: Work = { room: coming.copy(), gangsOn, chosen: new Set(), assigned: new Map() };
  for (const candidate of candidates) serve(candidate, work);
  takeBack(candidates, work);
  return { gangs: gangs.filter((gang) => work.chosen.has(gang)), assigned: work.assigned };
}

function serve(candidate: Candidate, work: Work): void {
  const { pod } = candidate;
  let node = candidate.nodes.find((i) => work.room.fits(i, pod.requests));
  if (node === undefined) {
    let best: { readonly node: number; readonly gangs: readonly Gang[] } | undefined;
    for (const i of candidate.nodes) {
      const gangs = cheapestOn(i, candidate, work, best?.gangs);
      if (gangs !== undefined) best = { node: i, gangs };
    }
    if (best === undefined) return;
    for (const gang of best.gangs) {
      work.chosen.add(gang);
      work.room.release(gang);
    }
    node = best.node;
  }
  work.room.take(node, pod.requests);
  work.assigned.set(pod.key, node);
}

/** The cheapest set of gangs on one node that makes the pod fit there, if it is cheaper than `bound`. */
function cheapestOn(
  node: number,
  { pod }: Candidate,
  work: Work,
  bound: readonly Gang[] | undefined,
): readonly Gang[] | undefined {
  const gangs = (work.gangsOn.get(node) ?? []).filter((gang) => !work.chosen.has(gang));
  const [first] = gangs;
  // The pod does not fit as it is, so that one gang at least has to go, and the first is the cheapest.
  if (first === undefined || (bound !== undefined && compareCost(costOf([first]), costOf(bound)) >= 0))
    return undefined;
  let best = bound === undefined ? undefined : costOf(bound);
  let found: readonly Gang[] | undefined;
  let steps = 0;
  const room = work.room.copyOf(node);
  const from = (i: number, picked: readonly Gang[]): void => {
    steps += 1;
    if (steps > MOST_STEPS_PER_NODE || (best !== undefined && compareCost(costOf(picked), best) >= 0)) return;
    if (room.fits(pod.requests)) {
      best = costOf(picked);
      found = picked;
      return;
    }
    const gang = gangs[i];
    if (gang === undefined) return;
    room.release(gang);
    from(i + 1, [...picked, gang]);
    room.restore(gang);
    from(i + 1, picked);
  };
  from(0, []);
  return found;
}

/** Takes gangs back, the dearest first, wherever the pods that were given room fit without them. */
function takeBack(candidates: readonly Candidate[], work: Work): void {
  const served = candidates.filter(({ pod }) => work.assigned.has(pod.key));
  for (const gang of [...work.chosen].sort((a, b) => compareCost(costOf([b]), costOf([a])))) {
    work.room.restore(gang);
    if (moveDisplaced(gang, served, work) || repackAll(served, work)) work.chosen.delete(gang);
    else work.room.release(gang);
  }
}

/** Moves the pods on the gang's nodes to wherever they still fit, or leaves all as it was. The gang's capacity is already gone. */
function moveDisplaced(gang: Gang, served: readonly Candidate[], work: Work): boolean {
  const nodes = new Set(gang.shares.map((share) => share.node));
  const displaced = served.filter(({ pod }) => nodes.has(nodeOf(pod.key, work)));
  for (const { pod } of displaced) work.room.give(nodeOf(pod.key, work), pod.requests);
  const moved = new Map<Candidate, number>();
  for (const candidate of displaced) {
    const node = candidate.nodes.find((i) => work.room.fits(i, candidate.pod.requests));
    if (node === undefined) break;
    work.room.take(node, candidate.pod.requests);
    moved.set(candidate, node);
  }
  if (moved.size === displaced.length) {
    for (const [{ pod }, node] of moved) work.assigned.set(pod.key, node);
    return true;
  }
  for (const [{ pod }, node] of moved) work.room.give(node, pod.requests);
  for (const { pod } of displaced) work.room.take(nodeOf(pod.key, work), pod.requests);
  return false;
}

/** With few pods, every way to place all of them is tried before a gang has to go. */
function repackAll(served: readonly Candidate[], work: Work): boolean {
  if (served.length > MOST_PODS_TO_REPACK) return false;
  const room = work.room.copy();
  for (const { pod } of served) room.give(nodeOf(pod.key, work), pod.requests);
  const assigned = packAll(served, room);
  if (assigned === undefined) return false;
  for (const { pod } of served) work.room.give(nodeOf(pod.key, work), pod.requests);
  for (const { pod } of served) {
    const node = assigned.get(pod.key) ?? -1;
    work.room.take(node, pod.requests);
    work.assigned.set(pod.key, node);
  }
  return true;
}

function nodeOf(pod: string, work: Work): number {
  return work.assigned.get(pod) ?? -1;
}
