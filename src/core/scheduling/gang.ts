/**
 * Places a gang: all workers in one member on one GPU model, or none. Decides which nodes take how many workers.
 *
 * Two ways are weighed in each group: together on as few nodes as can be (on one, the tightest; else the roomiest first, the
 * rest on the tightest), and in the gaps (the fullest nodes first). The score terms choose. A group fits exactly when the sum
 * of what its nodes hold is enough, for all workers are equal; the choice of nodes never makes a fitting gang fail.
 */
import { compareNumbers } from '../../std/ordering.ts';
import type { JobSpec } from '../model/job.ts';
import type { FitGroup } from './fit-class.ts';
import { fewestNodes } from './score/fewest-nodes.ts';
import { pack } from './score/pack.ts';
import type { Candidate, ScoreTerm } from './score/score-term.ts';
import { smallestSufficientGpu } from './score/smallest-sufficient-gpu.ts';
import type { WorkingSet } from './working-set.ts';

/** Compared in this order. */
export const SCORE_TERMS: readonly ScoreTerm[] = [smallestSufficientGpu, pack, fewestNodes];

/** The best candidate over all groups, which come in order of member and model; undefined when no group holds the whole gang. */
export function bestCandidate(job: JobSpec, groups: Iterable<FitGroup>, workingSet: WorkingSet): Candidate | undefined {
  let best: { readonly candidate: Candidate; readonly scores: readonly number[] } | undefined;
  for (const group of groups) {
    if (group.total < job.workers) continue;
    const free = group.nodes.map((node) => workingSet.free(node.index, group.gpuResource));
    const tight = together(group, free, job.workers);
    for (const picks of job.workers === 1 ? [tight] : [tight, inTheGaps(group, free, job.workers)]) {
      const candidate: Candidate = { group, picks };
      const scores = SCORE_TERMS.map((term) => term.score(candidate, workingSet, job.gpusPerWorker));
      // Strictly better only: among equals the first in order stays.
      if (best === undefined || isLess(scores, best.scores)) best = { candidate, scores };
    }
  }
  return best?.candidate;
}

/** Takes the candidate's capacity, all of it or nothing. */
export function placeGang(candidate: Candidate, workingSet: WorkingSet): boolean {
  const before = workingSet.checkpoint();
  for (const { position, workers } of candidate.picks) {
    const node = candidate.group.nodes[position];
    if (node !== undefined && workingSet.take(node.index, candidate.group.request, workers)) continue;
    workingSet.rollback(before);
    return false;
  }
  return true;
}

function together(group: FitGroup, free: readonly number[], workers: number): Candidate['picks'] {
  const picks: { position: number; workers: number }[] = [];
  const used = new Set<number>();
  for (let left = workers; left > 0;) {
    const tight = tightest(group, free, left, used);
    const position = tight ?? roomiest(group, free, used);
    if (position === undefined) break;
    const take = Math.min(left, group.fits[position] ?? 0);
    picks.push({ position, workers: take });
    used.add(position);
    left -= take;
  }
  return picks;
}

/** The node with the fewest free GPUs that holds all that is left. */
function tightest(
  group: FitGroup,
  free: readonly number[],
  workers: number,
  used: ReadonlySet<number>,
): number | undefined {
  let best: number | undefined;
  for (let i = 0; i < group.nodes.length; i += 1) {
    if (used.has(i) || (group.fits[i] ?? 0) < workers) continue;
    if (best === undefined || (free[i] ?? 0) < (free[best] ?? 0)) best = i;
  }
  return best;
}

/** The node that holds the most workers; among equals the one with the fewest free GPUs. */
function roomiest(group: FitGroup, free: readonly number[], used: ReadonlySet<number>): number | undefined {
  let best: number | undefined;
  let most = 0;
  for (const [i, fits] of group.fits.entries()) {
    if (used.has(i) || fits === 0 || fits < most) continue;
    if (best !== undefined && fits === most && (free[i] ?? 0) >= (free[best] ?? 0)) continue;
    best = i;
    most = fits;
  }
  return best;
}

function inTheGaps(group: FitGroup, free: readonly number[], workers: number): Candidate['picks'] {
  const picks: { position: number; workers: number }[] = [];
  let left = workers;
  const fullestFirst = group.nodes
    .map((_node, position) => position)
    .filter((position) => (group.fits[position] ?? 0) > 0)
    .sort((a, b) => compareNumbers(free[a] ?? 0, free[b] ?? 0) || a - b);
  for (const position of fullestFirst) {
    if (left === 0) break;
    const take = Math.min(left, group.fits[position] ?? 0);
    picks.push({ position, workers: take });
    left -= take;
  }
  return picks;
}

function isLess(a: readonly number[], b: readonly number[]): boolean {
  for (let i = 0; i < a.length; i += 1) {
    const order = compareNumbers(a[i] ?? 0, b[i] ?? 0);
    if (order !== 0) return order < 0;
  }
  return false;
}
