import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canonicalGpuModel,
  gpuOfNode,
  identifyGpu,
  isGpuResource,
  vendorOfGpuResource,
} from '../../../src/core/model/gpu.ts';

const GIB = 2 ** 30;

describe('the canonical model', () => {
  it.each([
    ['NVIDIA-H100-80GB-HBM3', 'H100-80GB', 80],
    ['NVIDIA-H100-PCIe', 'H100-80GB-PCIE', 80],
    ['NVIDIA-H200', 'H200', 141],
    ['NVIDIA-B200', 'B200', 192],
    ['NVIDIA-GH200-480GB', 'GH200-96GB', 96],
    ['Tesla-T4', 'T4', 16],
    ['NVIDIA-Tesla-T4', 'T4', 16],
    ['NVIDIA-A100-SXM4-40GB', 'A100-40GB', 40],
    ['A100-SXM4-80GB', 'A100-80GB', 80],
    ['NVIDIA-A100-80GB-PCIe', 'A100-80GB-PCIE', 80],
    ['Tesla-V100-SXM2-32GB', 'V100-32GB', 32],
    ['NVIDIA-L40S', 'L40S', 48],
    ['NVIDIA-GeForce-RTX-4090', 'RTX-4090', 24],
    ['AMD_Instinct_MI300X_OAM', 'MI300X', 192],
    ['Instinct_MI210', 'MI210', 64],
    ['AMD Instinct MI250X / MI250', 'MI250', 128],
    ['Max_1550', 'GPU-MAX-1550', 128],
    ['Intel(R) Data Center GPU Max 1100', 'GPU-MAX-1100', 48],
    ['h100-80gb', 'H100-80GB', 80],
  ])('of %s is %s with %s GiB', (label, model, gib) => {
    expect(identifyGpu(label)).toEqual({
      model,
      known: true,
      sharing: { kind: 'Exclusive' },
      nominalMemoryBytes: gib * GIB,
    });
  });

  it.each([
    ['NVIDIA-L4-SHARED', 'L4', { kind: 'Replicas' }],
    ['A100-SXM4-40GB-MIG-1g.5gb', 'A100-40GB', { kind: 'MigStatic', profile: '1g.5gb', replicated: false }],
    [
      'NVIDIA-H100-80GB-HBM3-MIG-1g.10gb-SHARED',
      'H100-80GB',
      { kind: 'MigStatic', profile: '1g.10gb', replicated: true },
    ],
    ['FutureChip-9-SHARED', 'FutureChip-9', { kind: 'Replicas' }],
  ])('of %s is %s, and its sharing is seen', (label, model, sharing) => {
    expect(identifyGpu(label)).toMatchObject({ model, sharing });
  });

  it('of an unknown label is the label, cleaned', () => {
    expect(identifyGpu('Acme (R) Quantum Board 7')).toEqual({
      model: 'Acme-Quantum-Board-7',
      known: false,
      sharing: { kind: 'Exclusive' },
    });
    expect(canonicalGpuModel('///')).toBe('unknown');
  });

  it('is its own alias and fits a label, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ maxLength: 100 }),
          fc.string({ unit: fc.constantFrom('A', 'b', '1', '-', '.', '_', ' ') }),
        ),
        (label) => {
          const model = canonicalGpuModel(label);
          expect(model).toMatch(/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$/);
          const { sharing } = identifyGpu(model);
          if (sharing.kind === 'Exclusive') expect(canonicalGpuModel(model)).toBe(model);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe('GPU resources', () => {
  it.each([
    'nvidia.com/gpu',
    'nvidia.com/gpu.shared',
    'nvidia.com/mig-1g.5gb',
    'amd.com/gpu',
    'amd.com/cpx_nps4',
    'gpu.intel.com/xe',
    'gpu.intel.com/i915',
    'gpu.intel.com/monitoring',
  ])('%s belongs to the platform', (resource) => {
    expect(isGpuResource(resource)).toBe(true);
  });

  it.each(['cpu', 'rdma/hca', 'nvidia.com/hostdev', 'example.com/gpu', 'xnvidia.com/gpu', 'nvidia.com/gpux'])(
    '%s does not',
    (resource) => {
      expect(isGpuResource(resource)).toBe(false);
    },
  );

  it("count whole GPUs only under the vendors' plain names", () => {
    expect(vendorOfGpuResource('nvidia.com/gpu')).toBe('nvidia');
    expect(vendorOfGpuResource('amd.com/gpu')).toBe('amd');
    expect(vendorOfGpuResource('gpu.intel.com/xe')).toBe('intel');
    expect(vendorOfGpuResource('nvidia.com/mig-1g.5gb')).toBeUndefined();
  });
});

describe('the GPUs of a node', () => {
  it('are as large as they are sold, so that minMemory: 80Gi finds an 80 GB board', () => {
    const labels = { 'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3', 'nvidia.com/gpu.memory': '81559' };
    expect(gpuOfNode('nvidia.com/gpu', labels)).toMatchObject({
      vendor: 'nvidia',
      model: 'H100-80GB',
      memoryBytes: 80 * GIB,
    });
  });

  it('of an unknown model are as large as the label says', () => {
    const nvidia = { 'nvidia.com/gpu.product': 'New-1', 'nvidia.com/gpu.memory': '1024' };
    expect(gpuOfNode('nvidia.com/gpu', nvidia)).toMatchObject({ model: 'New-1', memoryBytes: GIB });
    const amd = { 'beta.amd.com/gpu.product-name': 'New_2', 'amd.com/gpu.vram': '64G' };
    expect(gpuOfNode('amd.com/gpu', amd)).toMatchObject({ model: 'New-2', memoryBytes: 64 * GIB });
  });

  it('without labels are of an unknown model and no stated memory', () => {
    expect(gpuOfNode('gpu.intel.com/xe', {})).toMatchObject({ model: 'intel-unknown', memoryBytes: 0, known: false });
    expect(gpuOfNode('nvidia.com/gpu', { 'nvidia.com/gpu.memory': 'lots' })).toMatchObject({ memoryBytes: 0 });
  });

  it.each([{ 'nvidia.com/gpu.sharing-strategy': 'time-slicing' }, { 'nvidia.com/gpu.replicas': '4' }])(
    'are shared where the labels say so: %o',
    (extra) => {
      const labels = { 'nvidia.com/gpu.product': 'Tesla-T4', ...extra };
      expect(gpuOfNode('nvidia.com/gpu', labels)).toMatchObject({ sharing: { kind: 'Replicas' } });
    },
  );

  it.each([{ 'nvidia.com/gpu.sharing-strategy': 'none' }, { 'nvidia.com/gpu.replicas': '1' }])(
    'are whole where the labels say so: %o',
    (extra) => {
      const labels = { 'nvidia.com/gpu.product': 'Tesla-T4', ...extra };
      expect(gpuOfNode('nvidia.com/gpu', labels)).toMatchObject({ sharing: { kind: 'Exclusive' } });
    },
  );

  it('do not exist under other resources', () => {
    expect(gpuOfNode('nvidia.com/mig-1g.5gb', {})).toBeUndefined();
  });
});
