/**
 * ComputeJob.status out of where a job stands: the one place that says how a standing looks to people. Pure; conditions that
 * nothing new is known about are kept, and lastTransitionTime moves only when a status does.
 *
 * Invariants: `phase` is computed here and read nowhere; `queue` is present only while the job waits; highestFence and
 * completionTime are passed on, never taken back.
 */
import { setConditions, type ConditionUpdate, type JobConditionType } from '../../api/v1alpha1/conditions.ts';
import type { ComputeJobHistoryEntry, ComputeJobStatus, JobPhase } from '../../api/v1alpha1/compute-job-status.ts';
import type { FieldProblem } from '../../api/schema/kind.ts';
import { CAUSE_EFFECT, isCause } from '../../core/model/cause.ts';
import type { Fence } from '../../core/model/ids.ts';
import type { HubRun } from '../../core/run/hub-run.ts';
import { formatTimestamp, parseTimestamp } from '../../platform/clock/timestamp.ts';
import { given } from './given.ts';
import type { JobRecord } from './job-record.ts';
import { runForStatus, type RunExtras } from './run-in-status.ts';

/** How the job ended for good. */
export interface JobCompletion {
  readonly succeeded: boolean;
  readonly atMs: number;
  readonly reason: string;
  readonly message: string;
}

export interface QueueStanding {
  readonly position?: number;
  readonly reason: string;
  readonly message: string;
  readonly sinceMs: number;
}

/** Where a job stands now. */
export interface JobStanding {
  readonly run?: HubRun;
  readonly extras: RunExtras;
  readonly highestFence: Fence | undefined;
  readonly attempt: number;
  readonly retriesUsed: number;
  readonly history: readonly ComputeJobHistoryEntry[];
  readonly gpuSeconds: number;
  readonly startedAtMs?: number;
  readonly completion?: JobCompletion;
  /** While it waits and the reason is told. */
  readonly queue?: QueueStanding;
  /** Why it lost its place, just now. */
  readonly lastEnd?: { readonly cause: string; readonly message: string };
  /** The member of the run is not heard. */
  readonly silence?: string;
  /** How far the start of the run is. */
  readonly progress?: string;
}

/** The whole status as it should stand now. */
export function statusOfJob(record: JobRecord, standing: JobStanding, nowMs: number): ComputeJobStatus {
  const { status } = record;
  const { run, completion, queue, gpuSeconds } = standing;
  return {
    observedGeneration: record.generation,
    phase: phaseOf(record, standing),
    conditions: setConditions(status.conditions, conditionsOf(record, standing), formatTimestamp(nowMs)),
    ...given({
      attempt: unlessZero(standing.attempt),
      retriesUsed: unlessZero(standing.retriesUsed),
      gpus: gpusOf(record),
      run: run === undefined ? undefined : runForStatus(run, standing.extras),
      placements: run === undefined ? undefined : [placementOf(run)],
      highestFence: standing.highestFence,
      queue: queue === undefined ? undefined : queueForStatus(queue),
      usage: gpuSeconds === 0 ? undefined : { gpuSeconds },
      history: standing.history.length === 0 ? undefined : standing.history,
      startTime: status.startTime ?? timeText(standing.startedAtMs),
      completionTime: status.completionTime ?? timeText(completion?.atMs),
    }),
  };
}

function unlessZero(count: number): number | undefined {
  return count === 0 ? undefined : count;
}

function timeText(wallMs: number | undefined): string | undefined {
  return wallMs === undefined ? undefined : formatTimestamp(wallMs);
}

function phaseOf(record: JobRecord, standing: Pick<JobStanding, 'run' | 'completion' | 'silence'>): JobPhase {
  const { run, completion } = standing;
  if (completion !== undefined) return completion.succeeded ? 'Succeeded' : 'Failed';
  if (run === undefined) {
    const suspended = record.reading.kind === 'valid' && record.reading.job.spec.suspend;
    return suspended ? 'Suspended' : 'Pending';
  }
  if (standing.silence !== undefined) return 'Unknown';
  if (run.cancel !== undefined) return 'Stopping';
  return run.startedAtMs === undefined ? 'Starting' : 'Running';
}

function gpusOf(record: JobRecord): number | undefined {
  const { reading, status } = record;
  return reading.kind === 'valid' ? reading.spec.workers * reading.spec.gpusPerWorker : status.gpus;
}

function placementOf({ terms }: HubRun): NonNullable<ComputeJobStatus['placements']>[number] {
  return {
    member: terms.member,
    workers: terms.workers,
    gpuModel: terms.gpuModel,
    gpus: terms.workers * terms.gpusPerWorker,
  };
}

function queueForStatus(queue: QueueStanding): NonNullable<ComputeJobStatus['queue']> {
  return {
    ...(queue.position === undefined ? {} : { position: queue.position }),
    reason: queue.reason,
    message: queue.message,
    since: formatTimestamp(queue.sinceMs),
  };
}

type Update = ConditionUpdate<JobConditionType>;

function conditionsOf(record: JobRecord, standing: JobStanding): readonly Update[] {
  const updates: Update[] = [
    validity(record),
    ...placed(standing),
    ...running(standing),
    ...stopping(record, standing),
  ];
  const { completion } = standing;
  if (completion !== undefined) {
    const { succeeded, reason, message } = completion;
    updates.push({ type: 'Succeeded', status: succeeded ? 'True' : 'False', reason, message });
    updates.push({ type: 'Failed', status: succeeded ? 'False' : 'True', reason, message });
  }
  return updates;
}

function validity(record: JobRecord): Update {
  const { reading, generation } = record;
  if (reading.kind === 'valid') {
    return {
      type: 'Valid',
      status: 'True',
      reason: 'Accepted',
      message: 'the spec can be executed as written',
      observedGeneration: generation,
    };
  }
  return {
    type: 'Valid',
    status: 'False',
    reason: 'InvalidSpec',
    message: problemText(reading.problems),
    observedGeneration: generation,
  };
}

/** `spec.a.b: what is wrong; ...`, the first ten problems. */
export function problemText(problems: readonly FieldProblem[]): string {
  const shown = problems.slice(0, 10).map(({ path, message }) => `${path}: ${message}`);
  const more = problems.length > shown.length ? `; and ${problems.length - shown.length} more` : '';
  return `${shown.join('; ')}${more}`.slice(0, 4096);
}

function placed(standing: JobStanding): readonly Update[] {
  const { run, queue, completion, lastEnd } = standing;
  if (run !== undefined) return [{ type: 'Placed', status: 'True', reason: 'Placed', message: placementText(run) }];
  if (completion !== undefined)
    return [{ type: 'Placed', status: 'False', reason: 'Finished', message: completion.message }];
  if (queue !== undefined) return [{ type: 'Placed', status: 'False', reason: queue.reason, message: queue.message }];
  if (lastEnd !== undefined)
    return [{ type: 'Placed', status: 'False', reason: lastEnd.cause, message: lastEnd.message }];
  return [];
}

/** `fence 3 on member-a: 2 workers x 4 H100-80GB on node-1, node-2`. */
export function placementText({ terms }: HubRun): string {
  const nodes = terms.nodes.map((share) => share.node);
  const where = nodes.length <= 4 ? nodes.join(', ') : `${nodes.slice(0, 4).join(', ')} and ${nodes.length - 4} more`;
  const workers = terms.workers === 1 ? '1 worker' : `${terms.workers} workers`;
  return `fence ${terms.id.fence} on ${terms.member}: ${workers} x ${terms.gpusPerWorker} ${terms.gpuModel} on ${where}`;
}

function running(standing: JobStanding): readonly Update[] {
  const { run, silence, completion, lastEnd } = standing;
  if (run === undefined) {
    const over = completion ?? lastEnd;
    return over === undefined
      ? []
      : [{ type: 'Running', status: 'False', reason: 'NotRunning', message: over.message }];
  }
  if (silence !== undefined) return [{ type: 'Running', status: 'Unknown', reason: 'MemberSilent', message: silence }];
  if (run.startedAtMs !== undefined) {
    const message = `all ${run.terms.workers} workers run on ${run.terms.member}`;
    return [{ type: 'Running', status: 'True', reason: 'AllWorkersRunning', message }];
  }
  const message = standing.progress ?? `${run.terms.member} starts ${run.terms.workers} workers`;
  return [{ type: 'Running', status: 'False', reason: 'WorkersStarting', message }];
}

function stopping(record: JobRecord, standing: JobStanding): readonly Update[] {
  const { run } = standing;
  const known = record.status.conditions ?? [];
  const updates: Update[] = [];
  if (run?.cancel !== undefined) {
    const message = `${run.cancel.message}; waiting for ${run.terms.member} to confirm that fence ${run.terms.id.fence} has stopped`;
    updates.push({ type: 'Stopping', status: 'True', reason: 'StopRequested', message });
  } else if (known.some((condition) => condition.type === 'Stopping' && condition.status === 'True')) {
    updates.push({ type: 'Stopping', status: 'False', reason: 'StopConfirmed', message: 'the run has stopped' });
  }
  const suspended = record.reading.kind === 'valid' && record.reading.job.spec.suspend;
  if (suspended)
    updates.push({ type: 'Suspended', status: 'True', reason: 'SuspendedBySpec', message: 'spec.suspend is true' });
  else if (known.some((condition) => condition.type === 'Suspended' && condition.status === 'True')) {
    updates.push({ type: 'Suspended', status: 'False', reason: 'NotSuspended', message: 'spec.suspend is false' });
  }
  return updates;
}

/** Since when the job waits: its creation; later only after an end of its own making. */
export function waitingSinceMs(record: JobRecord): number {
  const last = record.status.history?.at(-1);
  if (last === undefined || !isCause(last.cause)) return record.createdAtMs;
  const own = CAUSE_EFFECT[last.cause] === 'retry' || CAUSE_EFFECT[last.cause] === 'hold';
  return own ? (parseTimestamp(last.stoppedAt) ?? record.createdAtMs) : record.createdAtMs;
}
