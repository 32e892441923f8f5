import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { createRunnableGroup } from '../../../src/platform/lifecycle/group.ts';
import type { Runnable } from '../../../src/platform/lifecycle/runnable.ts';
import { silentLogger } from '../../../src/platform/log/logger.ts';

function aMember(
  name: string,
  story: string[],
  behave: { start?: () => Promise<void>; stop?: () => Promise<void> } = {},
): Runnable {
  return {
    name,
    start: async () => {
      story.push(`start ${name}`);
      await behave.start?.();
    },
    stop: async () => {
      story.push(`stop ${name}`);
      await behave.stop?.();
    },
  };
}

function aGroup(stages: readonly (readonly Runnable[])[], clock = new VirtualClock()): Runnable {
  return createRunnableGroup({ name: 'app', stages, clock, logger: silentLogger(), stopTimeoutMs: 1_000 });
}

const signal = new AbortController().signal;

describe('runnable group', () => {
  it('starts stages in order and stops them in reverse, once', async () => {
    const story: string[] = [];
    const group = aGroup([[aMember('a', story), aMember('b', story)], [aMember('c', story)]]);
    await group.start(signal);
    await Promise.all([group.stop(), group.stop()]);
    expect(story).toEqual(['start a', 'start b', 'start c', 'stop c', 'stop a', 'stop b']);
  });

  it('stops what began when a member fails to start, and says why it failed', async () => {
    const story: string[] = [];
    const failing = aMember('bad', story, { start: () => Promise.reject(new Error('port is taken')) });
    const group = aGroup([[aMember('a', story)], [failing, aMember('b', story)], [aMember('never', story)]]);
    await expect(group.start(signal)).rejects.toThrow('port is taken');
    expect(story).toEqual(['start a', 'start bad', 'start b', 'stop bad', 'stop b', 'stop a']);
  });

  it('stops everybody although some hang or fail, and reports them together', async () => {
    const story: string[] = [];
    const clock = new VirtualClock();
    const group = aGroup(
      [
        [aMember('last', story)],
        [aMember('hangs', story, { stop: () => new Promise(() => undefined) })],
        [aMember('fails', story, { stop: () => Promise.reject(new Error('disk full')) })],
      ],
      clock,
    );
    await group.start(signal);
    const stopped = group.stop().catch((error: unknown) => error);
    await clock.advanceAsync(1_000);
    const failure = await stopped;
    expect(failure).toMatchObject({ kind: 'StopFailure', message: 'app: 2 members did not stop well' });
    expect((failure as AggregateError).errors.map(String)).toEqual([
      'Error: disk full',
      'Error: hangs did not stop within 1000 ms',
    ]);
    expect(story.slice(3)).toEqual(['stop fails', 'stop hangs', 'stop last']);
  });

  it('stops when its signal aborts, also in the middle of starting', async () => {
    const story: string[] = [];
    const controller = new AbortController();
    const slow = aMember('slow', story, { start: () => new Promise((resolve) => setImmediate(resolve)) });
    const group = aGroup([[slow], [aMember('never', story)]]);
    const started = group.start(controller.signal);
    controller.abort();
    await started;
    await group.stop();
    expect(story).toEqual(['start slow', 'stop slow']);
  });
});
