/** Does the job tolerate what the owner's policy does not tolerate for it? */
import { firstUntolerated, taintText } from '../../model/tolerations.ts';
import type { NodeFilter } from './node-filter.ts';

export const taint: NodeFilter = {
  keeps: ({ job }, node) => firstUntolerated(node.taints, job.tolerations) === undefined,
  refusal: ({ job }, nodes) => {
    const first = nodes[0] === undefined ? undefined : firstUntolerated(nodes[0].taints, job.tolerations);
    return { kind: 'UntoleratedTaint', nodes: nodes.length, taint: first === undefined ? '' : taintText(first) };
  },
};
