/**
 * What becomes of pods when their node is cordoned, tainted, silent or gone: the node lifecycle, taint eviction and pod
 * garbage collection of a real controller manager.
 *
 * Invariants: a cordoned node carries the unschedulable taint; a silent one the unreachable taints; pods leave under
 * NoExecute taints when their tolerations run out; pods of a removed node are marked Failed and removed, as nobody else can.
 */
import type { Clock, Timer } from '../../platform/clock/clock.ts';
import { formatTimestamp } from '../../platform/clock/timestamp.ts';
import { nodes } from '../../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { isConflict, isNotFound } from '../../platform/kube/kube-error.ts';
import type { Store, StoreEvent } from '../../platform/kube/store.ts';
import type { Runnable } from '../../platform/lifecycle/runnable.ts';
import type { Logger } from '../../platform/log/logger.ts';
import type { Node, Taint } from './objects/node.ts';
import { isFinished, isTerminating, uidOf } from './objects/pod.ts';
import type { Pod } from './objects/pod.ts';
import { disruptPod } from './pod-disruption.ts';
import { sameJson } from './merge-patch.ts';
import { staySeconds } from './scheduler/taints.ts';

/** Index of pods by the node they are bound to. */
export const podsByNode = 'node';

export interface NodeLifecycleDeps {
  readonly client: KubeClient;
  readonly nodes: Store<Node>;
  /** Indexed under `podsByNode`. */
  readonly pods: Store<Pod>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const retryMs = 500;
const managedKeys: readonly string[] = [
  'node.kubernetes.io/not-ready',
  'node.kubernetes.io/unreachable',
  'node.kubernetes.io/unschedulable',
];

export class NodeLifecycle implements Runnable {
  readonly name = 'sandbox/node-lifecycle';
  private readonly deps: NodeLifecycleDeps;
  private readonly subscriptions: (() => void)[] = [];
  private readonly evictions = new Map<string, Timer>();
  private readonly inFlight = new Set<Promise<void>>();
  private readonly stopping = new AbortController();

  constructor(deps: NodeLifecycleDeps) {
    this.deps = deps;
  }

  async start(signal: AbortSignal): Promise<void> {
    await Promise.all([this.deps.pods.whenSynced(signal), this.deps.nodes.whenSynced(signal)]);
    this.subscriptions.push(
      this.deps.nodes.subscribe((event) => {
        this.onNode(event);
      }),
      this.deps.pods.subscribe((event) => {
        if (event.kind === 'deleted') this.calm(uidOf(event.object));
        else if (event.kind !== 'synced') this.judge(event.object);
      }),
    );
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    for (const unsubscribe of this.subscriptions.splice(0)) unsubscribe();
    for (const timer of this.evictions.values()) timer.cancel();
    this.evictions.clear();
    await Promise.allSettled(this.inFlight);
  }

  private onNode(event: StoreEvent<Node>): void {
    if (event.kind === 'synced') return;
    const name = event.object.metadata.name ?? '';
    if (event.kind !== 'deleted') this.track(() => this.keepTaints(event.object));
    for (const pod of this.deps.pods.byIndex(podsByNode, name)) this.judge(pod);
  }

  /** Gives a node the taints that its state asks for, and takes away those that it no longer does. */
  private async keepTaints(node: Node): Promise<void> {
    const taints = node.spec?.taints ?? [];
    const want = wantedTaints(node, formatTimestamp(this.deps.clock.nowMs()));
    if (sameJson(taints, want)) return;
    const { name, resourceVersion } = node.metadata;
    try {
      await this.deps.client.mergePatch(
        { type: nodes, name: name ?? '' },
        { metadata: { resourceVersion }, spec: { taints: want.length === 0 ? null : want } },
      );
    } catch (error) {
      // A newer version is on its way to us and will be judged then.
      if (!isConflict(error) && !isNotFound(error)) throw error;
    }
  }

  /** Decides whether and when a pod must leave its node. */
  private judge(pod: Pod): void {
    const nodeName = pod.spec.nodeName ?? '';
    if (nodeName === '') return;
    const node = this.deps.nodes.get(undefined, nodeName);
    if (node === undefined) {
      this.calm(uidOf(pod));
      this.track(() => this.bury(pod, nodeName));
      return;
    }
    const seconds = isFinished(pod) || isTerminating(pod) ? undefined : staySeconds(pod, node.spec?.taints ?? []);
    if (seconds === undefined) this.calm(uidOf(pod));
    else if (!this.evictions.has(uidOf(pod))) {
      const timer = this.deps.clock.after(seconds * 1000, () => {
        this.evictions.delete(uidOf(pod));
        this.track(() => this.evict(pod));
      });
      this.evictions.set(uidOf(pod), timer);
    }
  }

  private calm(uid: string): void {
    this.evictions.get(uid)?.cancel();
    this.evictions.delete(uid);
  }

  private evict(pod: Pod): Promise<void> {
    const newest = this.deps.pods.byUid(uidOf(pod)) ?? pod;
    const disruption = { reason: 'DeletionByTaintManager', message: 'Taint manager: deleting due to NoExecute taint' };
    return disruptPod(this.deps.client, newest, disruption, this.deps.clock.nowMs());
  }

  private async bury(pod: Pod, nodeName: string): Promise<void> {
    // A finished pod that waits for a finalizer is dealt with already: only others may change it.
    if (isFinished(pod) && isTerminating(pod)) return;
    const disruption = {
      reason: 'DeletionByPodGC',
      message: `PodGC: node ${nodeName} no longer exists`,
      gracePeriodSeconds: 0,
      ...(isFinished(pod) ? {} : { phase: 'Failed' as const }),
    };
    await disruptPod(this.deps.client, pod, disruption, this.deps.clock.nowMs());
  }

  /** Tries again until it succeeds or the sandbox stops. */
  private track(step: () => Promise<void>): void {
    const work = this.insist(step).finally(() => {
      this.inFlight.delete(work);
    });
    this.inFlight.add(work);
  }

  private async insist(step: () => Promise<void>): Promise<void> {
    for (let left = 20; !this.stopping.signal.aborted && left > 0; left -= 1) {
      try {
        await step();
        return;
      } catch (error) {
        this.deps.logger.warn('node lifecycle step failed, will retry', { error: String(error) });
        await this.deps.clock.sleep(retryMs, this.stopping.signal);
      }
    }
  }
}

/** The taints of others as they are, then those that readiness and cordon ask for. `now` is for those that are new. */
export function wantedTaints(node: Node, now: string): readonly Taint[] {
  const taints = node.spec?.taints ?? [];
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready')?.status ?? 'True';
  const want: Omit<Taint, 'timeAdded'>[] = [];
  if (ready !== 'True') {
    const key = ready === 'Unknown' ? 'node.kubernetes.io/unreachable' : 'node.kubernetes.io/not-ready';
    want.push({ key, effect: 'NoSchedule' }, { key, effect: 'NoExecute' });
  }
  if (node.spec?.unschedulable === true) want.push({ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' });
  const kept = want.map(
    (wanted) =>
      taints.find(({ key, effect }) => key === wanted.key && effect === wanted.effect) ?? { ...wanted, timeAdded: now },
  );
  return [...taints.filter((taint) => !managedKeys.includes(taint.key)), ...kept];
}
