/**
 * Capacity: could an empty member hold the gang, and can it now? Decides which number is the one in the way: the member's
 * size, its free GPUs, or one other resource on the nodes that do have GPUs free.
 *
 * The numbers are those of the best group (one GPU model) of the member: the one that holds the most workers.
 */
import { compareStrings, sorted } from '../../../std/ordering.ts';
import type { JobSpec } from '../../model/job.ts';
import type { FitGroup } from '../fit-class.ts';
import { couldHold, workerRequest } from '../fit-class.ts';
import type { MemberRefusalReason } from '../reason.ts';
import type { WorkingSet } from '../working-set.ts';

/** Refuses a gang that would not fit even if the member were empty. */
export function tooBig(job: JobSpec, groups: readonly FitGroup[]): MemberRefusalReason | undefined {
  const couldHoldWorkers = groups.reduce((most, group) => Math.max(most, couldHold(group, job)), 0);
  if (couldHoldWorkers >= job.workers) return undefined;
  return { kind: 'TooBigForMember', needWorkers: job.workers, couldHoldWorkers, perWorkerGpus: job.gpusPerWorker };
}

/** Refuses a gang that does not fit what is free now. Call it with groups of which none holds the whole gang. */
export function insufficient(job: JobSpec, groups: readonly FitGroup[], workingSet: WorkingSet): MemberRefusalReason {
  const best = bestGroup(groups, workingSet);
  const needWorkers = job.workers;
  const fittingWorkers = best?.total ?? 0;
  const free = best === undefined ? [] : best.nodes.map((node) => workingSet.free(node.index, best.gpuResource));
  const gpuWorkers = free.reduce((sum, gpus) => sum + Math.floor(gpus / job.gpusPerWorker), 0);
  const shortage = best === undefined || gpuWorkers < needWorkers ? undefined : bottleneck(job, best, workingSet);
  if (shortage !== undefined) return { kind: 'InsufficientResource', ...shortage, fittingWorkers, needWorkers };
  const freeGpus = free.reduce((sum, gpus) => sum + gpus, 0);
  return { kind: 'InsufficientGpus', needGpus: needWorkers * job.gpusPerWorker, freeGpus, fittingWorkers, needWorkers };
}

function bestGroup(groups: readonly FitGroup[], workingSet: WorkingSet): FitGroup | undefined {
  const freeGpus = (group: FitGroup): number =>
    group.nodes.reduce((sum, node) => sum + workingSet.free(node.index, group.gpuResource), 0);
  return groups.reduce<FitGroup | undefined>((best, group) => {
    if (best === undefined || group.total > best.total) return group;
    return group.total === best.total && freeGpus(group) > freeGpus(best) ? group : best;
  }, undefined);
}

/**
 * The resource that turns away the most workers for whom there would be GPUs. `need` is one worker's; `have` is the most that
 * such a node has left after the workers that do fit, so that need > have.
 */
function bottleneck(
  job: JobSpec,
  group: FitGroup,
  workingSet: WorkingSet,
): { readonly resource: string; readonly need: number; readonly have: number } | undefined {
  const request = workerRequest(job, group.gpuResource);
  const names = sorted(Object.keys(request), compareStrings).filter((name) => (request[name] ?? 0) > 0);
  const shortages = new Map<string, { turnedAway: number; have: number }>();
  group.nodes.forEach((node, position) => {
    const fits = group.fits[position] ?? 0;
    const gpus = Math.floor(workingSet.free(node.index, group.gpuResource) / job.gpusPerWorker);
    if (fits >= gpus) return;
    const left = (name: string): number => workingSet.free(node.index, name) - fits * (request[name] ?? 0);
    const resource = names.find((name) => left(name) < (request[name] ?? 0));
    if (resource === undefined) return;
    const before = shortages.get(resource) ?? { turnedAway: 0, have: 0 };
    shortages.set(resource, {
      turnedAway: before.turnedAway + gpus - fits,
      have: Math.max(before.have, left(resource)),
    });
  });
  const [worst] = sorted(shortages, ([a, x], [b, y]) => y.turnedAway - x.turnedAway || compareStrings(a, b));
  return worst === undefined ? undefined : { resource: worst[0], need: request[worst[0]] ?? 0, have: worst[1].have };
}
