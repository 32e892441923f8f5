/**
 * Boards that a DRA driver publishes in ResourceSlices (resource.k8s.io/v1). They are counted, never offered, until reclaim is
 * proven on them.
 *
 * Invariants: only whole devices of drivers known to hand out GPUs count; slices of an older pool generation are outdated and
 * skipped; an unreadable device counts as a board of an unknown model rather than as none.
 */
import { identifyGpu, type GpuVendor } from '../../core/model/gpu.ts';
import { quantityToUnits } from '../../core/model/quantity.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import type { DraBoards } from './gpu-counts.ts';

type Json = Readonly<Record<string, unknown>>;

const VENDOR_OF_DRIVER: Readonly<Record<string, GpuVendor>> = {
  'gpu.nvidia.com': 'nvidia',
  'gpu.amd.com': 'amd',
  'gpu.intel.com': 'intel',
};

/** Boards per node, driver and model. */
export function draBoards(slices: Iterable<KubeObject>): readonly DraBoards[] {
  const specs = [...slices].map((slice) => objectOr((slice as KubeObject & Json)['spec']));
  const newest = new Map<string, number>();
  for (const spec of specs) {
    newest.set(poolKey(spec), Math.max(newest.get(poolKey(spec)) ?? 0, generationOf(spec)));
  }
  const boards = new Map<string, DraBoards>();
  for (const spec of specs) {
    if (generationOf(spec) < (newest.get(poolKey(spec)) ?? 0)) continue;
    for (const board of boardsOfSlice(spec)) {
      const key = JSON.stringify([board.node, board.gpuModel, board.gpuMemoryBytes]);
      boards.set(key, { ...board, boards: (boards.get(key)?.boards ?? 0) + 1 });
    }
  }
  return [...boards.values()];
}

function boardsOfSlice(spec: Json): readonly DraBoards[] {
  const { driver, nodeName: node, devices } = spec;
  const vendor = typeof driver === 'string' ? VENDOR_OF_DRIVER[driver] : undefined;
  if (vendor === undefined || typeof node !== 'string' || !Array.isArray(devices)) return [];
  return devices.flatMap((device) => {
    const board = boardOf(objectOr(device), vendor);
    return board === undefined ? [] : [{ node, ...board, boards: 1 }];
  });
}

function boardOf(device: Json, vendor: GpuVendor): Omit<DraBoards, 'node' | 'boards'> | undefined {
  const attributes = objectOr(device['attributes']);
  const type = textAttribute(attributes, 'type');
  if (type !== undefined && type !== 'gpu') return undefined;
  const identity = identifyGpu(textAttribute(attributes, 'productName') ?? `${vendor}-unknown`);
  const memory = quantityToUnits(objectOr(objectOr(device['capacity'])['memory'])['value']);
  return {
    vendor,
    gpuModel: identity.model,
    gpuMemoryBytes: identity.nominalMemoryBytes ?? (memory.ok ? memory.value : 0),
  };
}

/** Attribute names may carry the driver's domain: `productName` or `gpu.nvidia.com/productName`. */
function textAttribute(attributes: Json, name: string): string | undefined {
  const key = Object.keys(attributes).find((one) => one === name || one.endsWith(`/${name}`));
  const value = key === undefined ? undefined : objectOr(attributes[key])['string'];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function poolKey(spec: Json): string {
  return JSON.stringify([spec['driver'], objectOr(spec['pool'])['name']]);
}

function generationOf(spec: Json): number {
  const generation = objectOr(spec['pool'])['generation'];
  return typeof generation === 'number' ? generation : 0;
}

function objectOr(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}
