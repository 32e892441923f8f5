import { describe, expect, it } from 'vitest';
import { draBoards } from '../../../src/agent/inventory/dra-boards.ts';
import type { KubeObject } from '../../../src/platform/kube/object.ts';

const slice = (spec: Record<string, unknown>): KubeObject =>
  ({
    metadata: { name: 's' },
    spec: { driver: 'gpu.nvidia.com', nodeName: 'n1', pool: { name: 'n1', generation: 1 }, ...spec },
  }) as KubeObject;
const device = (product: string, type = 'gpu') => ({
  name: 'd',
  attributes: { type: { string: type }, 'gpu.nvidia.com/productName': { string: product } },
  capacity: { memory: { value: '81559Mi' } },
});

describe('boards under DRA', () => {
  it('are counted per node and model', () => {
    const boards = draBoards([
      slice({ devices: [device('NVIDIA H100 80GB HBM3'), device('NVIDIA H100 80GB HBM3')] }),
      slice({ nodeName: 'n2', pool: { name: 'n2', generation: 1 }, devices: [device('Tesla T4')] }),
    ]);
    expect(boards).toMatchObject([
      { node: 'n1', gpuModel: 'H100-80GB', boards: 2 },
      { node: 'n2', gpuModel: 'T4', boards: 1 },
    ]);
  });

  it.each([
    ['slices of drivers that hand out something else', [slice({ driver: 'nic.example', devices: [device('x')] })]],
    ['MIG slices of a board', [slice({ devices: [device('NVIDIA H100 80GB HBM3', 'mig')] })]],
    ['slices that say nothing', [slice({ devices: 'none' }), { metadata: {} }]],
    ['slices without a node', [slice({ nodeName: undefined, devices: [device('Tesla T4')] })]],
  ])('leave out %s', (_what, slices) => {
    expect(draBoards(slices)).toEqual([]);
  });

  it('leave out slices of an older generation of the same pool', () => {
    const boards = draBoards([
      slice({ pool: { name: 'n1', generation: 2 }, devices: [device('Tesla T4')] }),
      slice({ pool: { name: 'n1', generation: 1 }, devices: [device('Tesla T4'), device('Tesla T4')] }),
    ]);
    expect(boards).toMatchObject([{ boards: 1 }]);
  });

  it('count a device without a readable name as a board of an unknown model', () => {
    expect(draBoards([slice({ devices: [{ name: 'd' }] })])).toMatchObject([
      { gpuModel: 'nvidia-unknown', boards: 1, gpuMemoryBytes: 0 },
    ]);
  });
});
