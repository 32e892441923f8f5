/**
 * The only state machine of a run on the hub. Decides what an event does to a run: nothing, an advance to persist, its end,
 * or that the event contradicts what was issued and must be counted instead of applied.
 *
 * Invariants: `ended` only where release.ts says that the fence lets go; the first cancel stays; once seen, started and armed
 * stay; a run whose workers all exited 0 under this fence has succeeded, whatever was requested meanwhile.
 * Leaves out reports of other fences (report-standing.ts, adopt-run.ts) and what the end means for the job (verdict.ts).
 */
import { CAUSE_EFFECT } from '../model/cause.ts';
import { sameRun } from '../model/ids.ts';
import type { RunEnd, RunReport } from '../model/run.ts';
import type { HubRun, HubRunEvent, HubRunStep } from './hub-run.ts';
import type { ReleaseWay } from './release.ts';
import { releaseOf } from './release.ts';

/** Applies one event. `nowMs` is the hub's wall clock, for people only: no decision depends on it. */
export function stepRun(run: HubRun, event: HubRunEvent, nowMs: number): HubRunStep {
  if (event.kind === 'reported') {
    const contradiction = contradictionOf(run, event);
    if (contradiction !== undefined) return { kind: 'illegal', detail: contradiction };
  }
  const release = releaseOf(run, event);
  if (release.kind === 'forbidden') return { kind: 'illegal', detail: release.detail };
  if (release.kind === 'released') return { kind: 'ended', end: endOf(run, event, release.by, nowMs) };
  if (event.kind === 'cancelRequested') {
    if (run.cancel !== undefined) return { kind: 'unchanged' };
    return { kind: 'advanced', run: { ...run, cancel: event.cancel }, why: event.cancel.cause };
  }
  return event.kind === 'reported' ? advance(run, event.report, nowMs) : { kind: 'unchanged' };
}

/**
 * Only two things a live report says are worth a write: all workers ran, and the deadline counts. The latter alone matters
 * under Fence only; otherwise it is written along with the former.
 */
function advance(run: HubRun, report: RunReport, nowMs: number): HubRunStep {
  const starts = run.startedAtMs === undefined && (report.phase === 'Running' || report.allRunningAtMs !== undefined);
  const arms = !run.deadlineArmed && report.deadlineArmed;
  const armed = run.deadlineArmed || report.deadlineArmed;
  if (starts) {
    return { kind: 'advanced', run: { ...run, startedAtMs: nowMs, deadlineArmed: armed }, why: 'AllWorkersRunning' };
  }
  if (arms && run.terms.onPartition === 'Fence') {
    return { kind: 'advanced', run: { ...run, deadlineArmed: true }, why: 'DeadlineArmed' };
  }
  return { kind: 'unchanged' };
}

function contradictionOf(run: HubRun, event: Extract<HubRunEvent, { kind: 'reported' }>): string | undefined {
  const { terms } = run;
  const { report } = event;
  if (!sameRun(report.id, terms.id)) {
    return `report is for fence ${report.id.fence} of job ${report.id.jobUid}, the run is fence ${terms.id.fence} of job ${terms.id.jobUid}`;
  }
  if (event.member !== undefined && event.member !== terms.member) {
    return `fence ${terms.id.fence} was issued to member ${terms.member}, not to ${event.member}`;
  }
  const { end } = report;
  if ((report.phase === 'Ended') !== (end !== undefined)) {
    return `phase ${report.phase} ${end === undefined ? 'without' : 'with'} an end`;
  }
  // A refused run was perhaps never understood by the member, so that what it repeats of the terms may be empty.
  if (end?.outcome !== 'Refused' && report.templateHash !== terms.templateHash) {
    return `template hash ${report.templateHash} was reported, ${terms.templateHash} was issued`;
  }
  return end === undefined ? undefined : contradictionInEnd(end);
}

function contradictionInEnd(end: RunEnd): string | undefined {
  if (end.outcome !== 'Succeeded') {
    return end.cause === 'Completed' ? `outcome ${end.outcome} with cause Completed` : undefined;
  }
  if (end.cause !== 'Completed') return `outcome Succeeded with cause ${end.cause}`;
  if (!end.everStarted) return 'outcome Succeeded of a run that never started';
  const failed = end.exits.find((exit) => exit.exitCode !== 0);
  if (failed === undefined) return undefined;
  return `outcome Succeeded though worker ${failed.index} exited ${failed.exitCode}`;
}

function endOf(run: HubRun, event: HubRunEvent, by: ReleaseWay, nowMs: number): RunEnd {
  if (event.kind === 'reported' && event.report.end !== undefined) return underCancel(run, event.report.end);
  // The hub's own word. If a cancel was under way, its cause remains why the run had to end.
  const cause = run.cancel?.cause ?? (by === 'BoundPassed' ? 'FencePassed' : 'MemberLost');
  return { outcome: 'Stopped', cause, message: hubWord(run, event), everStarted: true, exits: [], endedAtMs: nowMs };
}

/** Workers that are being stopped often exit non-zero: after a cancel that is the stop, not a failure of their own. */
function underCancel(run: HubRun, end: RunEnd): RunEnd {
  if (run.cancel === undefined || end.outcome !== 'Failed' || CAUSE_EFFECT[end.cause] !== 'retry') return end;
  const message = `${run.cancel.message} (while stopping: ${end.cause}: ${end.message})`;
  return { ...end, outcome: 'Stopped', cause: run.cancel.cause, message };
}

function hubWord(run: HubRun, event: HubRunEvent): string {
  const { member, id } = run.terms;
  switch (event.kind) {
    case 'fenceBoundPassed':
      return `member ${member} was silent for ${Math.floor(event.silentForMs / 1000)} s, past the bound of fence ${id.fence}`;
    case 'duplicateAllowed':
      return `member ${member} was silent for ${Math.floor(event.silentForMs / 1000)} s and the job allows duplicates; fence ${id.fence} may still run`;
    case 'declaredLost':
      return `member ${member} was declared lost: ${event.reason}`;
    case 'reported':
    case 'cancelRequested':
      return `fence ${id.fence} on member ${member} was released`;
  }
}
