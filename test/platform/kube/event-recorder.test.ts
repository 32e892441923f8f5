import { afterEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import {
  createEventRecorder,
  type EventRecorder,
  type EventRecorderOptions,
} from '../../../src/platform/kube/event-recorder.ts';
import type { KubeClient } from '../../../src/platform/kube/kube-client.ts';
import { KubeError } from '../../../src/platform/kube/kube-error.ts';
import type { KubeObject } from '../../../src/platform/kube/object.ts';
import { silentLogger } from '../../../src/platform/log/logger.ts';
import { createMetrics } from '../../../src/platform/metrics/registry.ts';

interface Call {
  readonly verb: 'create' | 'patch';
  readonly body: Record<string, unknown>;
  readonly name: string;
}

let clock: VirtualClock;
let calls: Call[];
let answer: () => Promise<void>;
let recorder: EventRecorder;

function aRecorder(options: Partial<EventRecorderOptions> = {}): EventRecorder {
  clock = new VirtualClock({ wallMs: Date.UTC(2026, 0, 1) });
  calls = [];
  answer = () => Promise.resolve();
  const client = {
    create: async (_type: unknown, body: KubeObject) => {
      calls.push({ verb: 'create', body: body as unknown as Record<string, unknown>, name: body.metadata.name ?? '' });
      await answer();
      return body;
    },
    mergePatch: async (ref: { name: string }, body: Record<string, unknown>) => {
      calls.push({ verb: 'patch', body, name: ref.name });
      await answer();
      return {};
    },
  } as unknown as KubeClient;
  recorder = createEventRecorder({
    client,
    clock,
    component: 'lumbung-hub',
    instance: 'hub-0',
    logger: silentLogger(),
    ...options,
  });
  return recorder;
}

afterEach(async () => {
  answer = () => Promise.resolve();
  await recorder.stop();
});

function aJob(name: string): KubeObject & { apiVersion: string; kind: string } {
  const metadata = { name, namespace: 'team', uid: `uid-${name}`, resourceVersion: '7' };
  return { apiVersion: 'lumbung.dev/v1alpha1', kind: 'ComputeJob', metadata };
}

const placed = { type: 'Normal', reason: 'Placed', message: 'on north' } as const;

describe('event recorder', () => {
  it('writes what kubectl describe shows', async () => {
    await aRecorder().start(new AbortController().signal);
    recorder.record({ ...placed, regarding: aJob('train'), message: 'm'.repeat(2_000) });
    await clock.advanceAsync(1);
    expect(calls).toHaveLength(1);
    expect(calls[0]!.body).toMatchObject({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { namespace: 'team' },
      involvedObject: {
        apiVersion: 'lumbung.dev/v1alpha1',
        kind: 'ComputeJob',
        name: 'train',
        namespace: 'team',
        uid: 'uid-train',
      },
      type: 'Normal',
      reason: 'Placed',
      count: 1,
      firstTimestamp: '2026-01-01T00:00:00Z',
      source: { component: 'lumbung-hub', host: 'hub-0' },
    });
    expect(String(calls[0]!.body['message'])).toHaveLength(1_024);
    expect(calls[0]!.name).toMatch(/^train\.[0-9a-f]{16}$/);
  });

  it('puts events about cluster-scoped objects into default', async () => {
    await aRecorder().start(new AbortController().signal);
    const { metadata, ...rest } = aJob('pool');
    const { namespace: _namespace, ...clusterScoped } = metadata;
    recorder.record({ ...placed, regarding: { ...rest, metadata: clusterScoped } });
    await clock.advanceAsync(1);
    expect(calls[0]!.body).toMatchObject({ metadata: { namespace: 'default' } });
  });

  it('counts repetitions instead of writing new events, and tells old ones anew', async () => {
    await aRecorder().start(new AbortController().signal);
    recorder.record({ ...placed, regarding: aJob('a') });
    await clock.advanceAsync(1_000);
    recorder.record({ ...placed, regarding: aJob('a') });
    recorder.record({ ...placed, regarding: aJob('a') });
    recorder.record({ ...placed, regarding: aJob('a'), message: 'on south' });
    await clock.advanceAsync(1_000);
    expect(calls.map((call) => call.verb)).toEqual(['create', 'patch', 'create']);
    expect(calls[1]!.name).toBe(calls[0]!.name);
    expect(calls[1]!.body).toEqual({ count: 3, lastTimestamp: '2026-01-01T00:00:01Z' });
    await clock.advanceAsync(11 * 60_000);
    recorder.record({ ...placed, regarding: aJob('a') });
    await clock.advanceAsync(1);
    expect(calls.at(-1)!.verb).toBe('create');
  });

  it('tells an event anew when the counted one has expired on the server', async () => {
    await aRecorder().start(new AbortController().signal);
    recorder.record({ ...placed, regarding: aJob('a') });
    await clock.advanceAsync(1);
    let gone = true;
    answer = () => {
      if (!gone) return Promise.resolve();
      gone = false;
      return Promise.reject(new KubeError({ status: 404, reason: 'NotFound', message: 'gone' }));
    };
    recorder.record({ ...placed, regarding: aJob('a') });
    await clock.advanceAsync(1);
    expect(calls.map((call) => call.verb)).toEqual(['create', 'patch', 'create']);
    expect(recorder.dropped).toBe(0);
  });

  it('lets an object that floods spend only its own tokens, and counts what it drops', async () => {
    const metrics = createMetrics();
    await aRecorder({ metrics, burstPerObject: 5 }).start(new AbortController().signal);
    for (let i = 0; i < 100; i += 1) recorder.record({ ...placed, regarding: aJob('noisy'), message: `m${i}` });
    recorder.record({ ...placed, regarding: aJob('quiet') });
    await clock.advanceAsync(1);
    expect(calls).toHaveLength(6);
    expect(recorder.dropped).toBe(95);
    expect(await metrics.expose()).toContain('lumbung_events_dropped_total{reason="rate"} 95');
    await clock.advanceAsync(60_000);
    recorder.record({ ...placed, regarding: aJob('noisy'), message: 'again' });
    await clock.advanceAsync(1);
    expect(calls).toHaveLength(7);
  });

  it('never throws, and bounds what waits, while the server hangs or refuses', async () => {
    aRecorder({ queueLimit: 10, burstPerObject: 1_000 });
    answer = () => new Promise(() => undefined);
    await recorder.start(new AbortController().signal);
    for (let i = 0; i < 50; i += 1) recorder.record({ ...placed, regarding: aJob('a'), message: `m${i}` });
    await clock.advanceAsync(1);
    for (let i = 50; i < 100; i += 1) recorder.record({ ...placed, regarding: aJob('a'), message: `m${i}` });
    expect(recorder.dropped).toBe(89);
    const stopped = recorder.stop();
    await clock.advanceAsync(3_000);
    await stopped;
    recorder.record({ ...placed, regarding: aJob('a') });
    aRecorder();
    answer = () => Promise.reject(new KubeError({ status: 403, reason: 'Forbidden', message: 'no' }));
    await recorder.start(new AbortController().signal);
    recorder.record({ ...placed, regarding: aJob('a') });
    await clock.advanceAsync(1);
    expect(recorder.dropped).toBe(1);
  });

  it('writes what still waits when it stops', async () => {
    aRecorder();
    recorder.record({ ...placed, regarding: aJob('a') });
    recorder.record({ ...placed, regarding: aJob('b') });
    await recorder.start(new AbortController().signal);
    await recorder.stop();
    expect(calls).toHaveLength(2);
  });
});
