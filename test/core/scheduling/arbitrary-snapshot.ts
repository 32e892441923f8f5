/** Small random snapshots, dense enough that jobs compete, and a brute-force reading of the rules to check decisions against. */
import fc from 'fast-check';
import { jurisdiction, memberName, poolName, tenantName } from '../../../src/core/model/ids.ts';
import type { JobSpec } from '../../../src/core/model/job.ts';
import type { NodeOffer } from '../../../src/core/model/member.ts';
import type { PoolRules } from '../../../src/core/model/pool.ts';
import type { Decision, Placement } from '../../../src/core/scheduling/decision.ts';
import type { MemberSnapshot, PendingJob, Snapshot } from '../../../src/core/scheduling/snapshot.ts';
import { aMember, aNode, aPolicy, anActiveRun, aSnapshot, pendingJob, poolRules } from '../../support/core-builders.ts';

const models = ['H100-80GB', 'A100-40GB', 'T4'] as const;
const memoryGib = { 'H100-80GB': 80, 'A100-40GB': 40, T4: 16 } as const;
const places = ['ID', 'SG', 'DE'] as const;
const some = <T>(list: readonly T[]): fc.Arbitrary<readonly T[]> =>
  fc.oneof(
    { weight: 9, arbitrary: fc.constant<readonly T[]>([]) },
    { weight: 1, arbitrary: fc.subarray([...list], { minLength: 1 }) },
  );

/** The first value nine times out of ten, so that most jobs compete for capacity and every rule still bites now and then. */
const usually = <const T>(common: T, ...rare: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(common) }, { weight: 1, arbitrary: fc.constantFrom(...rare) });

const arbitraryNode = fc
  .record({
    model: fc.constantFrom(...models),
    gpus: fc.nat(8),
    freeCpuMilli: fc.constantFrom(64_000, 64_000, 4_000, 0),
    freeMemoryGib: fc.constantFrom(512, 512, 8, 0),
    zone: fc.constantFrom('a', 'b'),
    tainted: fc.nat(4).map((n) => n === 0),
  })
  .map(({ model, gpus, freeCpuMilli, freeMemoryGib, zone, tainted }) => ({
    model,
    gpus,
    freeCpuMilli,
    freeMemoryGib,
    memoryGib: memoryGib[model],
    labels: { zone },
    taints: tainted ? [{ key: 'slow', value: '', effect: 'NoSchedule' as const }] : [],
  }));

const arbitraryMember = fc.record({
  nodes: fc.array(arbitraryNode, { minLength: 1, maxLength: 4 }),
  readiness: usually('Ready', 'Cordoned', 'Disconnected', 'NeverReported'),
  jurisdiction: fc.constantFrom(...places),
  region: fc.constantFrom('r1', 'r2'),
  tier: fc.constantFrom('gold', 'tin'),
  policyState: usually('Lending', 'Paused'),
  dataJurisdictions: some(places),
  tenants: usually<readonly string[] | undefined>(undefined, ['team-a'], ['team-b', 'team-c']),
  images: usually<readonly string[] | undefined>(undefined, ['registry.example/*'], ['other.example/*']),
});

const arbitraryJob = fc.record({
  tenant: fc.constantFrom('team-a', 'team-b', 'team-c'),
  pool: fc.constantFrom('pool', 'pool', 'pool', 'pool-2'),
  workers: fc.integer({ min: 1, max: 6 }),
  gpusPerWorker: fc.integer({ min: 1, max: 4 }),
  priority: fc.integer({ min: -2, max: 2 }),
  createdAtMs: fc.nat(3),
  models: some(models),
  minGib: usually(0, 40, 80),
  cpu: fc.constantFrom(0, 1_000, 2_000),
  memoryGib: fc.constantFrom(0, 1, 6),
  zone: usually<string | undefined>(undefined, 'a', 'b'),
  tolerates: fc.boolean(),
  jurisdictions: some(places),
  regions: some(['r1', 'r2']),
  tier: usually<string | undefined>(undefined, 'gold'),
  avoid: usually<'EarlierRun' | 'RecentRefusal' | undefined>(undefined, 'EarlierRun', 'RecentRefusal'),
});

/** At most 4 members of at most 4 nodes, at most 14 jobs of 3 tenants in 2 pools. */
export const arbitrarySnapshot: fc.Arbitrary<Snapshot> = fc
  .record({
    members: fc.array(arbitraryMember, { minLength: 1, maxLength: 4 }),
    jobs: fc.array(arbitraryJob, { minLength: 4, maxLength: 14 }),
    weights: fc.record({ 'team-a': fc.integer({ min: 1, max: 5 }), 'team-b': fc.integer({ min: 1, max: 5 }) }),
    inUse: fc.array(fc.record({ tenant: fc.constantFrom('team-a', 'team-b'), gpus: fc.nat(8) }), { maxLength: 3 }),
    poolModels: some(models),
    poolPlaces: some(places),
  })
  .map(({ members: sketches, jobs, weights, inUse, poolModels, poolPlaces }) => {
    const members = sketches.map((sketch, m) => {
      const { tier, policyState, dataJurisdictions, tenants, images, nodes, ...rest } = sketch;
      return aMember({
        ...rest,
        name: `member-${m}`,
        labels: { tier },
        nodes: nodes.map((node, n) => aNode({ ...node, name: `node-${n}` })),
        policy: aPolicy({
          state: policyState,
          dataJurisdictions: dataJurisdictions.map(jurisdiction),
          ...(tenants === undefined ? {} : { tenants: tenants.map(tenantName) }),
          ...(images === undefined ? {} : { imagePatterns: images }),
        }),
      });
    });
    // Member 3 is in the second pool, the others in the first.
    const rules = poolRules({
      tenants: weights,
      gpuModels: poolModels as unknown as PoolRules['gpuModels'],
      jurisdictions: poolPlaces.map(jurisdiction),
    });
    const names = members.map((member) => member.name);
    return aSnapshot({
      members,
      pools: [
        { rules, members: names.slice(0, 3) },
        { rules: poolRules({ name: 'pool-2' }), members: names.slice(3) },
      ],
      pending: jobs.map((job, j) => arbitraryPending(job, j, names)),
      active: inUse.map(({ tenant, gpus }, i) => anActiveRun({ uid: `active-${i}`, tenant, gpus })),
    });
  });

type ArbitraryJob = typeof arbitraryJob extends fc.Arbitrary<infer Job> ? Job : never;

function arbitraryPending(
  { tenant, minGib, cpu, memoryGib: gib, zone, tolerates, tier, avoid, ...job }: ArbitraryJob,
  j: number,
  members: readonly string[],
): PendingJob {
  const first = members[0];
  return pendingJob(
    {
      ...job,
      uid: `job-${String(j).padStart(2, '0')}`,
      gpuMinMemoryBytes: minGib * 2 ** 30,
      workerRequests: { cpu, memory: gib * 2 ** 30, pods: 1 },
      nodeTerms: zone === undefined ? [] : [[{ key: 'zone', operator: 'In', values: [zone] }]],
      tolerations: tolerates ? [{ operator: 'Exists' }] : [],
      memberSelector: tier === undefined ? [] : [{ key: 'tier', operator: 'In', values: [tier] }],
    },
    { tenant, avoid: avoid === undefined || first === undefined ? [] : [{ member: memberName(first), reason: avoid }] },
  );
}

// --- The rules once more, written for reading rather than for speed. -----------------------------------------------------

export function poolOf(snapshot: Snapshot, name: string): Snapshot['pools'][number] | undefined {
  return snapshot.pools.find((pool) => pool.rules.name === poolName(name));
}

/** May the job ever use the member: residency, selectors, the owner's word? */
export function memberAllows({ job, tenant }: PendingJob, rules: PoolRules, member: MemberSnapshot): boolean {
  const within = (allowed: readonly string[]): boolean =>
    allowed.length === 0 || allowed.includes(member.jurisdiction ?? '');
  const { policy } = member;
  return (
    within(job.jurisdictions) &&
    within(rules.jurisdictions) &&
    (policy.dataJurisdictions.length === 0 ||
      job.jurisdictions.some((one) => policy.dataJurisdictions.includes(one))) &&
    (job.regions.length === 0 || job.regions.includes(member.region)) &&
    job.memberSelector.every((need) => need.values.includes(member.labels[need.key] ?? '')) &&
    (policy.tenants === undefined || policy.tenants.includes(tenant)) &&
    (policy.imagePatterns === undefined || policy.imagePatterns.includes('registry.example/*'))
  );
}

/** Does the member take it at this moment? */
export function memberOpen({ avoidMembers }: PendingJob, member: MemberSnapshot): boolean {
  return (
    member.readiness === 'Ready' &&
    member.policy.state === 'Lending' &&
    !avoidMembers.some((one) => one.member === member.name)
  );
}

export function nodeAllows(job: JobSpec, rules: PoolRules, node: NodeOffer): boolean {
  return (
    (job.gpuModels.length === 0 || job.gpuModels.includes(node.gpuModel)) &&
    (rules.gpuModels.length === 0 || rules.gpuModels.includes(node.gpuModel)) &&
    node.gpuMemoryBytes >= job.gpuMinMemoryBytes &&
    job.nodeTerms.every((term) => term.every((need) => need.values.includes(node.labels[need.key] ?? ''))) &&
    (node.taints.length === 0 || job.tolerations.length > 0)
  );
}

/** Workers of the job that fit into `free` of a node. */
export function workersFitting(job: JobSpec, node: NodeOffer, free: NodeOffer['free']): number {
  const needs = { ...job.workerRequests, [node.gpuResource]: job.gpusPerWorker };
  return Math.min(
    ...Object.entries(needs).map(([name, need]) => (need === 0 ? Infinity : Math.floor((free[name] ?? 0) / need))),
  );
}

/** Most workers on one GPU model of the member. */
export function mostWorkers(job: JobSpec, nodes: readonly (readonly [NodeOffer, NodeOffer['free']])[]): number {
  const byModel = new Map<string, number>();
  for (const [node, free] of nodes) {
    byModel.set(node.gpuModel, (byModel.get(node.gpuModel) ?? 0) + workersFitting(job, node, free));
  }
  return Math.max(0, ...byModel.values());
}

/** What each node has left after the placements, keyed by `member/node`. Throws where anything is below zero. */
export function leftAfter(snapshot: Snapshot, decision: Decision): Map<string, Record<string, number>> {
  const left = new Map<string, Record<string, number>>();
  for (const member of snapshot.members) {
    for (const node of member.nodes) left.set(`${member.name}/${node.node}`, { ...node.free });
  }
  for (const placement of decision.placements) {
    const { job } = pendingOf(snapshot, placement);
    const needs = { ...job.workerRequests, [placement.gpuResource]: job.gpusPerWorker };
    for (const { node, workers } of placement.nodes) {
      takeFrom(
        left,
        `${placement.member}/${node}`,
        Object.entries(needs).map(([name, need]) => [name, need * workers]),
      );
    }
  }
  return left;
}

function takeFrom(left: Map<string, Record<string, number>>, node: string, needs: (readonly [string, number])[]): void {
  const free = left.get(node);
  if (free === undefined) throw new Error(`placed on unknown node ${node}`);
  for (const [name, need] of needs) {
    free[name] = (free[name] ?? 0) - need;
    if (free[name] < 0) throw new Error(`${node} is short of ${name} by ${-free[name]}`);
  }
}

export function pendingOf(snapshot: Snapshot, placement: Pick<Placement, 'jobUid'>): PendingJob {
  const found = snapshot.pending.find((one) => one.job.uid === placement.jobUid);
  if (found === undefined) throw new Error(`job ${placement.jobUid} is not pending`);
  return found;
}
