/**
 * How a reported run stands to what the hub has issued for that job. Decides whether the report may move the job at all.
 *
 * Invariants: only the current fence, from the member it was issued to, moves the job; an outcome that is recorded is never
 * applied again; an older fence goes to history as superseded, even if it succeeded. Leaves out the moves (step-run.ts).
 */
import type { Fence, MemberName } from '../model/ids.ts';
import type { RunEnd, RunReport } from '../model/run.ts';
import type { HubRun } from './hub-run.ts';

/** What the hub knows of one job's fences. */
export interface KnownFences {
  readonly run?: HubRun;
  /** Absent = none was ever issued. */
  readonly highestFence?: Fence;
  /** Runs in status.history: their outcome is durably recorded. */
  readonly recorded: readonly { readonly fence: Fence; readonly member: MemberName }[];
}

export type ReportStanding =
  /** Give it to stepRun. */
  | { readonly kind: 'current' }
  /** Its outcome is recorded: acknowledge it again, apply nothing. `live` = it claims to live on and needs a cancel. */
  | { readonly kind: 'recorded'; readonly live: boolean }
  /** An older fence that is not recorded: into history as superseded once it has an end, cancelled by its fence until then. */
  | { readonly kind: 'superseded'; readonly end?: RunEnd }
  /** Higher than anything issued: adopt-run.ts decides. */
  | { readonly kind: 'aboveHighest' }
  /** Never issued to this member: counted, never applied. */
  | { readonly kind: 'foreign'; readonly detail: string };

/** Where `report`, brought by `member`'s own stream, stands. The job UIDs are the same, or this is not called. */
export function standingOf(known: KnownFences, report: RunReport, member: MemberName): ReportStanding {
  const { fence } = report.id;
  if (known.highestFence === undefined || fence > known.highestFence) return { kind: 'aboveHighest' };
  if (known.run?.terms.id.fence === fence) {
    if (known.run.terms.member === member) return { kind: 'current' };
    return {
      kind: 'foreign',
      detail: `fence ${fence} was issued to member ${known.run.terms.member}, not to ${member}`,
    };
  }
  const entry = known.recorded.find((one) => one.fence === fence);
  if (entry !== undefined) {
    if (entry.member === member) return { kind: 'recorded', live: report.phase !== 'Ended' };
    return { kind: 'foreign', detail: `fence ${fence} ran on member ${entry.member}, not on ${member}` };
  }
  return { kind: 'superseded', ...(report.end === undefined ? {} : { end: report.end }) };
}
