/**
 * The run that a placement becomes: the next fence, with everything frozen beside it. Pure; who writes it, and that it is
 * written before any member hears of it, is the scheduler's commit.
 */
import type { PoolRules } from '../../core/model/pool.ts';
import type { Placement } from '../../core/scheduling/decision.ts';
import type { HubRun } from '../../core/run/hub-run.ts';
import { nextFence } from '../../core/run/next-fence.ts';
import type { JobReading, JobRecord } from './job-record.ts';
import { durationMs } from './pool-rules-of.ts';
import type { RunExtras } from './run-in-status.ts';

export interface PlannedRun {
  readonly run: HubRun;
  readonly extras: RunExtras;
}

export interface PlanInput {
  readonly record: JobRecord;
  readonly reading: Extract<JobReading, { kind: 'valid' }>;
  readonly pool: PoolRules;
  readonly placement: Placement;
  /** The hub that issued the job's fences may have known of more than this one does: a restored backup. */
  readonly mayHaveLostFences: boolean;
  /** Wall clock of the hub. */
  readonly nowMs: number;
}

/** The fence is above the highest ever issued for the job (core/run/next-fence.ts). */
export function planRun(input: PlanInput): PlannedRun {
  const { record, reading, pool, placement, nowMs } = input;
  const { spec } = reading.job;
  return {
    run: {
      terms: {
        id: { jobUid: record.uid, fence: nextFence(record.highestFence, input.mayHaveLostFences) },
        job: record.key,
        attempt: (record.status.attempt ?? 0) + 1,
        pool: placement.pool,
        tenant: placement.tenant,
        member: placement.member,
        workers: spec.workers,
        gpusPerWorker: spec.gpusPerWorker,
        gpuModel: placement.gpuModel,
        nodes: placement.nodes,
        lease: pool.lease,
        onPartition: spec.onPartition,
        maxRuntimeMs: reading.spec.maxRuntimeMs ?? pool.defaultMaxRuntimeMs,
        startTimeoutMs: durationMs(spec.startTimeout),
        checkpointGraceMs: durationMs(spec.checkpointGrace),
        templateHash: reading.templateHash,
      },
      placedAtMs: nowMs,
      deadlineArmed: false,
    },
    extras: { gpuResource: placement.gpuResource, jurisdictions: reading.spec.jurisdictions },
  };
}
