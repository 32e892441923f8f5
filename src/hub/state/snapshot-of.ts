/**
 * The scheduler's input out of hub state: frozen, sorted by identity, with time as a field. Decides which jobs wait, which
 * cannot take part and why, and what each member still has.
 *
 * Invariant: built from state alone and changes nothing, so that the same state gives the same bytes.
 */
import { compareStrings } from '../../std/ordering.ts';
import type { MemberName, PoolName } from '../../core/model/ids.ts';
import { jurisdiction, runKey } from '../../core/model/ids.ts';
import type { PolicySummary } from '../../core/model/member.ts';
import type {
  ActiveRun,
  BlockedJob,
  MemberSnapshot,
  PendingJob,
  PoolSnapshot,
  Snapshot,
} from '../../core/scheduling/snapshot.ts';
import { freeNodes } from './free-capacity.ts';
import { given } from './given.ts';
import { runOf, sourceOf, type JobBook, type JobEntry } from './job-book.ts';
import type { Liveness } from './liveness.ts';
import type { MemberBook, ReportedRun } from './member-book.ts';
import { clusterOf, type MemberEntry } from './member-record.ts';
import { readinessOf } from './member-readiness.ts';
import type { PoolMembership } from './pool-membership.ts';
import type { PoolRecord } from './pool-record.ts';
import { LOST_OUTCOME, recordedRuns } from './run-in-status.ts';
import { tenantOf } from './tenancy.ts';

export interface SnapshotInput {
  readonly version: number;
  readonly nowMs: number;
  readonly jobs: JobBook;
  readonly members: MemberBook;
  readonly pools: ReadonlyMap<PoolName, PoolRecord>;
  readonly membership: PoolMembership;
  readonly liveness: Liveness;
}

export function snapshotOf(input: SnapshotInput): Snapshot {
  const pending: PendingJob[] = [];
  const blocked: BlockedJob[] = [];
  const active: ActiveRun[] = [];
  for (const entry of input.jobs.unfinished()) {
    const run = activeRunOf(entry);
    if (run !== undefined) active.push(run);
    else placeInQueue(entry, input, { pending, blocked });
  }
  const byUid = (
    a: { readonly job: { readonly uid: string } },
    b: { readonly job: { readonly uid: string } },
  ): number => compareStrings(a.job.uid, b.job.uid);
  return Object.freeze({
    version: input.version,
    nowMs: input.nowMs,
    pools: Object.freeze(poolSnapshots(input)),
    members: Object.freeze(memberSnapshots(input)),
    pending: Object.freeze(pending.sort(byUid)),
    blocked: Object.freeze(blocked.sort(byUid)),
    active: Object.freeze(active.sort((a, b) => compareStrings(a.id.jobUid, b.id.jobUid) || a.id.fence - b.id.fence)),
  });
}

/** Does the job wait for a place? Not while it has a run, is held, being deleted, over, or cannot be read. */
export function isWaiting(entry: JobEntry): boolean {
  const { record } = entry;
  if (runOf(entry) !== undefined || record.finished || record.deleting || record.unreadable) return false;
  return record.reading.kind === 'valid' && !record.reading.job.spec.suspend;
}

interface Queue {
  readonly pending: PendingJob[];
  readonly blocked: BlockedJob[];
}

function placeInQueue(entry: JobEntry, input: SnapshotInput, queue: Queue): void {
  const { record } = entry;
  if (!isWaiting(entry) || record.reading.kind !== 'valid') return;
  const { spec } = record.reading;
  const block = (reason: BlockedJob['block']): void => {
    queue.blocked.push({ job: spec, block: reason });
  };
  const pool = input.pools.get(spec.pool);
  if (pool?.reading.kind !== 'valid') {
    block({ kind: 'PoolNotFound', pool: spec.pool });
    return;
  }
  const tenant = tenantOf(pool.reading.rules, spec.key.namespace);
  if (tenant === undefined) {
    block({ kind: 'TenantNotAllowed', pool: spec.pool, namespace: spec.key.namespace });
    return;
  }
  const unsafe = fenceBlock(entry, input);
  if (unsafe !== undefined) block(unsafe);
  else if (entry.notBeforeMs > input.nowMs) block({ kind: 'RetryBackoff', untilMs: entry.notBeforeMs });
  else {
    const avoidMembers = avoided(entry, input);
    queue.pending.push({ job: spec, tenant: tenant.name, attempt: (record.status.attempt ?? 0) + 1, avoidMembers });
  }
}

/** A run of the job that was in a member's first report and that this hub does not remember. */
function unrememberedRun({ uid, highestFence }: JobEntry['record'], members: MemberBook): ReportedRun | undefined {
  return members.reportedRuns(uid).find((one) => one.first && one.report.id.fence > (highestFence ?? 0));
}

/** Why no new fence may be issued for the job now, though it has no run that this hub knows of. */
function fenceBlock(entry: JobEntry, input: SnapshotInput): BlockedJob['block'] | undefined {
  const { record } = entry;
  const last = record.status.history?.at(-1);
  if (input.liveness.guardActive && last?.outcome === LOST_OUTCOME) {
    return { kind: 'MassExpiryGuard', detail: input.liveness.guardReason() ?? '' };
  }
  const above = input.liveness.mayHaveLostFences ? unrememberedRun(record, input.members) : undefined;
  if (above !== undefined) {
    const detail = `${above.member} reports fence ${above.report.id.fence}, which this hub does not remember; it is being adopted`;
    return { kind: 'EarlierRunUnconfirmed', member: above.member, fence: above.report.id.fence, detail };
  }
  if (record.reading.kind !== 'valid') return undefined;
  const { pool, onPartition } = record.reading.spec;
  const poolOf = (member: MemberName): PoolName | undefined => {
    const assignment = input.membership.byMember.get(member);
    return assignment?.kind === 'assigned' ? assignment.pool : undefined;
  };
  const awaited = input.liveness.blocks({ createdUnderThisLeader: !entry.predatesLeader, pool, onPartition }, poolOf);
  if (awaited === undefined) return undefined;
  const detail = `the hub has just begun to lead and ${awaited} has not reported yet: a run that the hub forgot could be there`;
  return { kind: 'EarlierRunUnconfirmed', member: awaited, fence: record.highestFence ?? 0, detail };
}

function avoided(entry: JobEntry, input: SnapshotInput): PendingJob['avoidMembers'] {
  const avoid = new Map<MemberName, 'RecentRefusal' | 'EarlierRun'>();
  for (const [member, untilMs] of entry.avoid) if (untilMs > input.nowMs) avoid.set(member, 'RecentRefusal');
  // The work may go on elsewhere, never beside a run that may still live: one that was given up and not heard of since.
  for (const past of recordedRuns(entry.record.status)) {
    if (!past.lost) continue;
    const member = input.members.get(past.member);
    const run = { jobUid: entry.record.uid, fence: past.fence };
    if (member === undefined || member.reportsHeard === 0 || member.runs.has(runKey(run)))
      avoid.set(past.member, 'EarlierRun');
  }
  return [...avoid].map(([member, reason]) => ({ member, reason })).sort((a, b) => compareStrings(a.member, b.member));
}

function activeRunOf(entry: JobEntry): ActiveRun | undefined {
  const run = runOf(entry);
  if (run === undefined) return undefined;
  const { terms } = run;
  return {
    id: terms.id,
    pool: terms.pool,
    tenant: terms.tenant,
    member: terms.member,
    gpuModel: terms.gpuModel,
    gpus: terms.workers * terms.gpusPerWorker,
    nodes: terms.nodes,
    workerRequests: sourceOf(entry)?.spec.workerRequests ?? { pods: 1 },
  };
}

function poolSnapshots(input: SnapshotInput): PoolSnapshot[] {
  const pools: PoolSnapshot[] = [];
  for (const { name, reading } of input.pools.values()) {
    if (reading.kind === 'valid')
      pools.push({ rules: reading.rules, members: input.membership.byPool.get(name) ?? [] });
  }
  return pools.sort((a, b) => compareStrings(a.rules.name, b.rules.name));
}

function memberSnapshots(input: SnapshotInput): MemberSnapshot[] {
  const members: MemberSnapshot[] = [];
  for (const entry of input.members.all()) members.push(memberSnapshotOf(entry, input));
  return members.sort((a, b) => compareStrings(a.name, b.name));
}

const NOTHING_HEARD: PolicySummary = {
  state: 'Absent',
  message: 'the member has not reported yet',
  dataJurisdictions: [],
  requireDigest: false,
  logsAllowed: false,
};

function memberSnapshotOf(entry: MemberEntry, input: SnapshotInput): MemberSnapshot {
  const { jurisdiction: where, region = '' } = clusterOf(entry)?.spec ?? {};
  const { policy = NOTHING_HEARD, window = { edges: [] } } = entry.report ?? {};
  const silence = input.liveness.silenceMs(entry);
  return {
    name: entry.name,
    readiness: readinessOf(entry, input.membership.byMember.get(entry.name) ?? { kind: 'none' }),
    ...given({
      lastReportAgeMs: silence === undefined ? undefined : Math.floor(silence),
      jurisdiction: where === undefined ? undefined : jurisdiction(where),
    }),
    region,
    labels: entry.object.metadata.labels ?? {},
    policy,
    window,
    nodes: freeNodes(entry, input.jobs.on(entry.name)),
  };
}
