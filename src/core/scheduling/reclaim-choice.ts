/**
 * The common ground of the two searches of a reclaim: candidates, gangs, choices, and what a choice costs. Decides that cost:
 * the GPUs of gangs that still work, then the work at risk, then the number of gangs, then their keys.
 */
import type { Comparator } from '../../std/ordering.ts';
import { compareBy, compareNumbers, compareStrings, sorted } from '../../std/ordering.ts';
import type { Resources } from '../model/resources.ts';
import type { ReclaimGuest, WaitingOwnerPod } from './reclaim-input.ts';
import type { Room } from './reclaim-room.ts';

/** A pod with the indexes of the nodes it may use at all. */
export interface Candidate {
  readonly pod: WaitingOwnerPod;
  readonly nodes: readonly number[];
}

/** A gang that could be ended, in terms of node indexes. */
export interface Gang {
  readonly key: string;
  readonly guest: ReclaimGuest;
  readonly gpus: number;
  readonly shares: readonly { readonly node: number; readonly resources: Resources }[];
}

export interface Choice {
  readonly gangs: readonly Gang[];
  /** Node index by pod key; pods that are missing could not be helped. */
  readonly assigned: ReadonlyMap<string, number>;
}

export interface ChoiceQuestion {
  /** By rank. */
  readonly candidates: readonly Candidate[];
  /** Gangs that could go, sorted by key. */
  readonly gangs: readonly Gang[];
  /** What is free now, or will be once the ending gangs are gone. */
  readonly coming: Room;
}

/** Cost of ending some gangs. Broken gangs cannot go on and cost nothing. */
export interface Cost {
  readonly gpus: number;
  readonly gpuSecondsAtRisk: number;
  readonly gangs: number;
  readonly keys: string;
}

export function costOf(gangs: readonly Gang[]): Cost {
  let [gpus, gpuSecondsAtRisk] = [0, 0];
  for (const gang of gangs) {
    if (gang.guest.broken === true) continue;
    gpus += gang.gpus;
    gpuSecondsAtRisk += gang.guest.gpuSecondsAtRisk;
  }
  return { gpus, gpuSecondsAtRisk, gangs: gangs.length, keys: sorted(gangs.map(keyOf), compareStrings).join(' ') };
}

/** Fewest GPUs, then least work at risk, then fewest gangs, then keys. */
export const compareCost: Comparator<Cost> = compareBy<Cost>(
  (a, b) => compareNumbers(a.gpus, b.gpus),
  (a, b) => compareNumbers(a.gpuSecondsAtRisk, b.gpuSecondsAtRisk),
  (a, b) => compareNumbers(a.gangs, b.gangs),
  (a, b) => compareStrings(a.keys, b.keys),
);

function keyOf(gang: Gang): string {
  return gang.key;
}
