/**
 * A job as the scheduler sees it: the spec compiled once at the edge (api), every amount in integers and base units.
 */
import type { GpuModel, JobKey, JobUid, Jurisdiction, PoolName } from './ids.ts';
import type { Resources } from './resources.ts';
import type { OnPartition } from './run.ts';

/** Label selector in Kubernetes' sense; all must hold. */
export interface LabelRequirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';
  readonly values: readonly string[];
}

/** Tolerations as in core/v1. */
export interface Toleration {
  readonly key?: string;
  readonly operator: 'Exists' | 'Equal';
  readonly value?: string;
  readonly effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
}

export interface JobSpec {
  readonly uid: JobUid;
  readonly key: JobKey;
  readonly pool: PoolName;
  /** -1000..1000; orders jobs of one tenant only. */
  readonly priority: number;
  readonly createdAtMs: number;
  readonly workers: number;
  readonly gpusPerWorker: number;
  /** Empty = any. */
  readonly gpuModels: readonly GpuModel[];
  readonly gpuMinMemoryBytes: number;
  /** What one worker requests besides GPUs: max(sum of containers, init containers) + overhead, `pods: 1` included. */
  readonly workerRequests: Resources;
  /** Alternatives (OR) of requirements (AND) on node labels: nodeSelector and required node affinity merged. Empty = any node. */
  readonly nodeTerms: readonly (readonly LabelRequirement[])[];
  readonly tolerations: readonly Toleration[];
  /** Images of all containers, for the owner's image patterns. */
  readonly images: readonly string[];
  readonly jurisdictions: readonly Jurisdiction[];
  readonly regions: readonly string[];
  readonly memberSelector: readonly LabelRequirement[];
  readonly onPartition: OnPartition;
  /** Per attempt. Absent = the pool's default. */
  readonly maxRuntimeMs?: number;
}
