/**
 * The deadlines that end a guest when the agent is dead: the Job's activeDeadlineSeconds, run by the member's own Job
 * controller, and the pod's, run by a kubelet that may be cut off.
 *
 * Invariants: a Fence run's Job ends no later than the lease does, counted from the controller's own start time; it is
 * shortened at the first observation of that time if it would outlive the lease, and extended when under half of the lease
 * remains on it; other runs end when their longest run time must be over. Leaves out reading clocks.
 */
import type { LeaseTerms, OnPartition } from '../model/run.ts';

/** Added to maxRuntime and startTimeout, so that the agent, who gives the better reason, is first. */
const BACKSTOP_MARGIN_MS = 60_000;
/** How much of the lease the Job's controller may use up before it has seen the Job. */
const PICKUP_ALLOWANCE_MS = 2_000;

export interface DeadManTerms {
  readonly onPartition: OnPartition;
  readonly lease: LeaseTerms;
  readonly maxRuntimeMs: number;
  readonly startTimeoutMs: number;
}

export interface JobDeadline {
  readonly deadlineSeconds: number;
  /** How long ago the controller's status.startTime was, never less than it was; absent before it was seen. */
  readonly sinceStartMs?: number;
}

/** spec.activeDeadlineSeconds of every guest pod. It cannot be extended later, so that it covers the whole attempt. */
export function podDeadlineSeconds(terms: DeadManTerms): number {
  return Math.ceil((terms.maxRuntimeMs + terms.startTimeoutMs + BACKSTOP_MARGIN_MS) / 1000);
}

/** spec.activeDeadlineSeconds of a Job that is about to be created while `leaseRemainingMs` are left. At least 1. */
export function initialJobDeadlineSeconds(terms: DeadManTerms, leaseRemainingMs: number): number {
  if (terms.onPartition !== 'Fence') return podDeadlineSeconds(terms);
  const allowanceMs = Math.min(PICKUP_ALLOWANCE_MS, terms.lease.durationMs / 10);
  const seconds = Math.floor((leaseRemainingMs - allowanceMs) / 1000);
  return Math.min(podDeadlineSeconds(terms), Math.max(1, seconds));
}

/** The deadline that a running Job should be given now; undefined = leave it. */
export function adjustedJobDeadlineSeconds(
  terms: DeadManTerms,
  job: JobDeadline,
  leaseRemainingMs: number | undefined,
): number | undefined {
  if (terms.onPartition !== 'Fence' || job.sinceStartMs === undefined || leaseRemainingMs === undefined)
    return undefined;
  const target = targetSeconds(terms, job.sinceStartMs, leaseRemainingMs);
  if (target < 1) return undefined;
  const leftMs = job.deadlineSeconds * 1000 - job.sinceStartMs;
  if (leftMs > leaseRemainingMs) return target < job.deadlineSeconds ? target : undefined;
  return leftMs < terms.lease.durationMs / 2 && target > job.deadlineSeconds ? target : undefined;
}

/**
 * Does the deadline count, so that the hub may rely on it? The controller must have been seen to start the Job, and a Fence
 * run's deadline must lie within the lease. An unknown lease proves nothing.
 */
export function deadlineArmed(terms: DeadManTerms, job: JobDeadline, leaseRemainingMs: number | undefined): boolean {
  if (job.sinceStartMs === undefined) return false;
  if (terms.onPartition !== 'Fence') return true;
  return leaseRemainingMs !== undefined && job.deadlineSeconds * 1000 - job.sinceStartMs <= leaseRemainingMs;
}

function targetSeconds(terms: DeadManTerms, sinceStartMs: number, leaseRemainingMs: number): number {
  return Math.min(podDeadlineSeconds(terms), Math.floor((sinceStartMs + leaseRemainingMs) / 1000));
}
