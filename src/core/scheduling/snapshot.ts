/**
 * The scheduler's whole input: frozen, sorted by id, versioned. Time is a field. `schedule(snapshot)` reads nothing else,
 * so the same snapshot gives the same bytes.
 */
import type { GpuModel, Jurisdiction, MemberName, PoolName, RunId, TenantName } from '../model/ids.ts';
import type { JobSpec } from '../model/job.ts';
import type { LendingWindow, NodeOffer, PolicySummary } from '../model/member.ts';
import type { PoolRules } from '../model/pool.ts';
import type { NodeShare } from '../model/run.ts';
import type { Resources } from '../model/resources.ts';

/** Why a member takes nothing new, as judged by hub/state; `Ready` is the only state that takes placements. */
export type MemberReadiness =
  | 'Ready'
  | 'NotAccepted'
  | 'Revoked'
  | 'Cordoned'
  | 'Disconnected'
  | 'NeverReported'
  | 'DeclaredLost'
  | 'PoolConflict'
  | 'RecoveryBarrier';

export interface MemberSnapshot {
  readonly name: MemberName;
  readonly readiness: MemberReadiness;
  /** Since when it is not heard, for the sentence in a refusal. */
  readonly lastReportAgeMs?: number;
  readonly jurisdiction?: Jurisdiction;
  readonly region: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly policy: PolicySummary;
  readonly window: LendingWindow;
  /** `free` already reduced by placements that the report does not list yet. Sorted by node name. */
  readonly nodes: readonly NodeOffer[];
}

export interface PendingJob {
  readonly job: JobSpec;
  readonly tenant: TenantName;
  readonly attempt: number;
  /**
   * Members this job must not go to now: where it was just refused (StaleOffer back-off), or where an earlier fence is
   * not released. Sorted.
   */
  readonly avoidMembers: readonly { readonly member: MemberName; readonly reason: 'RecentRefusal' | 'EarlierRun' }[];
}

export interface ActiveRun {
  readonly id: RunId;
  readonly pool: PoolName;
  readonly tenant: TenantName;
  readonly member: MemberName;
  readonly gpuModel: GpuModel;
  readonly gpus: number;
  readonly nodes: readonly NodeShare[];
  readonly workerRequests: Resources;
}

export interface PoolSnapshot {
  readonly rules: PoolRules;
  /** Names of the pool's members, sorted. */
  readonly members: readonly MemberName[];
}

/** A job that cannot take part at all; carried so that every waiting job gets a reason from one place. */
export interface BlockedJob {
  readonly job: JobSpec;
  readonly block:
    | { readonly kind: 'PoolNotFound'; readonly pool: PoolName }
    | { readonly kind: 'TenantNotAllowed'; readonly pool: PoolName; readonly namespace: string }
    | {
        readonly kind: 'EarlierRunUnconfirmed';
        readonly member: MemberName;
        readonly fence: number;
        readonly detail: string;
      }
    | { readonly kind: 'MassExpiryGuard'; readonly detail: string }
    | { readonly kind: 'RetryBackoff'; readonly untilMs: number };
}

export interface Snapshot {
  /** Rises with every change of hub state. */
  readonly version: number;
  readonly nowMs: number;
  readonly pools: readonly PoolSnapshot[];
  readonly members: readonly MemberSnapshot[];
  readonly pending: readonly PendingJob[];
  readonly blocked: readonly BlockedJob[];
  readonly active: readonly ActiveRun[];
}
