/**
 * The seam between the agent's inventory (reads nodes, pods, resource slices) and those who use it: session (reports)
 * and runs (re-fit before creation). Everything here is a synchronous read of caches.
 */
import type { GpuCounts, LendingWindow, NodeOffer, PolicySummary } from '../../core/model/member.ts';
import type { RunId } from '../../core/model/ids.ts';
import type { Resources } from '../../core/model/resources.ts';
import type { NodeShare, RunOrder } from '../../core/model/run.ts';
import type { Result } from '../../std/result.ts';

/** Capacity that an accepted run holds on its nodes. Pods of the run that already exist are not counted twice: inventory knows them by label. */
export interface Booking {
  readonly run: RunId;
  readonly nodes: readonly NodeShare[];
  /** What one worker requests, GPUs and `pods: 1` included. */
  readonly perWorker: Resources;
}

/** The inventory part of a MemberReport. */
export interface InventoryReport {
  readonly policy: PolicySummary;
  readonly window: LendingWindow;
  readonly offers: readonly NodeOffer[];
  readonly gpus: readonly GpuCounts[];
}

export interface RefitShortage {
  readonly message: string;
}

export interface InventoryReader {
  /** All caches have had their first full list, the LendingPolicy's included. */
  readonly synced: boolean;
  /** What the member offers now, with `bookings` taken off. */
  report(bookings: readonly Booking[]): InventoryReport;
  /**
   * Fits the *whole* gang against the live cache, the hub's choice first, then other nodes of the same class.
   * `bookings` are those of the other runs.
   */
  refit(
    order: RunOrder,
    perWorker: Resources,
    bookings: readonly Booking[],
  ): Result<readonly NodeShare[], RefitShortage>;
  /** Runs with pods on nodes that are not ready or gone; the keeper reports them Unknown. */
  unreachableNodes(): ReadonlySet<string>;
  /** Called (coalesced by the caller) whenever `report` might give something else. Returns the unsubscribe. */
  subscribe(handler: () => void): () => void;
}
