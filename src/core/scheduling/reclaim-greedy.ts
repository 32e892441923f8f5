/**
 * A small set of gangs for members too large to look at every set: pod by pod the cheapest set on one node, gangs chosen for
 * earlier pods counted as gone, and at the end every gang is taken back whose pods fit without it.
 *
 * Invariant: the outcome is inclusion-minimal as far as moving the pods of one gang can tell. It may be larger than the
 * smallest; the exact search is for that.
 */
import type { Candidate, Choice, ChoiceQuestion, Gang } from './reclaim-choice.ts';
import { compareCost } from './reclaim-choice.ts';
import type { Room } from './reclaim-room.ts';

/** Steps of the search over one node's gangs; after that the best set found so far stands. */
const MOST_STEPS_PER_NODE = 2_000;

interface Work {
  readonly room: Room;
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
  const gangs = (work.gangsOn.get(node) ?? [])
    .filter((gang) => !work.chosen.has(gang))
    .sort((a, b) => compareCost([a], [b]));
  let best = bound;
  let found: readonly Gang[] | undefined;
  let steps = 0;
  const room = work.room.copyOf(node);
  const from = (i: number, picked: readonly Gang[]): void => {
    steps += 1;
    if (steps > MOST_STEPS_PER_NODE || (best !== undefined && compareCost(picked, best) >= 0)) return;
    if (room.fits(pod.requests)) {
      best = picked;
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

/** Takes gangs back, the dearest first, wherever the pods that stand in their room fit elsewhere. */
function takeBack(candidates: readonly Candidate[], work: Work): void {
  for (const gang of [...work.chosen].sort((a, b) => compareCost([b], [a]))) {
    const nodes = new Set(gang.shares.map((share) => share.node));
    const displaced = candidates.filter(({ pod }) => nodes.has(work.assigned.get(pod.key) ?? -1));
    const before = new Map(displaced.map(({ pod }) => [pod.key, work.assigned.get(pod.key) ?? -1]));
    for (const { pod } of displaced) work.room.give(before.get(pod.key) ?? -1, pod.requests);
    work.room.restore(gang);
    const moved = new Map<Candidate, number>();
    for (const candidate of displaced) {
      const node = candidate.nodes.find((i) => work.room.fits(i, candidate.pod.requests));
      if (node === undefined) break;
      work.room.take(node, candidate.pod.requests);
      moved.set(candidate, node);
    }
    if (moved.size === displaced.length) {
      work.chosen.delete(gang);
      for (const [{ pod }, node] of moved) work.assigned.set(pod.key, node);
      continue;
    }
    for (const [{ pod }, node] of moved) work.room.give(node, pod.requests);
    work.room.release(gang);
    for (const { pod } of displaced) work.room.take(before.get(pod.key) ?? -1, pod.requests);
  }
}
