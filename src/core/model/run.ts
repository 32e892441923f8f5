/**
 * A run: one attempt of a job, identified by (job UID, fence), and everything frozen beside the fence when it was
 * issued. Edits of the job or pool apply to the next run. Who may move a run from one state to another is decided in
 * core/run; this file only says what the values are.
 */
import type { Cause } from './cause.ts';
import type {
  Fence,
  GpuModel,
  JobKey,
  Jurisdiction,
  MemberName,
  NodeName,
  PoolName,
  RunId,
  TenantName,
} from './ids.ts';

/** What happens to a run when hub and member cannot hear each other (design: federation). */
export type OnPartition = 'KeepAndWait' | 'Fence' | 'AllowDuplicate';

/** Frozen lease parameters. Invariant: replaceAfter >= duration x (1 + 2 x drift) + terminationGrace + margin. */
export interface LeaseTerms {
  readonly durationMs: number;
  readonly terminationGraceMs: number;
  readonly marginMs: number;
  readonly maxClockDriftPercent: number;
  readonly replaceAfterMs: number;
}

/** `workers` of the gang on node `node`. */
export interface NodeShare {
  readonly node: NodeName;
  readonly workers: number;
}

/** Everything that is frozen when a fence is issued; lives in ComputeJob.status.run and travels in a RunOrder. */
export interface RunTerms {
  readonly id: RunId;
  readonly job: JobKey;
  /** A count for people, from 1. The fence is what counts for machines. */
  readonly attempt: number;
  readonly pool: PoolName;
  readonly tenant: TenantName;
  readonly member: MemberName;
  readonly workers: number;
  readonly gpusPerWorker: number;
  readonly gpuModel: GpuModel;
  /** The hub's choice; the agent may shift workers within nodes of the same class when it re-fits. Sums to `workers`. */
  readonly nodes: readonly NodeShare[];
  readonly lease: LeaseTerms;
  readonly onPartition: OnPartition;
  readonly maxRuntimeMs: number;
  readonly startTimeoutMs: number;
  readonly checkpointGraceMs: number;
  readonly templateHash: string;
}

/** What the hub asks a member to execute: the frozen terms and the work itself. */
export interface RunOrder extends RunTerms {
  readonly priority: number;
  /** Extended resource the GPUs are requested by, e.g. `nvidia.com/gpu`. */
  readonly gpuResource: string;
  /** Name of the container that gets the GPUs. */
  readonly gpuContainer: string;
  readonly rendezvous: 'Torch' | 'None';
  /** Jurisdictions that the tenant allows; empty = any. Checked on the hub and again by the agent. */
  readonly jurisdictions: readonly Jurisdiction[];
  /** The PodTemplateSpec as the tenant wrote it: raw JSON, not trusted. */
  readonly template: unknown;
  /** ConfigMaps and Secrets that the template refers to, sealed to the member's key. */
  readonly attachments: readonly SealedAttachment[];
}

/** A ConfigMap or Secret for one run. `sealed` is ciphertext that only the member's agent can open (wire/sealing). */
export interface SealedAttachment {
  readonly kind: 'ConfigMap' | 'Secret';
  readonly name: string;
  /** `kubernetes.io/dockerconfigjson` and the like; empty for ConfigMaps. */
  readonly type: string;
  readonly sealed: Uint8Array;
}

/** The hub's word that a run must end. Absence of an order never stops anything; only this does. */
export interface CancelOrder {
  readonly id: RunId;
  readonly cause: Cause;
  readonly message: string;
}

/**
 * What the agent says of a run.
 * - Accepted: order taken and capacity booked; nothing persisted yet, nothing created.
 * - Starting: the start of this fence is persisted; Job being made, pods pending.
 * - Running: all workers run (or have run).
 * - Stopping: pods are being ended.
 * - Unknown: a node of it cannot be reached; not replaced while so.
 * - Ended: pods terminated by the kubelet's own word and a tombstone persisted, or never started.
 */
export type RunPhase = 'Accepted' | 'Starting' | 'Running' | 'Stopping' | 'Unknown' | 'Ended';

export type RunOutcome = 'Succeeded' | 'Failed' | 'Stopped' | 'Refused';

export interface WorkerCounts {
  readonly pending: number;
  readonly running: number;
  readonly succeeded: number;
  readonly failed: number;
}

export interface WorkerExit {
  readonly index: number;
  readonly exitCode: number;
  /** Kubernetes' reason, e.g. `OOMKilled`, `Error`, `Completed`. */
  readonly reason: string;
}

/** How a run ended, as judged by the pods' exit states. */
export interface RunEnd {
  readonly outcome: RunOutcome;
  readonly cause: Cause;
  readonly message: string;
  /** True when a fence of this run was persisted as started; false = refused before anything was created. */
  readonly everStarted: boolean;
  readonly exits: readonly WorkerExit[];
  /** Wall clock of the member, for people only. */
  readonly endedAtMs: number;
}

/** One run in an agent's whole report. */
export interface RunReport {
  readonly id: RunId;
  readonly job: JobKey;
  readonly tenant: TenantName;
  readonly pool: PoolName;
  readonly attempt: number;
  readonly templateHash: string;
  readonly gpuModel: GpuModel;
  readonly gpusPerWorker: number;
  readonly phase: RunPhase;
  readonly workers: WorkerCounts;
  /** Where the workers are, or will be. */
  readonly nodes: readonly NodeShare[];
  /** Member's wall clock when all workers first ran together; people and usage only. */
  readonly allRunningAtMs?: number;
  /** Whole GPU-seconds held by this run so far (container start to finish, summed over workers). */
  readonly gpuSeconds: number;
  /** The job controller's first observation: from then on the dead-man deadline counts. */
  readonly deadlineArmed: boolean;
  /** Present exactly when phase is Ended. */
  readonly end?: RunEnd;
  /** Why it is where it is: `pulling image ...`, `2 of 4 workers pending: ...`. */
  readonly message: string;
}

/** Issue-time record of a requested stop, persisted in status.run.cancel so that it survives the hub. */
export interface CancelRequest {
  readonly cause: Cause;
  readonly message: string;
  readonly requestedAtMs: number;
}

/** Highest fence ever issued for a job; the next is one above. Absent = none yet. */
export type HighestFence = Fence | undefined;
