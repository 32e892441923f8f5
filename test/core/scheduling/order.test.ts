import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tenantName } from '../../../src/core/model/ids.ts';
import { compareWithinTenant, FairOrder, weightOf } from '../../../src/core/scheduling/order.ts';
import type { PendingJob } from '../../../src/core/scheduling/snapshot.ts';
import { anActiveRun, pendingJob, poolRules } from '../../support/core-builders.ts';

/** All jobs in order; `placed` says which are placed, charging their tenant. */
function drain(order: FairOrder, placed: (job: PendingJob) => boolean = () => false): string[] {
  const uids: string[] = [];
  for (let job = order.next(); job !== undefined; job = order.next()) {
    uids.push(job.job.uid);
    if (placed(job)) order.charge(job.job.workers * job.job.gpusPerWorker);
  }
  return uids;
}

describe('the order of one tenant', () => {
  it('is priority, then age, then UID', () => {
    const jobs = [
      pendingJob({ uid: 'c', createdAtMs: 5 }),
      pendingJob({ uid: 'b', createdAtMs: 5 }),
      pendingJob({ uid: 'old', createdAtMs: 1 }),
      pendingJob({ uid: 'urgent', createdAtMs: 9, priority: 1 }),
    ];
    expect(drain(new FairOrder(poolRules(), jobs, []))).toEqual(['urgent', 'old', 'b', 'c']);
    expect(compareWithinTenant(jobs[0]!, jobs[0]!)).toBe(0);
  });
});

describe('the order between tenants', () => {
  it('follows the weighted GPUs in use, and moves on as jobs are placed', () => {
    const jobs = ['a1', 'a2', 'a3'].map((uid) => pendingJob({ uid, gpusPerWorker: 2 }, { tenant: 'a' }));
    const others = ['b1', 'b2', 'b3'].map((uid) => pendingJob({ uid, gpusPerWorker: 2 }, { tenant: 'b' }));
    const rules = poolRules({ tenants: { a: 2, b: 1 } });
    const order = new FairOrder(rules, [...others, ...jobs], [anActiveRun({ tenant: 'a', gpus: 2 })]);
    // b: 0/1, a: 2/2, b: 2/1, a: 4/2 and older? equal share 2 = 2: by age, then UID.
    expect(drain(order, () => true)).toEqual(['b1', 'a1', 'a2', 'b2', 'a3', 'b3']);
  });

  it('does not change for jobs that were not placed', () => {
    const jobs = [
      pendingJob({ uid: 'a1' }, { tenant: 'a' }),
      pendingJob({ uid: 'a2' }, { tenant: 'a' }),
      pendingJob({ uid: 'b1' }, { tenant: 'b' }),
    ];
    expect(drain(new FairOrder(poolRules(), jobs, [anActiveRun({ tenant: 'b', gpus: 1 })]))).toEqual([
      'a1',
      'a2',
      'b1',
    ]);
  });

  it('gives every job exactly once, in the same order however they are listed', () => {
    const aPending = fc
      .record({
        tenant: fc.constantFrom('a', 'b', 'c', 'd'),
        priority: fc.integer({ min: -1, max: 1 }),
        createdAtMs: fc.nat(2),
        gpusPerWorker: fc.integer({ min: 1, max: 3 }),
      })
      .map(({ tenant, ...job }) => ({ tenant, job }));
    fc.assert(
      fc.property(fc.array(aPending, { maxLength: 30 }), fc.nat(5), (list, modulus) => {
        const jobs = list.map(({ tenant, job }, i) => pendingJob({ ...job, uid: `j${i}` }, { tenant }));
        const rules = poolRules({ tenants: { a: 1, b: 2, c: 3 } });
        const some = (job: PendingJob): boolean => Number(job.job.uid.slice(1)) % 5 !== modulus;
        const order = drain(new FairOrder(rules, jobs, []), some);
        expect(drain(new FairOrder(rules, jobs.toReversed(), []), some)).toEqual(order);
        expect([...order].sort()).toEqual(jobs.map((one) => one.job.uid).sort());
      }),
      { numRuns: 300 },
    );
  });
});

describe('a weight', () => {
  it.each([
    ['a', 7],
    ['stranger', 3],
  ])('of tenant %s is %s', (tenant, want) => {
    expect(weightOf(poolRules({ tenants: { a: 7 }, defaultTenantWeight: 3 }), tenantName(tenant))).toBe(want);
  });
});
