import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FenceMemory, FenceTaken, SHARD_CAPACITY } from '../../../src/agent/runs/fence-memory.ts';
import { fence, jobUid, type RunId } from '../../../src/core/model/ids.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { configMaps } from '../../../src/platform/kube/builtin-resources.ts';
import { silentLogger } from '../../../src/platform/log/logger.ts';
import { FakeKube, lostConnection, refusal } from '../../support/fake-kube.ts';

const run = (uid: string, value: number): RunId => ({ jobUid: jobUid(uid), fence: fence(value) });

interface Rig {
  readonly clock: VirtualClock;
  readonly kube: FakeKube;
  process(token: string): Promise<FenceMemory>;
  /** Lets promises and 100 ms pass, and tells how the promise stands. */
  outcome(promise: Promise<void>): Promise<string>;
  data(shard?: number): Readonly<Record<string, string>>;
}

function aRig(mayAct: () => boolean = () => true): Rig {
  const clock = new VirtualClock({ turnsPerStep: 6 });
  const kube = new FakeKube(clock);
  return {
    clock,
    kube,
    process: async (token) => {
      const assertMayAct = (): void => {
        if (!mayAct()) throw new Error('not leading');
      };
      const deps = {
        client: kube.client(),
        clock,
        logger: silentLogger(),
        namespace: 'lumbung-system',
        token,
        assertMayAct,
      };
      const memory = new FenceMemory(deps);
      await memory.load();
      return memory;
    },
    outcome: async (promise) => {
      let state = 'waits';
      promise.then(
        () => (state = 'done'),
        (error: unknown) =>
          (state = error instanceof FenceTaken ? `taken by ${error.held.fence}` : (error as Error).message),
      );
      await clock.advanceAsync(100);
      return state;
    },
    data: (shard = 0) =>
      (kube.find(configMaps, 'lumbung-system', `lumbung-fences-${shard}`)?.['data'] ?? {}) as Record<string, string>,
  };
}

describe('fence memory', () => {
  it('is durable before it answers, and read back by the next process', async () => {
    const rig = aRig();
    const memory = await rig.process('first');
    expect(await rig.outcome(memory.remember(run('a', 3), 'started'))).toBe('done');
    expect(rig.data()).toEqual({ a: '3:started:first' });
    const next = await rig.process('second');
    expect(next.highest(jobUid('a'))).toMatchObject({ fence: 3, kind: 'started' });
    expect(next.highest(jobUid('b'))).toBeUndefined();
  });

  it('writes what comes together in one write', async () => {
    const rig = aRig();
    const memory = await rig.process('p');
    const all = Promise.all(
      Array.from({ length: 200 }, (_unused, i) => memory.remember(run(`job-${i}`, 1), 'started')),
    );
    expect(await rig.outcome(all.then(() => undefined))).toBe('done');
    expect(rig.kube.writeLines).toEqual(['create configmaps']);
    expect(Object.keys(rig.data())).toHaveLength(200);
  });

  it('refuses a fence that another process started, and any below the highest', async () => {
    const rig = aRig();
    const old = await rig.process('old');
    const young = await rig.process('young');
    expect(await rig.outcome(young.remember(run('a', 5), 'started'))).toBe('done');
    expect(await rig.outcome(old.remember(run('a', 5), 'started'))).toBe('taken by 5');
    expect(await rig.outcome(old.remember(run('a', 4), 'started'))).toBe('taken by 5');
    expect(await rig.outcome(old.remember(run('a', 6), 'started'))).toBe('done');
    expect(rig.data()).toEqual({ a: '6:started:old' });
  });

  it('lets exactly one of two processes start a fence when both try at once', async () => {
    const rig = aRig();
    const processes = [await rig.process('one'), await rig.process('two')];
    const outcomes = processes.map((memory) => rig.outcome(memory.remember(run('a', 1), 'started')));
    expect((await Promise.all(outcomes)).sort()).toEqual(['done', 'taken by 1']);
  });

  it('recognises its own write whose answer was lost', async () => {
    const rig = aRig();
    const memory = await rig.process('p');
    let lost = 0;
    rig.kube.after = (call) => {
      if (call.verb === 'create' && lost++ === 0) throw lostConnection();
    };
    expect(await rig.outcome(memory.remember(run('a', 1), 'started'))).toBe('connection reset');
    expect(await rig.outcome(memory.remember(run('a', 1), 'started'))).toBe('done');
    expect(rig.data()).toEqual({ a: '1:started:p' });
  });

  it('never turns a started fence into one that was turned away, or back', async () => {
    const rig = aRig();
    const memory = await rig.process('p');
    await rig.outcome(memory.remember(run('a', 1), 'started'));
    expect(await rig.outcome(memory.remember(run('a', 1), 'closed'))).toBe('taken by 1');
    await rig.outcome(memory.remember(run('b', 1), 'closed'));
    expect(await rig.outcome(memory.remember(run('b', 1), 'started'))).toBe('taken by 1');
  });

  it('goes to the next shard when one is full, and counts the highest over all', async () => {
    const rig = aRig();
    const entries = Object.fromEntries(
      Array.from({ length: SHARD_CAPACITY }, (_unused, i) => [`old-${i}`, '1:started:x']),
    );
    rig.kube.put(configMaps, {
      metadata: {
        name: 'lumbung-fences-0',
        namespace: 'lumbung-system',
        labels: { 'lumbung.dev/fence-memory': 'true' },
      },
      data: entries,
    } as never);
    const memory = await rig.process('p');
    expect(await rig.outcome(memory.remember(run('old-7', 2), 'started'))).toBe('done');
    expect(rig.data(1)).toEqual({ 'old-7': '2:started:p' });
    expect((await rig.process('q')).highest(jobUid('old-7'))).toMatchObject({ fence: 2 });
  });

  it('forgets in the next write or after a pause, everywhere', async () => {
    const rig = aRig();
    const memory = await rig.process('p');
    await rig.outcome(memory.remember(run('a', 1), 'started'));
    await rig.outcome(memory.remember(run('b', 1), 'started'));
    memory.forget(jobUid('a'));
    memory.forget(jobUid('never-known'));
    expect(rig.data()).toHaveProperty('a');
    await rig.outcome(memory.remember(run('c', 1), 'started'));
    expect(Object.keys(rig.data()).sort()).toEqual(['b', 'c']);
    memory.forget(jobUid('b'));
    await rig.clock.advanceAsync(6_000);
    expect(Object.keys(rig.data())).toEqual(['c']);
    expect(memory.highest(jobUid('b'))).toBeUndefined();
    expect(rig.kube.writes).toHaveLength(4);
  });

  it('writes back a shard that somebody deleted', async () => {
    const rig = aRig();
    const memory = await rig.process('p');
    await rig.outcome(memory.remember(run('a', 1), 'started'));
    rig.kube.remove(configMaps, rig.kube.must(configMaps, 'lumbung-system', 'lumbung-fences-0'));
    expect(await rig.outcome(memory.remember(run('b', 1), 'started'))).toBe('done');
    expect(Object.keys(rig.data()).sort()).toEqual(['a', 'b']);
  });

  it('counts an entry that cannot be read as the highest there is', async () => {
    const rig = aRig();
    rig.kube.put(configMaps, {
      metadata: {
        name: 'lumbung-fences-0',
        namespace: 'lumbung-system',
        labels: { 'lumbung.dev/fence-memory': 'true' },
      },
      data: { a: 'scribble' },
    } as never);
    const memory = await rig.process('p');
    expect(await rig.outcome(memory.remember(run('a', 9), 'started'))).toMatch(/^taken by/);
  });

  it.each([
    ['may not act', () => aRig(() => false), 'not leading'],
    [
      'is refused by the API server',
      () => {
        const rig = aRig();
        rig.kube.before = (call) => {
          if (call.verb === 'create') throw refusal(403, 'Forbidden', 'no');
        };
        return rig;
      },
      'no',
    ],
  ])('says so when it %s', async (_why, make, message) => {
    const rig = make();
    const memory = await rig.process('p');
    expect(await rig.outcome(memory.remember(run('a', 1), 'started'))).toBe(message);
    expect(memory.highest(jobUid('a'))).toBeUndefined();
    memory.close();
  });

  it('holds one starter for each fence whatever two processes do, with answers lost at random', async () => {
    const step = fc.record({
      who: fc.nat(1),
      uid: fc.constantFrom('a', 'b'),
      value: fc.integer({ min: 1, max: 4 }),
      lose: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const rig = aRig();
        const processes = [await rig.process('one'), await rig.process('two')];
        const starters = new Map<string, Set<number>>();
        let highest: Record<string, number> = {};
        for (const { who, uid, value, lose } of steps) {
          rig.kube.after = () => {
            if (lose) throw lostConnection();
          };
          const outcome = await rig.outcome(processes[who]!.remember(run(uid, value), 'started'));
          if (outcome !== 'done') continue;
          const key = `${uid}/${value}`;
          starters.set(key, (starters.get(key) ?? new Set()).add(who));
          expect(value).toBeGreaterThanOrEqual(highest[uid] ?? 0);
          highest = { ...highest, [uid]: value };
        }
        for (const [key, who] of starters) expect([...who], key).toHaveLength(1);
      }),
      { numRuns: 60 },
    );
  });
});
