/** Do the node's labels, as far as the owner exposes them, satisfy nodeSelector and required node affinity? */
import { nodeMeetsTerms } from '../../model/selectors.ts';
import type { NodeFilter } from './node-filter.ts';

export const nodeSelector: NodeFilter = {
  keeps: ({ job }, node) => nodeMeetsTerms(node, job.nodeTerms),
  refusal: (_question, nodes) => ({ kind: 'NodeSelectorMismatch', nodes: nodes.length }),
};
