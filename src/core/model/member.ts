/**
 * What a member says of itself: offers per node, counts per GPU model, its policy in so far as the hub must know it,
 * and every run it knows. A MemberReport is whole: the last one replaces all before it.
 */
import type { ClusterUid, GpuModel, Jurisdiction, NodeName, TenantName } from './ids.ts';
import type { Resources } from './resources.ts';
import type { RunReport } from './run.ts';

export interface Taint {
  readonly key: string;
  readonly value: string;
  readonly effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
}

/** One node's share of the offer. `free` is what new guests may request now, GPUs included, after owner pods, reserve, cap and runs the report lists. */
export interface NodeOffer {
  readonly node: NodeName;
  readonly vendor: string;
  readonly gpuModel: GpuModel;
  readonly gpuMemoryBytes: number;
  /** Extended resource name, e.g. `nvidia.com/gpu`. */
  readonly gpuResource: string;
  /** Healthy boards of the node inside the policy: the most it could ever offer. */
  readonly totalGpus: number;
  readonly free: Resources;
  /** What an empty node would have for guests: for "bigger than any member" and hints. */
  readonly allocatable: Resources;
  readonly labels: Readonly<Record<string, string>>;
  /** Taints that guests would have to tolerate by the tenant's own tolerations; those the policy tolerates are left out. */
  readonly taints: readonly Taint[];
}

/** Physical boards by state; the six states sum to `total`. `offered` is a part of `idle`. */
export interface GpuCounts {
  readonly vendor: string;
  readonly gpuModel: GpuModel;
  readonly gpuMemoryBytes: number;
  readonly total: number;
  readonly owner: number;
  readonly parked: number;
  readonly idle: number;
  readonly lent: number;
  readonly unhealthy: number;
  readonly unknown: number;
  readonly offered: number;
}

export type WindowEdgeKind = 'opens' | 'closes';

/** The owner's calendar, as the hub may see it: 48 hours of edges, wall-clock ms of the member. */
export interface LendingWindow {
  /** Absent = no end in sight. */
  readonly availableUntilMs?: number;
  readonly edges: readonly { readonly atMs: number; readonly kind: WindowEdgeKind; readonly gpus: number }[];
}

/** The part of the LendingPolicy that explains refusals and filters placements. The agent alone enforces it. */
export interface PolicySummary {
  readonly state: 'Lending' | 'Paused' | 'Absent' | 'Invalid' | 'OutsideWindow';
  readonly message: string;
  readonly jurisdiction?: Jurisdiction;
  /** Jurisdictions of data that the owner takes; empty = any. */
  readonly dataJurisdictions: readonly Jurisdiction[];
  /** Absent = every tenant. */
  readonly tenants?: readonly TenantName[];
  /** Glob patterns; absent = any image. */
  readonly imagePatterns?: readonly string[];
  readonly requireDigest: boolean;
  readonly logsAllowed: boolean;
}

/** (hub incarnation, leader term, counter): totally ordered; the agent refuses a lower term. */
export interface Generation {
  readonly incarnation: string;
  readonly term: number;
  readonly counter: number;
}

export interface MemberReport {
  readonly clusterUid: ClusterUid;
  readonly agentVersion: string;
  readonly kubernetesVersion: string;
  /** Rises with every new connection; a lower one is an old stream's. */
  readonly epoch: number;
  /** Rises with every report within an epoch. */
  readonly sequence: number;
  /** Generation of the Desired that this report answers; absent before the first. */
  readonly acknowledged?: Generation;
  readonly policy: PolicySummary;
  readonly window: LendingWindow;
  readonly offers: readonly NodeOffer[];
  readonly gpus: readonly GpuCounts[];
  readonly runs: readonly RunReport[];
}
