/**
 * Why a job is where it is, on demand: what `lumbung explain` renders. Built from the state of this moment, so that numbers
 * are never older than the members' last reports, and their age is said.
 *
 * Leaves out words for people's screens beyond one sentence each (cli/render).
 */
import { explainMember, explainReason } from '../../core/scheduling/explain.ts';
import { schedule } from '../../core/scheduling/schedule.ts';
import type { Refusal } from '../../core/scheduling/decision.ts';
import type { MemberName, PoolName } from '../../core/model/ids.ts';
import type { FieldProblem } from '../../api/schema/kind.ts';
import type { JobPhase } from '../../api/v1alpha1/compute-job-status.ts';
import { formatTimestamp } from '../../platform/clock/timestamp.ts';
import type { HubState } from '../state/hub-state.ts';
import { runOf, type JobEntry } from '../state/job-book.ts';
import { readinessOf } from '../state/member-readiness.ts';
import { placementText, waitingSinceMs } from '../state/status-of-job.ts';
import { isWaiting } from '../state/snapshot-of.ts';

export interface ExplainMember {
  readonly member: MemberName;
  /** CamelCase kind of the refusal, or `WouldFit`. */
  readonly reason: string;
  readonly message: string;
  /** Numbers of the reason, such as needGpus and freeGpus. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly readiness: string;
  /** Age of the report that this rests on; absent = never heard. */
  readonly dataAgeSeconds?: number;
}

export interface ExplainReport {
  readonly kind: 'ComputeJobExplanation';
  readonly apiVersion: 'subresources.lumbung.dev/v1alpha1';
  readonly job: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly phase: JobPhase;
  /** One sentence. */
  readonly summary: string;
  /** Why it waits; absent when it does not. */
  readonly reason?: string;
  /** Rank among the tenant's waiting jobs, from 1. */
  readonly position?: number;
  readonly waitingSince?: string;
  readonly tenant?: string;
  readonly pool?: string;
  readonly asks?: { readonly workers: number; readonly gpusPerWorker: number; readonly models: readonly string[] };
  readonly run?: {
    readonly fence: number;
    readonly attempt: number;
    readonly member: string;
    readonly nodes: readonly { readonly name: string; readonly workers: number }[];
    readonly message: string;
  };
  readonly members: readonly ExplainMember[];
  /** What is wrong with the spec. */
  readonly problems: readonly FieldProblem[];
}

/** Undefined: this hub knows no such job. Computes one decision of the scheduler; places nothing. */
export function explainJob(state: HubState, namespace: string, name: string): ExplainReport | undefined {
  const entry = state.jobs.byKey({ namespace, name });
  if (entry === undefined) return undefined;
  const { record } = entry;
  const base = {
    kind: 'ComputeJobExplanation',
    apiVersion: 'subresources.lumbung.dev/v1alpha1',
    job: { namespace, name, uid: record.uid },
    phase: record.status.phase ?? 'Pending',
    problems: record.reading.kind === 'invalid' ? record.reading.problems : [],
    ...askedOf(entry),
  } as const;
  if (!isWaiting(entry)) return { ...base, summary: summaryOf(entry), members: [], ...runPart(entry, state) };
  return { ...base, ...waitPart(entry, state) };
}

function askedOf({ record: { reading } }: JobEntry): Pick<ExplainReport, 'asks' | 'pool'> {
  if (reading.kind === 'invalid') return {};
  const { workers, gpusPerWorker, gpuModels, pool } = reading.spec;
  return { pool, asks: { workers, gpusPerWorker, models: gpuModels } };
}

function summaryOf(entry: JobEntry): string {
  const { record } = entry;
  const run = runOf(entry);
  if (record.finished) return record.status.phase === 'Succeeded' ? 'the job has succeeded' : 'the job has failed';
  if (run !== undefined)
    return `${run.cancel === undefined ? 'has a place' : 'is being stopped'}: ${placementText(run)}`;
  if (record.unreadable) return 'its status cannot be read; the hub leaves it alone until it is repaired';
  if (record.deleting) return 'the job is being deleted';
  if (record.reading.kind === 'invalid') return 'the spec cannot be executed as written';
  return 'spec.suspend is true: it waits to be resumed';
}

function runPart(entry: JobEntry, state: HubState): Pick<ExplainReport, 'run' | 'tenant'> {
  const run = runOf(entry);
  if (run === undefined) return {};
  const { id, attempt, member, nodes, tenant } = run.terms;
  const report = state.members.reportOf(member, id);
  return {
    tenant,
    run: {
      fence: id.fence,
      attempt,
      member,
      nodes: nodes.map((share) => ({ name: share.node, workers: share.workers })),
      message: report === undefined ? 'the member has not reported it yet' : report.message,
    },
  };
}

function waitPart(
  entry: JobEntry,
  state: HubState,
): Pick<ExplainReport, 'summary' | 'reason' | 'position' | 'waitingSince' | 'tenant' | 'members'> {
  const { record } = entry;
  const waitingSince = formatTimestamp(waitingSinceMs(record));
  const snapshot = state.snapshot();
  const refusal = schedule(snapshot).refusals.find((one) => one.jobUid === record.uid);
  if (refusal === undefined || record.reading.kind !== 'valid') {
    return { summary: 'it has a place in this very moment', waitingSince, members: [] };
  }
  return {
    summary: explainReason(refusal.reason, record.reading.spec, snapshot.nowMs),
    reason: refusal.reason.kind,
    ...(refusal.position === undefined ? {} : { position: refusal.position }),
    ...(refusal.tenant === undefined ? {} : { tenant: refusal.tenant }),
    waitingSince,
    members: membersOf(refusal, record.reading.spec.pool, state),
  };
}

function membersOf(refusal: Refusal, pool: PoolName, state: HubState): readonly ExplainMember[] {
  return refusal.members.map(({ member, reason }) => {
    const { kind, ...facts } = reason;
    const entry = state.members.get(member);
    const ageMs = entry === undefined || entry.reportsHeard === 0 ? undefined : state.liveness.silenceMs(entry);
    return {
      member,
      reason: kind,
      message: explainMember(reason),
      facts,
      readiness: entry === undefined ? 'Unknown' : readinessOf(entry, { kind: 'assigned', pool }),
      ...(ageMs === undefined ? {} : { dataAgeSeconds: Math.floor(ageMs / 1000) }),
    };
  });
}
