/**
 * The member's physical boards by state, per model. Pure.
 *
 * Invariants: the six states sum to the total for every model; an unready node's boards are all `unknown`; boards that the device
 * plugin took out of service are `unhealthy` unless somebody still holds them; `offered` is a part of `idle`; `parked` stays 0
 * until activity is measured. Shared boards are counted as boards, held ones rounded up, and never offered; DRA devices are
 * counted as unknown, since who holds them is not read.
 */
import type { GpuModel } from '../../core/model/ids.ts';
import type { GpuCounts } from '../../core/model/member.ts';
import { compareBy, compareNumbers, compareStrings, sorted } from '../../std/ordering.ts';
import { lentOn } from './offers.ts';
import type { NodeState } from './node-state.ts';

/** Boards that only DRA knows, by node. */
export interface DraBoards {
  readonly node: string;
  readonly vendor: string;
  readonly gpuModel: GpuModel;
  readonly gpuMemoryBytes: number;
  readonly boards: number;
}

/** Counts per vendor, model and memory, sorted. `offeredGpus` by node name. Nodes whose boards a plugin lists are not counted by DRA again. */
export function gpuCounts(
  nodes: readonly NodeState[],
  offeredGpus: ReadonlyMap<string, number>,
  dra: readonly DraBoards[] = [],
): readonly GpuCounts[] {
  const sums = new Map<string, GpuCounts>();
  const add = (counts: GpuCounts): void => {
    const key = JSON.stringify([counts.vendor, counts.gpuModel, counts.gpuMemoryBytes]);
    const sum = sums.get(key);
    sums.set(key, sum === undefined ? counts : addCounts(sum, counts));
  };
  const plugged = new Set<string>();
  for (const node of nodes) {
    const counts = nodeCounts(node, offeredGpus.get(node.name) ?? 0);
    if (counts === undefined) continue;
    plugged.add(node.name);
    add(counts);
  }
  for (const { node, boards, ...model } of dra) {
    if (!plugged.has(node)) add({ ...model, ...NO_STATES, total: boards, unknown: boards });
  }
  return sorted(
    sums.values(),
    compareBy(
      (a, b) => compareStrings(a.vendor, b.vendor),
      (a, b) => compareStrings(a.gpuModel, b.gpuModel),
      (a, b) => compareNumbers(a.gpuMemoryBytes, b.gpuMemoryBytes),
    ),
  );
}

const NO_STATES = { total: 0, owner: 0, parked: 0, idle: 0, lent: 0, unhealthy: 0, unknown: 0, offered: 0 } as const;

function nodeCounts(node: NodeState, offered: number): GpuCounts | undefined {
  const { gpu, boards, healthyBoards, devicesPerBoard, ready } = node.view;
  if (gpu === undefined || boards === 0) return undefined;
  const model = { vendor: gpu.vendor, gpuModel: gpu.model, gpuMemoryBytes: gpu.memoryBytes };
  if (!ready) return { ...model, ...NO_STATES, total: boards, unknown: boards };
  // Who holds a board comes first: a board that failed under its holder is still held.
  const lent = Math.min(boards, Math.ceil(lentOn(node) / devicesPerBoard));
  const owner = Math.min(boards - lent, Math.ceil((node.owner[gpu.resource] ?? 0) / devicesPerBoard));
  const unhealthy = Math.min(boards - lent - owner, Math.max(0, boards - healthyBoards));
  const idle = boards - lent - owner - unhealthy;
  return { ...model, ...NO_STATES, total: boards, owner, idle, lent, unhealthy, offered: Math.min(offered, idle) };
}

function addCounts(a: GpuCounts, b: GpuCounts): GpuCounts {
  return {
    ...a,
    total: a.total + b.total,
    owner: a.owner + b.owner,
    parked: a.parked + b.parked,
    idle: a.idle + b.idle,
    lent: a.lent + b.lent,
    unhealthy: a.unhealthy + b.unhealthy,
    unknown: a.unknown + b.unknown,
    offered: a.offered + b.offered,
  };
}
