/**
 * The shape of a score: named integers, compared in order, less is better. Decides how candidates are told apart; ties end at
 * names, so that the same snapshot always gives the same choice.
 */
import type { NodeShare } from '../../model/run.ts';
import type { FitGroup } from '../fit-class.ts';
import type { WorkingSet } from '../working-set.ts';

/** One way to place a whole gang. */
export interface Candidate {
  readonly group: FitGroup;
  /** Positions in `group.nodes` with how many workers each; sums to the gang. */
  readonly picks: readonly { readonly position: number; readonly workers: number }[];
}

export interface ScoreTerm {
  readonly name: string;
  /** A non-negative integer; less is better. */
  score(candidate: Candidate, workingSet: WorkingSet, gpusPerWorker: number): number;
}

/** The nodes of a candidate, sorted by name as their group is. */
export function sharesOf(candidate: Candidate): readonly NodeShare[] {
  return [...candidate.picks]
    .sort((a, b) => a.position - b.position)
    .flatMap(({ position, workers }) => {
      const node = candidate.group.nodes[position];
      return node === undefined ? [] : [{ node: node.offer.node, workers }];
    });
}
