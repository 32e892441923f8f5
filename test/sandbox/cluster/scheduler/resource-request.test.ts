import { describe, expect, it } from 'vitest';
import { podRequests } from '../../../../src/sandbox/cluster/scheduler/resource-request.ts';
import { aPod } from '../object-builders.ts';

const container = (name: string, cpu: string, sidecar = false) => ({
  name,
  resources: { requests: { cpu } },
  ...(sidecar ? { restartPolicy: 'Always' as const } : {}),
});

describe('podRequests', () => {
  it('adds up containers and counts a limit without a request', () => {
    const pod = aPod({
      spec: {
        containers: [container('a', '1'), { name: 'b', resources: { limits: { cpu: '500m', 'nvidia.com/gpu': '2' } } }],
      },
    });
    expect(Object.fromEntries(podRequests(pod))).toEqual({ cpu: 1500, 'nvidia.com/gpu': 2 });
  });

  it('takes the largest init moment when it exceeds the steady sum', () => {
    const pod = aPod({
      spec: { initContainers: [container('i', '4')], containers: [container('a', '1'), container('b', '2')] },
    });
    expect(podRequests(pod).get('cpu')).toBe(4000);
  });

  it('adds sidecars to the steady sum and to every later init moment', () => {
    const pod = aPod({
      spec: { initContainers: [container('s', '1', true), container('i', '4')], containers: [container('a', '2')] },
    });
    expect(podRequests(pod).get('cpu')).toBe(5000);
  });

  it('puts overhead on top', () => {
    const pod = aPod({ spec: { containers: [container('a', '1')], overhead: { cpu: '250m' } } });
    expect(podRequests(pod).get('cpu')).toBe(1250);
  });
});
