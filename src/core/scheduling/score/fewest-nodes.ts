/** Prefers fewer nodes: workers that share a node talk faster, and fewer nodes are broken up. */
import type { ScoreTerm } from './score-term.ts';

export const fewestNodes: ScoreTerm = {
  name: 'FewestNodes',
  score: ({ picks }) => picks.length,
};
