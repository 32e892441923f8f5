/**
 * The scheduler: snapshot in, decision out. Decides which waiting jobs start where, and why the others wait.
 *
 * Steps, pool by pool in order of name: order the jobs, filter members and nodes, score what is left, place the gang with
 * checkpoint and rollback, refuse the rest with reasons.
 * Invariants: the same snapshot gives the same bytes, in whatever order its lists come; no node is given more than its `free`;
 * a gang is placed whole in one member on one GPU model or not at all; each pending job appears once in the decision.
 *
 * A job that does not fit does not block the ones behind it: there are no reservations yet, so that a stream of small jobs can
 * keep a large gang waiting. Within a cycle capacity only shrinks, so that a class of equal jobs is refused once for all; its
 * reasons are computed at the end of the cycle, from what is then left. Leaves out preemption and lending windows.
 */
import { compareStrings, sorted } from '../../std/ordering.ts';
import type { MemberName } from '../model/ids.ts';
import type { Decision, Placement, Refusal } from './decision.ts';
import { FitClass, fitKey } from './fit-class.ts';
import type { FitGroup } from './fit-class.ts';
import { bestCandidate, placeGang } from './gang.ts';
import { FairOrder } from './order.ts';
import type { PoolMember } from './refuse.ts';
import { FACT_FILTERS, firstRefusal, MOMENT_FILTERS, refuse } from './refuse.ts';
import { sharesOf } from './score/score-term.ts';
import type { BlockedJob, PendingJob, PoolSnapshot, Snapshot } from './snapshot.ts';
import type { WorkingNode } from './working-set.ts';
import { WorkingSet } from './working-set.ts';

/** One cycle. Pure and total; costs O(classes) for refusals and O(changed nodes) per placement. */
export function schedule(snapshot: Snapshot): Decision {
  const cycle = openCycle(snapshot);
  const pools = sorted(snapshot.pools, (a, b) => compareStrings(a.rules.name, b.rules.name));
  const waiting = pools.map((pool) => placePool(cycle, pool));
  // Reasons come last: the numbers in them are what is left after all placements.
  const refusals = [
    ...waiting.flatMap((one) => one()),
    ...cycle.homeless.map(poolNotFound),
    ...snapshot.blocked.map(blocked),
  ];
  return {
    snapshotVersion: snapshot.version,
    placements: cycle.placements,
    refusals: sorted(refusals, (a, b) => compareStrings(a.jobUid, b.jobUid)),
  };
}

interface Cycle {
  readonly snapshot: Snapshot;
  readonly workingSet: WorkingSet;
  readonly members: ReadonlyMap<MemberName, PoolMember>;
  readonly pending: ReadonlyMap<string, PendingJob[]>;
  /** Pending jobs whose pool does not exist. */
  readonly homeless: readonly PendingJob[];
  readonly placements: Placement[];
}

function openCycle(snapshot: Snapshot): Cycle {
  const membersByName = sorted(snapshot.members, (a, b) => compareStrings(a.name, b.name));
  const workingSet = new WorkingSet(
    membersByName.flatMap((member) =>
      sorted(member.nodes, (a, b) => compareStrings(a.node, b.node)).map((offer) => ({ member: member.name, offer })),
    ),
  );
  const nodes = new Map<MemberName, WorkingNode[]>(membersByName.map((member) => [member.name, []]));
  for (const node of workingSet.nodes) nodes.get(node.member)?.push(node);
  const members = new Map(
    membersByName.map((member) => [
      member.name,
      { name: member.name, snapshot: member, nodes: nodes.get(member.name) ?? [] },
    ]),
  );
  const pools = new Set<string>(snapshot.pools.map((pool) => pool.rules.name));
  const pending = new Map<string, PendingJob[]>();
  const homeless: PendingJob[] = [];
  const seen = new Set<string>();
  for (const one of snapshot.pending) {
    // A job listed twice must not be placed twice.
    if (seen.has(one.job.uid)) continue;
    seen.add(one.job.uid);
    const queue = pending.get(one.job.pool);
    if (queue !== undefined) queue.push(one);
    else if (pools.has(one.job.pool)) pending.set(one.job.pool, [one]);
    else homeless.push(one);
  }
  return { snapshot, workingSet, members, pending, homeless, placements: [] };
}

/** Jobs of one pool that get the same answer: they ask nodes for the same and have the same members to choose from. */
interface JobClass {
  readonly fit: FitClass;
  /** Members that pass every filter that capacity does not change. */
  readonly members: readonly PoolMember[];
  refused: boolean;
  answer?: ReturnType<typeof refuse>;
}

interface Waiting {
  readonly pending: PendingJob;
  readonly position: number;
  readonly jobClass: JobClass;
}

/** Places what fits; returns how to refuse the rest once the cycle is over. */
function placePool(cycle: Cycle, pool: PoolSnapshot): () => Refusal[] {
  const { rules } = pool;
  const members = [...new Set(pool.members)]
    .sort(compareStrings)
    .map((name) => cycle.members.get(name) ?? { name, nodes: [] });
  const active = cycle.snapshot.active.filter((run) => run.pool === rules.name);
  const order = new FairOrder(rules, cycle.pending.get(rules.name) ?? [], active);
  const classes = new JobClasses(cycle.workingSet, pool, members);
  const waiting: Waiting[] = [];
  const ranks = new Map<string, number>();
  for (let pending = order.next(); pending !== undefined; pending = order.next()) {
    const jobClass = classes.of(pending);
    const placement = jobClass.refused ? undefined : place(cycle, pending, jobClass);
    if (placement !== undefined) {
      order.charge(pending.job.workers * pending.job.gpusPerWorker);
      cycle.placements.push(placement);
      continue;
    }
    jobClass.refused = true;
    const position = (ranks.get(pending.tenant) ?? 0) + 1;
    ranks.set(pending.tenant, position);
    waiting.push({ pending, position, jobClass });
  }
  return () => waiting.map((one) => refuseWaiting(one, rules, members, cycle.workingSet));
}

class JobClasses {
  private readonly fits = new Map<string, FitClass>();
  private readonly classes = new Map<string, JobClass>();
  private readonly workingSet: WorkingSet;
  private readonly pool: PoolSnapshot;
  private readonly members: readonly PoolMember[];
  /** Images differ from job to job; they tell classes apart only where an owner looks at them. */
  private readonly imagesMatter: boolean;

  constructor(workingSet: WorkingSet, pool: PoolSnapshot, members: readonly PoolMember[]) {
    this.workingSet = workingSet;
    this.pool = pool;
    this.members = members;
    this.imagesMatter = members.some(
      ({ snapshot }) =>
        snapshot !== undefined && (snapshot.policy.requireDigest || snapshot.policy.imagePatterns !== undefined),
    );
  }

  of(pending: PendingJob): JobClass {
    const { job, tenant, avoidMembers } = pending;
    const fitsAs = fitKey(job, this.pool.rules);
    const images = this.imagesMatter ? job.images : [];
    const goesTo = [job.workers, tenant, images, job.jurisdictions, job.regions, job.memberSelector, avoidMembers];
    const key = `${JSON.stringify(goesTo)} ${fitsAs}`;
    const known = this.classes.get(key);
    if (known !== undefined) return known;
    let fit = this.fits.get(fitsAs);
    if (fit === undefined) {
      fit = new FitClass({ job, rules: this.pool.rules }, this.workingSet);
      this.fits.set(fitsAs, fit);
    }
    const members = this.members.filter(({ snapshot: member }) => {
      if (member === undefined) return false;
      const question = { pending, rules: this.pool.rules, member };
      return firstRefusal(FACT_FILTERS, question) === undefined && firstRefusal(MOMENT_FILTERS, question) === undefined;
    });
    const fresh: JobClass = { fit, members, refused: false };
    this.classes.set(key, fresh);
    return fresh;
  }
}

function place(cycle: Cycle, { job, tenant }: PendingJob, { fit, members }: JobClass): Placement | undefined {
  const groups: FitGroup[] = [];
  for (const member of members) groups.push(...fit.on(member.name, member.nodes).groups);
  const candidate = bestCandidate(job, groups, cycle.workingSet);
  if (candidate === undefined || !placeGang(candidate, cycle.workingSet)) return undefined;
  const { member, gpuModel, gpuResource } = candidate.group;
  const nodes = sharesOf(candidate);
  return { jobUid: job.uid, job: job.key, tenant, pool: job.pool, member, gpuModel, gpuResource, nodes };
}

function refuseWaiting(
  { pending, position, jobClass }: Waiting,
  rules: PoolSnapshot['rules'],
  members: readonly PoolMember[],
  workingSet: WorkingSet,
): Refusal {
  jobClass.answer ??= refuse({ pending, rules, fit: jobClass.fit, members, workingSet });
  const { job, tenant } = pending;
  return { jobUid: job.uid, job: job.key, pool: job.pool, tenant, position, ...jobClass.answer };
}

function poolNotFound({ job, tenant }: PendingJob): Refusal {
  return {
    jobUid: job.uid,
    job: job.key,
    pool: job.pool,
    tenant,
    reason: { kind: 'PoolNotFound', pool: job.pool },
    members: [],
  };
}

function blocked({ job, block }: BlockedJob): Refusal {
  return { jobUid: job.uid, job: job.key, pool: job.pool, reason: block, members: [] };
}
