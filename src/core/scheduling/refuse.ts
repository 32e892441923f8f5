/**
 * Why a job waits, member by member. Decides the order of the filters, hence which reason is named (the first that fails), and
 * which member is the nearest to taking the job (the one that passed the most).
 *
 * Order: what the member is (known, residency, region, selector), what its owner wants (tenant, images, lending), what its
 * nodes are (model, memory, selector, taints, size), and only then what may pass by itself (ready, avoided, free capacity). So
 * a member whose reason is one of the last group could take the job one day, and `NoMemberFits` means that none ever could.
 */
import type { MemberName } from '../model/ids.ts';
import type { PoolRules } from '../model/pool.ts';
import { avoided } from './filter/avoided.ts';
import { insufficient, tooBig } from './filter/capacity.ts';
import { imagesAllowed } from './filter/image.ts';
import { lending } from './filter/lending.ts';
import type { MemberFilter, MemberQuestion } from './filter/member-filter.ts';
import { hasNoFacts, memberKnown } from './filter/member-known.ts';
import { memberReady } from './filter/member-ready.ts';
import { memberSelector } from './filter/member-selector.ts';
import { region } from './filter/region.ts';
import { residency } from './filter/residency.ts';
import { tenantLentTo } from './filter/tenant.ts';
import type { FitClass } from './fit-class.ts';
import type { MemberRefusal, MemberRefusalReason, Reason } from './reason.ts';
import type { MemberSnapshot, PendingJob } from './snapshot.ts';
import type { WorkingNode, WorkingSet } from './working-set.ts';

/** Facts of the member and the owner's word. */
export const FACT_FILTERS: readonly MemberFilter[] = [
  memberKnown,
  residency,
  region,
  memberSelector,
  tenantLentTo,
  imagesAllowed,
  lending,
];

/** What may pass by itself. */
export const MOMENT_FILTERS: readonly MemberFilter[] = [memberReady, avoided];

/** A member with its nodes in the working set; `snapshot` absent = the pool names a member that nobody knows. */
export interface PoolMember {
  readonly name: MemberName;
  readonly snapshot?: MemberSnapshot;
  readonly nodes: readonly WorkingNode[];
}

export function firstRefusal(
  filters: readonly MemberFilter[],
  question: MemberQuestion,
): MemberRefusalReason | undefined {
  for (const filter of filters) {
    const reason = filter(question);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

export interface RefusalQuestion {
  readonly pending: PendingJob;
  readonly rules: PoolRules;
  readonly fit: FitClass;
  readonly members: readonly PoolMember[];
  /** As it is at the end of the cycle: the numbers are what is left after all placements. */
  readonly workingSet: WorkingSet;
}

/** One refusal per member, in their order, and the reason over all. */
export function refuse(question: RefusalQuestion): {
  readonly reason: Reason;
  readonly members: readonly MemberRefusal[];
} {
  const members = question.members.map((member) => ({ member: member.name, reason: refuseMember(question, member) }));
  const nearest = members.reduce<MemberRefusal | undefined>(
    (best, one) => (best === undefined || hope(one.reason) > hope(best.reason) ? one : best),
    undefined,
  );
  if (nearest === undefined) return { reason: { kind: 'PoolHasNoMembers', pool: question.rules.name }, members };
  const kind = members.some((one) => mayPass(one.reason)) ? 'WaitingForCapacity' : 'NoMemberFits';
  return { reason: { kind, members: members.length, nearest }, members };
}

function refuseMember(question: RefusalQuestion, { name, snapshot: member, nodes }: PoolMember): MemberRefusalReason {
  if (member === undefined) return { kind: 'MemberNotReady', readiness: 'NeverReported' };
  const { pending, rules, fit, workingSet } = question;
  const facts = firstRefusal(FACT_FILTERS, { pending, rules, member });
  if (facts !== undefined) return facts;
  const { refusal, groups } = fit.on(name, nodes);
  return (
    refusal ??
    tooBig(pending.job, groups) ??
    firstRefusal(MOMENT_FILTERS, { pending, rules, member }) ??
    insufficient(pending.job, groups, workingSet)
  );
}

/** Could this refusal go away while the job and the pool stay as they are written? */
export function mayPass(reason: MemberRefusalReason): boolean {
  return reason.kind === 'MemberNotReady' ? !hasNoFacts(reason.readiness) : STAGES[reason.kind] >= FIRST_PASSING_STAGE;
}

const FIRST_PASSING_STAGE = 10;

/** How far a member came before it was refused. From FIRST_PASSING_STAGE on the refusal may pass by itself. */
const STAGES: Readonly<Record<MemberRefusalReason['kind'], number>> = {
  ResidencyForbids: 0,
  RegionMismatch: 1,
  MemberSelectorMismatch: 2,
  TenantNotLentTo: 3,
  ImageNotAllowed: 4,
  NoSuchGpuModel: 5,
  GpuMemoryTooSmall: 6,
  NodeSelectorMismatch: 7,
  UntoleratedTaint: 8,
  TooBigForMember: 9,
  NotLending: 10,
  MemberNotReady: 11,
  AvoidedEarlierRun: 12,
  AvoidedAfterRefusal: 13,
  InsufficientResource: 14,
  InsufficientGpus: 14,
};

/** How near a member came: by the filters it passed, then by the workers it could place. */
function hope(reason: MemberRefusalReason): number {
  if (reason.kind === 'MemberNotReady' && hasNoFacts(reason.readiness)) return -1;
  return STAGES[reason.kind] * SPREAD + workersOf(reason);
}

function workersOf(reason: MemberRefusalReason): number {
  if (reason.kind === 'InsufficientGpus' || reason.kind === 'InsufficientResource') return reason.fittingWorkers;
  return reason.kind === 'TooBigForMember' ? reason.couldHoldWorkers : 0;
}

/** More than any gang has workers, so that a stage always counts more than a number of workers. */
const SPREAD = 2 ** 32;
