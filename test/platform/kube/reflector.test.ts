import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/platform/clock/clock.ts';
import { seededRandom } from '../../../src/platform/clock/seeded-random.ts';
import { systemClock } from '../../../src/platform/clock/system-clock.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { pods } from '../../../src/platform/kube/builtin-resources.ts';
import { createKubeClient } from '../../../src/platform/kube/kube-client-http.ts';
import type { KubeClient } from '../../../src/platform/kube/kube-client.ts';
import type { KubeObject } from '../../../src/platform/kube/object.ts';
import { createReflector, type Reflector, type ReflectorOptions } from '../../../src/platform/kube/reflector.ts';
import type { StoreEvent } from '../../../src/platform/kube/store.ts';
import { createUndiciTransport } from '../../../src/platform/kube/undici-transport.ts';
import { createSinkLogger, silentLogger } from '../../../src/platform/log/logger.ts';
import { eventually } from './eventually.ts';
import { FakeApiServer } from './fake-api-server.ts';

interface Pod extends KubeObject {
  readonly spec?: { readonly nodeName?: string };
}

let server: FakeApiServer;
let client: KubeClient;
let reflector: Reflector<Pod> | undefined;

beforeEach(async () => {
  server = await FakeApiServer.start();
});

afterEach(async () => {
  await reflector?.stop();
  reflector = undefined;
  await client.close();
  await server.stop();
});

/** Real time, made faster for the waits of back-off. */
function hurried(factor: number): Clock {
  const clock = systemClock();
  return {
    ...clock,
    after: (delayMs, fn) => clock.after(delayMs / factor, fn),
    sleep: (ms, signal) => clock.sleep(ms / factor, signal),
  };
}

async function aReflector(options: Partial<ReflectorOptions<Pod>> = {}): Promise<Reflector<Pod>> {
  const clock = options.clock ?? hurried(20);
  const transport = createUndiciTransport(
    { server: server.url, current: () => Promise.resolve({}) },
    { clock: systemClock() },
  );
  client = createKubeClient({ transport, clock: hurried(20), random: seededRandom(1), userAgent: 'test' });
  const made = createReflector<Pod>({
    client,
    type: pods,
    clock,
    random: seededRandom(2),
    logger: silentLogger(),
    ...options,
  });
  reflector = made;
  await made.start(new AbortController().signal);
  return made;
}

function aPod(name: string, more: Record<string, unknown> = {}): Pod {
  return { metadata: { name, namespace: 'team' }, ...more };
}

function recorded(of: Reflector<Pod>): string[] {
  const seen: string[] = [];
  of.store.subscribe((event: StoreEvent<Pod>) => {
    seen.push(
      event.kind === 'synced'
        ? 'synced'
        : `${event.kind} ${event.object.metadata.name ?? ''} ${event.object.metadata.uid ?? ''}`,
    );
  });
  return seen;
}

const listRequests = (): number => server.requests.filter((r) => r.query.get('watch') === null).length;
const watchRequests = (): number => server.requests.length - listRequests();

describe('reflector', () => {
  it('lists in pages, swaps in one piece, then follows changes and deletions', async () => {
    for (let i = 0; i < 7; i += 1) server.put('pods', aPod(`p${i}`));
    const made = await aReflector({ pageSize: 3 });
    await made.store.whenSynced();
    expect(made.store.size).toBe(7);
    expect(listRequests()).toBe(3);
    const seen = recorded(made);
    expect(seen).toHaveLength(8);
    expect(seen.at(-1)).toBe('synced');
    await eventually(() => server.openWatches === 1);
    server.put('pods', aPod('p7'));
    server.put('pods', aPod('p1', { spec: { nodeName: 'n1' } }));
    server.remove('pods', 'team', 'p2');
    await eventually(() => {
      expect(seen.slice(8)).toEqual(['added p7 uid-8', 'updated p1 uid-2', 'deleted p2 uid-3']);
    });
    expect(made.store.get('team', 'p1')).toMatchObject({ apiVersion: 'v1', kind: 'Pod', spec: { nodeName: 'n1' } });
    expect(made.store.byUid('uid-3')).toBeUndefined();
    expect(made.store.byUid('uid-8')?.metadata.name).toBe('p7');
    expect(made.state).toEqual({ kind: 'Watching', resourceVersion: '110' });
  });

  it('asks for bookmarks and a jittered time-out, and resumes from the last bookmark when the server closes', async () => {
    server.put('pods', aPod('a'));
    const clock = new VirtualClock();
    const made = await aReflector({ clock });
    await made.store.whenSynced();
    await eventually(() => server.openWatches === 1);
    const first = server.requests.at(-1)!.query;
    expect(first.get('allowWatchBookmarks')).toBe('true');
    const timeoutSeconds = Number(first.get('timeoutSeconds'));
    expect(timeoutSeconds >= 290 && timeoutSeconds <= 590).toBe(true);
    server.version = 500;
    server.bookmark();
    await eventually(() => {
      expect(made.state).toEqual({ kind: 'Watching', resourceVersion: '500' });
    });
    clock.advance(5_000);
    server.closeWatches();
    // Without any back-off: no timer has to run.
    await eventually(() => watchRequests() === 2);
    expect(server.requests.at(-1)!.query.get('resourceVersion')).toBe('500');
    expect(listRequests()).toBe(1);
  });

  it('backs off when the server keeps closing watches at once', async () => {
    const clock = new VirtualClock();
    const made = await aReflector({ clock });
    await made.store.whenSynced();
    for (let round = 1; round <= 3; round += 1) {
      await eventually(() => server.openWatches === 1);
      server.closeWatches();
      await eventually(() => {
        expect(made.state).toMatchObject({ kind: 'Backoff', failures: round });
      });
      await clock.advanceUntil(() => made.state.kind !== 'Backoff', 60_000);
      await eventually(() => watchRequests() === round + 1);
    }
  });

  it.each([
    {
      name: 'by status',
      gone: () => {
        server.closeWatches();
      },
    },
    {
      name: 'by an event',
      gone: () => {
        server.sendToWatches('{"type":"ERROR","object":{"code":410,"reason":"Expired","message":"too old"}}');
      },
    },
    {
      name: 'by a line that is no event',
      gone: () => {
        server.sendToWatches('{"type":');
      },
    },
  ])('lists again after 410 $name and reports what changed meanwhile', async ({ gone }) => {
    server.put('pods', aPod('stays'));
    server.put('pods', aPod('goes'));
    const made = await aReflector();
    await made.store.whenSynced();
    await eventually(() => server.openWatches === 1);
    const seen = recorded(made);
    seen.length = 0;
    server.muted = true;
    server.remove('pods', 'team', 'goes');
    server.put('pods', aPod('comes'));
    server.compact();
    server.muted = false;
    expect(seen).toEqual([]);
    gone();
    await eventually(() => {
      expect([...seen].sort()).toEqual(['added comes uid-3', 'deleted goes uid-2']);
    });
    expect(made.store.size).toBe(2);
  });

  it('shows an object deleted and made anew under one name while disconnected as deletion and addition', async () => {
    server.put('pods', aPod('a'));
    const made = await aReflector();
    await made.store.whenSynced();
    await eventually(() => server.openWatches === 1);
    const seen = recorded(made);
    seen.length = 0;
    await server.refuse();
    server.remove('pods', 'team', 'a');
    server.put('pods', aPod('a'));
    server.compact();
    await server.listen();
    await eventually(() => {
      expect(seen).toEqual(['deleted a uid-1', 'added a uid-2']);
    });
  });

  it('survives refusals, resets, 403 and 500 for as long as they last, and catches up', async () => {
    server.fail({ status: 403, times: 3 });
    server.put('pods', aPod('a'));
    const made = await aReflector();
    await made.store.whenSynced();
    await eventually(() => server.openWatches === 1);
    for (const fault of [
      { status: 403 },
      { status: 500 },
      { status: 429, headers: { 'retry-after': '1' } },
      { reset: true },
    ]) {
      server.fail({ ...fault, times: 3 });
      server.resetConnections();
      const name = `after-${JSON.stringify(fault).replace(/\W/g, '').toLowerCase()}`;
      server.put('pods', aPod(name));
      await eventually(() => {
        expect(made.store.get('team', name)).toBeDefined();
      });
      await eventually(() => server.openWatches === 1);
    }
    await server.refuse();
    await eventually(() => {
      expect(made.state.kind).toBe('Backoff');
    });
    server.put('pods', aPod('while-down'));
    await server.listen();
    await eventually(() => {
      expect(made.store.get('team', 'while-down')).toBeDefined();
    });
    // Throughout, a dropped connection cost no full list: only the first one and checks of the newest version.
    const lists = server.requests.filter((r) => r.query.get('watch') === null && r.query.get('limit') !== '1');
    expect(lists.filter((r) => r.query.get('limit') === '500').length).toBeLessThanOrEqual(4);
  });

  it('gives up a connection that is silent for longer than the server was asked to keep it', async () => {
    const clock = new VirtualClock();
    const made = await aReflector({ clock });
    await made.store.whenSynced();
    await eventually(() => server.openWatches === 1);
    const timeoutMs = Number(server.requests.at(-1)!.query.get('timeoutSeconds')) * 1_000;
    await clock.advanceAsync(timeoutMs - 1_000);
    server.bookmark();
    await eventually(() => {
      expect(made.store.idleMs()).toBe(0);
    });
    await clock.advanceAsync(timeoutMs - 1_000);
    expect(watchRequests()).toBe(1);
    await clock.advanceAsync(60_000);
    await eventually(() => {
      expect(made.state.kind).toBe('Backoff');
    });
    await clock.advanceAsync(1_000);
    await eventually(() => watchRequests() === 2);
  });

  it('notices a cluster restored from a backup and takes its word, equal versions included', async () => {
    server.put('pods', aPod('a', { spec: { nodeName: 'before' } }));
    const backup = server.backup();
    const made = await aReflector();
    await made.store.whenSynced();
    await eventually(() => server.openWatches === 1);
    server.put('pods', aPod('b', { spec: { nodeName: 'lost history' } }));
    server.put('pods', aPod('c'));
    await eventually(() => {
      expect(made.store.size).toBe(3);
    });
    await server.refuse();
    server.restore(backup);
    // The same version as the lost b had, with another content.
    server.put('pods', {
      metadata: { name: 'b', namespace: 'team', uid: 'uid-2' },
      spec: { nodeName: 'new history' },
    } as Pod);
    await server.listen();
    await eventually(() => {
      expect(made.store.get('team', 'b')?.spec?.nodeName).toBe('new history');
    });
    expect(made.store.get('team', 'c')).toBeUndefined();
    await eventually(() => server.openWatches === 1);
    server.put('pods', aPod('d'));
    await eventually(() => {
      expect(made.store.get('team', 'd')).toBeDefined();
    });
  });

  it('reads everything in one piece when the server forgets the snapshot between pages', async () => {
    for (let i = 0; i < 5; i += 1) server.put('pods', aPod(`p${i}`));
    server.fail({ status: 410, when: (r) => r.query.get('continue') !== null });
    const made = await aReflector({ pageSize: 2 });
    await made.store.whenSynced();
    expect(made.store.size).toBe(5);
    expect(server.requests.map((r) => r.query.get('limit'))).toEqual(expect.arrayContaining(['2', '2', null]));
  });

  it('isolates handlers and index functions that throw, and strips what nobody reads', async () => {
    const errors: string[] = [];
    const logger = createSinkLogger('error', (_level, message) => errors.push(message));
    server.put('pods', {
      metadata: { name: 'a', namespace: 'team', managedFields: [{ manager: 'x' }] },
      spec: { nodeName: 'n1' },
    } as Pod);
    const made = await aReflector({
      logger,
      freeze: true,
      indexers: {
        node: (pod) => (pod.spec?.nodeName === undefined ? [] : [pod.spec.nodeName]),
        broken: () => {
          throw new Error('index');
        },
      },
      transform: (pod) => ({ ...pod, metadata: { ...pod.metadata, annotations: {} } }),
    });
    await made.store.whenSynced();
    made.store.subscribe(() => {
      throw new Error('handler');
    });
    const seen = recorded(made);
    await eventually(() => server.openWatches === 1);
    server.put('pods', aPod('b', { spec: { nodeName: 'n1' } }));
    await eventually(() => {
      expect(seen).toHaveLength(3);
    });
    expect(made.store.byIndex('node', 'n1').map((pod) => pod.metadata.name)).toEqual(['a', 'b']);
    expect(() => made.store.byIndex('nonsense', 'x')).toThrow(RangeError);
    server.put('pods', aPod('a', { spec: { nodeName: 'n2' } }));
    await eventually(() => {
      expect(made.store.byIndex('node', 'n1')).toHaveLength(1);
    });
    expect(made.store.byIndex('node', 'n2')).toHaveLength(1);
    expect(made.store.get('team', 'a')?.metadata.managedFields).toBeUndefined();
    expect(Object.isFrozen(made.store.get('team', 'a')?.spec)).toBe(true);
    expect(errors).toContain('a store handler threw');
    expect(errors).toContain('an index function threw; the object is indexed under nothing');
  });

  it('stops in the middle of a list or a watch without leaving a request behind', async () => {
    server.put('pods', aPod('a'));
    server.fail({ hang: true });
    const made = await aReflector();
    await eventually(() => server.requests.length === 1);
    const waiting = made.store.whenSynced(AbortSignal.timeout(50));
    await made.stop();
    expect(made.state).toEqual({ kind: 'Stopped' });
    await expect(waiting).rejects.toThrow('stopped waiting');
    const requests = server.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(server.requests.length).toBe(requests);
    expect(server.openWatches).toBe(0);
  });
});
