/**
 * The fleet as federation sees it, over hub state: who may speak, what was heard, what is to be said.
 *
 * Invariants: reports are believed for runs that were issued to their member, and in the first report to this leader for
 * runs that a restored hub forgot, if it may be one; everything else is counted. Nothing is said before caches have synced and unless leading.
 */
import { jurisdiction, type JobUid, type MemberName, type RunId } from '../../core/model/ids.ts';
import type { DesiredContent } from '../../core/model/desired.ts';
import type { MemberReport } from '../../core/model/member.ts';
import type { RunReport } from '../../core/model/run.ts';
import { standingOf } from '../../core/run/report-standing.ts';
import type { Clock, ClockReading } from '../../platform/clock/clock.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { desiredOf, type UnknownJob } from './desired-of.ts';
import type { Fleet, MemberAdmission, OpenSessionResult, ReportVerdict, SessionFacts } from './fleet.ts';
import type { HubState } from './hub-state.ts';
import type { JobRecord } from './job-record.ts';
import { clusterOf, type MemberEntry } from './member-record.ts';
import { OrphanWatch, type Orphan } from './orphan-watch.ts';
import { recordedRuns } from './run-in-status.ts';
import type { FenceRejection, StateObserver } from './state-observer.ts';

export interface HubFleetDeps {
  readonly state: HubState;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: StateObserver;
  /** Runs that the hub does not know are left alone this long. */
  readonly orphanGraceMs: number;
  /** The controller of jobs records that a run's references cannot be read. */
  readonly onReferenceProblem: (run: RunId, message: string) => void;
}

export interface HubFleet extends Fleet {
  /** By member and run. */
  orphans(): readonly Orphan[];
}

const EMPTY: DesiredContent = { runs: [], cancels: [], outcomeAcks: [], goneJobUids: [], cordoned: false };

export function createHubFleet(deps: HubFleetDeps): HubFleet {
  const { state } = deps;
  const orphans = new OrphanWatch({ state, clock: deps.clock, graceMs: deps.orphanGraceMs });
  const unknown = (uid: JobUid): UnknownJob => orphans.standingOf(uid);
  const reports = reportTaker(deps, unknown);
  return {
    get ready() {
      return state.synced && state.leading;
    },
    admission: (name) => admissionOf(state.members.get(name)),
    openSession: (name, facts) => openSession(deps, name, facts),
    closeSession: (name, epoch) => {
      const member = state.members.get(name);
      if (member === undefined || !state.members.closeSession(member, epoch)) return;
      state.feed.member(name);
      state.feed.schedulable();
    },
    applyReport: (...report) => {
      const verdict = reports(...report);
      orphans.look();
      return verdict;
    },
    desired: (name) => {
      const member = state.members.get(name);
      if (member === undefined || !state.leading) return EMPTY;
      if (member.session !== undefined) noteGoneTold(member, deps.clock.monotonicMs());
      return desiredOf({ member, jobs: state.jobs, unknown });
    },
    referenceProblem: deps.onReferenceProblem,
    locateRun: (uid, attempt) => locate(state.jobs.get(uid)?.record, attempt),
    onDesiredChanged: (handler) => state.feed.subscribe('desired', handler),
    onAdmissionChanged: (handler) => state.feed.subscribe('admission', handler),
    orphans: () => orphans.list(deps.clock.read()),
  };
}

function admissionOf(member: MemberEntry | undefined): MemberAdmission {
  const cluster = member === undefined ? undefined : clusterOf(member);
  if (cluster === undefined) return { kind: 'Unknown' };
  const { spec, status } = cluster;
  if (spec.revoked) return { kind: 'Revoked' };
  if (!spec.accepted || spec.jurisdiction === undefined) return { kind: 'NotAccepted' };
  const identity = { clusterUid: status?.clusterUid ?? '', jurisdiction: jurisdiction(spec.jurisdiction) };
  if (spec.declaredLost !== undefined) return { kind: 'DeclaredLost', since: spec.declaredLost.at, ...identity };
  return { kind: 'Accepted', ...identity };
}

function openSession(deps: HubFleetDeps, name: MemberName, facts: SessionFacts): OpenSessionResult {
  const { state } = deps;
  const member = state.members.get(name);
  // Deleted between the look at its admission and now: nothing to open.
  if (member === undefined) return { kind: 'staleEpoch', current: facts.epoch };
  const result = state.members.openSession(member, facts);
  if (result.kind === 'opened') {
    state.feed.member(name);
    state.feed.desired(name);
    state.feed.schedulable();
  }
  return result;
}

type ApplyReport = (name: MemberName, report: MemberReport, receivedAt: ClockReading) => ReportVerdict;

function reportTaker(deps: HubFleetDeps, unknown: (uid: JobUid) => UnknownJob): ApplyReport {
  const { state } = deps;
  return (name, report, receivedAt) => {
    const member = state.members.get(name);
    if (member === undefined || !state.leading) return { kind: 'stale' };
    const change = state.members.applyReport(member, report, receivedAt);
    if (change === undefined) return { kind: 'stale' };
    const looks = change.changed.map((run) => lookAtRun(run, { deps, member, first: change.first, unknown }));
    for (const uid of change.jobs) state.feed.job(uid);
    if (change.first || member.health !== 'Connected') state.memberHeard(member);
    if (change.capacity) state.feed.schedulable();
    if (change.first || looks.some((look) => look.answer)) state.feed.desired(name);
    const foreignRuns = looks.flatMap((look) => (look.foreign ? [look.id] : []));
    return foreignRuns.length === 0 ? { kind: 'applied' } : { kind: 'appliedInPart', foreignRuns };
  };
}

interface RunLook {
  readonly id: RunId;
  /** The desired state says something about it. */
  readonly answer: boolean;
  /** It was never issued to this member. */
  readonly foreign: boolean;
}

interface LookContext {
  readonly deps: HubFleetDeps;
  readonly member: MemberEntry;
  readonly first: boolean;
  readonly unknown: (uid: JobUid) => UnknownJob;
}

/** Counts and logs what a reported run may not do; moving the job is its controller's. */
function lookAtRun(run: RunReport, { deps, member, first, unknown }: LookContext): RunLook {
  const { observer, logger, state } = deps;
  const facts = { member: member.name, run: run.id, phase: run.phase };
  const record = state.jobs.get(run.id.jobUid)?.record;
  if (record === undefined) {
    if (unknown(run.id.jobUid) === 'orphan')
      logger.warn('a member runs what this hub does not know', { ...facts, job: run.job });
    return { id: run.id, answer: true, foreign: false };
  }
  const rejection = rejectionOf(record, run, { member, first: first && state.liveness.mayHaveLostFences });
  if (rejection === undefined) return { id: run.id, answer: run.phase === 'Ended', foreign: false };
  observer.fenceRejected(rejection);
  logger.warn('a reported run cannot move its job', { ...facts, rejection });
  return { id: run.id, answer: true, foreign: rejection === 'Foreign' || rejection === 'NeverIssued' };
}

/** Why a reported run may not move its job; undefined when it may. */
function rejectionOf(
  record: JobRecord,
  run: RunReport,
  from: { readonly member: MemberEntry; readonly first: boolean },
): FenceRejection | undefined {
  if (record.unreadable) return undefined;
  const known = {
    ...(record.run === undefined ? {} : { run: record.run }),
    ...(record.highestFence === undefined ? {} : { highestFence: record.highestFence }),
    recorded: recordedRuns(record.status),
  };
  const standing = standingOf(known, run, from.member.name);
  switch (standing.kind) {
    case 'current':
      return undefined;
    case 'recorded':
      return standing.live ? 'AlreadyOver' : undefined;
    case 'superseded':
      return 'Superseded';
    case 'aboveHighest':
      return from.first ? undefined : 'NeverIssued';
    case 'foreign':
      return 'Foreign';
  }
}

function noteGoneTold(member: MemberEntry, nowMs: number): void {
  for (const [uid, sinceMs] of member.gone) if (sinceMs === undefined) member.gone.set(uid, nowMs);
}

function locate(record: JobRecord | undefined, attempt: number | undefined): ReturnType<Fleet['locateRun']> {
  if (record === undefined) return undefined;
  const { run, uid, status } = record;
  const wanted = attempt ?? run?.terms.attempt ?? status.history?.at(-1)?.attempt;
  if (run !== undefined && run.terms.attempt === wanted) return { run: run.terms.id, member: run.terms.member };
  const past = recordedRuns(status).find((_, i) => status.history?.[i]?.attempt === wanted);
  return past === undefined ? undefined : { run: { jobUid: uid, fence: past.fence }, member: past.member };
}
