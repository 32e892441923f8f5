/** What a reclaim is decided from: the owner's waiting pods, the nodes that may take them, the guests. Plain values, in any order. */
import type { RunId } from '../model/ids.ts';
import type { LabelRequirement, Toleration } from '../model/job.ts';
import type { Taint } from '../model/member.ts';
import type { Resources } from '../model/resources.ts';

/** An owner's pod that its scheduler could not place. */
export interface WaitingOwnerPod {
  /** `namespace/name`. */
  readonly key: string;
  readonly requests: Resources;
  readonly nodeTerms: readonly (readonly LabelRequirement[])[];
  readonly tolerations: readonly Toleration[];
  readonly priority: number;
  /** The scheduler makes room there itself: no other node is looked at. */
  readonly nominatedNode?: string;
}

/** A node that may take new pods (ready, and cordons among its taints). */
export interface ReclaimNode {
  readonly node: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  /** Allocatable less everything that holds it now, guests included; may be below zero. */
  readonly free: Resources;
}

export interface ReclaimGuest {
  readonly run: RunId;
  /** What the gang's workers hold, per node, all resources. */
  readonly nodes: readonly { readonly node: string; readonly resources: Resources }[];
  readonly gpuSecondsAtRisk: number;
  /** It is ending already. */
  readonly stopping: boolean;
  /** A worker of it has been preempted: the gang cannot go on, so the rest of it costs nothing. */
  readonly broken?: boolean;
}

export interface ReclaimInput {
  readonly pods: readonly WaitingOwnerPod[];
  readonly nodes: readonly ReclaimNode[];
  readonly guests: readonly ReclaimGuest[];
}
