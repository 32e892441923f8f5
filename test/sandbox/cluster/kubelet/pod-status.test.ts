import { describe, expect, it } from 'vitest';
import { podStatus } from '../../../../src/sandbox/cluster/kubelet/pod-status.ts';
import type { PodFacts } from '../../../../src/sandbox/cluster/kubelet/pod-status.ts';
import type { ContainerState, ContainerStatus } from '../../../../src/sandbox/cluster/objects/pod.ts';
import { aPod } from '../object-builders.ts';

const now = '2026-01-01T00:10:00Z';
const running: ContainerState = { running: { startedAt: now } };
const waiting: ContainerState = { waiting: { reason: 'ContainerCreating' } };
const exited = (exitCode: number): ContainerState => ({ terminated: { exitCode } });

function status(state: ContainerState, more: Partial<ContainerStatus> = {}): ContainerStatus {
  const ready = state.running !== undefined;
  return {
    name: 'main',
    image: 'i',
    imageID: '',
    ready,
    started: ready,
    restartCount: 0,
    state,
    lastState: {},
    ...more,
  };
}

function facts(more: Partial<PodFacts>): PodFacts {
  return {
    pod: aPod(),
    containers: [status(running)],
    initContainers: [],
    hostIp: '127.1.255.1',
    podIp: '127.1.0.1',
    startTime: '2026-01-01T00:00:00Z',
    now,
    ended: false,
    ...more,
  };
}

describe('podStatus', () => {
  it.each<[string, Partial<PodFacts>, string]>([
    ['is Pending while a container waits for its first start', { containers: [status(waiting)] }, 'Pending'],
    ['is Running while one runs', {}, 'Running'],
    ['is Running between restarts', { containers: [status(waiting, { lastState: exited(1) })] }, 'Running'],
    ['is Running while one of two has ended', { containers: [status(running), status(exited(0))] }, 'Running'],
    ['has Succeeded when all ended with 0', { ended: true, containers: [status(exited(0))] }, 'Succeeded'],
    [
      'has Failed when one ended otherwise',
      { ended: true, containers: [status(exited(0)), status(exited(143))] },
      'Failed',
    ],
    [
      'has Failed when its node ended it, though all ended with 0',
      { ended: true, containers: [status(exited(0))], cause: { reason: 'DeadlineExceeded', message: 'm' } },
      'Failed',
    ],
    [
      'is Pending while an init container runs',
      {
        pod: aPod({ spec: { initContainers: [{ name: 'i' }] } }),
        initContainers: [status(running, { name: 'i' })],
        containers: [status(waiting)],
      },
      'Pending',
    ],
  ])('%s', (_name, more, want) => {
    expect(podStatus(facts(more)).phase).toBe(want);
  });

  it('says ready, with addresses, when all containers run', () => {
    const result = podStatus(facts({}));
    expect(result).toMatchObject({ podIP: '127.1.0.1', podIPs: [{ ip: '127.1.0.1' }], hostIP: '127.1.255.1' });
    expect(Object.fromEntries(result.conditions!.map(({ type, status: value }) => [type, value]))).toEqual({
      PodReadyToStartContainers: 'True',
      Initialized: 'True',
      Ready: 'True',
      ContainersReady: 'True',
    });
  });

  it('keeps conditions of others and the times of those that did not change', () => {
    const old = [
      { type: 'Ready', status: 'True' as const, lastTransitionTime: '2026-01-01T00:00:05Z' },
      { type: 'DisruptionTarget', status: 'True' as const, reason: 'PreemptionByScheduler' },
    ];
    const result = podStatus(facts({ pod: aPod({ status: { conditions: old } }) }));
    expect(result.conditions).toContainEqual(old[1]);
    expect(result.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime).toBe('2026-01-01T00:00:05Z');
    const later = podStatus(facts({ pod: aPod({ status: { conditions: old } }), containers: [status(waiting)] }));
    expect(later.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ContainersNotReady',
      lastTransitionTime: now,
    });
  });
});
