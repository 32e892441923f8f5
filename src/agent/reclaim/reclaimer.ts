/**
 * Owner first: ends guests when an owner's pod needs what they hold, whatever its scheduler and with the hub unreachable too.
 *
 * When it acts: at once for a pod that its scheduler called unschedulable, after 2 s for one that no scheduler has said a word
 * about. It looks again within 10 ms of any change of pods or nodes and every second while such a pod waits, and works from
 * what is true then, so that a missed event costs a second at most.
 * Invariants: whole gangs only; nobody is ended for a pod that fits without it or that no ending helps; a gang of which the
 * member's own scheduler preempted a worker is ended whole and its capacity counted first; a pod is blocked (named in the
 * policy's status) when no ending of guests helps it. Leaves out the choice (core/scheduling/reclaim.ts) and how a run is ended (keeper).
 */
import { runKey, type RunId } from '../../core/model/ids.ts';
import { formatResourceAmount } from '../../core/model/quantity.ts';
import { vendorOfGpuResource } from '../../core/model/gpu.ts';
import { reclaim, type HopelessReason, type ReclaimDecision } from '../../core/scheduling/reclaim.ts';
import type { Clock, Timer } from '../../platform/clock/clock.ts';
import type { Store } from '../../platform/kube/store.ts';
import { onAbort } from '../../platform/lifecycle/abort-link.ts';
import type { Runnable } from '../../platform/lifecycle/runnable.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { compareStrings, sorted } from '../../std/ordering.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { podKey, waitsForNode, type SlimPod } from '../inventory/slim-pod.ts';
import type { RunKeeper } from '../runs/run-keeper.ts';
import type { AgentMetrics } from '../telemetry/agent-metrics.ts';
import { placeablePods, reclaimInput } from './reclaim-facts.ts';

const SETTLE_MS = 10;
const RECHECK_MS = 1000;
/** How long a pod may wait without a word from any scheduler before it counts as ignored. */
const IGNORED_AFTER_MS = 2000;
/** How long a pod may wait beside free room before something else must be keeping it. */
const OTHER_REASON_AFTER_MS = 5000;
const BLOCKED_MAX = 32;

export interface BlockedPod {
  readonly namespace: string;
  readonly name: string;
  readonly reason: string;
}

export interface ReclaimerDeps {
  readonly inventory: Inventory;
  readonly pods: Store<SlimPod>;
  readonly keeper: Pick<RunKeeper, 'guests' | 'end' | 'subscribe'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<AgentMetrics, 'reclaims' | 'reclaimSeconds' | 'ownerPodsBlocked'>;
}

export interface Reclaimer extends Runnable {
  /** Owner pods that wait and that ending guests would not help; at most 32, by name. */
  blocked(): readonly BlockedPod[];
  /** Called when `blocked` may have changed. */
  subscribe(handler: () => void): () => void;
}

export function createReclaimer(deps: ReclaimerDeps): Reclaimer {
  return new OwnerFirst(deps);
}

class OwnerFirst implements Reclaimer {
  readonly name = 'reclaimer';
  private readonly deps: ReclaimerDeps;
  private readonly unsubscribes: (() => void)[] = [];
  private readonly handlers = new Set<() => void>();
  /** Since when a pod waits, by UID; monotonic. */
  private readonly waitingSince = new Map<string, number>();
  /** When runs were first ended for a pod, by UID; monotonic. */
  private readonly helpedAt = new Map<string, number>();
  /** Gangs of which the cluster's scheduler preempted a worker. */
  private readonly broken = new Set<string>();
  private readonly ended = new Set<string>();
  private blockedPods: readonly BlockedPod[] = [];
  private timer: Timer | undefined;
  private dueMs = Number.POSITIVE_INFINITY;
  private running = false;

  constructor(deps: ReclaimerDeps) {
    this.deps = deps;
  }

  start(signal: AbortSignal): Promise<void> {
    const { pods, inventory, keeper } = this.deps;
    this.running = true;
    this.unsubscribes.push(
      onAbort(signal, () => void this.stop()),
      pods.subscribe((event) => {
        if (event.kind === 'synced') return;
        if (event.kind === 'deleted') this.podGone(event.object);
        else this.podSeen(event.object);
      }),
      inventory.subscribe(() => {
        if (this.waitingSince.size > 0) this.lookWithin(SETTLE_MS);
      }),
      keeper.subscribe(() => {
        if (this.waitingSince.size > 0 || this.broken.size > 0) this.lookWithin(SETTLE_MS);
      }),
    );
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.running = false;
    this.timer?.cancel();
    for (const unsubscribe of this.unsubscribes.splice(0)) unsubscribe();
    return Promise.resolve();
  }

  blocked(): readonly BlockedPod[] {
    return this.blockedPods;
  }

  subscribe(handler: () => void): () => void {
    this.handlers.add(handler);
    return () => this.handlers.delete(handler);
  }

  private podSeen(pod: SlimPod): void {
    const uid = pod.metadata.uid ?? podKey(pod);
    const { view } = pod;
    if (view.run !== undefined && view.preempted) {
      this.broken.add(runKey(view.run));
      this.lookWithin(0);
    }
    if (waitsForNode(view)) {
      if (!this.waitingSince.has(uid)) this.waitingSince.set(uid, this.deps.clock.monotonicMs());
      this.lookWithin(view.unschedulable ? SETTLE_MS : IGNORED_AFTER_MS);
      return;
    }
    const helpedAt = this.helpedAt.get(uid);
    if (helpedAt !== undefined && view.node !== undefined) {
      this.deps.metrics.reclaimSeconds.observe({}, (this.deps.clock.monotonicMs() - helpedAt) / 1000);
    }
    this.forget(uid);
  }

  private podGone(pod: SlimPod): void {
    this.forget(pod.metadata.uid ?? podKey(pod));
  }

  private forget(uid: string): void {
    this.helpedAt.delete(uid);
    if (this.waitingSince.delete(uid)) this.lookWithin(SETTLE_MS);
  }

  private lookWithin(delayMs: number): void {
    const dueMs = this.deps.clock.monotonicMs() + delayMs;
    if (!this.running || dueMs >= this.dueMs) return;
    this.dueMs = dueMs;
    this.timer?.cancel();
    this.timer = this.deps.clock.after(delayMs, () => {
      this.dueMs = Number.POSITIVE_INFINITY;
      this.look();
    });
  }

  private look(): void {
    if (!this.deps.inventory.synced) {
      this.lookWithin(RECHECK_MS);
      return;
    }
    try {
      this.endBrokenGangs();
      this.helpWaitingPods();
    } catch (error) {
      // A fault over one pod must not leave the owner without the others: look again.
      this.deps.logger.error('a reclaim could not be decided', { error });
    }
    if (this.waitingSince.size > 0) this.lookWithin(RECHECK_MS);
  }

  private endBrokenGangs(): void {
    const live = new Map(this.deps.keeper.guests().map((guest) => [runKey(guest.run), guest]));
    for (const key of [...this.broken, ...this.ended]) {
      if (live.has(key)) continue;
      this.broken.delete(key);
      this.ended.delete(key);
    }
    for (const key of this.broken) {
      const guest = live.get(key);
      if (guest === undefined || guest.stopping || this.ended.has(key)) continue;
      this.end(guest.run, "the cluster's scheduler preempted a worker for an owner pod", 'scheduler');
    }
  }

  private helpWaitingPods(): void {
    const { inventory, keeper } = this.deps;
    const pods = placeablePods(inventory.waitingPods());
    const guests = keeper.guests();
    const pressing = new Set(pods.filter((pod) => this.isPressing(pod)).map(podKey));
    if (pressing.size === 0) {
      this.setBlocked([]);
      return;
    }
    const decision = reclaim(reclaimInput(inventory, pods, guests, this.broken));
    const byKey = new Map(pods.map((pod) => [podKey(pod), pod]));
    for (const { run, pods: helped } of decision.evict) {
      const first = helped.find((key) => pressing.has(key));
      // It only makes room for pods that their scheduler has not looked at yet: it may well find another place.
      if (first === undefined || this.ended.has(runKey(run))) continue;
      this.noteHelp(helped, byKey);
      this.end(run, this.sentence(first, byKey, decision), 'agent');
    }
    const heldUp = guests.some((guest) => guest.stopping || this.ended.has(runKey(guest.run)))
      ? []
      : decision.covered.map((one) => one.pod).filter((key) => this.waitsForSomethingElse(byKey.get(key)));
    this.setBlocked(blockedBy(decision, new Set(heldUp), { pressing, byKey }));
  }

  /** There is room for it, no guest is on its way out, and still its scheduler calls it unschedulable. */
  private waitsForSomethingElse(pod: SlimPod | undefined): boolean {
    if (pod?.view.unschedulable !== true) return false;
    const since = this.waitingSince.get(pod.metadata.uid ?? podKey(pod));
    return since !== undefined && this.deps.clock.monotonicMs() - since >= OTHER_REASON_AFTER_MS;
  }

  private isPressing(pod: SlimPod): boolean {
    if (pod.view.unschedulable) return true;
    const since = this.waitingSince.get(pod.metadata.uid ?? podKey(pod));
    return since !== undefined && this.deps.clock.monotonicMs() - since >= IGNORED_AFTER_MS;
  }

  private noteHelp(helped: readonly string[], byKey: ReadonlyMap<string, SlimPod>): void {
    for (const key of helped) {
      const uid = byKey.get(key)?.metadata.uid ?? key;
      if (!this.helpedAt.has(uid)) this.helpedAt.set(uid, this.deps.clock.monotonicMs());
    }
  }

  private end(run: RunId, message: string, by: 'agent' | 'scheduler'): void {
    this.ended.add(runKey(run));
    this.deps.keeper.end([run], 'Reclaimed', message);
    this.deps.metrics.reclaims.inc({ by });
    this.deps.logger.info('guest ended for its owner', { jobUid: run.jobUid, fence: run.fence, why: message });
  }

  private sentence(key: string, byKey: ReadonlyMap<string, SlimPod>, decision: ReclaimDecision): string {
    const requests = byKey.get(key)?.view.requests ?? {};
    const gpus = Object.entries(requests).find(([name]) => vendorOfGpuResource(name) !== undefined);
    const amount = gpus === undefined ? describeRequests(requests) : `${gpus[1]} GPUs`;
    const node = decision.covered.find((one) => one.pod === key)?.node;
    return `owner pod ${key} needs ${amount}${node === undefined ? '' : ` on node ${node}`}`;
  }

  private setBlocked(next: readonly BlockedPod[]): void {
    this.deps.metrics.ownerPodsBlocked.set({}, next.length);
    if (JSON.stringify(next) === JSON.stringify(this.blockedPods)) return;
    this.blockedPods = next;
    for (const handler of this.handlers) handler();
  }
}

function describeRequests(requests: Readonly<Record<string, number>>): string {
  return ['cpu', 'memory']
    .filter((name) => (requests[name] ?? 0) > 0)
    .map((name) => `${formatResourceAmount(name, requests[name] ?? 0)} ${name}`)
    .join(' and ');
}

/** Pods that no ending helps, and `heldUp`: those that would fit already but are not placed. */
function blockedBy(
  decision: ReclaimDecision,
  heldUp: ReadonlySet<string>,
  { pressing, byKey }: { readonly pressing: ReadonlySet<string>; readonly byKey: ReadonlyMap<string, SlimPod> },
): readonly BlockedPod[] {
  const hopeless = decision.hopeless
    .filter(({ pod }) => pressing.has(pod))
    .map(({ pod, reason }) => toBlocked(byKey.get(pod), describeHopeless(reason)));
  const others = [...heldUp].map((key) =>
    toBlocked(byKey.get(key), 'it would fit without ending guests; its scheduler keeps it waiting for another reason'),
  );
  return sorted(
    [...hopeless, ...others].filter((pod) => pod !== undefined),
    (a, b) => compareStrings(`${a.namespace}/${a.name}`, `${b.namespace}/${b.name}`),
  ).slice(0, BLOCKED_MAX);
}

function toBlocked(pod: SlimPod | undefined, reason: string): BlockedPod | undefined {
  const { namespace, name } = pod?.metadata ?? {};
  return namespace === undefined || name === undefined ? undefined : { namespace, name, reason };
}

function describeHopeless(reason: HopelessReason): string {
  switch (reason.kind) {
    case 'NoNodeAllowed':
      return `labels, affinity or taints rule out each of ${reason.nodes} nodes`;
    case 'NeverFits': {
      const [need, have] = [reason.need, reason.have].map((amount) =>
        formatResourceAmount(reason.resource, Math.max(0, amount)),
      );
      return `needs ${need} ${reason.resource}; without any guest the roomiest allowed node has ${have}`;
    }
    case 'BehindOtherPods':
      return 'the room goes to owner pods of higher priority';
  }
}
