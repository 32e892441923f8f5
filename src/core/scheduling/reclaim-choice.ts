/**
 * The common ground of the two searches of a reclaim: candidates, gangs, choices, and what a choice costs. Decides that cost:
 * the GPUs of gangs that still work, then the work at risk, then the number of gangs, then their keys.
 */
import { compareNumbers, compareStrings, sorted } from '../../std/ordering.ts';
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

/** Cost of ending these gangs: fewest GPUs of unbroken gangs, then least work at risk, then fewest gangs, then keys. */
export function compareCost(a: readonly Gang[], b: readonly Gang[]): number {
  const sum = (gangs: readonly Gang[], of: (gang: Gang) => number): number =>
    gangs.reduce((total, gang) => total + (gang.guest.broken === true ? 0 : of(gang)), 0);
  return (
    compareNumbers(
      sum(a, (gang) => gang.gpus),
      sum(b, (gang) => gang.gpus),
    ) ||
    compareNumbers(
      sum(a, (gang) => gang.guest.gpuSecondsAtRisk),
      sum(b, (gang) => gang.guest.gpuSecondsAtRisk),
    ) ||
    compareNumbers(a.length, b.length) ||
    compareStrings(keysOf(a), keysOf(b))
  );
}

function keysOf(gangs: readonly Gang[]): string {
  return sorted(
    gangs.map((gang) => gang.key),
    compareStrings,
  ).join(' ');
}
