/**
 * What the agent says of a run in its report, and what it reads back of one from a GuestRun after a restart.
 */
import { isCause, CAUSE_EFFECT, type Cause } from '../../core/model/cause.ts';
import type { RunEnd, RunOutcome, RunReport } from '../../core/model/run.ts';
import { deadlineArmed } from '../../core/run/dead-man.ts';
import { countWorkers } from '../../core/run/worker-verdict.ts';
import { parseTimestamp } from '../../platform/clock/timestamp.ts';
import type { GuestRunObject } from './guest-objects.ts';
import type { TrackedRun } from './tracked-run.ts';

export function reportOf(run: TrackedRun, leaseRemainingMs: number | undefined): RunReport {
  const { order, ended, allRunning } = run;
  const job = run.deadline;
  return {
    id: order.id,
    job: order.job,
    tenant: order.tenant,
    pool: order.pool,
    attempt: order.attempt,
    templateHash: order.templateHash,
    gpuModel: order.gpuModel,
    gpusPerWorker: order.gpusPerWorker,
    phase: ended === undefined ? run.phase : 'Ended',
    workers: countWorkers(run.workers, order.workers),
    nodes: run.nodes,
    gpuSeconds: run.gpuSeconds,
    deadlineArmed: job !== undefined && deadlineArmed(order, job, leaseRemainingMs),
    message: ended?.end.message ?? run.message,
    ...(allRunning === undefined ? {} : { allRunningAtMs: allRunning.atWallMs }),
    ...(ended === undefined ? {} : { end: run.termsUnknown ? { ...ended.end, outcome: 'Refused' } : ended.end }),
  };
}

/** What a GuestRun's status says of an end that was decided before the agent restarted; undefined = none was written. */
export function endFromStatus(record: GuestRunObject, nowWallMs: number): RunEnd | undefined {
  const { status } = record;
  if (status?.phase !== 'Ended') return undefined;
  const cause = causeFromStatus(record);
  return {
    outcome: outcomeOf(cause),
    cause,
    message: status.message ?? '',
    everStarted: true,
    exits: status.exits ?? [],
    endedAtMs: parseTimestamp(status.finishedAt) ?? nowWallMs,
  };
}

/** A cause of a newer version counts as one that lets the job try again. */
export function causeFromStatus({ status }: GuestRunObject): Cause {
  const cause = status?.cause ?? '';
  return isCause(cause) ? cause : 'GuestDeleted';
}

function outcomeOf(cause: Cause): RunOutcome {
  switch (CAUSE_EFFECT[cause]) {
    case 'succeed':
      return 'Succeeded';
    case 'retry':
    case 'fail':
      return 'Failed';
    case 'requeue':
    case 'hold':
      return 'Stopped';
  }
}
