import { describe, expect, it } from 'vitest';
import type { GuestPod } from '../../../src/agent/runs/guest-objects.ts';
import { readPod } from '../../../src/agent/runs/read-pod.ts';

const reading = { gpuContainer: 'main', unreachableNodes: new Set(['node-x']) };
const AT = '2026-01-01T00:00:10Z';
const END = '2026-01-01T00:00:20Z';
const ms = (text: string): number => Date.parse(text);

function pod(status: Record<string, unknown>, metadata: Record<string, unknown> = {}, node = 'node-1'): GuestPod {
  return {
    metadata: { name: 'p', annotations: { 'batch.kubernetes.io/job-completion-index': '3' }, ...metadata },
    spec: { nodeName: node },
    status,
  };
}
const terminated = (exitCode: number, reason = 'Error') => ({
  terminated: { exitCode, reason, startedAt: AT, finishedAt: END },
});

describe('reading a pod', () => {
  it.each([
    ['Pending', {}, 'Pending'],
    ['Running', { phase: 'Running' }, 'Running'],
    ['Unknown, which may well run', { phase: 'Unknown' }, 'Running'],
    ['Succeeded', { phase: 'Succeeded' }, 'Succeeded'],
    ['Failed', { phase: 'Failed' }, 'Failed'],
  ])('finds it %s', (_what, status, state) => {
    expect(readPod(pod(status), reading)).toMatchObject({
      index: 3,
      pod: 'p',
      node: 'node-1',
      state,
      unreachable: false,
    });
  });

  it('is none of the run without an index, and unreachable with its node', () => {
    expect(readPod(pod({}, { annotations: {} }), reading)).toBeUndefined();
    expect(
      readPod(pod({}, { annotations: {}, labels: { 'batch.kubernetes.io/job-completion-index': '0' } }), reading)
        ?.index,
    ).toBe(0);
    expect(readPod(pod({}, {}, 'node-x'), reading)?.unreachable).toBe(true);
  });

  it('dates its start, its end and the request to delete it', () => {
    const facts = readPod(
      pod(
        { phase: 'Failed', containerStatuses: [{ name: 'main', state: terminated(143) }] },
        { deletionTimestamp: END, deletionGracePeriodSeconds: 10 },
      ),
      reading,
    );
    expect(facts).toMatchObject({
      startedAtMs: ms(AT),
      finishedAtMs: ms(END),
      deletionAskedAtMs: ms(AT),
      exit: { exitCode: 143 },
    });
  });

  it('lets the container that failed speak, else the one with GPUs', () => {
    const side = { name: 'side', state: terminated(0, 'Completed') };
    const main = { name: 'main', state: terminated(2) };
    expect(readPod(pod({ phase: 'Failed', containerStatuses: [side, main] }), reading)?.exit).toEqual({
      exitCode: 2,
      reason: 'Error',
    });
    const init = { name: 'init', state: terminated(5) };
    expect(readPod(pod({ phase: 'Failed', initContainerStatuses: [init] }), reading)?.exit?.exitCode).toBe(5);
    const fine = { name: 'main', state: terminated(0, 'Completed') };
    expect(readPod(pod({ phase: 'Succeeded', containerStatuses: [side, fine] }), reading)).toMatchObject({
      exit: { exitCode: 0, reason: 'Completed' },
    });
  });

  it.each([
    ['OutOfMemory', { containerStatuses: [{ name: 'main', state: terminated(137, 'OOMKilled') }] }],
    ['ExitCode', { containerStatuses: [{ name: 'main', state: terminated(1) }] }],
    ['Deadline', { reason: 'DeadlineExceeded', containerStatuses: [{ name: 'main', state: terminated(143) }] }],
    ['OwnLimits', { reason: 'Evicted' }],
    ['KubeletRefused', { reason: 'UnexpectedAdmissionError' }],
    ['ExitCode', {}],
  ])('calls the fault %s', (fault, status) => {
    expect(readPod(pod({ phase: 'Failed', ...status }), reading)?.fault).toBe(fault);
  });

  it.each([
    ['PreemptionByScheduler', 'Preempted'],
    ['EvictionByEvictionAPI', 'Evicted'],
    ['DeletionByTaintManager', 'NodeLost'],
    ['DeletionByPodGC', 'NodeLost'],
    ['TerminationByKubelet', 'NodeLost'],
    ['SomethingNew', 'Deleted'],
  ])('knows the disruption %s as %s', (reason, disruption) => {
    const conditions = [{ type: 'DisruptionTarget', status: 'True', reason }];
    expect(readPod(pod({ phase: 'Running', conditions }), reading)?.disruption).toBe(disruption);
    expect(
      readPod(pod({ phase: 'Running', conditions: [{ ...conditions[0], status: 'False' }] }), reading)?.disruption,
    ).toBeUndefined();
  });

  it.each([
    [
      'ImageError',
      { containerStatuses: [{ name: 'main', state: { waiting: { reason: 'ErrImagePull', message: 'no' } } }] },
      'ErrImagePull: no',
    ],
    [
      'ConfigError',
      { containerStatuses: [{ name: 'main', state: { waiting: { reason: 'CreateContainerConfigError' } } }] },
      'CreateContainerConfigError',
    ],
    [
      'ImagePull',
      { containerStatuses: [{ name: 'main', state: { waiting: { reason: 'ContainerCreating' } } }] },
      'ContainerCreating',
    ],
    [
      'Creating',
      { initContainerStatuses: [{ name: 'i', state: { waiting: { reason: 'PodInitializing' } } }] },
      'PodInitializing',
    ],
    [
      'Unschedulable',
      { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3' }] },
      'Unschedulable: 0/3',
    ],
  ])('tells why it waits: %s', (kind, status, message) => {
    expect(readPod(pod({ phase: 'Pending', ...status }), reading)?.wait).toEqual({ kind, message });
  });
});
