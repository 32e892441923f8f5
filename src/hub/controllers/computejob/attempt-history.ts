/**
 * status.history: what is kept of finished attempts. Pure.
 *
 * Invariants: one entry for each fence, by fence, the last ten; texts fit the schema.
 */
import type { ComputeJobHistoryEntry } from '../../../api/v1alpha1/compute-job-status.ts';
import type { MemberName } from '../../../core/model/ids.ts';
import type { RunEnd, RunReport } from '../../../core/model/run.ts';
import type { HubRun } from '../../../core/run/hub-run.ts';
import { formatTimestamp } from '../../../platform/clock/timestamp.ts';
import { HISTORY_LIMIT } from '../../state/desired-of.ts';
import { LOST_OUTCOME } from '../../state/run-in-status.ts';

export interface Recording {
  readonly outcome: string;
  readonly nowMs: number;
  readonly superseded?: boolean;
}

export function historyEntry(run: HubRun, ended: RunEnd, recording: Recording): ComputeJobHistoryEntry {
  const { terms, startedAtMs } = run;
  return {
    attempt: terms.attempt,
    fence: terms.id.fence,
    member: terms.member,
    placedAt: formatTimestamp(run.placedAtMs),
    ...(startedAtMs === undefined ? {} : { startedAt: formatTimestamp(startedAtMs) }),
    stoppedAt: formatTimestamp(recording.nowMs),
    outcome: recording.outcome,
    cause: ended.cause,
    message: ended.message.slice(0, 4096),
    ...(recording.superseded === true ? { superseded: true } : {}),
  };
}

/** By fence, the last ten. An entry of the same fence is replaced. */
export function withEntry(
  history: readonly ComputeJobHistoryEntry[],
  entry: ComputeJobHistoryEntry,
): ComputeJobHistoryEntry[] {
  const others = history.filter((one) => one.fence !== entry.fence);
  return [...others, entry].sort((a, b) => a.fence - b.fence).slice(-HISTORY_LIMIT);
}

/** An attempt that this hub knows from a late report alone. */
export function lateEntry(report: RunReport, member: MemberName, nowMs: number): ComputeJobHistoryEntry {
  const now = formatTimestamp(nowMs);
  return {
    attempt: Math.max(1, report.attempt),
    fence: report.id.fence,
    member,
    placedAt: now,
    stoppedAt: now,
    outcome: report.end?.outcome ?? LOST_OUTCOME,
    cause: report.end?.cause ?? 'FencePassed',
    message: (report.end?.message ?? '').slice(0, 4096),
    superseded: true,
  };
}
