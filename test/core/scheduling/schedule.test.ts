import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memberName, poolName } from '../../../src/core/model/ids.ts';
import type { MemberRefusalReason } from '../../../src/core/scheduling/reason.ts';
import { schedule } from '../../../src/core/scheduling/schedule.ts';
import type { MemberSnapshot, PendingJob, Snapshot } from '../../../src/core/scheduling/snapshot.ts';
import {
  aJob,
  aMember,
  aNode,
  aPool,
  anActiveRun,
  aSnapshot,
  pendingJob,
  poolRules,
} from '../../support/core-builders.ts';
import {
  arbitrarySnapshot,
  leftAfter,
  memberAllows,
  memberOpen,
  mostWorkers,
  nodeAllows,
  pendingOf,
  poolOf,
} from './arbitrary-snapshot.ts';

describe('a decision', () => {
  it('places a gang on one member, one model, as few nodes as the packing allows', () => {
    const snapshot = aSnapshot({
      members: [aMember({ nodes: [aNode({ name: 'n1', gpus: 3 }), aNode({ name: 'n2', gpus: 8 })] })],
      pending: [pendingJob({ workers: 2, gpusPerWorker: 4 })],
    });
    expect(schedule(snapshot)).toEqual({
      snapshotVersion: 1,
      placements: [
        {
          jobUid: 'job-1',
          job: { namespace: 'team-a', name: 'job-1' },
          tenant: 'team-a',
          pool: 'pool',
          member: 'member-a',
          gpuModel: 'H100-80GB',
          gpuResource: 'nvidia.com/gpu',
          nodes: [{ node: 'n2', workers: 2 }],
        },
      ],
      refusals: [],
    });
  });

  it('refuses a gang that fits only partly, whole, and says how far it came', () => {
    const snapshot = aSnapshot({
      members: [aMember({ nodes: [aNode({ name: 'n1', gpus: 3 }), aNode({ name: 'n2', gpus: 2 })] })],
      pending: [pendingJob({ workers: 8, models: ['H100-80GB'] })],
    });
    const nearest = {
      member: 'member-a',
      reason: { kind: 'InsufficientGpus', needGpus: 8, freeGpus: 5, fittingWorkers: 5, needWorkers: 8 },
    };
    expect(schedule(snapshot)).toMatchObject({
      placements: [],
      refusals: [
        {
          jobUid: 'job-1',
          tenant: 'team-a',
          position: 1,
          reason: { kind: 'WaitingForCapacity', members: 1, nearest },
          members: [nearest],
        },
      ],
    });
  });

  it('never mixes models or members in one gang', () => {
    const snapshot = aSnapshot({
      members: [
        aMember({
          name: 'member-a',
          nodes: [aNode({ name: 'n1', gpus: 2 }), aNode({ name: 'n2', gpus: 2, model: 'T4', memoryGib: 16 })],
        }),
        aMember({ name: 'member-b', nodes: [aNode({ name: 'n1', gpus: 2 })] }),
      ],
      pending: [pendingJob({ workers: 4 })],
    });
    expect(schedule(snapshot).placements).toEqual([]);
  });

  it('lets a smaller job pass one that does not fit', () => {
    const snapshot = aSnapshot({
      members: [aMember({ nodes: [aNode({ gpus: 4 })] })],
      pending: [pendingJob({ uid: 'large', workers: 8, createdAtMs: 1 }), pendingJob({ uid: 'small', createdAtMs: 2 })],
    });
    const decision = schedule(snapshot);
    expect(decision.placements.map((one) => one.jobUid)).toEqual(['small']);
    expect(decision.refusals).toMatchObject([
      { jobUid: 'large', reason: { nearest: { reason: { fittingWorkers: 3 } } } },
    ]);
  });

  it('takes the smallest GPU that suffices when the job does not care', () => {
    const snapshot = aSnapshot({
      members: [
        aMember({ name: 'member-a', nodes: [aNode({ gpus: 1 })] }),
        aMember({ name: 'member-b', nodes: [aNode({ gpus: 8, model: 'T4', memoryGib: 16 })] }),
      ],
      pending: [pendingJob()],
    });
    expect(schedule(snapshot).placements).toMatchObject([{ member: 'member-b', gpuModel: 'T4' }]);
  });

  it('fills gaps before it breaks a whole node', () => {
    const snapshot = aSnapshot({
      members: [
        aMember({ name: 'member-a', nodes: [aNode({ gpus: 8 })] }),
        aMember({ name: 'member-b', nodes: [aNode({ gpus: 1 })] }),
      ],
      pending: [pendingJob()],
    });
    expect(schedule(snapshot).placements).toMatchObject([{ member: 'member-b' }]);
  });

  it('gives the turn to the tenant with the smaller weighted share, active runs counted', () => {
    const pending = (tenant: string, n: number): PendingJob[] =>
      Array.from({ length: n }, (_, i) => pendingJob({ uid: `${tenant}-${i}`, createdAtMs: 10 + i }, { tenant }));
    const snapshot = aSnapshot({
      pools: [{ rules: poolRules({ tenants: { heavy: 3, light: 1 } }), members: [memberName('member-a')] }],
      members: [aMember({ nodes: [aNode({ gpus: 8 })] })],
      pending: [...pending('light', 8), ...pending('heavy', 8)],
      active: [anActiveRun({ tenant: 'light', gpus: 1 })],
    });
    const tenants = schedule(snapshot).placements.map((one) => one.tenant);
    // Heavy goes up to three for light's one, then they alternate by share: (1/1, 3/3) ...
    expect(tenants.filter((one) => one === 'heavy')).toHaveLength(6);
    expect(tenants.slice(0, 3)).toEqual(['heavy', 'heavy', 'heavy']);
  });

  it('never lets priority buy a way past another tenant', () => {
    const snapshot = aSnapshot({
      members: [aMember({ nodes: [aNode({ gpus: 1 })] })],
      pending: [
        pendingJob({ uid: 'urgent', priority: 1000, createdAtMs: 2 }, { tenant: 'loud' }),
        pendingJob({ uid: 'patient', priority: -1000, createdAtMs: 1 }, { tenant: 'quiet' }),
      ],
    });
    expect(schedule(snapshot).placements.map((one) => one.jobUid)).toEqual(['patient']);
  });

  it('gives every blocked job, and every job without a pool, its reason', () => {
    const block = { kind: 'RetryBackoff', untilMs: 5 } as const;
    const snapshot = aSnapshot({
      pending: [pendingJob({ uid: 'homeless', pool: 'nowhere' })],
      blocked: [{ job: aJob({ uid: 'blocked' }), block }],
    });
    expect(schedule(snapshot).refusals).toMatchObject([
      { jobUid: 'blocked', reason: block, members: [] },
      { jobUid: 'homeless', reason: { kind: 'PoolNotFound', pool: 'nowhere' } },
    ]);
  });

  it('says that a pool has no members, and names members nobody knows', () => {
    const empty = aSnapshot({ members: [], pools: [aPool({}, [])], pending: [pendingJob()] });
    expect(schedule(empty).refusals[0]?.reason).toEqual({ kind: 'PoolHasNoMembers', pool: 'pool' });
    const ghost = aSnapshot({ members: [], pools: [aPool({}, ['ghost'])], pending: [pendingJob()] });
    expect(schedule(ghost).refusals[0]?.reason).toMatchObject({
      kind: 'NoMemberFits',
      nearest: { member: 'ghost', reason: { kind: 'MemberNotReady', readiness: 'NeverReported' } },
    });
  });

  it('places a job once, even if it is listed twice', () => {
    const snapshot = aSnapshot({ pending: [pendingJob(), pendingJob()] });
    expect(schedule(snapshot).placements).toHaveLength(1);
  });

  it('counts positions within the tenant, in scheduling order', () => {
    const snapshot = aSnapshot({
      members: [aMember({ nodes: [aNode({ gpus: 0 })] })],
      pending: [
        pendingJob({ uid: 'a-late', createdAtMs: 9 }, { tenant: 'a' }),
        pendingJob({ uid: 'a-urgent', createdAtMs: 9, priority: 5 }, { tenant: 'a' }),
        pendingJob({ uid: 'b-only', createdAtMs: 9 }, { tenant: 'b' }),
      ],
    });
    const positions = Object.fromEntries(schedule(snapshot).refusals.map((one) => [one.jobUid, one.position]));
    expect(positions).toEqual({ 'a-urgent': 1, 'a-late': 2, 'b-only': 1 });
  });
});

describe('any decision', () => {
  const check = (name: string, property: (snapshot: Snapshot) => void, numRuns = 250): void => {
    it(name, () => {
      fc.assert(fc.property(arbitrarySnapshot, property), { numRuns });
    });
  };

  check('never gives a node away twice, and places gangs whole where the job may go', (snapshot) => {
    const decision = schedule(snapshot);
    leftAfter(snapshot, decision);
    for (const placement of decision.placements) {
      const pending = pendingOf(snapshot, placement);
      const pool = poolOf(snapshot, placement.pool)!;
      const member = snapshot.members.find((one) => one.name === placement.member)!;
      expect(placement.nodes.reduce((sum, share) => sum + share.workers, 0)).toBe(pending.job.workers);
      expect(placement.nodes.every((share) => share.workers > 0)).toBe(true);
      expect(pool.members).toContain(placement.member);
      expect(memberAllows(pending, pool.rules, member) && memberOpen(pending, member)).toBe(true);
      for (const share of placement.nodes) {
        const node = member.nodes.find((one) => one.node === share.node)!;
        expect(nodeAllows(pending.job, pool.rules, node)).toBe(true);
        expect(node.gpuModel).toBe(placement.gpuModel);
      }
    }
  });

  check('answers every waiting job exactly once', (snapshot) => {
    const decision = schedule(snapshot);
    const answered = [...decision.placements, ...decision.refusals].map((one) => one.jobUid).sort();
    expect(answered).toEqual(snapshot.pending.map((one) => one.job.uid).sort());
  });

  check('is the same however the snapshot lists its parts, and leaves it untouched', (snapshot) => {
    const before = JSON.stringify(snapshot);
    const shuffled: Snapshot = {
      ...snapshot,
      pools: snapshot.pools.map((pool) => ({ ...pool, members: pool.members.toReversed() })).reverse(),
      members: snapshot.members.map((member) => ({ ...member, nodes: member.nodes.toReversed() })).reverse(),
      pending: snapshot.pending.toReversed(),
      active: snapshot.active.toReversed(),
    };
    expect(JSON.stringify(schedule(shuffled))).toBe(JSON.stringify(schedule(snapshot)));
    expect(JSON.stringify(snapshot)).toBe(before);
  });

  check(
    'refuses only what does not fit into what is left, and every reason is true',
    (snapshot) => {
      const decision = schedule(snapshot);
      const left = leftAfter(snapshot, decision);
      for (const refusal of decision.refusals) {
        const pending = pendingOf(snapshot, refusal);
        const pool = poolOf(snapshot, refusal.pool)!;
        expect(refusal.members.map((one) => one.member)).toEqual([...pool.members].sort());
        for (const { member: name, reason } of refusal.members) {
          const member = snapshot.members.find((one) => one.name === name)!;
          checkReason(reason, { pending, rules: pool.rules, member, left });
        }
        const possible = refusal.members.some((one) => couldPass(one.reason));
        if (refusal.members.length > 0) {
          expect(refusal.reason.kind).toBe(possible ? 'WaitingForCapacity' : 'NoMemberFits');
          expect(refusal.members).toContainEqual('nearest' in refusal.reason ? refusal.reason.nearest : undefined);
        }
      }
    },
    400,
  );
});

describe('fair share', () => {
  it('between equal tenants with equal jobs differs by at most one job', () => {
    const inputs = fc.record({
      gpus: fc.nat(40),
      gangs: fc.integer({ min: 1, max: 3 }),
      tenants: fc.integer({ min: 2, max: 5 }),
    });
    fc.assert(
      fc.property(inputs, ({ gpus, gangs, tenants }) => {
        const pending = Array.from({ length: tenants * 20 }, (_, i) =>
          pendingJob(
            { uid: `job-${i}`, workers: gangs, createdAtMs: (i * 7) % 13 },
            { tenant: `tenant-${i % tenants}` },
          ),
        );
        const snapshot = aSnapshot({ members: [aMember({ nodes: [aNode({ gpus })] })], pending });
        const counts = new Map<string, number>(Array.from({ length: tenants }, (_, i) => [`tenant-${i}`, 0]));
        for (const { tenant } of schedule(snapshot).placements) counts.set(tenant, (counts.get(tenant) ?? 0) + 1);
        expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(1);
        expect([...counts.values()].reduce((sum, one) => sum + one, 0)).toBe(
          Math.min(Math.floor(gpus / gangs), pending.length),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('between weighted tenants follows the weights to within one job', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), (w1, w2) => {
        const pending = ['one', 'two'].flatMap((tenant) =>
          Array.from({ length: 60 }, (_, i) => pendingJob({ uid: `${tenant}-${i}` }, { tenant })),
        );
        const snapshot = aSnapshot({
          pools: [{ rules: poolRules({ tenants: { one: w1, two: w2 } }), members: [memberName('member-a')] }],
          members: [aMember({ nodes: [aNode({ gpus: 60, freePods: 60 })] })],
          pending,
        });
        const { placements } = schedule(snapshot);
        const one = placements.filter((placement) => placement.tenant === 'one').length;
        expect(placements).toHaveLength(60);
        expect(Math.abs(one - (60 * w1) / (w1 + w2))).toBeLessThanOrEqual(1);
      }),
      { numRuns: 81 },
    );
  });
});

interface Facts {
  readonly pending: PendingJob;
  readonly rules: Parameters<typeof memberAllows>[1];
  readonly member: MemberSnapshot;
  readonly left: ReadonlyMap<string, Record<string, number>>;
}

function couldPass(reason: MemberRefusalReason): boolean {
  if (reason.kind === 'MemberNotReady') return ['Cordoned', 'Disconnected'].includes(reason.readiness);
  return [
    'NotLending',
    'AvoidedEarlierRun',
    'AvoidedAfterRefusal',
    'InsufficientGpus',
    'InsufficientResource',
  ].includes(reason.kind);
}

/** Recomputes each reason from the rules as they are written, and that nothing earlier in the order would have said it first. */
function checkReason(reason: MemberRefusalReason, facts: Facts): void {
  const { pending, rules, member, left } = facts;
  const { job } = pending;
  const nodes = member.nodes.filter((node) => nodeAllows(job, rules, node));
  const empty = mostWorkers(
    job,
    nodes.map((node) => [node, node.allocatable]),
  );
  const now = mostWorkers(
    job,
    nodes.map((node) => [node, left.get(`${member.name}/${node.node}`)!]),
  );
  const seen = {
    readiness: member.readiness,
    allowed: memberAllows(pending, rules, member),
    lends: member.policy.state === 'Lending',
    hasNodes: nodes.length > 0,
    fitsEmpty: empty >= job.workers,
    avoided: pending.avoidMembers.some((one) => one.member === member.name),
    fitsNow: now >= job.workers,
  };
  expect(seen).toMatchObject(mustBe(reason));
  if (reason.kind === 'TooBigForMember') expect(reason.couldHoldWorkers).toBe(empty);
  if (reason.kind === 'InsufficientGpus' || reason.kind === 'InsufficientResource') {
    expect([reason.fittingWorkers, reason.needWorkers]).toEqual([now, job.workers]);
  }
  if (reason.kind === 'InsufficientResource') expect(reason.have).toBeLessThan(reason.need);
}

/** What must hold for a reason to be true and to be the first in order. */
function mustBe(reason: MemberRefusalReason): object {
  return reason.kind === 'MemberNotReady' ? { readiness: reason.readiness } : MUST_BE[reason.kind];
}

const inTheWay = { allowed: false };
const noNode = { allowed: true, lends: true, hasNodes: false };
const kept = { allowed: true, lends: true, fitsEmpty: true, readiness: 'Ready', avoided: true };
const short = { allowed: true, lends: true, fitsEmpty: true, readiness: 'Ready', avoided: false, fitsNow: false };
const MUST_BE: Readonly<Record<Exclude<MemberRefusalReason['kind'], 'MemberNotReady'>, object>> = {
  ResidencyForbids: inTheWay,
  RegionMismatch: inTheWay,
  MemberSelectorMismatch: inTheWay,
  TenantNotLentTo: inTheWay,
  ImageNotAllowed: inTheWay,
  NotLending: { allowed: true, lends: false },
  NoSuchGpuModel: noNode,
  GpuMemoryTooSmall: noNode,
  NodeSelectorMismatch: noNode,
  UntoleratedTaint: noNode,
  TooBigForMember: { allowed: true, lends: true, hasNodes: true, fitsEmpty: false },
  AvoidedEarlierRun: kept,
  AvoidedAfterRefusal: kept,
  InsufficientGpus: short,
  InsufficientResource: short,
};

describe('a pool', () => {
  it('is scheduled apart from the others, each with its own shares', () => {
    const snapshot = aSnapshot({
      members: [
        aMember({ name: 'member-a', nodes: [aNode({ gpus: 1 })] }),
        aMember({ name: 'member-b', nodes: [aNode({ gpus: 1 })] }),
      ],
      pools: [aPool({ name: 'p1' }, ['member-a']), aPool({ name: 'p2' }, ['member-b'])],
      pending: [pendingJob({ uid: 'one', pool: 'p1' }), pendingJob({ uid: 'two', pool: 'p2' })],
      active: [anActiveRun({ pool: 'p1', gpus: 100 })],
    });
    const placed = schedule(snapshot).placements.map((one) => [one.pool, one.member]);
    expect(placed).toEqual([
      [poolName('p1'), memberName('member-a')],
      [poolName('p2'), memberName('member-b')],
    ]);
  });

  it('never gives away the same board through two pools that name one member', () => {
    const snapshot = aSnapshot({
      members: [aMember({ nodes: [aNode({ gpus: 1 })] })],
      pools: [aPool({ name: 'p1' }, ['member-a']), aPool({ name: 'p2' }, ['member-a'])],
      pending: [pendingJob({ uid: 'one', pool: 'p1' }), pendingJob({ uid: 'two', pool: 'p2' })],
    });
    expect(schedule(snapshot).placements).toHaveLength(1);
  });
});
