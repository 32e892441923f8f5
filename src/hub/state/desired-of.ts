/**
 * The hub's whole word for one member, from what is durably in the custom resources: runs to execute, runs to end, outcomes
 * that are safe, jobs that are gone.
 *
 * Invariants: a run appears only once its fence is in status; nothing is acknowledged before it is in status; a cancel names
 * a fence that is cancelled in status, recorded as over, or passed by a later one; a run of a job that the hub does not know
 * is left alone until the operator's grace is over (a hub restored from a backup must not kill what it forgot).
 */
import type { DesiredContent } from '../../core/model/desired.ts';
import { runKey, type JobUid, type RunId } from '../../core/model/ids.ts';
import type { CancelOrder, RunOrder, RunReport } from '../../core/model/run.ts';
import { jurisdiction } from '../../core/model/ids.ts';
import { standingOf } from '../../core/run/report-standing.ts';
import { compareStrings } from '../../std/ordering.ts';
import { sourceOf, type JobBook, type JobEntry } from './job-book.ts';
import { clusterOf, type MemberEntry } from './member-record.ts';
import { extrasOfStatus, recordedRuns } from './run-in-status.ts';

/** How an unknown job's runs are to be treated. */
export type UnknownJob = 'deleted' | 'orphan' | 'orphanPastGrace';

export interface DesiredInput {
  readonly member: MemberEntry;
  readonly jobs: JobBook;
  readonly unknown: (uid: JobUid) => UnknownJob;
}

interface Word {
  readonly cancels: CancelOrder[];
  readonly outcomeAcks: RunId[];
  readonly gone: Set<JobUid>;
}

export function desiredOf(input: DesiredInput): DesiredContent {
  const { member, jobs } = input;
  const word: Word = { cancels: [], outcomeAcks: [], gone: new Set(member.gone.keys()) };
  const runs: RunOrder[] = [];
  for (const entry of jobs.on(member.name)) {
    const order = orderOf(entry, member, word);
    if (order !== undefined) runs.push(order);
  }
  for (const report of member.runs.values()) {
    const entry = jobs.get(report.id.jobUid);
    if (entry === undefined) answerUnknown(report, input.unknown(report.id.jobUid), word);
    else answerKnown(report, entry, member, word);
  }
  const byRun = (a: { readonly id: RunId }, b: { readonly id: RunId }): number =>
    compareStrings(runKey(a.id), runKey(b.id));
  const spec = clusterOf(member)?.spec;
  return {
    runs: runs.sort(byRun),
    cancels: word.cancels.sort(byRun),
    outcomeAcks: word.outcomeAcks.sort((a, b) => compareStrings(runKey(a), runKey(b))),
    goneJobUids: [...word.gone].sort(compareStrings),
    cordoned: spec?.cordoned === true,
  };
}

/** The order of the job's durable run, unless it is over there or must end. */
function orderOf(entry: JobEntry, member: MemberEntry, word: Word): RunOrder | undefined {
  const { run, status } = entry.record;
  if (run?.terms.member !== member.name) return undefined;
  if (member.runs.get(runKey(run.terms.id))?.phase === 'Ended') return undefined;
  if (run.cancel !== undefined) {
    word.cancels.push({ id: run.terms.id, cause: run.cancel.cause, message: run.cancel.message });
    return undefined;
  }
  // A template that was edited after a restart of the hub is not the one that was issued. The member has it, or the
  // controller cancels the run.
  const source = sourceOf(entry);
  if (source === undefined) return undefined;
  const extras = extrasOfStatus(status);
  // An adopted run: what was frozen for it is known to its member alone, which has the order.
  if (extras.gpuResource === '') return undefined;
  return {
    ...run.terms,
    priority: source.spec.priority,
    gpuResource: extras.gpuResource,
    gpuContainer: source.gpuContainer,
    rendezvous: source.job.spec.rendezvous,
    jurisdictions: extras.jurisdictions.map(jurisdiction),
    template: source.job.spec.template,
    attachments: [],
  };
}

function answerKnown(report: RunReport, entry: JobEntry, member: MemberEntry, word: Word): void {
  const { record } = entry;
  if (record.unreadable) return;
  const recorded = recordedRuns(record.status);
  const standing = standingOf(
    {
      ...(record.run === undefined ? {} : { run: record.run }),
      ...(record.highestFence === undefined ? {} : { highestFence: record.highestFence }),
      recorded,
    },
    report,
    member.name,
  );
  const { id } = report;
  const passed = { id, cause: 'FencePassed', message: `fence ${id.fence} is over for the hub` } as const;
  if (standing.kind === 'recorded') {
    const lost = recorded.some((one) => one.fence === id.fence && one.lost);
    if (standing.live) word.cancels.push(passed);
    else if (!lost) word.outcomeAcks.push(id);
  }
  if (standing.kind === 'superseded') {
    if (standing.end === undefined) word.cancels.push(passed);
    else if (isForgotten(entry, report)) word.outcomeAcks.push(id);
  }
}

/** Its entry has left the bounded history: there is nothing more to record. */
export function isForgotten(entry: JobEntry, report: RunReport): boolean {
  const recorded = recordedRuns(entry.record.status);
  return recorded.length >= HISTORY_LIMIT && recorded.every((one) => one.fence > report.id.fence);
}

/** As many finished attempts as status.history holds. */
export const HISTORY_LIMIT = 10;

function answerUnknown(report: RunReport, unknown: UnknownJob, word: Word): void {
  const { id } = report;
  if (unknown === 'orphan') return;
  if (report.phase === 'Ended') {
    word.gone.add(id.jobUid);
    return;
  }
  if (unknown === 'deleted') word.cancels.push({ id, cause: 'Deleted', message: 'the job was deleted on the hub' });
  else
    word.cancels.push({
      id,
      cause: 'OrphanEnded',
      message: 'the hub knows no such job and the grace for orphans is over',
    });
}
