/**
 * All members of the hub: sessions, reports, and which job is reported from where. Decides which report counts.
 *
 * Invariants: a report counts only from the open session's epoch and above the last sequence; closing a session that is not
 * the current one changes nothing; a MemberCluster made anew under an old name starts from nothing.
 */
import type { JobUid, MemberName, RunId } from '../../core/model/ids.ts';
import { runKey } from '../../core/model/ids.ts';
import type { MemberReport } from '../../core/model/member.ts';
import type { RunReport } from '../../core/model/run.ts';
import { compareStrings } from '../../std/ordering.ts';
import type { ClockReading } from '../../platform/clock/clock.ts';
import type { OpenSessionResult, SessionFacts } from './fleet.ts';
import type { RawObject } from './job-record.ts';
import { newMember, readMember, reportedRunsOf, type MemberEntry } from './member-record.ts';

/** One run that a member reports. */
export interface ReportedRun {
  readonly member: MemberName;
  readonly report: RunReport;
  /** It was in the first report that this leader heard from the member. */
  readonly first: boolean;
}

/** What an accepted report changed. */
export interface ReportChange {
  /** Jobs of which some run is reported differently than before. */
  readonly jobs: ReadonlySet<JobUid>;
  /** Runs that are new or differ. */
  readonly changed: readonly RunReport[];
  /** Capacity, policy or window differ, or a run came or went. */
  readonly capacity: boolean;
  readonly first: boolean;
}

export class MemberBook {
  private readonly entries = new Map<MemberName, MemberEntry>();
  /** By job, then by member and run. */
  private readonly reportedOf = new Map<JobUid, Map<string, { readonly member: MemberName; readonly key: string }>>();

  get(name: MemberName): MemberEntry | undefined {
    return this.entries.get(name);
  }

  all(): IterableIterator<MemberEntry> {
    return this.entries.values();
  }

  get size(): number {
    return this.entries.size;
  }

  put(name: MemberName, object: RawObject): MemberEntry {
    const known = this.entries.get(name);
    if (known !== undefined && known.object.metadata.uid === object.metadata.uid) {
      known.object = object;
      known.reading = readMember(object);
      if (known.reading.kind === 'valid') {
        known.highestEpoch = Math.max(known.highestEpoch, known.reading.cluster.status?.epoch ?? 0);
      }
      return known;
    }
    if (known !== undefined) this.remove(name);
    const entry = newMember(object);
    this.entries.set(name, entry);
    return entry;
  }

  remove(name: MemberName): void {
    const entry = this.entries.get(name);
    if (entry === undefined) return;
    this.unindex(name, entry.runs.values());
    this.entries.delete(name);
  }

  /** Forgets what was heard, for another reign: sessions and reports of the one before prove nothing now. */
  forgetHearsay(entry: MemberEntry): void {
    this.unindex(entry.name, entry.runs.values());
    entry.session = undefined;
    entry.report = undefined;
    entry.runs = new Map();
    entry.firstRuns = new Set();
    entry.reportsHeard = 0;
    entry.heardAt = undefined;
    entry.heardAtWallMs = undefined;
    entry.health = 'NeverReported';
    for (const uid of entry.gone.keys()) entry.gone.set(uid, undefined);
  }

  openSession(entry: MemberEntry, facts: SessionFacts): OpenSessionResult {
    if (facts.epoch < entry.highestEpoch) return { kind: 'staleEpoch', current: entry.highestEpoch };
    entry.highestEpoch = facts.epoch;
    entry.session = facts;
    return { kind: 'opened' };
  }

  /** True when it was the current one. */
  closeSession(entry: MemberEntry, epoch: number): boolean {
    if (entry.session?.epoch !== epoch) return false;
    entry.session = undefined;
    // What was told over it may not have arrived.
    for (const uid of entry.gone.keys()) entry.gone.set(uid, undefined);
    return true;
  }

  /** Takes the report in; undefined when it is out of order or of another epoch than the open session. */
  applyReport(entry: MemberEntry, report: MemberReport, receivedAt: ClockReading): ReportChange | undefined {
    const last = entry.report;
    if (entry.session?.epoch !== report.epoch) return undefined;
    if (last?.epoch === report.epoch && report.sequence <= last.sequence) return undefined;
    const first = entry.reportsHeard === 0;
    const before = entry.runs;
    const after = reportedRunsOf(report);
    entry.report = report;
    entry.runs = after;
    entry.heardAt = receivedAt;
    entry.heardAtWallMs = receivedAt.wallMs;
    entry.reportsHeard += 1;
    if (first) entry.firstRuns = new Set(after.keys());
    const changed = [...after].filter(([key, run]) => !sameRunReport(before.get(key), run)).map(([, run]) => run);
    const gone = [...before].filter(([key]) => !after.has(key)).map(([, run]) => run);
    this.index(entry.name, changed);
    this.unindex(entry.name, gone);
    return {
      jobs: new Set([...changed, ...gone].map((run) => run.id.jobUid)),
      changed,
      capacity: first || gone.length > 0 || changed.length > 0 || !sameOffer(last, report),
      first,
    };
  }

  /** What every member says of the job's runs, by member and run. */
  reportedRuns(job: JobUid): readonly ReportedRun[] {
    const reported: ReportedRun[] = [];
    for (const { member, key } of this.reportedOf.get(job)?.values() ?? []) {
      const entry = this.entries.get(member);
      const report = entry?.runs.get(key);
      if (entry !== undefined && report !== undefined)
        reported.push({ member, report, first: entry.firstRuns.has(key) });
    }
    return reported.sort((a, b) => compareStrings(a.member, b.member) || a.report.id.fence - b.report.id.fence);
  }

  reportOf(member: MemberName, run: RunId): RunReport | undefined {
    return this.entries.get(member)?.runs.get(runKey(run));
  }

  private index(member: MemberName, runs: Iterable<RunReport>): void {
    for (const { id } of runs) {
      const key = runKey(id);
      const reported =
        this.reportedOf.get(id.jobUid) ?? new Map<string, { readonly member: MemberName; readonly key: string }>();
      this.reportedOf.set(id.jobUid, reported);
      reported.set(`${member}/${key}`, { member, key });
    }
  }

  private unindex(member: MemberName, runs: Iterable<RunReport>): void {
    for (const { id } of runs) {
      const reported = this.reportedOf.get(id.jobUid);
      reported?.delete(`${member}/${runKey(id)}`);
      if (reported?.size === 0) this.reportedOf.delete(id.jobUid);
    }
  }
}

function sameRunReport(a: RunReport | undefined, b: RunReport): boolean {
  if (a === undefined) return false;
  return (
    a.phase === b.phase &&
    a.message === b.message &&
    a.deadlineArmed === b.deadlineArmed &&
    a.allRunningAtMs === b.allRunningAtMs &&
    a.templateHash === b.templateHash &&
    a.workers.running === b.workers.running &&
    a.workers.pending === b.workers.pending &&
    a.workers.succeeded === b.workers.succeeded &&
    a.workers.failed === b.workers.failed &&
    (a.end === undefined) === (b.end === undefined)
  );
}

/** Same capacity, policy and windows. Reports over one inventory share these values, so that identity decides mostly. */
function sameOffer(a: MemberReport | undefined, b: MemberReport): boolean {
  if (a === undefined) return false;
  return (
    (a.offers === b.offers || JSON.stringify(a.offers) === JSON.stringify(b.offers)) &&
    (a.policy === b.policy || JSON.stringify(a.policy) === JSON.stringify(b.policy)) &&
    (a.window === b.window || JSON.stringify(a.window) === JSON.stringify(b.window))
  );
}
