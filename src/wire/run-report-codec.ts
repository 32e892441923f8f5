/**
 * One run in a report. A phase, outcome or cause that a newer agent sends and this hub does not know must neither release
 * a fence nor refuse the member: an unknown phase or outcome reads as `Unknown` (the run stays where it is), an unknown
 * cause keeps its name in the sentence.
 * Invariant: `end` is present exactly when the phase is Ended.
 */
import * as ids from '../core/model/ids.ts';
import type { RunEnd, RunOutcome, RunPhase, RunReport, WorkerCounts } from '../core/model/run.ts';
import type { FieldChecks } from './field-checks.ts';
import * as proto from './generated/lumbung/federation/v1/federation.ts';
import * as limits from './wire-limits.ts';
import {
  decodeCause,
  decodeJobKey,
  decodeName,
  decodeNodeShares,
  decodeRunId,
  encodeJobKey,
  encodeNodeShares,
  encodeRunId,
  enumTable,
  sentence,
} from './wire-values.ts';

const phases = enumTable<RunPhase, proto.RunPhase>({
  Accepted: proto.RunPhase.RUN_PHASE_ACCEPTED,
  Starting: proto.RunPhase.RUN_PHASE_STARTING,
  Running: proto.RunPhase.RUN_PHASE_RUNNING,
  Stopping: proto.RunPhase.RUN_PHASE_STOPPING,
  Unknown: proto.RunPhase.RUN_PHASE_UNKNOWN,
  Ended: proto.RunPhase.RUN_PHASE_ENDED,
});

const outcomes = enumTable<RunOutcome, proto.RunOutcome>({
  Succeeded: proto.RunOutcome.RUN_OUTCOME_SUCCEEDED,
  Failed: proto.RunOutcome.RUN_OUTCOME_FAILED,
  Stopped: proto.RunOutcome.RUN_OUTCOME_STOPPED,
  Refused: proto.RunOutcome.RUN_OUTCOME_REFUSED,
});

function encodeEnd(end: RunEnd): proto.RunEnd {
  return {
    outcome: outcomes.encode(end.outcome),
    cause: end.cause,
    message: sentence(end.message),
    everStarted: end.everStarted,
    exits: end.exits.map(({ index, exitCode, reason }) => ({
      index,
      exitCode,
      reason: reason.slice(0, limits.NAME_MAX),
    })),
    endedAtMs: BigInt(end.endedAtMs),
  };
}

export function encodeRunReport(report: RunReport): proto.RunReport {
  return {
    id: encodeRunId(report.id),
    job: encodeJobKey(report.job),
    tenant: report.tenant,
    pool: report.pool,
    attempt: report.attempt,
    templateHash: report.templateHash,
    gpuModel: report.gpuModel,
    gpusPerWorker: report.gpusPerWorker,
    phase: phases.encode(report.phase),
    workers: { ...report.workers },
    nodes: encodeNodeShares(report.nodes),
    allRunningAtMs: BigInt(report.allRunningAtMs ?? 0),
    gpuSeconds: BigInt(report.gpuSeconds),
    deadlineArmed: report.deadlineArmed,
    end: report.end === undefined ? undefined : encodeEnd(report.end),
    message: sentence(report.message),
  };
}

function decodeEnd(checks: FieldChecks, path: string, raw: proto.RunEnd, outcome: RunOutcome): RunEnd {
  const sentence = checks.text(`${path}.message`, raw.message, { max: limits.MESSAGE_MAX });
  const fallback = outcome === 'Succeeded' ? 'Completed' : 'Unsupported';
  return {
    outcome,
    ...decodeCause(checks, `${path}.cause`, { cause: raw.cause, message: sentence, fallback }),
    everStarted: raw.everStarted,
    exits: checks.list(`${path}.exits`, raw.exits, limits.WORKERS_MAX, (at, exit) => ({
      index: checks.whole(`${at}.index`, exit.index, { max: limits.WORKERS_MAX - 1 }),
      exitCode: exit.exitCode,
      reason: checks.text(`${at}.reason`, exit.reason, { max: limits.NAME_MAX }),
    })),
    endedAtMs: checks.whole(`${path}.endedAtMs`, raw.endedAtMs),
  };
}

function decodeWorkers(checks: FieldChecks, path: string, raw: proto.WorkerCounts): WorkerCounts {
  const bounds = { max: limits.WORKERS_MAX };
  return {
    pending: checks.whole(`${path}.pending`, raw.pending, bounds),
    running: checks.whole(`${path}.running`, raw.running, bounds),
    succeeded: checks.whole(`${path}.succeeded`, raw.succeeded, bounds),
    failed: checks.whole(`${path}.failed`, raw.failed, bounds),
  };
}

type Progress = Pick<RunReport, 'phase' | 'message' | 'end'>;

function decodeProgress(checks: FieldChecks, path: string, raw: proto.RunReport): Progress {
  const message = checks.text(`${path}.message`, raw.message, { max: limits.MESSAGE_MAX });
  const phase = phases.decode(raw.phase);
  if (phase === undefined)
    return { phase: 'Unknown', message: `phase ${raw.phase} is not known to this hub: ${message}` };
  if (phase !== 'Ended') {
    if (raw.end !== undefined) checks.problem(`${path}.end`, 'must be absent unless the phase is Ended');
    return { phase, message };
  }
  if (raw.end === undefined) {
    checks.problem(`${path}.end`, 'is required when the phase is Ended');
    return { phase, message };
  }
  const outcome = outcomes.decode(raw.end.outcome);
  if (outcome === undefined) {
    return { phase: 'Unknown', message: `outcome ${raw.end.outcome} is not known to this hub: ${message}` };
  }
  return { phase, message, end: decodeEnd(checks, `${path}.end`, raw.end, outcome) };
}

const NO_WORKERS: WorkerCounts = { pending: 0, running: 0, succeeded: 0, failed: 0 };

export function decodeRunReport(checks: FieldChecks, path: string, raw: proto.RunReport): RunReport {
  const allRunningAtMs = checks.whole(`${path}.allRunningAtMs`, raw.allRunningAtMs);
  return {
    id: decodeRunId(checks, `${path}.id`, raw.id),
    job: decodeJobKey(checks, `${path}.job`, raw.job),
    tenant: ids.tenantName(checks.text(`${path}.tenant`, raw.tenant, { min: 1, max: limits.NAME_MAX })),
    pool: ids.poolName(decodeName(checks, `${path}.pool`, raw.pool)),
    attempt: checks.whole(`${path}.attempt`, raw.attempt, { min: 1 }),
    templateHash: checks.text(`${path}.templateHash`, raw.templateHash, { max: 128 }),
    gpuModel: ids.gpuModel(checks.text(`${path}.gpuModel`, raw.gpuModel, { min: 1, max: 63 })),
    gpusPerWorker: checks.whole(`${path}.gpusPerWorker`, raw.gpusPerWorker, { max: limits.GPUS_PER_WORKER_MAX }),
    workers: checks.required(
      `${path}.workers`,
      raw.workers,
      (at, workers) => decodeWorkers(checks, at, workers),
      NO_WORKERS,
    ),
    nodes: decodeNodeShares(checks, `${path}.nodes`, raw.nodes),
    ...(allRunningAtMs === 0 ? {} : { allRunningAtMs }),
    gpuSeconds: checks.whole(`${path}.gpuSeconds`, raw.gpuSeconds),
    deadlineArmed: raw.deadlineArmed,
    ...decodeProgress(checks, path, raw),
  };
}
