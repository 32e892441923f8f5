/** A ComputeJob's spec compiled into what the scheduler reads; what CEL cannot see in the template shows here, with its path. */
import type { FieldProblem } from '../../api/schema/kind.ts';
import type { ComputeJob } from '../../api/v1alpha1/compute-job.ts';
import { canonicalGpuModel } from '../../core/model/gpu.ts';
import { jobUid, jurisdiction, poolName } from '../../core/model/ids.ts';
import type { JobSpec } from '../../core/model/job.ts';
import { readPodTemplate, type PodFacts } from '../../core/model/pod-requests.ts';
import { quantityToUnits } from '../../core/model/quantity.ts';
import { requirementsOf } from '../../core/model/selectors.ts';
import { parseTimestamp } from '../../platform/clock/timestamp.ts';
import { err, ok, type Result } from '../../std/result.ts';
import { given } from './given.ts';
import { durationMs } from './pool-rules-of.ts';

export interface CompiledJob {
  readonly spec: JobSpec;
  /** The container that gets the GPUs. */
  readonly gpuContainer: string;
}

export function compileJob(job: ComputeJob): Result<CompiledJob, readonly FieldProblem[]> {
  const { spec } = job;
  const template = readPodTemplate(spec.template, given({ gpuContainer: spec.gpuContainer }));
  const memory = quantityToUnits(spec.gpu.minMemory ?? 0);
  const problems: FieldProblem[] = template.ok ? [] : template.error.map(({ path, message }) => ({ path, message }));
  if (!memory.ok) problems.push({ path: 'spec.gpu.minMemory', message: memory.error.message });
  if (!template.ok || !memory.ok) return err(problems);
  const { gpuContainer, ...worker } = template.value;
  return ok({ gpuContainer, spec: specOf(job, worker, memory.value) });
}

function specOf({ spec, metadata }: ComputeJob, worker: PodFacts, gpuMinMemoryBytes: number): JobSpec {
  const { uid = '', namespace = '', name = '' } = metadata;
  const { jurisdictions = [], regions = [], memberSelector = {} } = spec.placement;
  const { requests: workerRequests, nodeTerms, tolerations, images } = worker;
  return {
    uid: jobUid(uid),
    key: { namespace, name },
    pool: poolName(spec.pool),
    priority: spec.priority,
    createdAtMs: parseTimestamp(metadata.creationTimestamp) ?? 0,
    workers: spec.workers,
    gpusPerWorker: spec.gpusPerWorker,
    gpuModels: (spec.gpu.models ?? []).map(canonicalGpuModel),
    gpuMinMemoryBytes,
    workerRequests,
    nodeTerms,
    tolerations,
    images,
    jurisdictions: jurisdictions.map(jurisdiction),
    regions,
    memberSelector: requirementsOf(memberSelector),
    onPartition: spec.onPartition,
    ...given({ maxRuntimeMs: spec.maxRuntime === undefined ? undefined : durationMs(spec.maxRuntime) }),
  };
}
