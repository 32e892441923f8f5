/** Has each GPU of the node the memory that job and pool ask for? */
import type { NodeFilter, NodeQuestion } from './node-filter.ts';

export const gpuMemory: NodeFilter = {
  keeps: (question, node) => node.gpuMemoryBytes >= neededBytes(question),
  refusal: (question, nodes) => ({
    kind: 'GpuMemoryTooSmall',
    needBytes: neededBytes(question),
    haveBytes: nodes.reduce((most, node) => Math.max(most, node.gpuMemoryBytes), 0),
  }),
};

function neededBytes({ job, rules }: NodeQuestion): number {
  return Math.max(job.gpuMinMemoryBytes, rules.gpuMinMemoryBytes);
}
