import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readPodSpec, readPodTemplate } from '../../../src/core/model/pod-requests.ts';

const template = (spec: Record<string, unknown> = {}) => ({
  metadata: { labels: { app: 'train' } },
  spec: {
    containers: [
      { name: 'main', image: 'registry.example/train:1', resources: { requests: { cpu: '2', memory: '4Gi' } } },
      { name: 'logger', image: 'registry.example/log:2' },
    ],
    ...spec,
  },
});

describe('a pod template', () => {
  it('gives all that the scheduler must know', () => {
    const read = readPodTemplate(
      template({
        initContainers: [{ name: 'fetch', image: 'registry.example/log:2', resources: { limits: { memory: '8Gi' } } }],
        nodeSelector: { zone: 'a' },
        tolerations: [{ operator: 'Exists' }],
        futureField: { survives: true },
      }),
    );
    expect(read).toEqual({
      ok: true,
      value: {
        requests: { cpu: 2_000, memory: 8 * 2 ** 30, pods: 1 },
        nodeTerms: [[{ key: 'zone', operator: 'In', values: ['a'] }]],
        tolerations: [{ operator: 'Exists' }],
        images: ['registry.example/log:2', 'registry.example/train:1'],
        gpuContainer: 'main',
      },
    });
  });

  it('gives its GPUs to the named container', () => {
    expect(readPodTemplate(template(), { gpuContainer: 'logger' })).toMatchObject({
      ok: true,
      value: { gpuContainer: 'logger' },
    });
  });

  it('refuses a GPU container that it does not have, and names those it has', () => {
    expect(readPodTemplate(template(), { gpuContainer: 'trainer' })).toEqual({
      ok: false,
      error: [
        {
          kind: 'NoSuchContainer',
          path: 'spec.gpuContainer',
          message: 'names container "trainer", the template has: main, logger',
        },
      ],
    });
  });

  it.each(['nvidia.com/gpu', 'nvidia.com/mig-1g.5gb', 'amd.com/gpu', 'gpu.intel.com/xe'])(
    'refuses %s named by itself',
    (resource) => {
      const containers = [{ name: 'main', image: 'i', resources: { limits: { [resource]: 1 } } }];
      expect(readPodTemplate(template({ containers }))).toMatchObject({
        ok: false,
        error: [{ kind: 'GpuResource', path: `spec.template.spec.containers[0].resources.limits.${resource}` }],
      });
    },
  );

  it('reports every problem at once, each with its path', () => {
    const read = readPodTemplate(
      template({
        containers: [{ name: 'main' }, { name: 'main', image: 'i', resources: { requests: { cpu: 'x' } } }, 7],
        nodeSelector: 'zone',
      }),
    );
    expect(read.ok ? [] : read.error.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      'Missing spec.template.spec.containers[0].image',
      'Duplicate spec.template.spec.containers[1].name',
      'WrongType spec.template.spec.containers[2]',
      'BadQuantity spec.template.spec.containers[1].resources.requests.cpu',
      'WrongType spec.template.spec.nodeSelector',
    ]);
  });

  it.each([
    ['nothing', undefined, 'spec.template'],
    ['text', 'pod', 'spec.template'],
    ['no spec', {}, 'spec.template.spec'],
    ['no containers', { spec: {} }, 'spec.template.spec.containers'],
    ['containers by name', { spec: { containers: {} } }, 'spec.template.spec.containers'],
  ])('that is %s is refused at its path', (_why, raw, path) => {
    const read = readPodTemplate(raw);
    expect(read.ok ? '' : read.error[0]?.path).toBe(path);
  });

  it('never throws, whatever it is given', () => {
    const junk = fc.anything({
      maxDepth: 5,
      key: fc.constantFrom(
        'spec',
        'containers',
        'name',
        'image',
        'resources',
        'requests',
        'cpu',
        '__proto__',
        'affinity',
        'nodeAffinity',
        'tolerations',
        'limits',
      ),
    });
    fc.assert(
      fc.property(junk, (raw) => {
        expect(typeof readPodTemplate({ spec: raw }).ok).toBe('boolean');
        expect(typeof readPodTemplate(raw).ok).toBe('boolean');
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("an owner's pod", () => {
  it('is read with its GPUs', () => {
    const spec = { containers: [{ name: 'main', image: 'i', resources: { limits: { 'nvidia.com/gpu': '2' } } }] };
    expect(readPodSpec(spec)).toMatchObject({ ok: true, value: { requests: { 'nvidia.com/gpu': 2, pods: 1 } } });
  });

  it('is refused with paths from its own root', () => {
    expect(readPodSpec({ containers: [] })).toMatchObject({ ok: false, error: [{ path: 'spec.containers' }] });
  });
});
