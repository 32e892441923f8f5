/**
 * The scheduler as a running thing: pods that wait come in, bindings, evictions and reasons go out.
 *
 * Invariants: highest priority first, then who waited longest; a pod is assumed on its node before the binding is sent, and
 * let go if that fails; a reason is written only when it changed; pods of other schedulers are not touched. Everything that
 * may make room (a pod gone or finished, a node new or changed) lets all waiting pods try again.
 */
import type { Clock, Timer } from '../../../platform/clock/clock.ts';
import { formatTimestamp } from '../../../platform/clock/timestamp.ts';
import { pods } from '../../../platform/kube/builtin-resources.ts';
import type { EventRecorder } from '../../../platform/kube/event-recorder.ts';
import type { KubeClient } from '../../../platform/kube/kube-client.ts';
import { isNotFound } from '../../../platform/kube/kube-error.ts';
import type { Store, StoreEvent } from '../../../platform/kube/store.ts';
import type { Runnable } from '../../../platform/lifecycle/runnable.ts';
import type { Logger } from '../../../platform/log/logger.ts';
import { compareBy, compareNumbers, compareStrings } from '../../../std/ordering.ts';
import type { Node } from '../objects/node.ts';
import { conditionOf, isFinished, isTerminating, podKey, uidOf } from '../objects/pod.ts';
import type { Pod, PodCondition } from '../objects/pod.ts';
import { disruptPod } from '../pod-disruption.ts';
import { NodeLedger } from './node-ledger.ts';
import { decideScheduling } from './scheduling-decision.ts';
import type { SchedulingDecision } from './scheduling-decision.ts';

export interface PodSchedulerDeps {
  readonly client: KubeClient;
  readonly pods: Store<Pod>;
  readonly nodes: Store<Node>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events?: Pick<EventRecorder, 'record'>;
  /** Normal events too (`Scheduled`); Warnings alone by default. */
  readonly verboseEvents?: boolean;
}

interface Waiting {
  pod: Pod;
  /** Order of arrival. */
  readonly since: number;
  /** Tried in the next round; else it waits for something to change. */
  ready: boolean;
  /** What was last written into the pod's condition. */
  told: string;
}

const roundDelayMs = 2;
const retryMs = 200;

const byUrgency = compareBy<Waiting>(
  (a, b) => compareNumbers(b.pod.spec.priority ?? 0, a.pod.spec.priority ?? 0),
  (a, b) => compareNumbers(a.since, b.since),
  (a, b) => compareStrings(podKey(a.pod), podKey(b.pod)),
);

export class PodScheduler implements Runnable {
  readonly name = 'sandbox/scheduler';
  private readonly deps: PodSchedulerDeps;
  private readonly ledger = new NodeLedger();
  private readonly waiting = new Map<string, Waiting>();
  private readonly subscriptions: (() => void)[] = [];
  private readonly inFlight = new Set<Promise<void>>();
  private arrivals = 0;
  private round: Timer | undefined;
  private running = false;

  constructor(deps: PodSchedulerDeps) {
    this.deps = deps;
  }

  async start(signal: AbortSignal): Promise<void> {
    await Promise.all([this.deps.pods.whenSynced(signal), this.deps.nodes.whenSynced(signal)]);
    this.running = true;
    this.subscriptions.push(
      this.deps.nodes.subscribe((event) => {
        this.onNode(event);
      }),
      this.deps.pods.subscribe((event) => {
        this.onPod(event);
      }),
    );
  }

  async stop(): Promise<void> {
    this.running = false;
    this.round?.cancel();
    for (const unsubscribe of this.subscriptions.splice(0)) unsubscribe();
    await Promise.allSettled(this.inFlight);
  }

  /** How many pods wait for a place. */
  get depth(): number {
    return this.waiting.size;
  }

  private onNode(event: StoreEvent<Node>): void {
    if (event.kind === 'synced') return;
    if (event.kind === 'deleted') this.ledger.removeNode(event.object.metadata.name ?? '');
    else this.ledger.setNode(event.object);
    this.retryAll();
  }

  private onPod(event: StoreEvent<Pod>): void {
    if (event.kind === 'synced') return;
    const pod = event.object;
    const uid = uidOf(pod);
    if (event.kind === 'deleted') {
      this.waiting.delete(uid);
      this.ledger.remove(uid);
      this.retryAll();
      return;
    }
    const hadPlace = this.ledger.isBooked(uid);
    this.ledger.observe(pod);
    if (hadPlace && !this.ledger.isBooked(uid)) this.retryAll();
    if (!isWaiting(pod)) {
      this.waiting.delete(uid);
      return;
    }
    if (isGated(pod)) this.tellGated(pod);
    else if (!this.ledger.isBooked(uid)) this.admit(pod);
  }

  private admit(pod: Pod): void {
    const known = this.waiting.get(uidOf(pod));
    if (known === undefined) {
      const told = conditionOf(pod, 'PodScheduled')?.message ?? '';
      this.waiting.set(uidOf(pod), { pod, since: (this.arrivals += 1), ready: true, told });
    } else {
      // Our own writes of its status come back here; only a change of what it asks for makes it worth another try.
      if (JSON.stringify(known.pod.spec) !== JSON.stringify(pod.spec)) known.ready = true;
      known.pod = pod;
    }
    this.wake();
  }

  private retryAll(): void {
    for (const entry of this.waiting.values()) entry.ready = true;
    this.wake();
  }

  private wake(delayMs = roundDelayMs): void {
    if (!this.running || this.round !== undefined || this.waiting.size === 0) return;
    this.round = this.deps.clock.after(delayMs, () => {
      this.round = undefined;
      this.runRound();
    });
  }

  private runRound(): void {
    const ready = [...this.waiting.values()].filter((entry) => entry.ready).sort(byUrgency);
    for (const entry of ready) {
      entry.ready = false;
      let decision: SchedulingDecision;
      try {
        decision = decideScheduling(entry.pod, this.ledger);
      } catch (error) {
        // A quantity that cannot be read, on a pod or a node: that pod waits, the others go on.
        decision = { kind: 'Wait', message: `cannot be scheduled: ${String(error)}` };
      }
      this.carryOut(entry, decision);
    }
  }

  private carryOut(entry: Waiting, decision: SchedulingDecision): void {
    const { pod } = entry;
    if (decision.kind === 'Bind') {
      this.waiting.delete(uidOf(pod));
      this.ledger.assume(pod, decision.nodeName);
      this.track(this.bind(entry, decision.nodeName));
      return;
    }
    if (decision.kind === 'Preempt') {
      this.dethrone(pod, decision.nodeName);
      this.ledger.nominate(pod, decision.nodeName);
      this.track(this.preempt(entry, decision));
      return;
    }
    this.track(this.tell(entry, decision.message));
  }

  private async bind(entry: Waiting, nodeName: string): Promise<void> {
    const { pod } = entry;
    const { namespace, name, uid } = pod.metadata;
    try {
      await this.deps.client.raw('POST', `/api/v1/namespaces/${namespace ?? ''}/pods/${name ?? ''}/binding`, {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { namespace, name, uid },
        target: { apiVersion: 'v1', kind: 'Node', name: nodeName },
      });
      const message = `Successfully assigned ${podKey(pod)} to ${nodeName}`;
      if (this.deps.verboseEvents === true) this.record(pod, 'Normal', 'Scheduled', message);
    } catch (error) {
      this.ledger.forget(uidOf(pod));
      if (isNotFound(error)) return;
      this.deps.logger.warn('binding failed, will retry', { pod: podKey(pod), node: nodeName, error: String(error) });
      await this.deps.clock.sleep(retryMs);
      const newest = this.deps.pods.byUid(uidOf(pod));
      if (newest === undefined || !isWaiting(newest) || this.ledger.isBooked(uidOf(pod))) return;
      this.waiting.set(uidOf(pod), { ...entry, pod: newest, ready: true });
      this.wake();
    }
  }

  private async preempt(entry: Waiting, plan: Extract<SchedulingDecision, { kind: 'Preempt' }>): Promise<void> {
    const { pod } = entry;
    await Promise.all(plan.victims.map((victim) => this.evict(victim, pod, plan.nodeName)));
    await this.tell(entry, plan.message, plan.nodeName);
  }

  private async evict(victim: Pod, by: Pod, nodeName: string): Promise<void> {
    try {
      await disruptPod(
        this.deps.client,
        victim,
        {
          reason: 'PreemptionByScheduler',
          message: 'default-scheduler: preempting to accommodate a higher priority pod',
        },
        this.deps.clock.nowMs(),
      );
      this.record(victim, 'Normal', 'Preempted', `Preempted by pod ${uidOf(by)} on node ${nodeName}`);
    } catch (error) {
      this.deps.logger.warn('victim not evicted, will retry', { pod: podKey(victim), error: String(error) });
      await this.deps.clock.sleep(retryMs);
      this.retryAll();
    }
  }

  /** Less important pods lose their promise on a node that a more important one is about to take. */
  private dethrone(pod: Pod, nodeName: string): void {
    for (const other of this.waiting.values()) {
      const less = (other.pod.spec.priority ?? 0) < (pod.spec.priority ?? 0);
      if (less && this.ledger.nominationFor(uidOf(other.pod)) === nodeName) {
        this.ledger.nominate(other.pod, undefined);
        other.ready = true;
        this.wake();
      }
    }
  }

  private tellGated(pod: Pod): void {
    this.waiting.delete(uidOf(pod));
    if (conditionOf(pod, 'PodScheduled')?.reason === 'SchedulingGated') return;
    const message = 'Scheduling is blocked due to non-empty scheduling gates';
    this.track(this.writeCondition(pod, { reason: 'SchedulingGated', message }));
  }

  private async tell(entry: Waiting, message: string, nominatedNodeName?: string): Promise<void> {
    const told = `${message}${nominatedNodeName ?? ''}`;
    if (entry.told === told || (entry.told === message && nominatedNodeName === undefined)) return;
    entry.told = told;
    await this.writeCondition(entry.pod, { reason: 'Unschedulable', message }, nominatedNodeName);
    this.record(entry.pod, 'Warning', 'FailedScheduling', message);
  }

  private async writeCondition(
    pod: Pod,
    why: { readonly reason: string; readonly message: string },
    nominatedNodeName?: string,
  ): Promise<void> {
    const old = conditionOf(pod, 'PodScheduled');
    const now = formatTimestamp(this.deps.clock.nowMs());
    const condition: PodCondition = {
      type: 'PodScheduled',
      status: 'False',
      ...why,
      lastProbeTime: null,
      lastTransitionTime: old?.status === 'False' ? (old.lastTransitionTime ?? now) : now,
    };
    const others = (pod.status?.conditions ?? []).filter((other) => other.type !== 'PodScheduled');
    const { uid, namespace, name } = pod.metadata;
    const status = {
      conditions: [...others, condition],
      ...(nominatedNodeName === undefined ? {} : { nominatedNodeName }),
    };
    try {
      await this.deps.client.mergePatch(
        { type: pods, namespace: namespace ?? '', name: name ?? '' },
        { metadata: { uid }, status },
        { subresource: 'status' },
      );
    } catch (error) {
      // The sentence is for people; the next change of it will be written again.
      if (!isNotFound(error))
        this.deps.logger.debug('condition not written', { pod: podKey(pod), error: String(error) });
    }
  }

  private record(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.deps.events?.record({ regarding: { ...pod, apiVersion: 'v1', kind: 'Pod' }, type, reason, message });
  }

  private track(work: Promise<void>): void {
    const done = work
      .catch((error: unknown) => {
        this.deps.logger.error('scheduling step failed', { error: String(error) });
      })
      .finally(() => {
        this.inFlight.delete(done);
      });
    this.inFlight.add(done);
  }
}

function isWaiting(pod: Pod): boolean {
  const scheduler = pod.spec.schedulerName ?? 'default-scheduler';
  const unbound = (pod.spec.nodeName ?? '') === '';
  return unbound && scheduler === 'default-scheduler' && !isTerminating(pod) && !isFinished(pod);
}

function isGated(pod: Pod): boolean {
  return (pod.spec.schedulingGates ?? []).length > 0;
}
