import { describe, expect, it } from 'vitest';
import { readMissedPreemptions } from '../../../src/agent/runs/missed-preemptions.ts';
import type { KubeClient } from '../../../src/platform/kube/kube-client.ts';

function clientWith(items: readonly unknown[]): { readonly client: KubeClient; readonly asked: unknown[] } {
  const asked: unknown[] = [];
  const list = (type: unknown, options: unknown): Promise<unknown> => {
    asked.push({ type, options });
    return Promise.resolve({ metadata: {}, items });
  };
  return { client: { list } as unknown as KubeClient, asked };
}

function preempted(name: string, more: object = {}): object {
  return { metadata: {}, reason: 'Preempted', involvedObject: { kind: 'Pod', name }, ...more };
}

describe('preemptions that nobody watched', () => {
  it('are read from the events of the one namespace, by reason', async () => {
    const { client, asked } = clientWith([]);
    expect(await readMissedPreemptions(client, 'guests')).toEqual([]);
    expect(asked).toMatchObject([
      { type: { plural: 'events' }, options: { namespace: 'guests', fieldSelector: 'reason=Preempted' } },
    ]);
  });

  it('name the Job, the worker and the time', async () => {
    const { client } = clientWith([preempted('run-abc-1-x7f2k', { firstTimestamp: '2026-11-23T10:00:00Z' })]);
    expect(await readMissedPreemptions(client, 'guests')).toEqual([
      {
        job: 'run-abc',
        facts: {
          index: 1,
          pod: 'run-abc-1-x7f2k',
          state: 'Gone',
          disruption: 'Preempted',
          unreachable: false,
          deletionAskedAtMs: Date.UTC(2026, 10, 23, 10),
        },
      },
    ]);
  });

  it.each([
    ['a pod of no Indexed Job', preempted('web')],
    [
      'an object that is no pod',
      preempted('run-abc-1-x7f2k', { involvedObject: { kind: 'Node', name: 'run-abc-1-x7f2k' } }),
    ],
    ['an event without an object', { metadata: {}, reason: 'Preempted' }],
    ['another reason', preempted('run-abc-1-x7f2k', { reason: 'Killing' })],
  ])('leave out %s', async (_what, event) => {
    expect(await readMissedPreemptions(clientWith([event]).client, 'guests')).toEqual([]);
  });
});
