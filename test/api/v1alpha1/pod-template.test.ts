import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRefusedResource } from '../../../src/api/v1alpha1/pod-template.ts';
import { isGpuResource, WHOLE_GPU_RESOURCES } from '../../../src/core/model/gpu.ts';

describe('GPU resources that a template must not name', () => {
  it.each(WHOLE_GPU_RESOURCES)('include %s', (name) => {
    expect(isRefusedResource(name)).toBe(true);
  });

  it('are all GPU resources to core as well, so that nothing else is refused', () => {
    const name = fc.oneof(
      fc.constantFrom(
        'nvidia.com/gpu',
        'nvidia.com/mig-1g.5gb',
        'nvidia.com/hostdev',
        'amd.com/gpu',
        'gpu.intel.com/x',
        'rdma/hca',
        'cpu',
      ),
      fc.stringMatching(/^(nvidia|amd|gpu\.intel|habana)\.(com|ai)\/(gpu|pgpu|mig-|cpx_nps|spx_nps)?[a-z0-9.]{0,6}$/),
    );
    fc.assert(
      fc.property(name, (resource) => {
        // Numbers follow `_nps` in core; a name that only begins so exists nowhere and may be refused.
        if (isRefusedResource(resource) && !resource.includes('_nps')) expect(isGpuResource(resource)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    'nvidia.com/gpu.shared',
    'nvidia.com/mig-3g.40gb',
    'nvidia.com/pgpu',
    'amd.com/cpx_nps4',
    'amd.com/spx_nps1',
    'gpu.intel.com/monitoring',
  ])('include %s, as core does', (name) => {
    expect([isRefusedResource(name), isGpuResource(name)]).toEqual([true, true]);
  });

  it.each(['nvidia.com/hostdev', 'nvidia.com/gpuless', 'amd.com/nic', 'rdma/hca', 'cpu'])(
    'leave %s alone, as core does',
    (name) => {
      expect([isRefusedResource(name), isGpuResource(name)]).toEqual([false, false]);
    },
  );
});
