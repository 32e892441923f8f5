/** Gathers what decide-job.ts needs of one job from hub state. Reads only. */
import type { LeaseTerms } from '../../../core/model/run.ts';
import { sameRun, type MemberName } from '../../../core/model/ids.ts';
import { parseTimestamp } from '../../../platform/clock/timestamp.ts';
import type { HubState } from '../../state/hub-state.ts';
import { sourceOf, type JobEntry } from '../../state/job-book.ts';
import type { JobRecord } from '../../state/job-record.ts';
import type { ReportedRun } from '../../state/member-book.ts';
import { clusterOf, isAdmitted, type MemberEntry } from '../../state/member-record.ts';
import { durationMs } from '../../state/pool-rules-of.ts';
import { recordedRuns } from '../../state/run-in-status.ts';
import type { QueueStanding } from '../../state/status-of-job.ts';
import type { HomeFacts, JobFacts } from './decide-job.ts';

/** From then on a slow start says how far it is, and as often. */
const PROGRESS_EVERY_MS = 30_000;
/** The terms of the default pool: shown for an adopted run, never used to release it. */
const DEFAULT_LEASE: LeaseTerms = {
  durationMs: 2_400_000,
  terminationGraceMs: 60_000,
  marginMs: 30_000,
  maxClockDriftPercent: 1,
  replaceAfterMs: 2_640_000,
};

const DEFAULT_TERMS = {
  lease: DEFAULT_LEASE,
  maxRuntimeMs: 86_400_000,
  startTimeoutMs: 600_000,
  checkpointGraceMs: 60_000,
};

export interface GatherInput {
  readonly state: HubState;
  readonly nowMs: number;
  readonly queue: QueueStanding | undefined;
}

export function factsOf(entry: JobEntry, input: GatherInput): JobFacts & { readonly lookAgainMs?: number } {
  const { record } = entry;
  const { state, nowMs, queue } = input;
  const starting = record.run !== undefined && record.run.startedAtMs === undefined;
  const progressDueMs = starting
    ? Math.max(record.run.placedAtMs, entry.progressMs ?? 0) + PROGRESS_EVERY_MS - nowMs
    : undefined;
  return {
    record,
    reported: state.reportedRuns(record.uid),
    home: homeOf(entry, state),
    assumed: assumedTerms(record, state),
    repeats: entry.repeats,
    queue,
    tellProgress: progressDueMs !== undefined && progressDueMs <= 0,
    nowMs,
    ...(progressDueMs === undefined ? {} : { lookAgainMs: progressDueMs > 0 ? progressDueMs : PROGRESS_EVERY_MS }),
  };
}

function homeOf(entry: JobEntry, state: HubState): HomeFacts {
  const { run } = entry.record;
  const member = run === undefined ? undefined : state.members.get(run.terms.member);
  if (run === undefined || member === undefined) return {};
  const silentForMs = state.liveness.silenceMs(member);
  const lost = clusterOf(member)?.spec.declaredLost;
  const { guardActive } = state.liveness;
  return {
    ...(silentForMs === undefined ? {} : { silence: { silentForMs, health: member.health, guardActive } }),
    ...(lost === undefined ? {} : { declaredLost: lost.reason }),
    ...mustEnd(entry, member),
  };
}

function mustEnd(entry: JobEntry, member: MemberEntry): Pick<HomeFacts, 'mustEnd'> {
  const { run } = entry.record;
  if (run === undefined) return {};
  const { id } = run.terms;
  if (entry.problem?.fence === id.fence) {
    return { mustEnd: { cause: entry.problem.cause, message: entry.problem.message } };
  }
  if (member.object.metadata.deletionTimestamp !== undefined) {
    return { mustEnd: { cause: 'Drained', message: `member ${member.name} leaves the federation` } };
  }
  const known = [...member.runs.values()].some((report) => sameRun(report.id, id));
  if (!known && member.reportsHeard > 0 && sourceOf(entry) === undefined) {
    const message = 'the template was edited before the member took the order';
    return { mustEnd: { cause: 'StaleOffer', message } };
  }
  return {};
}

function assumedTerms({ reading }: JobRecord, state: HubState): JobFacts['assumed'] {
  if (reading.kind === 'invalid') return DEFAULT_TERMS;
  const pool = state.poolRules(reading.spec.pool);
  const { startTimeout, checkpointGrace } = reading.job.spec;
  return {
    lease: pool?.lease ?? DEFAULT_LEASE,
    maxRuntimeMs: reading.spec.maxRuntimeMs ?? pool?.defaultMaxRuntimeMs ?? DEFAULT_TERMS.maxRuntimeMs,
    startTimeoutMs: durationMs(startTimeout),
    checkpointGraceMs: durationMs(checkpointGrace),
  };
}

/** Milliseconds until a finished job is to be deleted; undefined when it is kept. */
export function ttlLeftMs(record: JobRecord, nowMs: number): number | undefined {
  const ttl = record.reading.kind === 'valid' ? record.reading.job.spec.ttlAfterFinished : undefined;
  const completedMs = parseTimestamp(record.status.completionTime);
  if (ttl === undefined || completedMs === undefined || record.deleting) return undefined;
  return completedMs + durationMs(ttl) - nowMs;
}

/**
 * The member on which an earlier run of the job could still be live: it says so, or it was given up by silence alone and has
 * not been heard since. A run whose bound of Fence passed has stopped; a member declared lost is not waited for.
 */
export function waitsForRunOn(entry: JobEntry, state: HubState): MemberName | undefined {
  const { record } = entry;
  const admitted = (name: MemberName): MemberEntry | undefined => {
    const member = state.members.get(name);
    return member !== undefined && isAdmitted(member) ? member : undefined;
  };
  for (const one of state.reportedRuns(record.uid)) {
    if (isHeldBy(record, one) && admitted(one.member) !== undefined) return one.member;
  }
  for (const past of recordedRuns(record.status)) {
    if (!past.lost || past.bounded) continue;
    const member = admitted(past.member);
    if (member !== undefined && (member.reportsHeard === 0 || member.health === 'Silent')) return past.member;
  }
  return undefined;
}

/** Of a fence that was never issued nobody may say that it holds the job: it would be held for ever. */
function isHeldBy({ highestFence }: JobRecord, { report, first }: ReportedRun): boolean {
  return report.phase !== 'Ended' && (first || report.id.fence <= (highestFence ?? 0));
}
