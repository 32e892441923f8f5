/**
 * One member as hub state holds it: the pool operator's word about it (MemberCluster), its session and its last report.
 *
 * Invariants: a report counts only from the current epoch and in order; the highest epoch ever seen survives the hub in
 * status; silence is counted by clocks that never jump. An object that cannot be decoded admits nobody.
 */
import { decodeMemberCluster, type MemberCluster } from '../../api/v1alpha1/member-cluster.ts';
import type { FieldProblem } from '../../api/schema/kind.ts';
import { memberName, runKey, type JobUid, type MemberName } from '../../core/model/ids.ts';
import type { MemberReport } from '../../core/model/member.ts';
import type { RunReport } from '../../core/model/run.ts';
import type { MemberHealth } from '../../core/membership/health.ts';
import type { ClockReading } from '../../platform/clock/clock.ts';
import type { SessionFacts } from './fleet.ts';
import type { RawObject } from './job-record.ts';

export type MemberReading =
  | { readonly kind: 'valid'; readonly cluster: MemberCluster }
  | { readonly kind: 'invalid'; readonly problems: readonly FieldProblem[] };

/** A MemberCluster with what this hub has heard. Mutable: hub state alone writes it. */
export interface MemberEntry {
  readonly name: MemberName;
  object: RawObject;
  reading: MemberReading;
  session: SessionFacts | undefined;
  highestEpoch: number;
  report: MemberReport | undefined;
  /** Runs of the last report by key. */
  runs: ReadonlyMap<string, RunReport>;
  /** When the last report arrived; at the start of a leadership, that moment plus the leader's lease. */
  heardAt: ClockReading | undefined;
  /** Wall clock of the last report, for people. */
  heardAtWallMs: number | undefined;
  /** Reports applied since this hub began to lead. */
  reportsHeard: number;
  /** Keys of the runs in the first of them: only these may be adopted. */
  firstRuns: ReadonlySet<string>;
  health: MemberHealth;
  /** Job UIDs that are gone for certain, until told for long enough; value: when the telling began (monotonic ms). */
  readonly gone: Map<JobUid, number | undefined>;
}

export function readMember(object: RawObject): MemberReading {
  const decoded = decodeMemberCluster(object);
  return decoded.ok ? { kind: 'valid', cluster: decoded.value } : { kind: 'invalid', problems: decoded.error };
}

export function newMember(object: RawObject): MemberEntry {
  const reading = readMember(object);
  return {
    name: memberName(object.metadata.name ?? ''),
    object,
    reading,
    session: undefined,
    highestEpoch: reading.kind === 'valid' ? (reading.cluster.status?.epoch ?? 0) : 0,
    report: undefined,
    runs: new Map(),
    heardAt: undefined,
    heardAtWallMs: undefined,
    reportsHeard: 0,
    firstRuns: new Set(),
    health: 'NeverReported',
    gone: new Map(),
  };
}

export function reportedRunsOf(report: MemberReport): ReadonlyMap<string, RunReport> {
  return new Map(report.runs.map((run) => [runKey(run.id), run]));
}

/** The spec of an admitted member; undefined for one that cannot be decoded. */
export function clusterOf(entry: MemberEntry): MemberCluster | undefined {
  return entry.reading.kind === 'valid' ? entry.reading.cluster : undefined;
}

/** The pool operator let it in and has not taken that back. */
export function isAdmitted(entry: MemberEntry): boolean {
  const spec = clusterOf(entry)?.spec;
  return spec !== undefined && spec.accepted && !spec.revoked && spec.declaredLost === undefined;
}

/** Did this member ever connect? One that never did holds no run. */
export function everConnected(entry: MemberEntry): boolean {
  return entry.highestEpoch > 0 || clusterOf(entry)?.status?.lastReportTime !== undefined;
}
