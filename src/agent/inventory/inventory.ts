/**
 * The live inventory: stores of nodes, pods and resource slices in, offers and counts out.
 *
 * Invariants: pods are accounted one by one as they change, never by walking all of them; a report walks nodes only; readers
 * get a consistent state because everything here is synchronous. Bookings are set off against the pods that they have become,
 * so that nothing is counted twice and nothing between order and pod is offered twice.
 * Leaves out how stores are filled (watch-cluster.ts), and what the policy says (lending).
 */
import type { LendingWindow } from '../../core/model/member.ts';
import { readPodTemplate } from '../../core/model/pod-requests.ts';
import { addResources, NO_RESOURCES, type Resources } from '../../core/model/resources.ts';
import type { RunOrder } from '../../core/model/run.ts';
import type { Clock, Timer } from '../../platform/clock/clock.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import type { Store } from '../../platform/kube/store.ts';
import type { Runnable } from '../../platform/lifecycle/runnable.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { compareStrings, sorted } from '../../std/ordering.ts';
import { err } from '../../std/result.ts';
import type { CompiledPolicy } from '../lending/compile-policy.ts';
import { policyOf, type LendingPolicyReader } from '../lending/lending-policy-reader.ts';
import { summarisePolicy } from '../lending/policy-summary.ts';
import { draBoards } from './dra-boards.ts';
import { gpuCounts } from './gpu-counts.ts';
import type { Booking, InventoryReader, InventoryReport } from './inventory-reader.ts';
import { NodeLedger } from './node-ledger.ts';
import { notLentReason, type NodeState, type NotLentReason } from './node-state.ts';
import { capGpus, lendableView, offersOf, type LendableView } from './offers.ts';
import { refitGang } from './refit-gang.ts';
import type { SlimNode } from './slim-node.ts';
import type { SlimPod } from './slim-pod.ts';
import { waitingDemand } from './waiting-demand.ts';

export interface InventoryDeps {
  readonly nodes: Store<SlimNode>;
  readonly pods: Store<SlimPod>;
  /** Absent where the cluster does not serve resource.k8s.io/v1. */
  readonly resourceSlices?: Store<KubeObject>;
  readonly lending: LendingPolicyReader;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Inventory extends InventoryReader, Runnable {
  /** Every node as it stands, with `bookings` taken off; sorted by name. For reclaim, limits and metrics. */
  states(bookings: readonly Booking[]): readonly NodeState[];
  /** Owner pods that wait for a node, in no order. */
  waitingPods(): Iterable<SlimPod>;
  /** What a run holds per node: its pods, and of its booking what has not become pods yet. */
  heldBy(booking: Booking): ReadonlyMap<string, Resources>;
  /** Nodes with GPUs that are not lent, by reason. */
  notLent(): ReadonlyMap<NotLentReason, number>;
}

export function createInventory(deps: InventoryDeps): Inventory {
  return new LiveInventory(deps);
}

class LiveInventory implements Inventory {
  readonly name = 'inventory';
  private readonly deps: InventoryDeps;
  private readonly ledger: NodeLedger;
  private readonly handlers = new Set<() => void>();
  private readonly unsubscribes: (() => void)[] = [];
  private idleTimer: Timer | undefined;
  private idleTimerAtMs = Number.POSITIVE_INFINITY;

  constructor(deps: InventoryDeps) {
    this.deps = deps;
    this.ledger = new NodeLedger(
      deps.clock.monotonicMs(),
      (node) => deps.nodes.get(undefined, node)?.view.gpu?.resource,
    );
  }

  get synced(): boolean {
    const { nodes, pods, resourceSlices, lending } = this.deps;
    return nodes.synced && pods.synced && lending.synced && resourceSlices?.synced !== false;
  }

  start(signal: AbortSignal): Promise<void> {
    const { nodes, pods, resourceSlices, lending, clock } = this.deps;
    this.unsubscribes.push(
      nodes.subscribe((event) => {
        if (event.kind === 'deleted') this.ledger.forgetNode(event.object.metadata.name ?? '');
        this.changed();
      }),
      pods.subscribe((event) => {
        if (event.kind === 'added' || event.kind === 'updated') this.ledger.note(event.object, clock.monotonicMs());
        if (event.kind === 'deleted') this.ledger.forget(event.object, clock.monotonicMs());
        this.changed();
      }),
      lending.subscribe(() => {
        this.changed();
      }),
    );
    if (resourceSlices !== undefined)
      this.unsubscribes.push(
        resourceSlices.subscribe(() => {
          this.changed();
        }),
      );
    signal.addEventListener('abort', () => void this.stop(), { once: true });
    return Promise.resolve();
  }

  stop(): Promise<void> {
    for (const unsubscribe of this.unsubscribes.splice(0)) unsubscribe();
    this.idleTimer?.cancel();
    this.idleTimerAtMs = Number.POSITIVE_INFINITY;
    return Promise.resolve();
  }

  report(bookings: readonly Booking[]): InventoryReport {
    const { lending, resourceSlices } = this.deps;
    const state = lending.state();
    const policy = policyOf(state);
    const nodes = this.states(bookings);
    const view = policy === undefined ? undefined : lendableView(nodes, policy);
    const offers = view === undefined || policy === undefined ? [] : offersOf(view, policy, state.kind === 'Lending');
    const offered = new Map(offers.map((offer) => [offer.node as string, offer.free[offer.gpuResource] ?? 0]));
    return {
      policy: summarisePolicy(state),
      window: this.window(view, policy),
      offers,
      gpus: gpuCounts(nodes, offered, resourceSlices === undefined ? [] : draBoards(resourceSlices.values())),
    };
  }

  refit(order: RunOrder, perWorker: Resources, bookings: readonly Booking[]): ReturnType<InventoryReader['refit']> {
    const state = this.deps.lending.state();
    if (state.kind !== 'Lending') return err({ message: `nothing is lent now: ${summarisePolicy(state).message}` });
    const template = readPodTemplate(order.template, { gpuContainer: order.gpuContainer });
    if (!template.ok) {
      return err({ message: template.error.map(({ path, message }) => `${path} ${message}`).join('; ') });
    }
    const view = lendableView(this.states(bookings), state.policy);
    return refitGang(view, { order, perWorker, nodeTerms: template.value.nodeTerms });
  }

  unreachableNodes(): ReadonlySet<string> {
    const unreachable = new Set<string>();
    for (const node of this.deps.nodes.values()) {
      if (!node.view.ready) unreachable.add(node.metadata.name ?? '');
    }
    for (const name of this.ledger.nodesInUse()) {
      if (this.deps.nodes.get(undefined, name) === undefined) unreachable.add(name);
    }
    return unreachable;
  }

  waitingPods(): Iterable<SlimPod> {
    return this.ledger.waitingPods();
  }

  heldBy(booking: Booking): ReadonlyMap<string, Resources> {
    const held = new Map(this.ledger.heldBy(booking.run));
    for (const [node, resources] of this.bookedByNode([booking])) {
      held.set(node, addResources(held.get(node) ?? NO_RESOURCES, resources));
    }
    return held;
  }

  notLent(): ReadonlyMap<NotLentReason, number> {
    const policy = policyOf(this.deps.lending.state()) ?? { nodeSelector: {}, tolerations: [] };
    const reasons = new Map<NotLentReason, number>();
    for (const node of this.states([])) {
      const reason = notLentReason(node, policy);
      if (reason === undefined || reason === 'NoWholeGpu') continue;
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    }
    return reasons;
  }

  subscribe(handler: () => void): () => void {
    this.handlers.add(handler);
    return () => this.handlers.delete(handler);
  }

  states(bookings: readonly Booking[]): readonly NodeState[] {
    const forMs = policyOf(this.deps.lending.state())?.idleBeforeLendMs ?? 0;
    const nowMs = this.deps.clock.monotonicMs();
    this.watchIdleness(forMs, nowMs);
    const hosts = sorted(this.deps.nodes.values(), (a, b) =>
      compareStrings(a.metadata.name ?? '', b.metadata.name ?? ''),
    ).map((node) => ({
      name: node.metadata.name ?? '',
      view: node.view,
      ...this.ledger.holdings(node.metadata.name ?? ''),
    }));
    const wanted = waitingDemand(this.ledger.waitingPods(), hosts);
    const booked = this.bookedByNode(bookings);
    return hosts.map(({ unreadablePods, ...host }) => ({
      ...host,
      booked: booked.get(host.name) ?? NO_RESOURCES,
      wanted: wanted.get(host.name) ?? NO_RESOURCES,
      recentOwnerGpus: this.ledger.mostHeldWithin(host.name, forMs, nowMs),
      readable: unreadablePods === 0,
    }));
  }

  /**
   * What bookings still hold beyond their pods. A pod may have gone to another node than booked, so never more workers are
   * held than the run still lacks over all nodes.
   */
  private bookedByNode(bookings: readonly Booking[]): ReadonlyMap<string, Resources> {
    const booked = new Map<string, Resources>();
    for (const { run, nodes, perWorker } of bookings) {
      let lacking = nodes.reduce((sum, share) => sum + share.workers, 0) - this.ledger.boundPods(run);
      for (const { node, workers } of nodes) {
        const open = Math.min(lacking, Math.max(0, workers - this.ledger.podsOfRun(node, run)));
        if (open <= 0) continue;
        lacking -= open;
        booked.set(node, addResources(booked.get(node) ?? NO_RESOURCES, perWorker, open));
      }
    }
    return booked;
  }

  private window(view: LendableView | undefined, policy: CompiledPolicy | undefined): LendingWindow {
    const calendar = this.deps.lending.calendar();
    const healthy = (view?.nodes ?? []).reduce((sum, node) => sum + node.state.view.healthyBoards, 0);
    const most = Math.max(0, Math.min(capGpus(policy?.cap, healthy), healthy - (policy?.reserveGpus ?? 0)));
    return {
      ...(calendar.availableUntilMs === undefined ? {} : { availableUntilMs: calendar.availableUntilMs }),
      edges: calendar.edges.map((edge) => ({ ...edge, gpus: edge.kind === 'opens' ? most : 0 })),
    };
  }

  /** Boards become lendable by the mere passing of time: be there when the next one does. */
  private watchIdleness(forMs: number, nowMs: number): void {
    const nextMs = this.ledger.nextIdleChangeMs(forMs, nowMs) ?? Number.POSITIVE_INFINITY;
    if (nextMs === this.idleTimerAtMs) return;
    this.idleTimer?.cancel();
    this.idleTimerAtMs = nextMs;
    if (!Number.isFinite(nextMs)) return;
    this.idleTimer = this.deps.clock.after(Math.max(1, nextMs - nowMs), () => {
      this.idleTimerAtMs = Number.POSITIVE_INFINITY;
      this.changed();
    });
  }

  private changed(): void {
    for (const handler of this.handlers) {
      try {
        handler();
      } catch (error) {
        this.deps.logger.error('a listener to the inventory failed', { error });
      }
    }
  }
}
