/**
 * Whose turn it is. Decides the order in which the waiting jobs of one pool are tried: weighted fair share between tenants,
 * then priority within the tenant, then age, then UID.
 *
 * Invariants: total and deterministic; shares are compared by cross-multiplied integers, never by division; priority orders
 * jobs of one tenant only; tenants of equal share take turns by the age of their next job. The share counts GPUs in use, those
 * placed in this cycle included.
 */
import type { Comparator } from '../../std/ordering.ts';
import { compareBy, compareNumbers, compareStrings } from '../../std/ordering.ts';
import type { TenantName } from '../model/ids.ts';
import type { PoolRules } from '../model/pool.ts';
import type { ActiveRun, PendingJob } from './snapshot.ts';

interface TenantQueue {
  readonly tenant: TenantName;
  readonly weight: number;
  gpus: number;
  readonly jobs: readonly PendingJob[];
  next: number;
}

/** Within one tenant: priority, age, UID. */
export const compareWithinTenant: Comparator<PendingJob> = compareBy<PendingJob>(
  (a, b) => compareNumbers(b.job.priority, a.job.priority),
  (a, b) => compareNumbers(a.job.createdAtMs, b.job.createdAtMs),
  (a, b) => compareStrings(a.job.uid, b.job.uid),
);

/** Jobs of a pool, one at a time, in an order that follows what has been placed. */
export class FairOrder {
  private readonly heap: TenantQueue[] = [];
  private current: TenantQueue | undefined;

  constructor(rules: PoolRules, pending: readonly PendingJob[], active: readonly ActiveRun[]) {
    const gpus = new Map<TenantName, number>();
    for (const run of active) gpus.set(run.tenant, (gpus.get(run.tenant) ?? 0) + run.gpus);
    const jobs = new Map<TenantName, PendingJob[]>();
    for (const one of pending) {
      const list = jobs.get(one.tenant);
      if (list === undefined) jobs.set(one.tenant, [one]);
      else list.push(one);
    }
    for (const [tenant, list] of jobs) {
      const weight = weightOf(rules, tenant);
      this.push({ tenant, weight, gpus: gpus.get(tenant) ?? 0, jobs: list.sort(compareWithinTenant), next: 0 });
    }
  }

  /** The next job to try; undefined when none is left. Each job comes once. */
  next(): PendingJob | undefined {
    if (this.current !== undefined && this.current.next < this.current.jobs.length) this.push(this.current);
    this.current = this.pop();
    if (this.current === undefined) return undefined;
    this.current.next += 1;
    return this.current.jobs[this.current.next - 1];
  }

  /** The job that `next` gave last was placed: its tenant now uses so many GPUs more. */
  charge(gpus: number): void {
    if (this.current !== undefined) this.current.gpus += gpus;
  }

  private push(queue: TenantQueue): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(queue);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !goesFirst(queue, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = queue;
  }

  private pop(): TenantQueue | undefined {
    const { heap } = this;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      const child = right !== undefined && left !== undefined && goesFirst(right, left) ? 2 * at + 2 : 2 * at + 1;
      const below = heap[child];
      if (below === undefined || !goesFirst(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}

/** A tenant's weight in a pool: its own, else the default tenant's, else 1. */
export function weightOf(rules: PoolRules, tenant: TenantName): number {
  return rules.tenants.find((one) => one.name === tenant)?.weight ?? rules.defaultTenantWeight ?? 1;
}

function goesFirst(a: TenantQueue, b: TenantQueue): boolean {
  const share = compareNumbers(a.gpus * b.weight, b.gpus * a.weight);
  if (share !== 0) return share < 0;
  const [headA, headB] = [a.jobs[a.next], b.jobs[b.next]];
  if (headA === undefined || headB === undefined) return headB === undefined;
  const age = compareNumbers(headA.job.createdAtMs, headB.job.createdAtMs);
  return age === 0 ? compareStrings(headA.job.uid, headB.job.uid) < 0 : age < 0;
}
