/**
 * The scheduler's book of nodes: what each can hold, who sits on it and who was promised a place by preemption.
 *
 * Invariants: a pod is booked on at most one node; finished pods take nothing, terminating pods take their place until they
 * are gone; an assumed pod keeps its place until the API server's copy confirms it or `forget` takes it back.
 * Leaves out deciding (fit.ts, preemption.ts).
 */
import type { Node } from '../objects/node.ts';
import { isFinished, uidOf } from '../objects/pod.ts';
import type { Pod } from '../objects/pod.ts';
import { resourceAmount } from '../quantity.ts';
import { addAll, podRequests } from './resource-request.ts';
import type { Amounts } from './resource-request.ts';

export interface BookedPod {
  readonly pod: Pod;
  readonly requests: Amounts;
  readonly priority: number;
}

export interface NodeRow {
  readonly node: Node;
  readonly allocatable: Amounts;
  readonly requested: Amounts;
  readonly pods: ReadonlyMap<string, BookedPod>;
  /** Pods that wait for victims on this node to leave, by UID. */
  readonly nominated: ReadonlyMap<string, BookedPod>;
}

interface Row {
  node: Node | undefined;
  allocatable: Amounts;
  readonly requested: Map<string, number>;
  readonly pods: Map<string, BookedPod>;
  readonly nominated: Map<string, BookedPod>;
}

export class NodeLedger {
  private readonly rows = new Map<string, Row>();
  private readonly placeOf = new Map<string, string>();
  private readonly nominationOf = new Map<string, string>();
  private readonly assumed = new Set<string>();

  setNode(node: Node): void {
    const row = this.rowFor(node.metadata.name ?? '');
    row.node = node;
    row.allocatable = new Map(
      Object.entries(node.status?.allocatable ?? {}).map(([name, quantity]) => [name, resourceAmount(name, quantity)]),
    );
  }

  /** Pods booked on it stay booked: they still run there until somebody removes them. */
  removeNode(name: string): void {
    const row = this.rows.get(name);
    if (row === undefined) return;
    row.node = undefined;
    if (row.pods.size === 0) this.rows.delete(name);
  }

  /** Takes the API server's copy of a pod into the book. */
  observe(pod: Pod): void {
    const uid = uidOf(pod);
    const nodeName = pod.spec.nodeName ?? '';
    if (nodeName === '') {
      if (!this.assumed.has(uid)) this.unbook(uid);
      this.nominate(pod, pod.status?.nominatedNodeName ?? this.nominationOf.get(uid));
      return;
    }
    this.assumed.delete(uid);
    this.unbook(uid);
    this.clearNomination(uid);
    if (!isFinished(pod)) this.book(pod, nodeName);
  }

  remove(uid: string): void {
    this.assumed.delete(uid);
    this.unbook(uid);
    this.clearNomination(uid);
  }

  /** Books a pod whose binding is on its way. */
  assume(pod: Pod, nodeName: string): void {
    this.unbook(uidOf(pod));
    this.clearNomination(uidOf(pod));
    this.book(pod, nodeName);
    this.assumed.add(uidOf(pod));
  }

  /** The binding failed: the place is free again. */
  forget(uid: string): void {
    if (this.assumed.delete(uid)) this.unbook(uid);
  }

  isBooked(uid: string): boolean {
    return this.placeOf.has(uid);
  }

  /** Promises `pod` a place on `nodeName`; undefined or empty takes the promise back. */
  nominate(pod: Pod, nodeName: string | undefined): void {
    this.clearNomination(uidOf(pod));
    if (nodeName === undefined || nodeName === '') return;
    this.rowFor(nodeName).nominated.set(uidOf(pod), booked(pod));
    this.nominationOf.set(uidOf(pod), nodeName);
  }

  nominationFor(uid: string): string | undefined {
    return this.nominationOf.get(uid);
  }

  /** Nodes that exist, by name. */
  nodes(): readonly NodeRow[] {
    const out: NodeRow[] = [];
    for (const row of this.rows.values()) {
      if (row.node !== undefined) out.push(row as Row & { node: Node });
    }
    return out.sort((a, b) => ((a.node.metadata.name ?? '') < (b.node.metadata.name ?? '') ? -1 : 1));
  }

  private book(pod: Pod, nodeName: string): void {
    const entry = booked(pod);
    const row = this.rowFor(nodeName);
    row.pods.set(uidOf(pod), entry);
    addAll(row.requested, entry.requests);
    this.placeOf.set(uidOf(pod), nodeName);
  }

  private unbook(uid: string): void {
    const nodeName = this.placeOf.get(uid);
    if (nodeName === undefined) return;
    this.placeOf.delete(uid);
    const row = this.rows.get(nodeName);
    const entry = row?.pods.get(uid);
    if (row === undefined || entry === undefined) return;
    row.pods.delete(uid);
    addAll(row.requested, entry.requests, -1);
    if (row.node === undefined && row.pods.size === 0) this.rows.delete(nodeName);
  }

  private clearNomination(uid: string): void {
    const nodeName = this.nominationOf.get(uid);
    if (nodeName === undefined) return;
    this.nominationOf.delete(uid);
    this.rows.get(nodeName)?.nominated.delete(uid);
  }

  private rowFor(name: string): Row {
    let row = this.rows.get(name);
    if (row === undefined) {
      row = { node: undefined, allocatable: new Map(), requested: new Map(), pods: new Map(), nominated: new Map() };
      this.rows.set(name, row);
    }
    return row;
  }
}

function booked(pod: Pod): BookedPod {
  return { pod, requests: podRequests(pod), priority: pod.spec.priority ?? 0 };
}
