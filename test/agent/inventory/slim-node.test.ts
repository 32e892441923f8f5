import { describe, expect, it } from 'vitest';
import { slimNode } from '../../../src/agent/inventory/slim-node.ts';
import { aRawNode } from '../../support/agent-builders.ts';

describe('a slim node', () => {
  it('reads GPUs, health and amounts', () => {
    expect(slimNode(aRawNode('n1', { gpus: 8, healthyGpus: 7, cpu: '63500m' })).view).toMatchObject({
      ready: true,
      cordoned: false,
      allocatable: { cpu: 63_500, 'nvidia.com/gpu': 7, pods: 110 },
      gpu: { vendor: 'nvidia', model: 'H100-80GB', resource: 'nvidia.com/gpu', sharing: { kind: 'Exclusive' } },
      boards: 8,
      healthyBoards: 7,
      devicesPerBoard: 1,
    });
  });

  it.each([
    ['replicas by label', { labels: { 'nvidia.com/gpu.replicas': '4' }, gpus: 8 }, 2, 4],
    ['a shared product', { product: 'Tesla-T4-SHARED', labels: { 'nvidia.com/gpu.count': '2' }, gpus: 8 }, 2, 4],
    [
      'a sharing strategy',
      { labels: { 'nvidia.com/gpu.sharing-strategy': 'mps', 'nvidia.com/gpu.replicas': '2' }, gpus: 4 },
      2,
      2,
    ],
    [
      'MIG slices',
      { product: 'NVIDIA-A100-SXM4-40GB-MIG-1g.5gb', labels: { 'nvidia.com/gpu.count': '2' }, gpus: 14 },
      2,
      7,
    ],
    ['shared devices of unknown number', { product: 'Tesla-T4-SHARED', gpus: 5 }, 1, 5],
  ])('counts boards, not devices, under %s', (_what, shape, boards, perBoard) => {
    const view = slimNode(aRawNode('n', shape)).view;
    expect(view.gpu?.sharing.kind).not.toBe('Exclusive');
    expect(view).toMatchObject({ boards, devicesPerBoard: perBoard });
  });

  it('takes a node without a Ready condition of True for not ready', () => {
    expect(slimNode(aRawNode('n', { ready: false })).view.ready).toBe(false);
    expect(slimNode({ metadata: { name: 'n' } }).view).toMatchObject({ ready: false, allocatable: {}, boards: 0 });
  });

  it('reads an unknown taint effect as one that keeps guests away', () => {
    const view = slimNode(aRawNode('n', { taints: [{ key: 'k', effect: 'NewEffect' }] })).view;
    expect(view.taints).toEqual([{ key: 'k', value: '', effect: 'NoSchedule' }]);
  });

  it('has no GPU without whole GPUs', () => {
    expect(slimNode(aRawNode('n', { gpus: 0 })).view.gpu).toBeUndefined();
  });
});
