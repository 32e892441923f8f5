/**
 * What the member offers, from the state of its nodes and the owner's policy: design 01's "healthy allocatable - owner requests
 * - reserve, inside the LendingPolicy", in integers. Pure.
 *
 * Invariants: no node offers more than is free on it after owner pods (bound, nominated, waiting), guests, bookings and the
 * per-node reserve; a board that the owner held within `idleBeforeLend` is not free; over all nodes, guests + bookings + offers
 * stay within the cap, and free boards - offers within the reserve. What reserve and cap withhold is taken from the nodes with
 * the fewest free GPUs first, so that whole nodes stay whole for gangs. Only while the policy says Lending does a node offer GPUs; its
 * shape is told in any case, so that the hub can tell "not now" from "never".
 */
import { nodeName } from '../../core/model/ids.ts';
import type { NodeOffer } from '../../core/model/member.ts';
import { subtractResources, type Resources } from '../../core/model/resources.ts';
import { compareBy, compareNumbers, compareStrings, sorted } from '../../std/ordering.ts';
import type { CompiledPolicy } from '../lending/compile-policy.ts';
import { notLentReason, type NodeState } from './node-state.ts';

/** A node that is lent, with what is free on it before reserve and cap over the whole cluster. */
export interface LendableNode {
  readonly state: NodeState;
  readonly gpuResource: string;
  readonly free: Resources;
  readonly freeGpus: number;
}

export interface LendableView {
  /** Sorted by name. */
  readonly nodes: readonly LendableNode[];
  /** GPUs that may still be lent over all nodes: what cap and reserve leave. */
  readonly budgetGpus: number;
}

type LendingLimits = Pick<CompiledPolicy, 'nodeSelector' | 'tolerations' | 'reserveGpus' | 'reservePerNode' | 'cap'>;

/** Free capacity inside the policy. */
export function lendableView(nodes: readonly NodeState[], policy: LendingLimits): LendableView {
  const lendable = sorted(
    nodes.filter((node) => notLentReason(node, policy) === undefined),
    (a, b) => compareStrings(a.name, b.name),
  ).map((state) => lendableNode(state, policy));
  return { nodes: lendable, budgetGpus: budgetOf(nodes, lendable, policy) };
}

/** Offers for the hub; all free GPUs are 0 unless `open`. */
export function offersOf(view: LendableView, policy: LendingLimits, open: boolean): readonly NodeOffer[] {
  const offered = open ? gpusWithinBudget(view) : new Map<string, number>();
  return view.nodes.map((node) => toOffer(node, policy, offered.get(node.state.name) ?? 0));
}

/** GPUs per node such that their sum is within the budget. */
export function gpusWithinBudget(view: LendableView): Map<string, number> {
  let withhold = Math.max(0, view.nodes.reduce((sum, node) => sum + node.freeGpus, 0) - view.budgetGpus);
  const offered = new Map<string, number>();
  const smallestFirst = compareBy<LendableNode>(
    (a, b) => compareNumbers(a.freeGpus, b.freeGpus),
    (a, b) => compareStrings(b.state.name, a.state.name),
  );
  for (const node of sorted(view.nodes, smallestFirst)) {
    const taken = Math.min(withhold, node.freeGpus);
    withhold -= taken;
    offered.set(node.state.name, node.freeGpus - taken);
  }
  return offered;
}

/** Amounts of resource `name` that guests and bookings hold on a node. */
export function lentOn(node: NodeState): number {
  const name = node.view.gpu?.resource ?? '';
  return (node.guests[name] ?? 0) + (node.booked[name] ?? 0);
}

function lendableNode(state: NodeState, policy: LendingLimits): LendableNode {
  const gpuResource = state.view.gpu?.resource ?? '';
  const healthy = state.view.allocatable[gpuResource] ?? 0;
  let free = state.view.allocatable;
  for (const held of [state.owner, state.guests, state.booked, state.wanted, policy.reservePerNode]) {
    free = subtractResources(free, held);
  }
  const longIdle = healthy - state.recentOwnerGpus - lentOn(state) - (state.wanted[gpuResource] ?? 0);
  const freeGpus = Math.max(0, Math.min(free[gpuResource] ?? 0, longIdle));
  return { state, gpuResource, free: offerable({ ...free, [gpuResource]: freeGpus }, state), freeGpus };
}

/** No negative amounts, and only what the node lists. */
function offerable(amounts: Resources, state: NodeState): Resources {
  return Object.fromEntries(
    Object.keys(state.view.allocatable)
      .sort()
      .map((name) => [name, Math.max(0, amounts[name] ?? 0)]),
  );
}

function budgetOf(all: readonly NodeState[], lendable: readonly LendableNode[], policy: LendingLimits): number {
  const healthy = lendable.reduce((sum, node) => sum + (node.state.view.allocatable[node.gpuResource] ?? 0), 0);
  const lent = all.reduce((sum, node) => sum + lentOn(node), 0);
  const unheld = lendable.reduce((sum, node) => sum + unheldGpus(node), 0);
  return Math.max(0, Math.min(capGpus(policy.cap, healthy) - lent, unheld - policy.reserveGpus));
}

/** Boards that nobody holds, wants or has booked: the owner's reserve is taken from these, long idle or not. */
function unheldGpus({ state, gpuResource }: LendableNode): number {
  const taken = lentOn(state) + (state.owner[gpuResource] ?? 0) + (state.wanted[gpuResource] ?? 0);
  return Math.max(0, (state.view.allocatable[gpuResource] ?? 0) - taken);
}

/** The cap in GPUs; Infinity without one. */
export function capGpus(cap: CompiledPolicy['cap'], healthyGpus: number): number {
  if (cap === undefined) return Number.POSITIVE_INFINITY;
  return cap.kind === 'Gpus' ? cap.gpus : Math.floor((cap.percent * healthyGpus) / 100);
}

const EXPOSED_PREFIXES = ['topology.kubernetes.io/'];
const EXPOSED_LABELS = new Set([
  'kubernetes.io/arch',
  'kubernetes.io/os',
  'kubernetes.io/hostname',
  'nvidia.com/gpu.product',
  'nvidia.com/gpu.memory',
  'nvidia.com/gpu.count',
  'nvidia.com/gpu.family',
  'nvidia.com/gpu.compute.major',
  'nvidia.com/gpu.compute.minor',
  'nvidia.com/cuda.driver.major',
  'amd.com/gpu.product-name',
  'amd.com/gpu.vram',
  'gpu.intel.com/product',
]);

/** The labels that leave the member: where a node stands and what its GPUs are, nothing that the owner wrote for itself. */
export function exposedLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(labels)
      .filter(([key]) => EXPOSED_LABELS.has(key) || EXPOSED_PREFIXES.some((prefix) => key.startsWith(prefix)))
      .sort(([a], [b]) => compareStrings(a, b)),
  );
}

function toOffer(node: LendableNode, policy: LendingLimits, gpus: number): NodeOffer {
  const { view, name } = node.state;
  const gpu = view.gpu;
  if (gpu === undefined) throw new Error(`node ${name} is lendable without a GPU`);
  return {
    node: nodeName(name),
    vendor: gpu.vendor,
    gpuModel: gpu.model,
    gpuMemoryBytes: gpu.memoryBytes,
    gpuResource: gpu.resource,
    totalGpus: view.healthyBoards,
    free: { ...node.free, [gpu.resource]: gpus },
    allocatable: offerable(subtractResources(view.allocatable, policy.reservePerNode), node.state),
    labels: exposedLabels(view.labels),
    // A node with a taint that the policy does not tolerate is not lent at all.
    taints: [],
  };
}
