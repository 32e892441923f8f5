/**
 * Names and identities, branded so that one is never passed for another. Parsing happens at the edges (api, wire);
 * inside core a value of these types is already well-formed.
 */
import type { Brand } from './brand.ts';

/** Name of a MemberCluster. DNS-1123 label. */
export type MemberName = Brand<string, 'MemberName'>;
/** UID of the member's kube-system namespace. */
export type ClusterUid = Brand<string, 'ClusterUid'>;
export type PoolName = Brand<string, 'PoolName'>;
export type TenantName = Brand<string, 'TenantName'>;
/** metadata.uid of a ComputeJob. */
export type JobUid = Brand<string, 'JobUid'>;
export type NodeName = Brand<string, 'NodeName'>;
/** ISO 3166-1 alpha-2, upper case. */
export type Jurisdiction = Brand<string, 'Jurisdiction'>;
/** Canonical GPU model, e.g. `H100-80GB` (gpu.ts). */
export type GpuModel = Brand<string, 'GpuModel'>;

/** Positive, strictly increasing per job. Never reused, never lowered: `highestFence` survives every run. */
export type Fence = Brand<number, 'Fence'>;

/** Where a ComputeJob lives on the hub. */
export interface JobKey {
  readonly namespace: string;
  readonly name: string;
}

/** One attempt of a job. */
export interface RunId {
  readonly jobUid: JobUid;
  readonly fence: Fence;
}

/** Map key of a run: `<jobUid>/<fence>`. */
export function runKey(run: RunId): string {
  return `${run.jobUid}/${run.fence}`;
}

/** Map key and display form of a job: `<namespace>/<name>`. */
export function jobKeyText(key: JobKey): string {
  return `${key.namespace}/${key.name}`;
}

export function sameRun(a: RunId, b: RunId): boolean {
  return a.jobUid === b.jobUid && a.fence === b.fence;
}

// Trusted constructors: the caller vouches that the text was validated at an edge.
export const memberName = (text: string): MemberName => text as MemberName;
export const clusterUid = (text: string): ClusterUid => text as ClusterUid;
export const poolName = (text: string): PoolName => text as PoolName;
export const tenantName = (text: string): TenantName => text as TenantName;
export const jobUid = (text: string): JobUid => text as JobUid;
export const nodeName = (text: string): NodeName => text as NodeName;
export const jurisdiction = (text: string): Jurisdiction => text as Jurisdiction;
export const gpuModel = (text: string): GpuModel => text as GpuModel;

/** Throws RangeError unless a positive safe integer: a bad fence is a bug, never input. */
export function fence(value: number): Fence {
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`fence must be a positive integer, got ${value}`);
  return value as Fence;
}
