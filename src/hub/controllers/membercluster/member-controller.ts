/**
 * Reconciles MemberClusters: writes what is known of a member, and holds the object until its runs are over.
 *
 * Invariants: a change of a condition or of identity is written at once, numbers at most once a minute, the time of the last
 * report at most every five minutes; a member is let go only when it runs nothing more, or is declared lost.
 */
import {
  MEMBER_CLUSTER_RESOURCE,
  type MemberCluster,
  type MemberClusterStatus,
} from '../../../api/v1alpha1/member-cluster.ts';
import { FINALIZERS } from '../../../api/v1alpha1/labels.ts';
import { memberName, type MemberName } from '../../../core/model/ids.ts';
import { parseTimestamp } from '../../../platform/clock/timestamp.ts';
import type { EventRecorder } from '../../../platform/kube/event-recorder.ts';
import type { KubeClient } from '../../../platform/kube/kube-client.ts';
import { isConflict, isNotFound } from '../../../platform/kube/kube-error.ts';
import type { Controller, ReconcileResult } from '../../../platform/queue/controller.ts';
import { createFeedController, type FeedControllerDeps } from '../../reconcile/feed-controller.ts';
import type { HubState } from '../../state/hub-state.ts';
import type { RawObject } from '../../state/job-record.ts';
import { sameJson } from '../../state/merge-patch.ts';
import { clusterOf, type MemberEntry } from '../../state/member-record.ts';
import { eventSubject, refOf, swapFinalizers, swapStatus } from '../../writes/compare-and-swap.ts';
import { memberStatus } from './member-status.ts';

export interface MemberControllerDeps extends FeedControllerDeps {
  readonly state: HubState;
  readonly client: KubeClient;
  readonly events: EventRecorder;
}

const NUMBERS_EVERY_MS = 60_000;
const REPORT_TIME_EVERY_MS = 300_000;

export function createMemberController(deps: MemberControllerDeps): Controller {
  const { state } = deps;
  const reconciler = new MemberReconciler(deps);
  return createFeedController(
    {
      name: 'membercluster',
      reconcile: (key, signal) => reconciler.reconcile(memberName(key), signal),
      follow: (enqueue) => state.feed.subscribe('member', enqueue),
      keys: () => [...state.members.all()].map((member) => member.name),
    },
    deps,
  );
}

class MemberReconciler {
  private readonly deps: MemberControllerDeps;
  private readonly writtenAtMs = new Map<MemberName, number>();

  constructor(deps: MemberControllerDeps) {
    this.deps = deps;
  }

  async reconcile(name: MemberName, signal: AbortSignal): Promise<ReconcileResult | undefined> {
    const { state, clock, logger } = this.deps;
    const entry = state.members.get(name);
    if (entry === undefined) this.writtenAtMs.delete(name);
    if (entry === undefined || !state.leading) return undefined;
    const cluster = clusterOf(entry);
    if (cluster === undefined) {
      const problems = entry.reading.kind === 'invalid' ? entry.reading.problems : [];
      logger.warn('a MemberCluster cannot be decoded; nobody is admitted under it', { member: name, problems });
      return undefined;
    }
    const runs = state.jobs.on(name).size;
    const assignment = state.membership.byMember.get(name) ?? { kind: 'none' };
    const status = memberStatus({ cluster, entry, assignment, runs, nowMs: clock.nowMs() });
    try {
      const again = await this.writeStatus(entry, cluster, status, signal);
      await this.keepFinalizer(name, signal);
      return again;
    } catch (error) {
      if (await this.lostRace(entry.object, error, signal)) return undefined;
      throw error;
    }
  }

  private async writeStatus(
    entry: MemberEntry,
    cluster: MemberCluster,
    status: MemberClusterStatus,
    signal: AbortSignal,
  ): Promise<ReconcileResult | undefined> {
    const { client, state, clock } = this.deps;
    const before = cluster.status ?? {};
    const nowMs = clock.monotonicMs();
    const lastMs = this.writtenAtMs.get(entry.name);
    const waitMs = waitBeforeWrite(before, status, lastMs === undefined ? undefined : nowMs - lastMs);
    if (waitMs === undefined) return undefined;
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    const object = entry.object;
    const answer = await swapStatus(client, { type: MEMBER_CLUSTER_RESOURCE, object, before }, status, signal);
    if (answer === undefined) return undefined;
    this.writtenAtMs.set(entry.name, nowMs);
    state.memberWritten(answer);
    this.tellChange(object, before, status);
    return undefined;
  }

  /** On from acceptance until nothing runs there any more. */
  private async keepFinalizer(name: MemberName, signal: AbortSignal): Promise<void> {
    const { client, state } = this.deps;
    const entry = state.members.get(name);
    const spec = entry === undefined ? undefined : clusterOf(entry)?.spec;
    if (entry === undefined || spec === undefined) return;
    const { finalizers = [], deletionTimestamp } = entry.object.metadata;
    const held = finalizers.includes(FINALIZERS.memberDrained);
    let wanted: readonly string[] | undefined;
    if (deletionTimestamp === undefined) {
      if (!held && spec.accepted) wanted = [...finalizers, FINALIZERS.memberDrained];
    } else if (held && isDrained(entry, state)) wanted = finalizers.filter((one) => one !== FINALIZERS.memberDrained);
    if (wanted === undefined) return;
    const target = { type: MEMBER_CLUSTER_RESOURCE, object: entry.object };
    state.memberWritten(await swapFinalizers(client, target, wanted, signal));
  }

  private tellChange(object: RawObject, before: MemberClusterStatus, after: MemberClusterStatus): void {
    for (const type of ['Accepted', 'Connected', 'PoolAssigned']) {
      const [old, now] = [before, after].map((status) => status.conditions?.find((one) => one.type === type));
      if (now === undefined || old?.status === now.status) continue;
      if (old === undefined && now.status === 'False') continue;
      this.deps.events.record({
        regarding: eventSubject(MEMBER_CLUSTER_RESOURCE, object),
        type: now.status === 'True' ? 'Normal' : 'Warning',
        reason: now.reason,
        message: now.message,
      });
    }
  }

  private async lostRace(object: RawObject, error: unknown, signal: AbortSignal): Promise<boolean> {
    const { client, state } = this.deps;
    if (isNotFound(error)) return true;
    if (!isConflict(error)) return false;
    try {
      state.memberWritten(await client.get<RawObject>(refOf(MEMBER_CLUSTER_RESOURCE, object), { signal }));
    } catch (readError) {
      if (!isNotFound(readError)) throw readError;
    }
    state.feed.member(memberName(object.metadata.name ?? ''));
    return true;
  }
}

/** Nothing of the hub's runs there, and the member, if it can be heard, runs nothing of ours. */
function isDrained(entry: MemberEntry, state: HubState): boolean {
  if (clusterOf(entry)?.spec.declaredLost !== undefined) return true;
  const live = [...entry.runs.values()].some(
    (run) => run.phase !== 'Ended' && state.jobs.get(run.id.jobUid) !== undefined,
  );
  return state.jobs.on(entry.name).size === 0 && !live;
}

/** Milliseconds until the difference is worth a write: 0 = now, undefined = there is none. */
function waitBeforeWrite(
  before: MemberClusterStatus,
  after: MemberClusterStatus,
  sinceLastMs: number | undefined,
): number | undefined {
  if (!sameJson(identityOf(before), identityOf(after))) return 0;
  const numbers = !sameJson(
    [before.gpus, before.gpuTotals, before.runs ?? 0],
    [after.gpus, after.gpuTotals, after.runs ?? 0],
  );
  if (numbers) return Math.max(0, NUMBERS_EVERY_MS - (sinceLastMs ?? NUMBERS_EVERY_MS));
  const [old, now] = [parseTimestamp(before.lastReportTime), parseTimestamp(after.lastReportTime)];
  if (now === undefined) return undefined;
  // Every report makes the time differ; it is looked at again when it would be stale.
  return Math.max(0, REPORT_TIME_EVERY_MS - (now - (old ?? 0)));
}

function identityOf(status: MemberClusterStatus): unknown {
  const { gpus: _gpus, gpuTotals: _totals, runs: _runs, lastReportTime: _time, ...identity } = status;
  return identity;
}
