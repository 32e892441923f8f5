/**
 * Runs of jobs that the hub does not know: since when each is reported, and when its grace is over. A hub restored from a
 * backup must not kill what it forgot, and must not leave it running for ever.
 *
 * Invariants: the grace counts by the monotonic clock from when this process first heard of the job; an entry lives only while
 * a member reports such a run; that the grace is over is told once, without waiting for any other news of the member.
 * Leaves out what is said of them (desired-of.ts).
 */
import type { JobUid, MemberName } from '../../core/model/ids.ts';
import type { RunReport } from '../../core/model/run.ts';
import type { Clock, ClockReading } from '../../platform/clock/clock.ts';
import type { UnknownJob } from './desired-of.ts';
import type { HubState } from './hub-state.ts';

/** Reports come from many members at once; one look a second is enough. */
const LOOK_EVERY_MS = 1_000;

/** A run of a job that the hub does not know. */
export interface Orphan {
  readonly member: MemberName;
  readonly report: RunReport;
  /** Wall clock of the hub when this process first saw it. */
  readonly sinceMs: number;
}

export interface OrphanWatchDeps {
  readonly state: HubState;
  readonly clock: Clock;
  readonly graceMs: number;
}

interface Unknown {
  readonly sinceMs: number;
  /** Its members have been told that the grace is over. */
  over: boolean;
}

export class OrphanWatch {
  private readonly deps: OrphanWatchDeps;
  private readonly unknown = new Map<JobUid, Unknown>();
  private lookedMs = Number.NEGATIVE_INFINITY;

  constructor(deps: OrphanWatchDeps) {
    this.deps = deps;
  }

  /** How many jobs are remembered. */
  get size(): number {
    return this.unknown.size;
  }

  /** How runs of a job that the hub does not know are to be treated now. */
  standingOf(uid: JobUid): UnknownJob {
    const { state, clock, graceMs } = this.deps;
    if (state.wasDeleted(uid)) return 'deleted';
    const nowMs = clock.monotonicMs();
    const known = this.unknown.get(uid) ?? { sinceMs: nowMs, over: false };
    this.unknown.set(uid, known);
    return nowMs - known.sinceMs >= graceMs ? 'orphanPastGrace' : 'orphan';
  }

  /** Called with every report: whose grace is over is told, who is gone is forgotten. */
  look(): void {
    const { state, clock, graceMs } = this.deps;
    const nowMs = clock.monotonicMs();
    if (this.unknown.size === 0 || nowMs - this.lookedMs < LOOK_EVERY_MS) return;
    this.lookedMs = nowMs;
    for (const [uid, entry] of this.unknown) {
      const reporters = state.members.reportedRuns(uid);
      if (reporters.length === 0 || state.jobs.get(uid) !== undefined || state.wasDeleted(uid)) {
        this.unknown.delete(uid);
      } else if (!entry.over && nowMs - entry.sinceMs >= graceMs) {
        entry.over = true;
        for (const { member } of reporters) state.feed.desired(member);
      }
    }
  }

  /** Every run of an unknown job that a member reports. */
  list(now: ClockReading): readonly Orphan[] {
    const { state } = this.deps;
    const orphans: Orphan[] = [];
    for (const member of state.members.all()) {
      for (const report of member.runs.values()) {
        const { jobUid } = report.id;
        if (state.jobs.get(jobUid) !== undefined || state.wasDeleted(jobUid)) continue;
        const ageMs = now.monotonicMs - (this.unknown.get(jobUid)?.sinceMs ?? now.monotonicMs);
        orphans.push({ member: member.name, report, sinceMs: now.wallMs - ageMs });
      }
    }
    return orphans;
  }
}
