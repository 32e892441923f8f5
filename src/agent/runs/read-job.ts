/**
 * From a Job's status to facts: is it finished, what it counted, and how long its deadline has been running.
 *
 * Invariant: the time since its start is never said to be more than the controller itself counts, so that a deadline computed
 * from it never outlives the lease. Where this process saw the Job before its start
 * time, its own monotonic clock counts from that moment; otherwise (a restarted agent) the wall clocks of the agent and the
 * Job controller are compared, which is as good as the cluster's own time service.
 */
import type { JobFacts } from '../../core/run/agent-plan.ts';
import { parseTimestamp } from '../../platform/clock/timestamp.ts';
import type { GuestJob } from './guest-objects.ts';

export interface JobClock {
  readonly nowWallMs: number;
  /** Monotonic ms since this process first saw status.startTime; absent if it was set before the process saw the Job. */
  readonly sinceSeenStartMs?: number;
}

/** Somebody removed ours: as good as for ever, and still safe to count with. */
const NO_DEADLINE_SECONDS = Number.MAX_SAFE_INTEGER / 1000;
const FINISHED: readonly string[] = ['Complete', 'Failed', 'FailureTarget', 'SuccessCriteriaMet'];

export function readJob(job: GuestJob, clock: JobClock): JobFacts {
  const { spec, status = {}, metadata } = job;
  const conditions = (status.conditions ?? []).filter((one) => one.status === 'True');
  const failed = conditions.find((one) => one.type === 'Failed' || one.type === 'FailureTarget');
  const sinceStartMs = sinceStart(status.startTime, clock);
  return {
    finished: conditions.some((one) => FINISHED.includes(one.type ?? '')),
    completed: countIndexes(status.completedIndexes ?? ''),
    deleting: metadata.deletionTimestamp !== undefined,
    deadlineSeconds: spec?.activeDeadlineSeconds ?? NO_DEADLINE_SECONDS,
    ...(failed === undefined ? {} : { failedReason: failed.reason ?? 'Failed' }),
    ...(sinceStartMs === undefined ? {} : { sinceStartMs }),
  };
}

function sinceStart(startTime: string | undefined, clock: JobClock): number | undefined {
  const startTimeMs = parseTimestamp(startTime);
  if (startTimeMs === undefined) return undefined;
  return clock.sinceSeenStartMs ?? Math.max(0, clock.nowWallMs - startTimeMs);
}

/** How many indexes a list such as `0,2-5,9` names; what is no such list counts as none. */
export function countIndexes(text: string): number {
  if (!/^([0-9]+(-[0-9]+)?)(,[0-9]+(-[0-9]+)?)*$/.test(text)) return 0;
  return text.split(',').reduce((sum, part) => {
    const [from = 0, to = from] = part.split('-').map(Number);
    return sum + Math.max(0, to - from + 1);
  }, 0);
}
