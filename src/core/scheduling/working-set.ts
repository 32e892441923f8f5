/**
 * The scheduler's private, mutable copy of free capacity. Decides nothing; counts exactly.
 *
 * Invariants: no amount ever falls below zero through `take`; `rollback` restores the very amounts of the checkpoint at a cost
 * of what changed since; the snapshot is never touched. Never leaves `schedule`.
 */
import type { MemberName } from '../model/ids.ts';
import type { NodeOffer } from '../model/member.ts';
import type { Resources } from '../model/resources.ts';

export interface WorkingNode {
  /** Position in the working set: members by name, nodes by name. */
  readonly index: number;
  readonly member: MemberName;
  readonly offer: NodeOffer;
}

/** A request, compiled against the resources that any node lists. */
export interface CompiledRequest {
  /** Columns of the working set, and how much of each. */
  readonly columns: readonly number[];
  readonly amounts: readonly number[];
  /** Asks for something that no node lists. */
  readonly impossible: boolean;
}

/** Opaque: the state to go back to. */
export type Checkpoint = number;

interface Taken {
  readonly node: number;
  readonly request: CompiledRequest;
  readonly times: number;
}

export class WorkingSet {
  readonly nodes: readonly WorkingNode[];
  /** Indexes of nodes in the order in which their capacity changed, rollbacks included. Only grows. */
  readonly touched: number[] = [];
  private readonly columns: ReadonlyMap<string, number>;
  private readonly amounts: Float64Array;
  private readonly undo: Taken[] = [];

  /** `nodes` in their final order. Amounts below zero count as zero. */
  constructor(nodes: readonly { readonly member: MemberName; readonly offer: NodeOffer }[]) {
    this.nodes = nodes.map((node, index) => ({ ...node, index }));
    const names = new Set(nodes.flatMap(({ offer }) => Object.keys(offer.free)));
    this.columns = new Map([...names].sort().map((name, column) => [name, column]));
    this.amounts = new Float64Array(nodes.length * this.columns.size);
    for (const { index, offer } of this.nodes) {
      for (const [name, amount] of Object.entries(offer.free)) {
        this.amounts[index * this.columns.size + (this.columns.get(name) ?? 0)] = Math.max(0, amount);
      }
    }
  }

  compile(request: Resources): CompiledRequest {
    const wanted = Object.entries(request).filter(([, amount]) => amount > 0);
    const columns = wanted.map(([name]) => this.columns.get(name) ?? -1);
    return { columns, amounts: wanted.map(([, amount]) => amount), impossible: columns.includes(-1) };
  }

  /** What node `index` has left of a resource. */
  free(index: number, resource: string): number {
    const column = this.columns.get(resource);
    return column === undefined ? 0 : (this.amounts[index * this.columns.size + column] ?? 0);
  }

  /** How many times `request` fits on node `index` now. Infinity for an empty request. */
  fitting(index: number, request: CompiledRequest): number {
    if (request.impossible) return 0;
    const row = index * this.columns.size;
    let times = Number.POSITIVE_INFINITY;
    for (let i = 0; i < request.columns.length; i += 1) {
      const have = this.amounts[row + (request.columns[i] ?? 0)] ?? 0;
      const fits = Math.floor(have / (request.amounts[i] ?? 1));
      if (fits < times) times = fits;
    }
    return times;
  }

  /** Takes `times` x `request` from node `index`; false, and nothing taken, if it does not fit. */
  take(index: number, request: CompiledRequest, times: number): boolean {
    if (this.fitting(index, request) < times) return false;
    this.move(index, request, -times);
    this.undo.push({ node: index, request, times });
    return true;
  }

  checkpoint(): Checkpoint {
    return this.undo.length;
  }

  /** Undoes everything taken since `to`, newest first. */
  rollback(to: Checkpoint): void {
    while (this.undo.length > to) {
      const last = this.undo.pop();
      if (last !== undefined) this.move(last.node, last.request, last.times);
    }
  }

  private move(index: number, request: CompiledRequest, times: number): void {
    const row = index * this.columns.size;
    for (let i = 0; i < request.columns.length; i += 1) {
      const at = row + (request.columns[i] ?? 0);
      this.amounts[at] = (this.amounts[at] ?? 0) + times * (request.amounts[i] ?? 0);
    }
    this.touched.push(index);
  }
}
