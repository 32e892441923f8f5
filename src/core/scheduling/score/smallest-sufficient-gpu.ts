/** Prefers the model with the least memory that still suffices: a job that takes any GPU should not hold the biggest. */
import type { ScoreTerm } from './score-term.ts';

export const smallestSufficientGpu: ScoreTerm = {
  name: 'SmallestSufficientGpu',
  score: ({ group }) => group.gpuMemoryBytes,
};
