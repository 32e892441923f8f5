/**
 * Which boards of a node belong to which container.
 *
 * Invariants: a board has at most one holder; a pod gets all that its containers ask for or nothing; a board is free again
 * only when its pod's processes have ended (the worker says so), not when the API server forgets the pod.
 */
import type { Pod } from '../objects/pod.ts';
import { gpuResource } from '../node-shape.ts';
import { quantityUnits } from '../quantity.ts';

export type DeviceGrant =
  | { readonly kind: 'Granted'; readonly byContainer: ReadonlyMap<string, readonly string[]> }
  | { readonly kind: 'Refused'; readonly requested: number; readonly available: number };

export class DeviceManager {
  private readonly holders = new Map<string, string>();
  private readonly boards: readonly string[];

  /** `boards` are UUIDs, in the order in which they are handed out. */
  constructor(boards: readonly string[]) {
    this.boards = boards;
  }

  /** Boards for each container with a GPU limit. An init container borrows the boards of the largest holder after it. */
  grant(pod: Pod): DeviceGrant {
    const uid = pod.metadata.uid ?? '';
    const wanted = pod.spec.containers.map((container) => [container.name, gpuLimit(container)] as const);
    const initial = (pod.spec.initContainers ?? []).map((container) => [container.name, gpuLimit(container)] as const);
    const requested = Math.max(sum(wanted), ...initial.map(([, count]) => count));
    const free = this.boards.filter((board) => !this.holders.has(board));
    if (requested > free.length) return { kind: 'Refused', requested, available: free.length };
    const taken = free.slice(0, requested);
    for (const board of taken) this.holders.set(board, uid);
    const byContainer = new Map<string, readonly string[]>();
    let next = 0;
    for (const [name, count] of wanted) {
      if (count > 0) byContainer.set(name, taken.slice(next, next + count));
      next += count;
    }
    for (const [name, count] of initial) {
      if (count > 0) byContainer.set(name, taken.slice(0, count));
    }
    return { kind: 'Granted', byContainer };
  }

  release(podUid: string): void {
    for (const [board, holder] of this.holders) {
      if (holder === podUid) this.holders.delete(board);
    }
  }

  /** Holder's pod UID by board. */
  held(): ReadonlyMap<string, string> {
    return new Map(this.holders);
  }
}

function gpuLimit(container: Pod['spec']['containers'][number]): number {
  const { limits, requests } = container.resources ?? {};
  return quantityUnits(limits?.[gpuResource] ?? requests?.[gpuResource] ?? 0);
}

function sum(entries: readonly (readonly [string, number])[]): number {
  return entries.reduce((total, [, count]) => total + count, 0);
}
