/**
 * The closed family of reasons why a job waits. Each carries its numbers; `explain.ts` turns it into a sentence.
 * The `kind` is what appears as CamelCase reason in conditions and metrics.
 */
import type { GpuModel, Jurisdiction, MemberName, PoolName, TenantName } from '../model/ids.ts';
import type { MemberReadiness } from './snapshot.ts';

/** Why one member cannot take one job now. */
export type MemberRefusalReason =
  | { readonly kind: 'MemberNotReady'; readonly readiness: MemberReadiness; readonly lastReportAgeMs?: number }
  | { readonly kind: 'NotLending'; readonly state: string; readonly detail: string }
  | {
      readonly kind: 'ResidencyForbids';
      readonly memberJurisdiction: string;
      readonly allowed: readonly Jurisdiction[];
      readonly by: 'Job' | 'Pool' | 'Owner';
    }
  | { readonly kind: 'RegionMismatch'; readonly memberRegion: string; readonly allowed: readonly string[] }
  | { readonly kind: 'MemberSelectorMismatch'; readonly key: string }
  | { readonly kind: 'TenantNotLentTo'; readonly tenant: TenantName }
  | { readonly kind: 'ImageNotAllowed'; readonly image: string }
  | { readonly kind: 'NoSuchGpuModel'; readonly wanted: readonly GpuModel[]; readonly has: readonly GpuModel[] }
  | { readonly kind: 'GpuMemoryTooSmall'; readonly needBytes: number; readonly haveBytes: number }
  | { readonly kind: 'NodeSelectorMismatch'; readonly nodes: number }
  | { readonly kind: 'UntoleratedTaint'; readonly nodes: number; readonly taint: string }
  /** More workers than the member could hold when empty. */
  | {
      readonly kind: 'TooBigForMember';
      readonly needWorkers: number;
      readonly couldHoldWorkers: number;
      readonly perWorkerGpus: number;
    }
  /** Fits an empty member, not today's free capacity. */
  | {
      readonly kind: 'InsufficientGpus';
      readonly needGpus: number;
      readonly freeGpus: number;
      readonly fittingWorkers: number;
      readonly needWorkers: number;
    }
  | {
      readonly kind: 'InsufficientResource';
      readonly resource: string;
      readonly need: number;
      readonly have: number;
      readonly fittingWorkers: number;
      readonly needWorkers: number;
    }
  | { readonly kind: 'AvoidedAfterRefusal' }
  | { readonly kind: 'AvoidedEarlierRun' };

export interface MemberRefusal {
  readonly member: MemberName;
  readonly reason: MemberRefusalReason;
}

/** Why the job waits, over all members. */
export type Reason =
  | { readonly kind: 'PoolNotFound'; readonly pool: PoolName }
  | { readonly kind: 'TenantNotAllowed'; readonly pool: PoolName; readonly namespace: string }
  | { readonly kind: 'PoolHasNoMembers'; readonly pool: PoolName }
  | {
      readonly kind: 'EarlierRunUnconfirmed';
      readonly member: MemberName;
      readonly fence: number;
      readonly detail: string;
    }
  | { readonly kind: 'MassExpiryGuard'; readonly detail: string }
  | { readonly kind: 'RetryBackoff'; readonly untilMs: number }
  /** No member could ever take it as written: shape, model, residency. */
  | { readonly kind: 'NoMemberFits'; readonly members: number; readonly nearest: MemberRefusal }
  /** At least one member could, once capacity frees. */
  | { readonly kind: 'WaitingForCapacity'; readonly members: number; readonly nearest: MemberRefusal };
