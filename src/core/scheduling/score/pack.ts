/** Prefers what leaves the fewest GPUs behind on the nodes it touches, so that whole nodes stay whole for gangs. */
import type { ScoreTerm } from './score-term.ts';

export const pack: ScoreTerm = {
  name: 'Pack',
  score: ({ group, picks }, workingSet, gpusPerWorker) =>
    picks.reduce((left, { position, workers }) => {
      const node = group.nodes[position];
      const free = node === undefined ? 0 : workingSet.free(node.index, group.gpuResource);
      return left + free - workers * gpusPerWorker;
    }, 0),
};
