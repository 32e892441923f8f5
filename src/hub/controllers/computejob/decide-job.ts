/**
 * What becomes of a job, given all that is known of it. Pure: facts in, decision out; the controller gathers and acts.
 *
 * Invariants: a run moves by core's state machine alone; an end goes into history before anything else may happen to the job;
 * an outcome is recorded once; a run that this hub forgot is adopted before anything is placed.
 */
import { given } from '../../state/given.ts';
import { LOST_OUTCOME, extrasOfStatus, recordedRuns, type RunExtras } from '../../state/run-in-status.ts';
import type { ComputeJobHistoryEntry, ComputeJobStatus } from '../../../api/v1alpha1/compute-job-status.ts';
import type { Cause } from '../../../core/model/cause.ts';
import { CAUSE_EFFECT } from '../../../core/model/cause.ts';
import { sameRun, type Fence, type MemberName } from '../../../core/model/ids.ts';
import type { CancelRequest, RunEnd, RunReport } from '../../../core/model/run.ts';
import { adoptHigherFence, type AdoptionInput } from '../../../core/run/adopt-run.ts';
import type { HubRun, HubRunEvent, Verdict } from '../../../core/run/hub-run.ts';
import { replacementBoundMs } from '../../../core/run/lease.ts';
import { silenceEvent, type SilenceFacts } from '../../../core/run/release.ts';
import { standingOf } from '../../../core/run/report-standing.ts';
import { stepRun } from '../../../core/run/step-run.ts';
import { judge } from '../../../core/run/verdict.ts';
import { parseTimestamp } from '../../../platform/clock/timestamp.ts';
import { HISTORY_LIMIT } from '../../state/desired-of.ts';
import type { JobRecord } from '../../state/job-record.ts';
import type { ReportedRun } from '../../state/member-book.ts';
import { historyEntry, lateEntry, withEntry } from './attempt-history.ts';
import { statusOfJob, type JobCompletion, type JobStanding, type QueueStanding } from '../../state/status-of-job.ts';

/** What is known of the member that has the job's run. */
export interface HomeFacts {
  /** Absent = the MemberCluster is gone, or was never heard. */
  readonly silence?: SilenceFacts;
  /** spec.declaredLost of the member. */
  readonly declaredLost?: string;
  /** It is to end the run: the member is being removed, or the order can no longer be given. */
  readonly mustEnd?: { readonly cause: Cause; readonly message: string };
}

export interface JobFacts {
  readonly record: JobRecord;
  readonly reported: readonly ReportedRun[];
  readonly home: HomeFacts;
  /** What is put in place of the frozen terms of an adopted run. */
  readonly assumed: AdoptionInput['assumed'];
  readonly repeats: { readonly cause: Cause; readonly count: number } | undefined;
  /** Why it waits, when it is time to tell. */
  readonly queue: QueueStanding | undefined;
  /** The start has taken long enough that its progress is told. */
  readonly tellProgress: boolean;
  readonly nowMs: number;
}

export interface JobNote {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

/** What follows from an end, kept in memory only. */
export interface Aftermath {
  readonly end: RunEnd;
  readonly run: HubRun;
  readonly notBeforeMs: number;
  /** Avoid this member until then: it just refused. */
  readonly avoid?: { readonly member: MemberName; readonly untilMs: number };
  readonly completion?: JobCompletion;
}

export interface JobDecision {
  /** The record's status with what changed. */
  readonly status: ComputeJobStatus;
  readonly notes: readonly JobNote[];
  /** Reports that contradict what was issued: counted and logged, never applied. */
  readonly contradictions: readonly string[];
  readonly aftermath?: Aftermath;
  /** A higher fence was adopted: this hub was restored from a backup. */
  readonly adopted: boolean;
  /** The only news is that all workers run. */
  readonly onlyRunning: boolean;
}

interface Draft {
  run: HubRun | undefined;
  highestFence: Fence | undefined;
  attempt: number;
  retriesUsed: number;
  history: ComputeJobHistoryEntry[];
  gpuSeconds: number;
  acceptedAtMs: number | undefined;
  completion: JobCompletion | undefined;
  lastEnd: { readonly cause: string; readonly message: string } | undefined;
  aftermath: Aftermath | undefined;
  adopted: boolean;
  readonly why: string[];
  readonly notes: JobNote[];
  readonly contradictions: string[];
}

export function decideJob(facts: JobFacts): JobDecision {
  const { record } = facts;
  const draft = draftOf(record);
  if (!record.finished) {
    adopt(draft, facts);
    stepByReport(draft, facts);
    stepByHome(draft, facts);
    stepByWish(draft, facts);
  }
  recordSuperseded(draft, facts);
  const standing = standingOfDraft(draft, facts);
  return {
    status: isUntold(facts, draft, standing) ? record.status : statusOfJob(record, standing, facts.nowMs),
    notes: draft.notes,
    contradictions: draft.contradictions,
    adopted: draft.adopted,
    onlyRunning:
      draft.why.length === 1 &&
      draft.why[0] === 'AllWorkersRunning' &&
      draft.history.length === (record.status.history?.length ?? 0),
    ...(draft.aftermath === undefined ? {} : { aftermath: draft.aftermath }),
  };
}

/** A job that waits for its first place and has nothing to say yet: its first write is its placement. */
function isUntold({ record }: JobFacts, draft: Draft, standing: JobStanding): boolean {
  const said = record.status.conditions !== undefined || draft.why.length > 0;
  const held = record.reading.kind === 'invalid' || record.reading.job.spec.suspend;
  return !said && !held && standing.run === undefined && standing.queue === undefined;
}

function draftOf(record: JobRecord): Draft {
  const { status } = record;
  return {
    run: record.run,
    highestFence: record.highestFence,
    attempt: status.attempt ?? 0,
    retriesUsed: status.retriesUsed ?? 0,
    history: [...(status.history ?? [])],
    gpuSeconds: status.usage?.gpuSeconds ?? 0,
    acceptedAtMs: extrasOfStatus(status).acceptedAtMs,
    completion: undefined,
    lastEnd: undefined,
    aftermath: undefined,
    adopted: false,
    why: [],
    notes: [],
    contradictions: [],
  };
}

/** The highest run that members report and this hub does not remember becomes the job's run. */
function adopt(draft: Draft, facts: JobFacts): void {
  const unknown = facts.reported.filter((one) => one.first && one.report.id.fence > (draft.highestFence ?? 0));
  const highest = unknown.reduce<ReportedRun | undefined>(
    (top, one) => (top === undefined || one.report.id.fence > top.report.id.fence ? one : top),
    undefined,
  );
  if (highest === undefined) return;
  const adoption = adoptHigherFence(
    {
      jobUid: facts.record.uid,
      ...(draft.run === undefined ? {} : { run: draft.run }),
      ...(draft.highestFence === undefined ? {} : { highestFence: draft.highestFence }),
      report: highest.report,
      member: highest.member,
      firstReport: true,
      assumed: facts.assumed,
    },
    facts.nowMs,
  );
  if (adoption.kind === 'refused') {
    draft.contradictions.push(adoption.detail);
    return;
  }
  if (adoption.superseded !== undefined) {
    const { run, end } = adoption.superseded;
    draft.history = withEntry(
      draft.history,
      historyEntry(run, end, { outcome: LOST_OUTCOME, nowMs: facts.nowMs, superseded: true }),
    );
  }
  draft.run = adoption.run;
  draft.acceptedAtMs = facts.nowMs;
  draft.highestFence = adoption.highestFence;
  draft.attempt = Math.max(draft.attempt, adoption.run.terms.attempt);
  draft.adopted = true;
  draft.why.push('Adopted');
  const message = `${highest.member} runs fence ${highest.report.id.fence}, which this hub did not remember; it goes on as the job's run`;
  draft.notes.push({ type: 'Warning', reason: 'RunAdopted', message });
}

function stepByReport(draft: Draft, facts: JobFacts): void {
  const { run } = draft;
  if (run === undefined) return;
  const said = facts.reported.find((one) => one.member === run.terms.member && sameRun(one.report.id, run.terms.id));
  if (said === undefined) return;
  step(draft, facts, { kind: 'reported', report: said.report, member: said.member });
}

/** What follows from the member's silence, or from its being given up. */
function stepByHome(draft: Draft, facts: JobFacts): void {
  const { home } = facts;
  if (draft.run === undefined) return;
  if (home.declaredLost !== undefined) {
    step(draft, facts, { kind: 'declaredLost', reason: home.declaredLost });
    return;
  }
  const event = home.silence === undefined ? undefined : silenceEvent(draft.run, home.silence);
  if (event !== undefined) step(draft, facts, event);
}

/** The job or the member is to let go of the run. */
function stepByWish(draft: Draft, facts: JobFacts): void {
  if (draft.run === undefined || draft.run.cancel !== undefined) return;
  const wish = wishToEnd(facts);
  if (wish === undefined) return;
  step(draft, facts, { kind: 'cancelRequested', cancel: { ...wish, requestedAtMs: facts.nowMs } });
}

function wishToEnd({ record, home }: JobFacts): Omit<CancelRequest, 'requestedAtMs'> | undefined {
  if (record.deleting) return { cause: 'Deleted', message: 'the job is being deleted' };
  if (record.reading.kind === 'valid' && record.reading.job.spec.suspend) {
    return { cause: 'Suspended', message: 'spec.suspend is true' };
  }
  return home.mustEnd;
}

function step(draft: Draft, facts: JobFacts, event: HubRunEvent): void {
  const { run } = draft;
  if (run === undefined) return;
  const moved = stepRun(run, event, facts.nowMs);
  switch (moved.kind) {
    case 'unchanged':
      return;
    case 'illegal':
      draft.contradictions.push(moved.detail);
      return;
    case 'advanced':
      draft.run = moved.run;
      draft.why.push(moved.why);
      return;
    case 'ended':
      end(draft, facts, { run, end: moved.end, event });
  }
}

interface Ending {
  readonly run: HubRun;
  readonly end: RunEnd;
  readonly event: HubRunEvent;
}

/** Into history first, then the verdict. */
function end(draft: Draft, facts: JobFacts, ending: Ending): void {
  const { nowMs } = facts;
  const report = ending.event.kind === 'reported' ? ending.event.report : undefined;
  const outcome = report === undefined ? LOST_OUTCOME : ending.end.outcome;
  const run = startedIfItRan(ending.run, report, nowMs);
  draft.history = withEntry(draft.history, historyEntry(run, ending.end, { outcome, nowMs }));
  draft.run = undefined;
  draft.gpuSeconds += report?.gpuSeconds ?? 0;
  draft.lastEnd = { cause: ending.end.cause, message: ending.end.message };
  draft.why.push('Ended');
  const verdict = verdictOn(draft, facts, { ...ending, run });
  if (verdict.kind === 'Requeue' && verdict.countsAsRetry) draft.retriesUsed += 1;
  draft.completion = completionBy(verdict, ending.end, nowMs);
  draft.aftermath = {
    end: ending.end,
    run,
    notBeforeMs: nowMs + (verdict.kind === 'Requeue' ? verdict.backoffMs : 0),
    ...avoidance(ending, nowMs),
    ...given({ completion: draft.completion }),
  };
  draft.notes.push(noteOfEnd(ending, draft.completion));
}

function verdictOn(draft: Draft, { record, repeats }: JobFacts, { run, end: ended }: Ending): Verdict {
  const spec = record.reading.kind === 'valid' ? record.reading.job.spec : undefined;
  // A run that got going is a new beginning: what went wrong before it does not count on.
  const inARow = run.startedAtMs === undefined && repeats?.cause === ended.cause ? repeats.count : 0;
  return judge(ended, {
    retriesUsed: draft.retriesUsed,
    retryLimit: spec?.retry.limit ?? 0,
    suspend: spec?.suspend ?? false,
    deleted: record.deleting,
    sameCauseInARow: inARow,
  });
}

function completionBy(verdict: Verdict, ended: RunEnd, atMs: number): JobCompletion | undefined {
  if (verdict.kind === 'Succeeded') return { succeeded: true, atMs, reason: 'Completed', message: ended.message };
  if (verdict.kind === 'Failed') return { succeeded: false, atMs, reason: verdict.reason, message: verdict.message };
  return undefined;
}

/** A run that ended before its start was recorded did start, if its member says so. */
function startedIfItRan(run: HubRun, report: RunReport | undefined, nowMs: number): HubRun {
  const ran = report?.allRunningAtMs !== undefined || report?.end?.outcome === 'Succeeded';
  return run.startedAtMs !== undefined || !ran ? run : { ...run, startedAtMs: nowMs };
}

/** How long a member that refused is passed over: long enough for its next report to show why. */
const REFUSED_FOR_MS: Partial<Readonly<Record<Cause, number>>> = {
  StaleOffer: 5_000,
  GangNotStarted: 60_000,
  PolicyRefused: 60_000,
  JurisdictionRefused: 300_000,
  Unsupported: 300_000,
};

function avoidance({ end: ended, run }: Ending, nowMs: number): Pick<Aftermath, 'avoid'> {
  const forMs = REFUSED_FOR_MS[ended.cause];
  return forMs === undefined ? {} : { avoid: { member: run.terms.member, untilMs: nowMs + forMs } };
}

function noteOfEnd({ run, end: ended }: Ending, completion: JobCompletion | undefined): JobNote {
  const where = `fence ${run.terms.id.fence} on ${run.terms.member}`;
  if (completion?.succeeded === true)
    return { type: 'Normal', reason: 'Succeeded', message: `${where}: ${ended.message}` };
  if (completion !== undefined)
    return { type: 'Warning', reason: 'Failed', message: `${where}: ${completion.message}` };
  const hold = CAUSE_EFFECT[ended.cause] === 'hold';
  return { type: hold ? 'Normal' : 'Warning', reason: ended.cause, message: `${where} ended: ${ended.message}` };
}

/** Ends of older fences that members report now: kept as superseded, whatever they were; they never move the job. */
function recordSuperseded(draft: Draft, facts: JobFacts): void {
  for (const { member, report } of facts.reported) {
    if (report.end === undefined) continue;
    const past = draft.history.find((one) => one.fence === report.id.fence);
    if (past !== undefined) {
      if (past.outcome === LOST_OUTCOME && past.member === member) resolveLost(draft, past, report);
      continue;
    }
    const known = {
      ...(draft.run === undefined ? {} : { run: draft.run }),
      ...highestOf(draft),
      recorded: recordedRuns(facts.record.status),
    };
    const oldest = draft.history[0];
    const forgotten = draft.history.length >= HISTORY_LIMIT && oldest !== undefined && report.id.fence < oldest.fence;
    if (forgotten || standingOf(known, report, member).kind !== 'superseded') continue;
    draft.history = withEntry(draft.history, lateEntry(report, member, facts.nowMs));
    draft.gpuSeconds += report.gpuSeconds;
    draft.why.push('Superseded');
  }
}

function highestOf(draft: Draft): { readonly highestFence?: Fence } {
  return draft.highestFence === undefined ? {} : { highestFence: draft.highestFence };
}

/** The member tells at last how a run ended that the hub had to give up. */
function resolveLost(draft: Draft, past: ComputeJobHistoryEntry, report: RunReport): void {
  if (report.end === undefined) return;
  const message = `${report.end.message} (reported after it had been given up: ${past.message})`.slice(0, 4096);
  draft.history = withEntry(draft.history, {
    ...past,
    outcome: report.end.outcome,
    cause: report.end.cause,
    message,
    superseded: true,
  });
  draft.gpuSeconds += report.gpuSeconds;
  draft.why.push('Superseded');
}

function standingOfDraft(draft: Draft, facts: JobFacts): JobStanding {
  const { record } = facts;
  const { run } = draft;
  const said = run === undefined ? undefined : facts.reported.find((one) => sameRun(one.report.id, run.terms.id));
  const completion = draft.completion ?? completionOf(record);
  const waits = run === undefined && completion === undefined;
  return {
    extras: extrasOfDraft(draft, facts, said !== undefined),
    highestFence: draft.highestFence,
    attempt: draft.attempt,
    retriesUsed: draft.retriesUsed,
    history: draft.history,
    gpuSeconds: draft.gpuSeconds,
    ...given({
      run,
      completion,
      startedAtMs: (run ?? draft.aftermath?.run)?.startedAtMs,
      queue: waits ? (facts.queue ?? keptQueue(facts)) : undefined,
      lastEnd: draft.lastEnd,
      silence: silenceOf(run, facts.home),
      progress: progressOf(record, said?.report, facts.tellProgress),
    }),
  };
}

function extrasOfDraft(draft: Draft, { record, nowMs }: JobFacts, reported: boolean): RunExtras {
  const { gpuResource, jurisdictions } = extrasOfStatus(record.status);
  // Accepted is written along with the next change, never by a write of its own.
  const acceptedAtMs = draft.acceptedAtMs ?? (reported && draft.why.length > 0 ? nowMs : undefined);
  // Of an adopted run only its member knows these.
  if (draft.adopted) return { gpuResource: '', jurisdictions: [], ...given({ acceptedAtMs }) };
  return { gpuResource, jurisdictions, ...given({ acceptedAtMs }) };
}

function silenceOf(run: HubRun | undefined, home: HomeFacts): string | undefined {
  return run === undefined || home.silence?.health !== 'Silent' ? undefined : silenceText(run);
}

/** Without the growing number of seconds: a condition that changes each second would be a write each second. */
function silenceText({ terms, deadlineArmed }: HubRun): string {
  const what = `${terms.member} cannot be heard; fence ${terms.id.fence}`;
  if (terms.onPartition === 'AllowDuplicate') return `${what} may be duplicated elsewhere`;
  const bounded = terms.onPartition === 'Fence' && deadlineArmed;
  if (bounded) return `${what} is placed again after ${Math.ceil(replacementBoundMs(terms.lease) / 1000)} s of silence`;
  return `${what} is kept until the member is heard or declared lost`;
}

/** What is told while nothing new is: why it waits stays until it has a place. */
function keptQueue({ record }: JobFacts): QueueStanding | undefined {
  const { queue } = record.status;
  if (queue === undefined || record.reading.kind === 'invalid' || record.reading.job.spec.suspend) return undefined;
  const sinceMs = parseTimestamp(queue.since) ?? record.createdAtMs;
  const { reason, message } = queue;
  return { reason, message, sinceMs, ...given({ position: queue.position }) };
}

function progressOf(record: JobRecord, report: RunReport | undefined, tell: boolean): string | undefined {
  const told = record.status.conditions?.find(
    (one) => one.type === 'Running' && one.reason === 'WorkersStarting',
  )?.message;
  return tell && report !== undefined && report.message !== '' ? report.message : told;
}

function completionOf(record: JobRecord): JobCompletion | undefined {
  const atMs = parseTimestamp(record.status.completionTime);
  if (atMs === undefined) return undefined;
  const failed = record.status.conditions?.find((one) => one.type === 'Failed');
  const succeeded = record.status.conditions?.find((one) => one.type === 'Succeeded');
  const said = succeeded?.status === 'True' ? succeeded : failed;
  return {
    succeeded: succeeded?.status === 'True',
    atMs,
    reason: said?.reason ?? 'Finished',
    message: said?.message ?? '',
  };
}
