/** Has the node a GPU that the pool covers and the job accepts? An empty list of models or vendors accepts any. */
import type { GpuModel } from '../../model/ids.ts';
import type { NodeOffer } from '../../model/member.ts';
import type { PoolRules } from '../../model/pool.ts';
import type { NodeFilter, NodeQuestion } from './node-filter.ts';

export const gpuModel: NodeFilter = {
  keeps: ({ job, rules }, node) => inPool(rules, node) && accepts(job.gpuModels, node.gpuModel),
  refusal: ({ job, rules }, nodes) => {
    const has = nodes.filter((node) => inPool(rules, node)).map((node) => node.gpuModel);
    return { kind: 'NoSuchGpuModel', wanted: wantedModels({ job, rules }), has: [...new Set(has)].sort() };
  },
};

function inPool(rules: PoolRules, node: NodeOffer): boolean {
  return (rules.vendors.length === 0 || rules.vendors.includes(node.vendor)) && accepts(rules.gpuModels, node.gpuModel);
}

function accepts(models: readonly GpuModel[], model: GpuModel): boolean {
  return models.length === 0 || models.includes(model);
}

/** What would do: the job's models; where it names none, the pool's. */
export function wantedModels({ job, rules }: NodeQuestion): readonly GpuModel[] {
  return job.gpuModels.length > 0 ? job.gpuModels : rules.gpuModels;
}
