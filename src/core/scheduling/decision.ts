/** The scheduler's whole output. Nothing in it refers to the snapshot by reference: it can be logged and replayed. */
import type { GpuModel, JobKey, JobUid, MemberName, PoolName, TenantName } from '../model/ids.ts';
import type { NodeShare } from '../model/run.ts';
import type { MemberRefusal, Reason } from './reason.ts';

export interface Placement {
  readonly jobUid: JobUid;
  readonly job: JobKey;
  readonly tenant: TenantName;
  readonly pool: PoolName;
  readonly member: MemberName;
  readonly gpuModel: GpuModel;
  readonly gpuResource: string;
  readonly nodes: readonly NodeShare[];
}

/** Why a job still waits: one reason for status, one per member for `lumbung explain`. */
export interface Refusal {
  readonly jobUid: JobUid;
  readonly job: JobKey;
  readonly pool: PoolName;
  readonly tenant?: TenantName;
  /** Rank among the tenant's waiting jobs in scheduling order, from 1; absent when blocked. */
  readonly position?: number;
  readonly reason: Reason;
  readonly members: readonly MemberRefusal[];
}

export interface Decision {
  readonly snapshotVersion: number;
  /** In the order they were decided. */
  readonly placements: readonly Placement[];
  /** Sorted by job UID. */
  readonly refusals: readonly Refusal[];
}
