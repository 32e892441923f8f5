/**
 * The live run as it stands in ComputeJob.status.run, to and from the value that core steps. Durations are whole seconds in
 * status and milliseconds in core; what was frozen when the fence was issued survives both ways unchanged.
 */
import type { ComputeJobRun, ComputeJobStatus } from '../../api/v1alpha1/compute-job-status.ts';
import { isCause } from '../../core/model/cause.ts';
import {
  fence,
  gpuModel,
  memberName,
  nodeName,
  poolName,
  tenantName,
  type Fence,
  type JobKey,
  type JobUid,
  type MemberName,
} from '../../core/model/ids.ts';
import type { LeaseTerms } from '../../core/model/run.ts';
import type { HubRun } from '../../core/run/hub-run.ts';
import { formatTimestamp, parseTimestamp } from '../../platform/clock/timestamp.ts';

const seconds = (ms: number): number => Math.ceil(ms / 1000);

/** What lives beside the run in status but not in core's value of it. */
export interface RunExtras {
  readonly gpuResource: string;
  readonly jurisdictions: readonly string[];
  readonly acceptedAtMs?: number;
}

/** The run of a status, or undefined when there is none. */
export function runOfStatus(
  job: { readonly uid: JobUid; readonly key: JobKey },
  status: ComputeJobStatus,
): HubRun | undefined {
  const { run } = status;
  if (run === undefined) return undefined;
  const startedAtMs = parseTimestamp(run.startedAt);
  return {
    terms: {
      id: { jobUid: job.uid, fence: fence(run.fence) },
      job: job.key,
      attempt: run.attempt,
      pool: poolName(run.pool),
      tenant: tenantName(run.tenant),
      member: memberName(run.member),
      workers: run.workers,
      gpusPerWorker: run.gpusPerWorker,
      gpuModel: gpuModel(run.gpuModel),
      nodes: run.nodes.map((node) => ({ node: nodeName(node.name), workers: node.workers })),
      lease: leaseOfStatus(run.lease),
      onPartition: run.onPartition,
      maxRuntimeMs: run.maxRuntimeSeconds * 1000,
      startTimeoutMs: run.startTimeoutSeconds * 1000,
      checkpointGraceMs: run.checkpointGraceSeconds * 1000,
      templateHash: run.templateHash,
    },
    placedAtMs: parseTimestamp(run.placedAt) ?? 0,
    deadlineArmed: run.deadlineArmed ?? false,
    ...(startedAtMs === undefined ? {} : { startedAtMs }),
    ...cancelOfStatus(run),
  };
}

function leaseOfStatus(lease: ComputeJobRun['lease']): LeaseTerms {
  return {
    durationMs: lease.durationSeconds * 1000,
    terminationGraceMs: lease.terminationGraceSeconds * 1000,
    marginMs: lease.marginSeconds * 1000,
    maxClockDriftPercent: lease.maxClockDriftPercent,
    replaceAfterMs: lease.replaceAfterSeconds * 1000,
  };
}

function cancelOfStatus(run: ComputeJobRun): Pick<HubRun, 'cancel'> {
  const { cancel } = run;
  if (cancel === undefined) return {};
  return {
    cancel: {
      // A cause that a newer hub wrote still means: end it; the job then waits again.
      cause: isCause(cancel.cause) ? cancel.cause : 'Drained',
      message: cancel.message,
      requestedAtMs: parseTimestamp(cancel.requestedAt) ?? 0,
    },
  };
}

/** The run as status holds it. */
export function runForStatus(run: HubRun, extras: RunExtras): ComputeJobRun {
  const { terms, cancel } = run;
  return {
    fence: terms.id.fence,
    attempt: terms.attempt,
    member: terms.member,
    pool: terms.pool,
    tenant: terms.tenant,
    workers: terms.workers,
    gpusPerWorker: terms.gpusPerWorker,
    gpuModel: terms.gpuModel,
    ...(extras.gpuResource === '' ? {} : { gpuResource: extras.gpuResource }),
    nodes: terms.nodes.map((share) => ({ name: share.node, workers: share.workers })),
    lease: {
      durationSeconds: seconds(terms.lease.durationMs),
      terminationGraceSeconds: seconds(terms.lease.terminationGraceMs),
      marginSeconds: seconds(terms.lease.marginMs),
      maxClockDriftPercent: terms.lease.maxClockDriftPercent,
      replaceAfterSeconds: seconds(terms.lease.replaceAfterMs),
    },
    onPartition: terms.onPartition,
    maxRuntimeSeconds: seconds(terms.maxRuntimeMs),
    startTimeoutSeconds: seconds(terms.startTimeoutMs),
    checkpointGraceSeconds: seconds(terms.checkpointGraceMs),
    templateHash: terms.templateHash,
    ...(extras.jurisdictions.length === 0 ? {} : { jurisdictions: extras.jurisdictions }),
    placedAt: formatTimestamp(run.placedAtMs),
    ...(extras.acceptedAtMs === undefined ? {} : { acceptedAt: formatTimestamp(extras.acceptedAtMs) }),
    ...(run.startedAtMs === undefined ? {} : { startedAt: formatTimestamp(run.startedAtMs) }),
    ...(run.deadlineArmed ? { deadlineArmed: true } : {}),
    ...(cancel === undefined
      ? {}
      : {
          cancel: {
            cause: cancel.cause,
            message: cancel.message,
            requestedAt: formatTimestamp(cancel.requestedAtMs),
          },
        }),
  };
}

/** What of a status's run core does not carry. */
export function extrasOfStatus(status: ComputeJobStatus): RunExtras {
  const acceptedAtMs = parseTimestamp(status.run?.acceptedAt);
  return {
    gpuResource: status.run?.gpuResource ?? '',
    jurisdictions: status.run?.jurisdictions ?? [],
    ...(acceptedAtMs === undefined ? {} : { acceptedAtMs }),
  };
}

/** An attempt whose outcome is in history, as core compares it with reports. `Lost` = the member has not told how it ended. */
export interface RecordedRun {
  readonly fence: Fence;
  readonly member: MemberName;
  readonly lost: boolean;
  /** It was released by the bound of Fence: lost, but certainly stopped. */
  readonly bounded: boolean;
}

/** Outcome of an attempt that the hub released by its own word: the member never said how it ended. */
export const LOST_OUTCOME = 'Lost';

export function recordedRuns(status: ComputeJobStatus): readonly RecordedRun[] {
  return (status.history ?? []).map((entry) => ({
    fence: fence(entry.fence),
    member: memberName(entry.member),
    lost: entry.outcome === LOST_OUTCOME,
    bounded: entry.cause === 'FencePassed',
  }));
}
