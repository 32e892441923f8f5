import { describe, expect, it } from 'vitest';
import { gpuUuids, nodeObject, nodesOf, parseNodeSpec } from '../../../src/sandbox/cluster/node-shape.ts';

const facts = {
  address: '127.9.255.1',
  now: '2026-01-01T00:00:00Z',
  clusterName: 'jakarta',
  operatingSystem: 'linux',
  architecture: 'amd64',
};

describe('parseNodeSpec', () => {
  it('reads model, boards, number of nodes and the rest in any order', () => {
    const text =
      'nodes=2, gpu=H100-80GB x8, cpu=64, memory=512Gi, label=zone=a, label=team=x, taint=dedicated=gpu:NoSchedule';
    expect(parseNodeSpec(text)).toEqual({
      ok: true,
      value: {
        count: 2,
        template: {
          gpuModel: 'H100-80GB',
          gpus: 8,
          cpu: '64',
          memory: '512Gi',
          labels: { zone: 'a', team: 'x' },
          taints: [{ key: 'dedicated', value: 'gpu', effect: 'NoSchedule' }],
        },
      },
    });
  });

  it('takes a model without a count as one board', () => {
    expect(parseNodeSpec('gpu=T4')).toMatchObject({
      ok: true,
      value: { count: 1, template: { gpuModel: 'T4', gpus: 1 } },
    });
  });

  it.each([
    ['gpu=H1000 x8', 'gpu'],
    ['gpu=T4 x0', 'gpu'],
    ['gpu=T4 x17', 'gpu'],
    ['nodes=0', 'nodes'],
    ['nodes=1001', 'nodes'],
    ['nodes=two', 'nodes'],
    ['cpu=lots', 'cpu'],
    ['cpu=0', 'cpu'],
    ['memory=-1Gi', 'memory'],
    ['label=zone', 'label'],
    ['taint=a:Sometimes', 'taint'],
    ['disk=1Ti', 'disk'],
    ['gpu=T4, gpu=A10', 'gpu'],
    ['', ''],
  ])('refuses %j naming the key %j', (text, field) => {
    const read = parseNodeSpec(text);
    expect(read).toMatchObject({ ok: false, error: { kind: 'BadNodeSpec', field } });
    if (!read.ok) expect(read.error.message.length).toBeGreaterThan(10);
  });

  it('numbers the nodes of a group', () => {
    const read = parseNodeSpec('gpu=T4 x2, nodes=3');
    expect(read.ok && nodesOf(read.value, 'gpu').map((node) => node.name)).toEqual(['gpu-1', 'gpu-2', 'gpu-3']);
  });
});

describe('nodeObject', () => {
  it('registers boards as capacity and labels them as feature discovery does', () => {
    const node = nodeObject({ name: 'n1', gpuModel: 'H100-80GB', gpus: 8, labels: { rack: 'r1' } }, facts);
    expect(node.status?.allocatable).toMatchObject({ 'nvidia.com/gpu': '8', pods: '110' });
    expect(node.metadata.labels).toMatchObject({
      'kubernetes.io/hostname': 'n1',
      'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3',
      'nvidia.com/gpu.count': '8',
      'nvidia.com/gpu.memory': '81559',
      rack: 'r1',
    });
    expect(node.status?.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('True');
  });

  it('has no GPU resource and no GPU label without boards', () => {
    const node = nodeObject({ name: 'n1' }, facts);
    expect(node.status?.capacity).not.toHaveProperty('nvidia.com/gpu');
    expect(Object.keys(node.metadata.labels ?? {}).filter((label) => label.startsWith('nvidia'))).toEqual([]);
  });

  it('gives every board of a cluster its own stable UUID', () => {
    const all = ['a', 'b'].flatMap((name) => gpuUuids('jakarta', { name, gpus: 16 }));
    expect(new Set(all).size).toBe(32);
    expect(all).toEqual(['a', 'b'].flatMap((name) => gpuUuids('jakarta', { name, gpus: 16 })));
    expect(all[0]).toMatch(/^GPU-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  });
});
