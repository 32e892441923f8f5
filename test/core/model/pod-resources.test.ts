import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PodProblem } from '../../../src/core/model/pod-json.ts';
import { podResources } from '../../../src/core/model/pod-resources.ts';

type Amounts = Record<string, string | number>;
const container = (requests: Amounts, limits: Amounts = {}) => ({
  name: 'c',
  image: 'i',
  resources: { requests, limits },
});
const read = (spec: Record<string, unknown>) => {
  const problems: PodProblem[] = [];
  return { requests: podResources(spec, 'spec', problems), problems };
};

describe('the request of a pod', () => {
  it.each([
    {
      why: 'the sum of its containers',
      spec: { containers: [container({ cpu: '1' }), container({ cpu: '500m', memory: '1Gi' })] },
      want: { cpu: 1_500, memory: 2 ** 30 },
    },
    {
      why: 'the limit where the request is absent',
      spec: { containers: [container({ cpu: '1' }, { cpu: '2', memory: '1Gi' })] },
      want: { cpu: 1_000, memory: 2 ** 30 },
    },
    {
      why: 'the larger of containers and each init container',
      spec: {
        initContainers: [container({ cpu: '3' }), container({ memory: '2Gi' })],
        containers: [container({ cpu: '1', memory: '1Gi' })],
      },
      want: { cpu: 3_000, memory: 2 ** 31 },
    },
    {
      why: 'sidecars beside the containers, and beside the init containers started after them',
      spec: {
        initContainers: [
          container({ cpu: '5' }),
          { ...container({ cpu: '1' }), restartPolicy: 'Always' },
          container({ cpu: '6' }),
        ],
        containers: [container({ cpu: '2' })],
      },
      want: { cpu: 7_000 },
    },
    {
      why: 'with sidecars first, their sum with the containers',
      spec: {
        initContainers: [{ ...container({ cpu: '1' }), restartPolicy: 'Always' }, container({ cpu: '1' })],
        containers: [container({ cpu: '2' })],
      },
      want: { cpu: 3_000 },
    },
    {
      why: 'overhead on top',
      spec: { containers: [container({ cpu: '1' })], overhead: { cpu: '250m', memory: '120Mi' } },
      want: { cpu: 1_250, memory: 120 * 2 ** 20 },
    },
    {
      why: 'the pod-level request instead of the sum',
      spec: { containers: [container({ cpu: '1', 'nvidia.com/gpu': 1 })], resources: { requests: { cpu: '4' } } },
      want: { cpu: 4_000, 'nvidia.com/gpu': 1 },
    },
    {
      why: 'the pod-level limit where nobody requests',
      spec: { containers: [container({ cpu: '1' })], resources: { limits: { cpu: '4', memory: '1Gi' } } },
      want: { cpu: 1_000, memory: 2 ** 30 },
    },
    { why: 'nothing but a pod', spec: { containers: [{ name: 'c', image: 'i' }] }, want: {} },
  ])('is $why', ({ spec, want }) => {
    expect(read(spec)).toEqual({ requests: { ...want, pods: 1 }, problems: [] });
  });

  it('is refused with the path of every bad amount', () => {
    const spec = {
      containers: [
        container({ cpu: 'many', constructor: 1, memory: '2Gi' }, { memory: '1Gi' }),
        { name: 'x', image: 'i', resources: 'big' },
      ],
      overhead: { memory: -5 },
    };
    expect(read(spec).problems.map(({ kind, path }) => [kind, path])).toEqual([
      ['BadQuantity', 'spec.containers[0].resources.requests.cpu'],
      ['BadResourceName', 'spec.containers[0].resources.requests.constructor'],
      ['RequestAboveLimit', 'spec.containers[0].resources.requests.memory'],
      ['WrongType', 'spec.containers[1].resources'],
      ['BadQuantity', 'spec.overhead.memory'],
    ]);
  });

  it('is never less than what any moment of the pod needs', () => {
    const one = fc.record({ cpu: fc.nat(100), sidecar: fc.boolean() });
    fc.assert(
      fc.property(
        fc.array(one, { maxLength: 5 }),
        fc.array(fc.nat(100), { minLength: 1, maxLength: 4 }),
        (inits, mains) => {
          const spec = {
            initContainers: inits.map(({ cpu, sidecar }) => ({
              ...container({ cpu }),
              ...(sidecar ? { restartPolicy: 'Always' } : {}),
            })),
            containers: mains.map((cpu) => container({ cpu })),
          };
          // Every moment: each init container beside the sidecars before it, then the containers beside all sidecars.
          let beside = 0;
          const moments = inits.map(({ cpu, sidecar }) => {
            const moment = beside + cpu;
            if (sidecar) beside += cpu;
            return moment;
          });
          moments.push(beside + mains.reduce((sum, cpu) => sum + cpu, 0));
          expect(read(spec).requests['cpu']).toBe(1000 * Math.max(...moments));
        },
      ),
    );
  });
});
