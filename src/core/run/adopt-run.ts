/**
 * A hub restored from a backup meets runs that it does not remember. Decides when a report of a fence above the highest one
 * issued is believed, and what the adopted run looks like.
 *
 * Invariants: the highest fence only rises; an adopted run is KeepAndWait, because the lease that was frozen for it is lost
 * and no time bound computed from a guess may release it; a member is believed in its first report to this leader only,
 * since every fence after that was issued by this leader itself and is in its cache.
 */
import type { Fence, JobUid, MemberName } from '../model/ids.ts';
import { fence } from '../model/ids.ts';
import type { LeaseTerms, RunEnd, RunReport } from '../model/run.ts';
import type { HubRun } from './hub-run.ts';

/** A claim further ahead than this is no lost history but nonsense: it would burn the number space of the job. */
export const MAX_ADOPTED_FENCE_LEAP = 1_000_000;

export interface AdoptionInput {
  readonly jobUid: JobUid;
  /** The run that the restored status still shows, if any. */
  readonly run?: HubRun;
  readonly highestFence?: Fence;
  readonly report: RunReport;
  /** Whose authenticated stream brought the report. */
  readonly member: MemberName;
  /** Nothing else was heard from the member since this hub began to lead. */
  readonly firstReport: boolean;
  /** What the job and pool say now, in place of what was frozen and lost. Used for display and limits, never to release. */
  readonly assumed: {
    readonly lease: LeaseTerms;
    readonly maxRuntimeMs: number;
    readonly startTimeoutMs: number;
    readonly checkpointGraceMs: number;
  };
}

export type Adoption =
  | {
      readonly kind: 'adopted';
      /** Persist it, then give the same report to stepRun. */
      readonly run: HubRun;
      readonly highestFence: Fence;
      /** The run it displaces: a higher fence exists, so this one had been released. Into history as superseded. */
      readonly superseded?: { readonly run: HubRun; readonly end: RunEnd };
    }
  | { readonly kind: 'refused'; readonly detail: string };

/** The rule of adoption. `nowMs` is the hub's wall clock, for history. */
export function adoptHigherFence(input: AdoptionInput, nowMs: number): Adoption {
  const problem = refusal(input);
  if (problem !== undefined) return { kind: 'refused', detail: problem };
  const { report, member, run: displaced } = input;
  const adopted: HubRun = {
    terms: {
      id: report.id,
      job: report.job,
      attempt: report.attempt,
      pool: report.pool,
      tenant: report.tenant,
      member,
      workers: report.nodes.reduce((sum, share) => sum + share.workers, 0),
      gpusPerWorker: report.gpusPerWorker,
      gpuModel: report.gpuModel,
      nodes: report.nodes,
      ...input.assumed,
      onPartition: 'KeepAndWait',
      templateHash: report.templateHash,
    },
    placedAtMs: nowMs,
    deadlineArmed: false,
  };
  const outcome = { kind: 'adopted', run: adopted, highestFence: fence(report.id.fence) } as const;
  if (displaced === undefined) return outcome;
  return { ...outcome, superseded: { run: displaced, end: displacedEnd(displaced, report.id.fence, nowMs) } };
}

function refusal(input: AdoptionInput): string | undefined {
  const { report, highestFence, member } = input;
  const highest = highestFence ?? 0;
  if (report.id.jobUid !== input.jobUid) return `report is for job ${report.id.jobUid}, not ${input.jobUid}`;
  if (report.id.fence <= highest) return `fence ${report.id.fence} is not above the highest issued, ${highest}`;
  if (!input.firstReport) return `member ${member} was heard before and did not mention fence ${report.id.fence}`;
  if (report.id.fence - highest > MAX_ADOPTED_FENCE_LEAP) {
    return `fence ${report.id.fence} is more than ${MAX_ADOPTED_FENCE_LEAP} above the highest issued, ${highest}`;
  }
  return undefined;
}

function displacedEnd(run: HubRun, higher: Fence, nowMs: number): RunEnd {
  return {
    outcome: 'Stopped',
    cause: run.cancel?.cause ?? 'MemberLost',
    message: `fence ${higher} was issued after fence ${run.terms.id.fence} had been released; the record of it was lost with the hub's later state`,
    everStarted: true,
    exits: [],
    endedAtMs: nowMs,
  };
}
