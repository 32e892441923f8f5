import { describe, expect, it } from 'vitest';
import { schedule } from '../../../src/core/scheduling/schedule.ts';
import type { JobSketch, MemberSketch } from '../../support/core-builders.ts';
import { aMember, aNode, aPolicy, aSnapshot, pendingJob } from '../../support/core-builders.ts';

function refusalOf(job: JobSketch, ...members: MemberSketch[]) {
  return schedule(aSnapshot({ members: members.map(aMember), pending: [pendingJob(job)] })).refusals[0]!;
}
const full = { nodes: [aNode({ gpus: 0, totalGpus: 8 })] };

describe('a refusal', () => {
  it('names per member the first filter that failed', () => {
    const refusal = refusalOf(
      { workers: 4, jurisdictions: ['ID'] },
      { name: 'abroad', jurisdiction: 'SG' },
      { name: 'busy', nodes: [aNode({ gpus: 3 })] },
      { name: 'small', nodes: [aNode({ gpus: 2, totalGpus: 2 })].map((node) => ({ ...node, allocatable: node.free })) },
      { name: 'paused', policy: aPolicy({ state: 'Paused' }) },
    );
    expect(refusal.members.map(({ member, reason }) => [member, reason.kind])).toEqual([
      ['abroad', 'ResidencyForbids'],
      ['busy', 'InsufficientGpus'],
      ['paused', 'NotLending'],
      ['small', 'TooBigForMember'],
    ]);
    expect(refusal.reason).toMatchObject({ kind: 'WaitingForCapacity', members: 4, nearest: { member: 'busy' } });
  });

  it('says that no member could ever take it only if none could', () => {
    const big = { workers: 9 };
    expect(refusalOf(big, {}).reason).toMatchObject({
      kind: 'NoMemberFits',
      nearest: { reason: { kind: 'TooBigForMember', couldHoldWorkers: 8 } },
    });
    expect(refusalOf(big, {}, { name: 'member-b', nodes: [aNode({ gpus: 0, totalGpus: 16 })] }).reason.kind).toBe(
      'WaitingForCapacity',
    );
    expect(refusalOf({}, { ...full, readiness: 'Cordoned' }).reason.kind).toBe('WaitingForCapacity');
    expect(refusalOf({}, { ...full, readiness: 'PoolConflict' }).reason.kind).toBe('NoMemberFits');
  });

  it('calls nearest the member that could place the most workers', () => {
    const job = { workers: 8 };
    const refusal = refusalOf(
      job,
      { name: 'a', nodes: [aNode({ gpus: 2 })] },
      { name: 'b', nodes: [aNode({ gpus: 5 })] },
      { name: 'c', nodes: [aNode({ gpus: 5 })] },
    );
    expect(refusal.reason).toMatchObject({ nearest: { member: 'b', reason: { fittingWorkers: 5 } } });
  });

  it('names the resource that is short where GPUs would do', () => {
    const refusal = refusalOf(
      { workers: 4, workerRequests: { cpu: 3_000, memory: 2 ** 30, pods: 1 } },
      {
        nodes: [
          aNode({ name: 'n1', gpus: 8, freeCpuMilli: 7_000 }),
          aNode({ name: 'n2', gpus: 0, freeCpuMilli: 64_000 }),
        ],
      },
    );
    expect(refusal.members[0]?.reason).toEqual({
      kind: 'InsufficientResource',
      resource: 'cpu',
      need: 3_000,
      have: 1_000,
      fittingWorkers: 2,
      needWorkers: 4,
    });
  });

  it('names the GPUs where they are too few, whatever else is short', () => {
    const refusal = refusalOf(
      { workers: 2, workerRequests: { memory: 2 ** 40, pods: 1 } },
      {
        nodes: [aNode({ gpus: 1 })].map((node) => ({ ...node, allocatable: { ...node.allocatable, memory: 2 ** 42 } })),
      },
    );
    expect(refusal.members[0]?.reason).toMatchObject({
      kind: 'InsufficientGpus',
      needGpus: 2,
      freeGpus: 1,
      fittingWorkers: 0,
    });
  });

  it('speaks of the model that comes nearest', () => {
    const refusal = refusalOf(
      { workers: 6 },
      { nodes: [aNode({ name: 'n1', gpus: 3 }), aNode({ name: 'n2', gpus: 5, model: 'T4', memoryGib: 16 })] },
    );
    expect(refusal.members[0]?.reason).toMatchObject({ kind: 'InsufficientGpus', freeGpus: 5, fittingWorkers: 5 });
  });
});
