import { describe, expect, it } from 'vitest';
import { gpuCounts } from '../../../src/agent/inventory/gpu-counts.ts';
import { gpuModel } from '../../../src/core/model/ids.ts';
import { slimNode } from '../../../src/agent/inventory/slim-node.ts';
import type { NodeState } from '../../../src/agent/inventory/node-state.ts';
import { aRawNode, type NodeShape } from '../../support/agent-builders.ts';

const GPU = 'nvidia.com/gpu';
const state = (name: string, shape: NodeShape & { owner?: number; guests?: number } = {}): NodeState => ({
  name,
  view: slimNode(aRawNode(name, shape)).view,
  owner: { [GPU]: shape.owner ?? 0 },
  guests: { [GPU]: shape.guests ?? 0 },
  booked: {},
  wanted: {},
  recentOwnerGpus: 0,
  readable: true,
});

describe('counts of boards by state', () => {
  it('add up per model over nodes', () => {
    const counts = gpuCounts(
      [
        state('a', { owner: 3, guests: 2 }),
        state('b', { healthyGpus: 6 }),
        state('c', { ready: false }),
        state('d', { product: 'Tesla-T4', gpus: 2 }),
      ],
      new Map([
        ['a', 3],
        ['b', 6],
      ]),
    );
    expect(counts).toMatchObject([
      { gpuModel: 'H100-80GB', total: 24, owner: 3, parked: 0, idle: 9, lent: 2, unhealthy: 2, unknown: 8, offered: 9 },
      { gpuModel: 'T4', total: 2, idle: 2, offered: 0 },
    ]);
  });

  it('call a failed board held as long as somebody holds it', () => {
    expect(gpuCounts([state('a', { gpus: 2, healthyGpus: 1, owner: 2 })], new Map())).toMatchObject([
      { total: 2, owner: 2, unhealthy: 0 },
    ]);
  });

  it('count shared boards as boards, held ones rounded up', () => {
    const shared = { product: 'Tesla-T4-SHARED', labels: { 'nvidia.com/gpu.replicas': '4' }, gpus: 8 };
    expect(gpuCounts([state('a', { ...shared, owner: 5 })], new Map([['a', 2]]))).toMatchObject([
      { gpuModel: 'T4', total: 2, owner: 2, idle: 0, offered: 0 },
    ]);
  });

  it('count DRA boards as unknown, but not those that a plugin lists as well', () => {
    const dra = { vendor: 'nvidia', gpuModel: gpuModel('H100-80GB'), gpuMemoryBytes: 80 * 2 ** 30, boards: 4 };
    expect(
      gpuCounts([state('a')], new Map(), [
        { ...dra, node: 'a' },
        { ...dra, node: 'z' },
      ]),
    ).toMatchObject([{ total: 12, idle: 8, unknown: 4 }]);
  });
});
