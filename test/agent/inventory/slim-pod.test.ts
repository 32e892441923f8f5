import { describe, expect, it } from 'vitest';
import { podKey, slimPod, waitsForNode } from '../../../src/agent/inventory/slim-pod.ts';
import { aRawPod } from '../../support/agent-builders.ts';

describe('a slim pod', () => {
  it('keeps what is held, where, and whose it is, and nothing else', () => {
    const slim = slimPod(aRawPod('a', { node: 'n1', gpus: 2, cpu: '500m', memory: '1Gi', priority: 7 }));
    expect(slim.view).toMatchObject({
      node: 'n1',
      requests: { cpu: 500, memory: 2 ** 30, 'nvidia.com/gpu': 2, pods: 1 },
      priority: 7,
      finished: false,
      readable: true,
    });
    expect(slim.view.run).toBeUndefined();
    expect(Object.keys(slim).sort()).toEqual(['metadata', 'view']);
    expect(slim.metadata.labels).toBeUndefined();
    expect(podKey(slim)).toBe('owner-ns/a');
  });

  it('knows a guest by all three labels', () => {
    expect(slimPod(aRawPod('g', { run: ['job-1', 3] })).view.run).toEqual({ jobUid: 'job-1', fence: 3 });
    const raw = aRawPod('g', { run: ['job-1', 3] });
    for (const key of ['lumbung.dev/guest', 'lumbung.dev/job-uid', 'lumbung.dev/fence']) {
      const labels = Object.fromEntries(Object.entries(raw.metadata.labels!).filter(([name]) => name !== key));
      expect(slimPod({ ...raw, metadata: { ...raw.metadata, labels } }).view.run).toBeUndefined();
    }
    const zero = {
      ...raw,
      metadata: { ...raw.metadata, labels: { ...raw.metadata.labels, 'lumbung.dev/fence': '0' } },
    };
    expect(slimPod(zero).view.run).toBeUndefined();
  });

  it.each([
    ['a bound pod', { node: 'n1' }, false],
    ['a waiting pod', {}, true],
    ['a waiting pod of a scheduler that nobody runs', { spec: { schedulerName: 'nobody' } }, true],
    ['a gated pod', { gated: true }, false],
    ['a guest', { run: ['j', 1] as const }, false],
    ['a pod on its way out', { terminating: true }, false],
    ['a finished pod', { phase: 'Failed' }, false],
  ])('says of %s whether it waits for a node', (_what, shape, want) => {
    expect(waitsForNode(slimPod(aRawPod('p', shape)).view)).toBe(want);
  });

  it('reads the scheduler’s word', () => {
    expect(slimPod(aRawPod('p', { unschedulable: true, nominated: 'n2' })).view).toMatchObject({
      unschedulable: true,
      nominatedNode: 'n2',
      preempted: false,
    });
    expect(slimPod(aRawPod('p', { preempted: true, node: 'n1' })).view.preempted).toBe(true);
  });

  it('marks a pod whose requests cannot be read instead of counting it as small', () => {
    expect(slimPod(aRawPod('p', { cpu: 'many', node: 'n1' })).view).toMatchObject({ readable: false, requests: {} });
    expect(slimPod({ metadata: { name: 'empty' } }).view.readable).toBe(false);
  });

  it('reads what a bound pod holds whatever newer wishes it came with', () => {
    const tolerations = [{ key: 'load', operator: 'Gt', value: '5' }];
    const bound = slimPod(aRawPod('p', { node: 'n1', gpus: 1, spec: { tolerations } })).view;
    expect(bound).toMatchObject({ readable: true, requests: { 'nvidia.com/gpu': 1 } });
    // Where it would fit is not known while it waits.
    expect(slimPod(aRawPod('p', { gpus: 1, spec: { tolerations } })).view.readable).toBe(false);
  });
});
