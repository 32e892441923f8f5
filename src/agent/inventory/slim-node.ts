/**
 * A node as the agent remembers it: readiness, taints, labels, what it can give, and what its GPUs are.
 *
 * Invariants: a node without a Ready condition of True is not ready; an amount that cannot be read counts as nothing.
 * Leaves out what pods hold of it (node-ledger.ts) and what the policy makes of it (lendable.ts).
 */
import { gpuOfNode, WHOLE_GPU_RESOURCES, type NodeGpu } from '../../core/model/gpu.ts';
import type { Taint } from '../../core/model/member.ts';
import { resourceAmount } from '../../core/model/quantity.ts';
import type { Resources } from '../../core/model/resources.ts';
import type { KubeObject } from '../../platform/kube/object.ts';

export interface NodeView {
  readonly ready: boolean;
  readonly cordoned: boolean;
  readonly taints: readonly Taint[];
  readonly labels: Readonly<Record<string, string>>;
  readonly allocatable: Resources;
  /** Absent: no whole GPUs by a device plugin. */
  readonly gpu?: NodeGpu;
  /** Physical boards. A replica is not one: `capacity / replicas` where boards are shared. */
  readonly boards: number;
  /** Boards that the device plugin reports healthy. */
  readonly healthyBoards: number;
  /** Devices that pods request per board: above 1 where boards are shared. */
  readonly devicesPerBoard: number;
}

export interface SlimNode extends KubeObject {
  readonly view: NodeView;
}

type Json = Readonly<Record<string, unknown>>;

/** For a reflector's `transform`: raw node in, slim node out. */
export function slimNode(raw: KubeObject): SlimNode {
  const { name, uid, resourceVersion, labels } = raw.metadata;
  return {
    metadata: {
      ...(name === undefined ? {} : { name }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    view: viewOf(raw as KubeObject & Json, labels ?? {}),
  };
}

function viewOf(raw: KubeObject & Json, labels: Readonly<Record<string, string>>): NodeView {
  const spec = objectOr(raw['spec']);
  const status = objectOr(raw['status']);
  const capacity = amountsOf(status['capacity']);
  const allocatable = amountsOf(status['allocatable']);
  const resource = WHOLE_GPU_RESOURCES.find((name) => (capacity[name] ?? 0) > 0 || (allocatable[name] ?? 0) > 0);
  const gpu = resource === undefined ? undefined : gpuOfNode(resource, labels);
  const devices = Math.max(capacity[resource ?? ''] ?? 0, allocatable[resource ?? ''] ?? 0);
  const devicesPerBoard = gpu === undefined ? 1 : devicesPerBoardOf(gpu, devices, labels);
  return {
    ready: conditionIsTrue(status['conditions'], 'Ready'),
    cordoned: spec['unschedulable'] === true,
    taints: taintsOf(spec['taints']),
    labels,
    allocatable,
    ...(gpu === undefined ? {} : { gpu }),
    boards: Math.ceil(devices / devicesPerBoard),
    healthyBoards: Math.ceil((allocatable[resource ?? ''] ?? 0) / devicesPerBoard),
    devicesPerBoard,
  };
}

/** How many devices one board shows up as. Whole GPUs: 1. Shared ones: from the labels, else all devices are one board. */
function devicesPerBoardOf(gpu: NodeGpu, devices: number, labels: Readonly<Record<string, string>>): number {
  if (gpu.sharing.kind === 'Exclusive' || devices === 0) return 1;
  const boards = positive(labels['nvidia.com/gpu.count']);
  const replicas = positive(labels['nvidia.com/gpu.replicas']);
  if (gpu.sharing.kind === 'Replicas' && replicas !== undefined) return replicas;
  if (boards !== undefined && boards <= devices) return Math.ceil(devices / boards);
  return devices;
}

function positive(text: string | undefined): number | undefined {
  const value = Number(text);
  return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

function amountsOf(value: unknown): Resources {
  const amounts: Record<string, number> = {};
  for (const [name, text] of Object.entries(objectOr(value))) {
    const amount = resourceAmount(name, text);
    if (amount.ok) amounts[name] = amount.value;
  }
  return amounts;
}

function taintsOf(value: unknown): readonly Taint[] {
  if (!Array.isArray(value)) return [];
  return value.map(objectOr).map((taint) => ({
    key: typeof taint['key'] === 'string' ? taint['key'] : '',
    value: typeof taint['value'] === 'string' ? taint['value'] : '',
    // An effect that we do not know keeps guests away: that is the safe reading.
    effect: taint['effect'] === 'PreferNoSchedule' || taint['effect'] === 'NoExecute' ? taint['effect'] : 'NoSchedule',
  }));
}

function conditionIsTrue(conditions: unknown, type: string): boolean {
  return (
    Array.isArray(conditions) &&
    conditions.map(objectOr).some((one) => one['type'] === type && one['status'] === 'True')
  );
}

function objectOr(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}
