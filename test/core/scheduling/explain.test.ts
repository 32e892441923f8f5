import { describe, expect, it } from 'vitest';
import { gpuModel, memberName, poolName, tenantName } from '../../../src/core/model/ids.ts';
import { explainMember, explainReason } from '../../../src/core/scheduling/explain.ts';
import type { MemberRefusalReason, Reason } from '../../../src/core/scheduling/reason.ts';
import { schedule } from '../../../src/core/scheduling/schedule.ts';
import { aMember, aNode, aSnapshot, pendingJob } from '../../support/core-builders.ts';

const asked = { workers: 8, gpusPerWorker: 1, gpuModels: [gpuModel('H100-80GB')] };

describe('the sentence of a waiting job', () => {
  it('says in numbers what it needs and what is nearest', () => {
    const snapshot = aSnapshot({
      members: [aMember({ nodes: [aNode({ gpus: 5 })] }), aMember({ name: 'member-b', readiness: 'Cordoned' })],
      pending: [pendingJob({ workers: 8, models: ['H100-80GB'] })],
    });
    const [refusal] = schedule(snapshot).refusals;
    expect(explainReason(refusal!.reason, asked)).toBe(
      'needs 8 GPUs (8 workers x 1) on H100-80GB; nearest of 2 members is member-a: largest free fit is 5 of 8 workers; needs 8 GPUs, 5 free',
    );
  });

  it.each<[Reason, string]>([
    [{ kind: 'PoolNotFound', pool: poolName('p') }, 'pool p does not exist'],
    [{ kind: 'PoolHasNoMembers', pool: poolName('p') }, 'pool p has no members'],
    [
      { kind: 'TenantNotAllowed', pool: poolName('p'), namespace: 'n' },
      'namespace n belongs to no tenant of pool p, which has no default tenant',
    ],
    [
      { kind: 'EarlierRunUnconfirmed', member: memberName('m'), fence: 3, detail: 'silent' },
      'waits for member m: silent',
    ],
    [{ kind: 'MassExpiryGuard', detail: '3 members' }, 'the mass-expiry guard holds it back: 3 members'],
    [{ kind: 'RetryBackoff', untilMs: 12_500 }, 'waits 3 s before the next attempt'],
    [
      {
        kind: 'NoMemberFits',
        members: 1,
        nearest: {
          member: memberName('m'),
          reason: { kind: 'TooBigForMember', needWorkers: 8, couldHoldWorkers: 6, perWorkerGpus: 1 },
        },
      },
      'needs 8 GPUs (8 workers x 1) on H100-80GB; no member could ever take it as it is written; nearest of 1 is m: even empty it holds 6 of 8 workers of 1 GPU',
    ],
  ])('of %o is %s', (reason, want) => {
    expect(explainReason(reason, asked, 10_000)).toBe(want);
  });

  it('needs no clock', () => {
    expect(explainReason({ kind: 'RetryBackoff', untilMs: 5 }, asked)).toBe('waits before the next attempt');
  });

  it('of one worker leaves out the shape', () => {
    expect(
      explainReason(
        {
          kind: 'WaitingForCapacity',
          members: 1,
          nearest: { member: memberName('m'), reason: { kind: 'AvoidedEarlierRun' } },
        },
        { workers: 1, gpusPerWorker: 1, gpuModels: [] },
      ),
    ).toBe('needs 1 GPU; nearest of 1 member is m: an earlier run of this job may still be there');
  });
});

describe('the sentence per member', () => {
  it.each<[MemberRefusalReason, string]>([
    [
      { kind: 'MemberNotReady', readiness: 'Disconnected', lastReportAgeMs: 61_999 },
      'is disconnected, silent for 1m1s',
    ],
    [{ kind: 'MemberNotReady', readiness: 'Cordoned', lastReportAgeMs: 1 }, 'is cordoned: it takes nothing new'],
    [{ kind: 'NotLending', state: 'Paused', detail: 'until Monday' }, 'is not lending (Paused): until Monday'],
    [
      { kind: 'ResidencyForbids', memberJurisdiction: '', allowed: [], by: 'Pool' },
      'is in no certified jurisdiction, the pool allows ',
    ],
    [{ kind: 'RegionMismatch', memberRegion: 'r1', allowed: ['r2', 'r3'] }, 'is in r1, the job allows r2, r3'],
    [{ kind: 'MemberSelectorMismatch', key: 'tier' }, "its label tier does not satisfy the job's member selector"],
    [{ kind: 'TenantNotLentTo', tenant: tenantName('t') }, 'its owner does not lend to tenant t'],
    [{ kind: 'ImageNotAllowed', image: 'x' }, 'its owner does not allow image x'],
    [{ kind: 'NoSuchGpuModel', wanted: [], has: [] }, 'has no GPU of any model, it has none'],
    [
      { kind: 'GpuMemoryTooSmall', needBytes: 80 * 2 ** 30, haveBytes: 16 * 2 ** 30 },
      'needs GPUs with 80Gi, the largest has 16Gi',
    ],
    [{ kind: 'NodeSelectorMismatch', nodes: 1 }, "none of 1 node satisfies the template's node selector and affinity"],
    [
      { kind: 'UntoleratedTaint', nodes: 2, taint: 'a:NoSchedule' },
      'the template does not tolerate the taints of 2 nodes, such as a:NoSchedule',
    ],
    [
      {
        kind: 'InsufficientResource',
        resource: 'memory',
        need: 2 ** 33,
        have: 2 ** 32,
        fittingWorkers: 1,
        needWorkers: 2,
      },
      'largest free fit is 1 of 2 workers; one more needs memory 8Gi, a node with free GPUs has at most 4Gi',
    ],
    [{ kind: 'AvoidedAfterRefusal' }, 'has just refused this job; it is tried again shortly'],
  ])('of %o is %s', (reason, want) => {
    expect(explainMember(reason)).toBe(want);
  });
});
