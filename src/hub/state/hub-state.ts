/**
 * The state of the hub: one writer, many readers. Custom resources arrive through stores, reports through the fleet
 * (hub-fleet.ts), placements through assume and forget. Everything here is a cache that may die at any time: what must not be
 * lost is in the custom resources.
 *
 * Invariants: an object older than what is held (the answer to an own write comes before the watch) changes nothing; a
 * placement counts from the moment it is assumed; nothing is told to members unless this hub leads and its caches have
 * synced. Leaves out all writing to the API server.
 */
import {
  jobUid,
  memberName,
  poolName,
  type JobUid,
  type MemberName,
  type PoolName,
  type RunId,
} from '../../core/model/ids.ts';
import type { Cause } from '../../core/model/cause.ts';
import type { PoolRules } from '../../core/model/pool.ts';
import { replacementBoundMs } from '../../core/run/lease.ts';
import type { Placement, Refusal } from '../../core/scheduling/decision.ts';
import type { Snapshot } from '../../core/scheduling/snapshot.ts';
import type { Clock, Timer } from '../../platform/clock/clock.ts';
import type { Store, StoreEvent } from '../../platform/kube/store.ts';
import type { Runnable } from '../../platform/lifecycle/runnable.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { ChangeFeed } from './change-feed.ts';
import { HISTORY_LIMIT } from './desired-of.ts';
import { JobBook, runOf, type JobEntry } from './job-book.ts';
import { readJob, type JobRecord, type RawObject } from './job-record.ts';
import { Liveness, type Leadership, type LivenessSettings, type PoolBounds } from './liveness.ts';
import { MemberBook, type ReportedRun } from './member-book.ts';
import { clusterOf, type MemberEntry } from './member-record.ts';
import { planRun, type PlannedRun } from './plan-run.ts';
import { assignMembers, type PoolMembership } from './pool-membership.ts';
import { readPool, type PoolRecord } from './pool-record.ts';
import { clusterUidIn, differenceOf, homesOf, sameWord } from './record-difference.ts';
import { isNoNews } from './resource-version.ts';
import { isWaiting, snapshotOf } from './snapshot-of.ts';

export interface HubStateDeps {
  readonly jobs: Store<RawObject>;
  readonly pools: Store<RawObject>;
  readonly members: Store<RawObject>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: LivenessSettings;
}

export interface EndedRun {
  readonly cause: Cause;
  /** All its workers ran at some time. */
  readonly gotGoing: boolean;
  /** Wall clock. */
  readonly notBeforeMs: number;
  readonly avoid?: { readonly member: MemberName; readonly untilMs: number };
}

/** One term of leadership. */
export interface Reign {
  readonly term: number;
  /** False as soon as another hub may lead: a process that was suspended learns it by its clocks before anybody tells it. */
  readonly isLeader: () => boolean;
}

const tickMs = 1000;
/** Told this long over an open session, a member has heard that a job is gone. */
const goneToldMs = 60_000;
const LONGEST_WRITE_BACKOFF_MS = 60_000;
/** Deletions seen by this hub are remembered at least this long. */
const deletionMemoryMs = 3_600_000;

/** One writer, many readers: see the header of the file. */
export class HubState implements Runnable {
  readonly name = 'hub-state';
  readonly feed: ChangeFeed;
  readonly jobs = new JobBook();
  readonly members = new MemberBook();
  readonly pools = new Map<PoolName, PoolRecord>();
  readonly liveness: Liveness;
  membership: PoolMembership = assignMembers([], []);
  private readonly deps: HubStateDeps;
  private readonly deletedJobs = new Map<JobUid, number>();
  private reign: Reign | undefined;
  private version = 0;
  private timer: Timer | undefined;
  private subscriptions: (() => void)[] = [];

  constructor(deps: HubStateDeps) {
    this.deps = deps;
    this.feed = new ChangeFeed(deps);
    this.liveness = new Liveness({ clock: deps.clock, settings: deps.settings });
  }

  start(_signal: AbortSignal): Promise<void> {
    const { jobs, pools, members } = this.deps;
    this.subscriptions = [
      pools.subscribe((event) => {
        this.poolEvent(event);
      }),
      members.subscribe((event) => {
        this.memberEvent(event);
      }),
      jobs.subscribe((event) => {
        this.jobEvent(event);
      }),
    ];
    this.timer = this.deps.clock.every(tickMs, () => {
      this.tick();
    });
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.timer?.cancel();
    for (const unsubscribe of this.subscriptions.splice(0)) unsubscribe();
    return Promise.resolve();
  }

  /** The first full lists of all three kinds are in. */
  get synced(): boolean {
    const { jobs, pools, members } = this.deps;
    return jobs.synced && pools.synced && members.synced;
  }

  async whenSynced(signal?: AbortSignal): Promise<void> {
    const { jobs, pools, members } = this.deps;
    await Promise.all([jobs.whenSynced(signal), pools.whenSynced(signal), members.whenSynced(signal)]);
  }

  /** This hub leads from now on. Throws unless `synced`: a leader without its caches would forget what it issued. */
  lead(leadership: Leadership & Reign): void {
    if (!this.synced) throw new Error('hub state cannot lead before its caches have synced');
    for (const entry of this.jobs.all()) entry.predatesLeader = true;
    for (const member of this.members.all()) this.members.forgetHearsay(member);
    this.liveness.begin(this.members.all(), this.poolBounds(), leadership);
    this.reign = { term: leadership.term, isLeader: leadership.isLeader };
    this.version += 1;
    for (const entry of this.jobs.all()) this.feed.job(entry.record.uid);
    for (const member of this.members.all()) this.feed.member(member.name);
    this.feed.pools();
    this.feed.schedulable();
  }

  /** This hub leads no more: what it assumed or heard counts no longer. */
  follow(): void {
    this.reign = undefined;
    for (const entry of this.jobs.all()) if (entry.assumed !== undefined) this.jobs.assume(entry, undefined);
    for (const member of this.members.all()) this.members.forgetHearsay(member);
  }

  /** In charge, and provably still the only one. */
  get leading(): boolean {
    return this.reign?.isLeader() === true;
  }

  /** Rules of a pool that exists and is valid. */
  poolRules(name: PoolName): PoolRules | undefined {
    const reading = this.pools.get(name)?.reading;
    return reading?.kind === 'valid' ? reading.rules : undefined;
  }

  /** Does any job wait for a place? Cheaper than a snapshot that would say no. */
  get hasWaiting(): boolean {
    for (const entry of this.jobs.unfinished()) if (isWaiting(entry)) return true;
    return false;
  }

  snapshot(): Snapshot {
    const { jobs, members, pools, membership, liveness, version } = this;
    return snapshotOf({ version, nowMs: this.deps.clock.nowMs(), jobs, members, pools, membership, liveness });
  }

  /**
   * The answer of an own write: newer than what the watch has brought so far. An object that is not held is not taken in: the
   * answer to letting go of a finalizer may come after the watch has told of the deletion.
   */
  jobWritten(object: RawObject): void {
    if (this.jobs.get(jobUid(object.metadata.uid ?? '')) !== undefined) this.takeJob(object);
  }

  memberWritten(object: RawObject): void {
    const held = this.members.get(memberName(object.metadata.name ?? ''));
    if (held?.object.metadata.uid === object.metadata.uid) this.takeMember(object);
  }

  poolWritten(object: RawObject): void {
    const held = this.pools.get(poolName(object.metadata.name ?? ''));
    if (held?.object.metadata.uid === object.metadata.uid) this.takePool(object);
  }

  /**
   * Counts a placement from now on and says what to write. Undefined when the job no longer waits or its pool is gone: the
   * snapshot was overtaken.
   */
  assume(placement: Placement): PlannedRun | undefined {
    const entry = this.jobs.get(placement.jobUid);
    const pool = this.poolRules(placement.pool);
    if (entry === undefined || pool === undefined || !isWaiting(entry)) return undefined;
    const { reading } = entry.record;
    if (reading.kind !== 'valid') return undefined;
    const mayHaveLostFences = entry.predatesLeader && this.liveness.mayHaveLostFences;
    const nowMs = this.deps.clock.nowMs();
    const plan = planRun({ record: entry.record, reading, pool, placement, mayHaveLostFences, nowMs });
    this.jobs.assume(entry, { ...plan, source: reading });
    this.version += 1;
    return plan;
  }

  /**
   * The write failed: the placement counts no longer, and another cycle may decide. `backOff`: not at once, because what went
   * wrong was no lost race and may well go wrong again.
   */
  forget(uid: JobUid, backOff = false): void {
    const entry = this.jobs.get(uid);
    if (entry?.assumed === undefined) return;
    if (backOff) {
      entry.failedWrites += 1;
      const waitMs = Math.min(LONGEST_WRITE_BACKOFF_MS, 250 * 2 ** Math.min(20, entry.failedWrites));
      entry.notBeforeMs = Math.max(entry.notBeforeMs, this.deps.clock.nowMs() + waitMs);
    }
    this.jobs.assume(entry, undefined);
    this.version += 1;
    this.feed.job(uid);
    this.feed.schedulable();
  }

  /** What the last cycle of the scheduler said of the jobs that wait. */
  takeRefusals(refusals: readonly Refusal[]): void {
    const nowMs = this.deps.clock.nowMs();
    for (const refusal of refusals) {
      const entry = this.jobs.get(refusal.jobUid);
      if (entry === undefined || runOf(entry) !== undefined) continue;
      const news = entry.refusal?.reason.kind !== refusal.reason.kind || entry.refusal.position !== refusal.position;
      entry.refusal = refusal;
      entry.refusedSinceMs ??= nowMs;
      if (news) this.feed.job(refusal.jobUid);
    }
  }

  /** What the durable end of a run leaves in memory: how long to wait, whom to pass over, how often it went so. */
  runEnded(uid: JobUid, ended: EndedRun): void {
    const entry = this.jobs.get(uid);
    if (entry === undefined) return;
    const count = entry.repeats?.cause === ended.cause && !ended.gotGoing ? entry.repeats.count + 1 : 1;
    entry.repeats = { cause: ended.cause, count };
    entry.notBeforeMs = ended.notBeforeMs;
    if (ended.avoid !== undefined) entry.avoid.set(ended.avoid.member, ended.avoid.untilMs);
    entry.toldWhyMs = undefined;
    entry.runningHeldUntilMs = undefined;
    entry.progressMs = undefined;
    entry.problem = undefined;
    this.version += 1;
    this.feed.schedulable();
  }

  /** Something found out after a run was placed, for which it must end. False when that run is not the job's any more. */
  runProblem(run: RunId, problem: { readonly cause: Cause; readonly message: string }): boolean {
    const entry = this.jobs.get(run.jobUid);
    const live = entry?.record.run;
    if (entry === undefined || live?.terms.id.fence !== run.fence) return false;
    // A member that has begun the run has all it needs: what is gone on the hub since is no reason to end it. One that was
    // not heard yet in its session may have; its first report asks again.
    if ((this.members.get(live.terms.member)?.reportsHeard ?? 0) === 0) return false;
    const phase = this.members.reportOf(live.terms.member, live.terms.id)?.phase;
    if (phase !== undefined && phase !== 'Accepted') return false;
    entry.problem = { fence: run.fence, ...problem };
    return true;
  }

  /** A member is heard for the first time, or again: who was told that it is silent is told otherwise. */
  memberHeard(member: MemberEntry): void {
    member.health = 'Connected';
    this.version += 1;
    this.feed.member(member.name);
    this.feed.pools();
    this.feed.schedulable();
    for (const entry of this.jobs.on(member.name)) this.feed.job(entry.record.uid);
    // What waited for this member alone goes on now, not at the next tick.
    this.tick();
  }

  /**
   * What members say of the job's runs. `first` only while this hub may have lost fences: with a store that is whole, a fence
   * that it does not know was never issued, and a member that claims one is not to be believed.
   */
  reportedRuns(uid: JobUid): readonly ReportedRun[] {
    const reported = this.members.reportedRuns(uid);
    return this.liveness.mayHaveLostFences ? reported : reported.map((one) => ({ ...one, first: false }));
  }

  /** Was the job seen to be deleted by this hub? */
  wasDeleted(uid: JobUid): boolean {
    return this.deletedJobs.has(uid);
  }

  private jobEvent(event: StoreEvent<RawObject>): void {
    if (event.kind === 'synced') this.feed.schedulable();
    else if (event.kind === 'deleted') this.dropJob(event.object);
    else this.takeJob(event.object);
  }

  private takeJob(object: RawObject): void {
    const uid = jobUid(object.metadata.uid ?? '');
    if (this.deletedJobs.has(uid)) return;
    const before = this.jobs.get(uid)?.record;
    if (isNoNews(before?.object.metadata.resourceVersion, object.metadata.resourceVersion)) return;
    const record = readJob(object, before);
    const known = this.jobs.get(uid);
    if (known !== undefined) settleAssumption(known, record);
    const entry = this.jobs.put(record);
    if (known === undefined) entry.predatesLeader = false;
    this.version += 1;
    this.tellJob(entry, before);
  }

  /** Tells those who read the job, and only those for whom it changed something. */
  private tellJob(entry: JobEntry, before: JobRecord | undefined): void {
    const { record } = entry;
    const { moved, edited, answered } = differenceOf(before, record);
    this.feed.job(record.uid);
    if (moved || edited) {
      this.feed.schedulable();
      this.feed.pools();
    }
    const homes = homesOf(before, record);
    if (moved || edited || answered) {
      for (const home of homes) this.feed.desired(home);
      for (const { member } of this.members.reportedRuns(record.uid)) this.feed.desired(member);
    }
    if (moved) for (const home of homes) this.feed.member(home);
  }

  private dropJob(object: RawObject): void {
    const uid = jobUid(object.metadata.uid ?? '');
    const reporters = this.members.reportedRuns(uid).map((one) => one.member);
    const entry = this.jobs.remove(uid);
    this.deletedJobs.set(uid, this.deps.clock.monotonicMs());
    const { history = [], run } = entry?.record.status ?? {};
    const homes = new Set([...reporters, ...history.map((past) => memberName(past.member))]);
    if (run !== undefined) homes.add(memberName(run.member));
    // History is bounded: beyond it any member of the hub may remember a fence of the job.
    if (history.length >= HISTORY_LIMIT) for (const member of this.members.all()) homes.add(member.name);
    for (const home of homes) {
      this.members.get(home)?.gone.set(uid, undefined);
      this.feed.desired(home);
    }
    this.version += 1;
    this.feed.job(uid);
    this.feed.schedulable();
    this.feed.pools();
  }

  private memberEvent(event: StoreEvent<RawObject>): void {
    if (event.kind === 'synced') this.feed.schedulable();
    else if (event.kind === 'deleted') {
      const name = memberName(event.object.metadata.name ?? '');
      if (this.members.get(name)?.object.metadata.uid !== event.object.metadata.uid) return;
      this.members.remove(name);
      this.membersChanged(name);
    } else this.takeMember(event.object);
  }

  private takeMember(object: RawObject): void {
    const name = memberName(object.metadata.name ?? '');
    const before = this.members.get(name)?.object;
    const same = before?.metadata.uid === object.metadata.uid;
    if (same && isNoNews(before?.metadata.resourceVersion, object.metadata.resourceVersion)) return;
    const entry = this.members.put(name, object);
    this.version += 1;
    if (!same || !sameWord(before, object)) this.membersChanged(name);
    else if (clusterOf(entry)?.status?.clusterUid !== clusterUidIn(before)) this.feed.admission(name);
    this.feed.member(name);
  }

  /** The operator's word about a member, or its labels, changed. */
  private membersChanged(name: MemberName): void {
    this.version += 1;
    this.reassign();
    this.feed.member(name);
    this.feed.admission(name);
    this.feed.desired(name);
    this.feed.pools();
    this.feed.schedulable();
    for (const entry of this.jobs.on(name)) this.feed.job(entry.record.uid);
  }

  private poolEvent(event: StoreEvent<RawObject>): void {
    if (event.kind === 'synced') this.feed.schedulable();
    else if (event.kind === 'deleted') {
      this.pools.delete(poolName(event.object.metadata.name ?? ''));
      this.poolsChanged();
    } else this.takePool(event.object);
  }

  private takePool(object: RawObject): void {
    const name = poolName(object.metadata.name ?? '');
    const before = this.pools.get(name);
    const same = before?.object.metadata.uid === object.metadata.uid;
    if (same && isNoNews(before?.object.metadata.resourceVersion, object.metadata.resourceVersion)) return;
    const record = readPool(object, before);
    this.pools.set(name, record);
    this.version += 1;
    if (!same || before?.reading !== record.reading) this.poolsChanged();
    else this.feed.pools();
  }

  private poolsChanged(): void {
    this.version += 1;
    this.reassign();
    this.feed.pools();
    this.feed.schedulable();
    for (const member of this.members.all()) this.feed.member(member.name);
  }

  private reassign(): void {
    const rules = [...this.pools.values()].flatMap(({ reading }) => (reading.kind === 'valid' ? [reading.rules] : []));
    const members = [...this.members.all()].map(({ name, object }) => ({ name, labels: object.metadata.labels ?? {} }));
    this.membership = assignMembers(rules, members);
  }

  private poolBounds(): PoolBounds {
    const leases = [...this.pools.values()].flatMap(({ reading }) =>
      reading.kind === 'valid' ? [reading.rules.lease] : [],
    );
    return {
      longestLeaseMs: Math.max(0, ...leases.map((lease) => lease.durationMs)),
      longestBoundMs: Math.max(0, ...leases.map(replacementBoundMs)),
    };
  }

  private tick(): void {
    if (!this.leading) return;
    const { changed, eased } = this.liveness.tick(this.members.all(), this.poolBounds());
    for (const name of changed) {
      this.feed.member(name);
      this.feed.pools();
      for (const entry of this.jobs.on(name)) this.feed.job(entry.record.uid);
    }
    for (const member of this.members.all()) {
      if (member.health === 'Silent' && !changed.includes(member.name)) this.lookAtSilentRuns(member);
      this.forgetGone(member);
    }
    if (changed.length > 0 || eased) {
      this.version += 1;
      this.feed.schedulable();
    }
    this.forgetDeletions();
  }

  /** A bound may have passed since the last tick: only runs that silence can release are looked at. */
  private lookAtSilentRuns(member: MemberEntry): void {
    for (const { record } of this.jobs.on(member.name)) {
      if (record.run !== undefined && record.run.terms.onPartition !== 'KeepAndWait') this.feed.job(record.uid);
    }
  }

  private forgetGone(member: MemberEntry): void {
    const nowMs = this.deps.clock.monotonicMs();
    const reported = new Set([...member.runs.values()].map((run) => run.id.jobUid));
    for (const [uid, sinceMs] of member.gone) {
      if (sinceMs !== undefined && nowMs - sinceMs >= goneToldMs && !reported.has(uid)) member.gone.delete(uid);
    }
  }

  private forgetDeletions(): void {
    const oldestMs = this.deps.clock.monotonicMs() - deletionMemoryMs;
    for (const [uid, atMs] of this.deletedJobs) {
      if (atMs > oldestMs) break;
      this.deletedJobs.delete(uid);
    }
  }
}

/** The assumed fence has arrived in status: what it was issued for is kept while it lives. */
function settleAssumption(entry: JobEntry, record: JobRecord): void {
  const { assumed } = entry;
  if (assumed === undefined || record.run === undefined) return;
  const { fence } = record.run.terms.id;
  if (fence === assumed.run.terms.id.fence) entry.source = { fence, reading: assumed.source };
  entry.assumed = undefined;
  entry.failedWrites = 0;
  entry.refusal = undefined;
  entry.refusedSinceMs = undefined;
}
