/**
 * The smallest set of gangs, by looking at all of them: for members small enough. Decides both which pods can be helped together
 * and which gangs must go for them.
 */
import type { Candidate, Choice, ChoiceQuestion, Cost, Gang } from './reclaim-choice.ts';
import { compareCost, costOf } from './reclaim-choice.ts';
import type { Room } from './reclaim-room.ts';

const MOST_GANGS = 10;
const MOST_PODS = 6;
const MOST_NODES = 16;
/** Steps of one attempt to pack all pods; never reached by typical input, it bounds the contrived. */
const MOST_STEPS = 20_000;

export function fitsExactSearch(candidates: readonly Candidate[], gangs: readonly Gang[], nodes: number): boolean {
  return gangs.length <= MOST_GANGS && candidates.length <= MOST_PODS && nodes <= MOST_NODES;
}

export function chooseExactly({ candidates, gangs, coming }: ChoiceQuestion): Choice {
  const empty = coming.copy();
  for (const gang of gangs) empty.release(gang);
  const helped: Candidate[] = [];
  for (const candidate of candidates) {
    if (packAll([...helped, candidate], empty) !== undefined) helped.push(candidate);
  }
  for (const subset of subsets(gangs)) {
    const room = coming.copy();
    for (const gang of subset) room.release(gang);
    const assigned = packAll(helped, room);
    if (assigned !== undefined) return { gangs: subset, assigned };
  }
  // Not reached: the set of all gangs was just seen to make room for all that are helped.
  return { gangs: [], assigned: new Map() };
}

/** All sets of gangs, the cheapest first. */
function subsets(gangs: readonly Gang[]): readonly (readonly Gang[])[] {
  const all: { readonly gangs: readonly Gang[]; readonly cost: Cost }[] = [];
  for (let bits = 0; bits < 2 ** gangs.length; bits += 1) {
    const subset = gangs.filter((_gang, i) => (bits & (1 << i)) !== 0);
    all.push({ gangs: subset, cost: costOf(subset) });
  }
  return all.sort((a, b) => compareCost(a.cost, b.cost)).map((one) => one.gangs);
}

/** A node for every pod at once, or undefined if there is none. */
export function packAll(candidates: readonly Candidate[], room: Room): ReadonlyMap<string, number> | undefined {
  const work = room.copy();
  const assigned = new Map<string, number>();
  let steps = 0;
  const from = (i: number): boolean => {
    const candidate = candidates[i];
    if (candidate === undefined) return true;
    for (const node of candidate.nodes) {
      steps += 1;
      if (steps > MOST_STEPS) return false;
      if (!work.fits(node, candidate.pod.requests)) continue;
      work.take(node, candidate.pod.requests);
      if (from(i + 1)) {
        assigned.set(candidate.pod.key, node);
        return true;
      }
      work.give(node, candidate.pod.requests);
    }
    return false;
  };
  return from(0) ? assigned : undefined;
}
