/**
 * Who holds what on which node, kept up to date pod by pod: an event costs O(resources of that pod), however many pods the
 * cluster has.
 *
 * Invariants: each pod is counted at most once, by UID, where it is bound and until its containers have ended or it is gone;
 * the sums are exactly those of the pods noted now. Guests are counted per run, so that a booking can be set off against the
 * pods that it has become. For the owner's idle time it remembers, per node and number of boards, when that many were last
 * held; before it began to watch, all count as held.
 */
import { runKey, type RunId } from '../../core/model/ids.ts';
import type { Resources } from '../../core/model/resources.ts';
import { waitsForNode, type PodView, type SlimPod } from './slim-pod.ts';

export interface NodeHoldings {
  readonly owner: Resources;
  readonly guests: Resources;
  /** Pods whose requests could not be read: the node's free capacity is not known. */
  readonly unreadablePods: number;
}

interface Account {
  readonly owner: Map<string, number>;
  readonly guests: Map<string, number>;
  /** Pods of a run here, ended ones included. */
  readonly podsOfRun: Map<string, number>;
  /** What each run's pods hold here, by run key. */
  readonly heldByRun: Map<string, Map<string, number>>;
  unreadablePods: number;
  pods: number;
  /** `lastHeldMs[k - 1]`: when the owner last held at least k GPUs. */
  readonly lastHeldMs: number[];
}

const NOTHING: NodeHoldings = { owner: {}, guests: {}, unreadablePods: 0 };

export class NodeLedger {
  private readonly accounts = new Map<string, Account>();
  private readonly pods = new Map<string, PodView>();
  private readonly waiting = new Map<string, SlimPod>();
  /** Bound pods of a run over all nodes, ended ones included. */
  private readonly boundPodsOfRun = new Map<string, number>();
  private readonly startedMs: number;
  private readonly gpuResourceOf: (node: string) => string | undefined;

  constructor(startedMs: number, gpuResourceOf: (node: string) => string | undefined) {
    this.startedMs = startedMs;
    this.gpuResourceOf = gpuResourceOf;
  }

  /** Notes a pod as it is now. `nowMs` is monotonic. */
  note(pod: SlimPod, nowMs: number): void {
    const uid = uidOf(pod);
    const old = this.pods.get(uid);
    if (old !== undefined) this.count(old, -1, nowMs);
    this.pods.set(uid, pod.view);
    this.count(pod.view, 1, nowMs);
    if (waitsForNode(pod.view)) this.waiting.set(uid, pod);
    else this.waiting.delete(uid);
  }

  /** The pod is gone from the cluster. */
  forget(pod: SlimPod, nowMs: number): void {
    const uid = uidOf(pod);
    const old = this.pods.get(uid);
    if (old !== undefined) this.count(old, -1, nowMs);
    this.pods.delete(uid);
    this.waiting.delete(uid);
  }

  /** The node is gone: its idle history is worth nothing any more. What pods still hold of it stays until they go. */
  forgetNode(node: string): void {
    const account = this.accounts.get(node);
    if (account === undefined) return;
    account.lastHeldMs.length = 0;
    if (account.pods === 0) this.accounts.delete(node);
  }

  holdings(node: string): NodeHoldings {
    const account = this.accounts.get(node);
    if (account === undefined) return NOTHING;
    return {
      owner: Object.fromEntries(account.owner),
      guests: Object.fromEntries(account.guests),
      unreadablePods: account.unreadablePods,
    };
  }

  /** Pods of a run that are bound to a node, ended ones included. */
  podsOfRun(node: string, run: RunId): number {
    return this.accounts.get(node)?.podsOfRun.get(runKey(run)) ?? 0;
  }

  /** What the pods of a run hold now, by node. */
  heldBy(run: RunId): ReadonlyMap<string, Resources> {
    const held = new Map<string, Resources>();
    for (const [node, account] of this.accounts) {
      const sums = account.heldByRun.get(runKey(run));
      if (sums !== undefined) held.set(node, Object.fromEntries(sums));
    }
    return held;
  }

  /** Pods of a run that are bound to any node, ended ones included. */
  boundPods(run: RunId): number {
    return this.boundPodsOfRun.get(runKey(run)) ?? 0;
  }

  /** Owner pods that wait for a node, in no order. */
  waitingPods(): IterableIterator<SlimPod> {
    return this.waiting.values();
  }

  /** Nodes that some pod is bound to. */
  nodesInUse(): IterableIterator<string> {
    return this.accounts.keys();
  }

  /** The most GPUs the owner held on a node at any moment of the last `forMs`. Everything, where that long was not watched. */
  mostHeldWithin(node: string, forMs: number, nowMs: number): number {
    const account = this.accounts.get(node);
    const held = account === undefined ? 0 : this.ownerGpus(node, account);
    if (forMs <= 0) return held;
    if (nowMs - this.startedMs < forMs) return Number.POSITIVE_INFINITY;
    const recent = account?.lastHeldMs.findLastIndex((lastMs) => nowMs - lastMs < forMs) ?? -1;
    return Math.max(held, recent + 1);
  }

  /** When `mostHeldWithin` next gives less without any pod changing; undefined = never. */
  nextIdleChangeMs(forMs: number, nowMs: number): number | undefined {
    if (forMs <= 0) return undefined;
    let next = Number.POSITIVE_INFINITY;
    if (nowMs - this.startedMs < forMs) next = this.startedMs + forMs;
    for (const [node, account] of this.accounts) {
      const held = this.ownerGpus(node, account);
      for (const lastMs of account.lastHeldMs.slice(held)) {
        if (nowMs - lastMs < forMs) next = Math.min(next, lastMs + forMs);
      }
    }
    return Number.isFinite(next) ? next : undefined;
  }

  private count(view: PodView, sign: 1 | -1, nowMs: number): void {
    if (view.node === undefined) return;
    const account = this.account(view.node);
    account.pods += sign;
    if (view.run !== undefined) {
      addTo(account.podsOfRun, runKey(view.run), sign);
      addTo(this.boundPodsOfRun, runKey(view.run), sign);
    }
    if (!view.finished) {
      if (!view.readable) account.unreadablePods += sign;
      this.countRequests(view.node, account, { view, sign, nowMs });
    }
    if (account.pods === 0 && account.lastHeldMs.length === 0) this.accounts.delete(view.node);
  }

  private countRequests(
    node: string,
    account: Account,
    { view, sign, nowMs }: { readonly view: PodView; readonly sign: 1 | -1; readonly nowMs: number },
  ): void {
    const before = this.ownerGpus(node, account);
    const sums = view.run === undefined ? account.owner : account.guests;
    const ofRun = view.run === undefined ? undefined : heldByRun(account, runKey(view.run));
    for (const [name, amount] of Object.entries(view.requests)) {
      addTo(sums, name, amount * sign);
      if (ofRun !== undefined) addTo(ofRun, name, amount * sign);
    }
    if (ofRun?.size === 0 && view.run !== undefined) account.heldByRun.delete(runKey(view.run));
    const held = Math.max(before, this.ownerGpus(node, account));
    for (let level = 0; level < held; level += 1) account.lastHeldMs[level] = nowMs;
  }

  private ownerGpus(node: string, account: Account): number {
    return account.owner.get(this.gpuResourceOf(node) ?? '') ?? 0;
  }

  private account(node: string): Account {
    let account = this.accounts.get(node);
    if (account === undefined) {
      account = {
        owner: new Map(),
        guests: new Map(),
        podsOfRun: new Map(),
        heldByRun: new Map(),
        unreadablePods: 0,
        pods: 0,
        lastHeldMs: [],
      };
      this.accounts.set(node, account);
    }
    return account;
  }
}

function heldByRun(account: Account, key: string): Map<string, number> {
  let sums = account.heldByRun.get(key);
  if (sums === undefined) {
    sums = new Map();
    account.heldByRun.set(key, sums);
  }
  return sums;
}

function addTo(sums: Map<string, number>, name: string, amount: number): void {
  const sum = (sums.get(name) ?? 0) + amount;
  if (sum === 0) sums.delete(name);
  else sums.set(name, sum);
}

function uidOf(pod: SlimPod): string {
  return pod.metadata.uid ?? `${pod.metadata.namespace ?? ''}/${pod.metadata.name ?? ''}`;
}
