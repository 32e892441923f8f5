/**
 * All jobs of the hub with what is known beside their objects: assumed placements, refusals, waits. Decides nothing; keeps
 * the indexes that make the scheduler's snapshot and a member's desired state cheap.
 *
 * Invariants: an assumed placement lives from before its write until the write is answered; the job that a fence was issued
 * for is kept as it was while that run lives, so that an edit of the spec reaches the next run only.
 */
import { jobKeyText, type JobKey, type JobUid, type MemberName } from '../../core/model/ids.ts';
import type { Cause } from '../../core/model/cause.ts';
import type { Refusal } from '../../core/scheduling/decision.ts';
import type { HubRun } from '../../core/run/hub-run.ts';
import type { JobReading, JobRecord } from './job-record.ts';
import type { RunExtras } from './run-in-status.ts';

/** A placement that is being written. */
export interface Assumption {
  readonly run: HubRun;
  readonly extras: RunExtras;
  /** The spec that it was decided from. */
  readonly source: Extract<JobReading, { kind: 'valid' }>;
}

/** Mutable: hub state alone writes it. */
export interface JobEntry {
  record: JobRecord;
  assumed: Assumption | undefined;
  /** What the live run's fence was issued for; absent after a restart of the hub. */
  source: { readonly fence: number; readonly reading: Extract<JobReading, { kind: 'valid' }> } | undefined;
  /** Wall clock before which the job is not placed again, after an end that backs off. */
  notBeforeMs: number;
  /** Members that just refused it, until when (wall clock). */
  readonly avoid: Map<MemberName, number>;
  /** Placements in a row that could not be written, lost races apart. */
  failedWrites: number;
  /** Ends by one cause in a row, without a run that got going in between. */
  repeats: { readonly cause: Cause; readonly count: number } | undefined;
  refusal: Refusal | undefined;
  /** Wall clock when the scheduler first refused it in this wait. */
  refusedSinceMs: number | undefined;
  /** Wall clock when its status.queue was last written in this wait: that write comes out of what the job may cost. */
  toldWhyMs: number | undefined;
  /** Wall clock until which the news that it runs may wait for the outcome, to be written in one. */
  runningHeldUntilMs: number | undefined;
  /** Wall clock when progress of its start was last written. */
  progressMs: number | undefined;
  /** Something the hub found out about the live run after it was placed, for which it must end. */
  problem: { readonly fence: number; readonly cause: Cause; readonly message: string } | undefined;
  /** It was there when this hub began to lead: a run that the hub forgot may exist. */
  predatesLeader: boolean;
}

export class JobBook {
  private readonly entries = new Map<JobUid, JobEntry>();
  private readonly uidByKey = new Map<string, JobUid>();
  private readonly open = new Set<JobEntry>();
  private readonly byMember = new Map<MemberName, Set<JobEntry>>();
  private readonly homeOf = new Map<JobEntry, MemberName>();

  get size(): number {
    return this.entries.size;
  }

  get(uid: JobUid): JobEntry | undefined {
    return this.entries.get(uid);
  }

  byKey(key: JobKey): JobEntry | undefined {
    const uid = this.uidByKey.get(jobKeyText(key));
    return uid === undefined ? undefined : this.entries.get(uid);
  }

  all(): IterableIterator<JobEntry> {
    return this.entries.values();
  }

  /** Jobs that are not finished. */
  unfinished(): ReadonlySet<JobEntry> {
    return this.open;
  }

  /** Jobs whose live or assumed run is on the member. */
  on(member: MemberName): ReadonlySet<JobEntry> {
    return this.byMember.get(member) ?? NOBODY;
  }

  put(record: JobRecord): JobEntry {
    let entry = this.entries.get(record.uid);
    if (entry === undefined) {
      entry = newEntry(record);
      this.entries.set(record.uid, entry);
    } else entry.record = record;
    this.uidByKey.set(jobKeyText(record.key), record.uid);
    if (record.run !== undefined && entry.source?.fence !== record.run.terms.id.fence) entry.source = undefined;
    this.reindex(entry);
    return entry;
  }

  assume(entry: JobEntry, assumed: Assumption | undefined): void {
    entry.assumed = assumed;
    this.reindex(entry);
  }

  remove(uid: JobUid): JobEntry | undefined {
    const entry = this.entries.get(uid);
    if (entry === undefined) return undefined;
    this.entries.delete(uid);
    const keyText = jobKeyText(entry.record.key);
    if (this.uidByKey.get(keyText) === uid) this.uidByKey.delete(keyText);
    this.open.delete(entry);
    this.move(entry, undefined);
    return entry;
  }

  private reindex(entry: JobEntry): void {
    if (entry.record.finished) this.open.delete(entry);
    else this.open.add(entry);
    this.move(entry, runOf(entry)?.terms.member);
  }

  private move(entry: JobEntry, home: MemberName | undefined): void {
    const before = this.homeOf.get(entry);
    if (before === home) return;
    if (before !== undefined) this.byMember.get(before)?.delete(entry);
    if (home === undefined) {
      this.homeOf.delete(entry);
      return;
    }
    this.homeOf.set(entry, home);
    const there = this.byMember.get(home) ?? new Set();
    this.byMember.set(home, there);
    there.add(entry);
  }
}

const NOBODY: ReadonlySet<JobEntry> = new Set();

function newEntry(record: JobRecord): JobEntry {
  return {
    record,
    assumed: undefined,
    source: undefined,
    notBeforeMs: 0,
    avoid: new Map(),
    failedWrites: 0,
    repeats: undefined,
    refusal: undefined,
    refusedSinceMs: undefined,
    toldWhyMs: undefined,
    runningHeldUntilMs: undefined,
    progressMs: undefined,
    problem: undefined,
    predatesLeader: false,
  };
}

/** The run that holds capacity: the one in status, else the one being written. */
export function runOf(entry: JobEntry): HubRun | undefined {
  return entry.record.run ?? entry.assumed?.run;
}

/** The spec that the live run was issued for, as far as it is still known: kept, or unchanged since. */
export function sourceOf(entry: JobEntry): Extract<JobReading, { kind: 'valid' }> | undefined {
  const run = runOf(entry);
  if (run === undefined) return undefined;
  if (entry.record.run === undefined) return entry.assumed?.source;
  if (entry.source?.fence === run.terms.id.fence) return entry.source.reading;
  const { reading } = entry.record;
  return reading.kind === 'valid' && reading.templateHash === run.terms.templateHash ? reading : undefined;
}
