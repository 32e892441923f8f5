import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/platform/clock/seeded-random.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { silentLogger } from '../../../src/platform/log/logger.ts';
import { createMetrics } from '../../../src/platform/metrics/registry.ts';
import { createWorkQueue, type WorkQueue, type WorkQueueOptions } from '../../../src/platform/queue/work-queue.ts';

function aQueue(
  clock: VirtualClock,
  options: Partial<WorkQueueOptions> & Pick<WorkQueueOptions, 'process'>,
): WorkQueue {
  return createWorkQueue({ name: 'test', clock, random: seededRandom(1), logger: silentLogger(), ...options });
}

const running = new AbortController().signal;

describe('work queue', () => {
  it('works on a key once however often it was added before', async () => {
    const clock = new VirtualClock();
    const worked: string[] = [];
    const queue = aQueue(clock, { process: (key) => Promise.resolve(void worked.push(key)) });
    queue.add('a');
    queue.add('b');
    queue.add('a');
    await queue.start(running);
    await clock.advanceAsync(1);
    expect(worked).toEqual(['a', 'b']);
    expect(queue.idle).toBe(true);
    await queue.stop();
  });

  it('does a key again after its work when it was added meanwhile', async () => {
    const clock = new VirtualClock();
    let rounds = 0;
    const queue = aQueue(clock, {
      process: async (key) => {
        rounds += 1;
        if (rounds === 1) {
          queue.add(key);
          queue.add(key);
        }
        await clock.sleep(10);
      },
    });
    await queue.start(running);
    queue.add('a');
    await clock.advanceAsync(100);
    expect(rounds).toBe(2);
    await queue.stop();
  });

  it.each([
    { name: 'a later time does not delay an earlier one', delays: [10, 50], want: 10 },
    { name: 'an earlier time replaces a later one', delays: [50, 10], want: 10 },
    { name: 'now beats later', delays: [50, 0], want: 0 },
  ])('lets the earliest due time win: $name', async ({ delays, want }) => {
    const clock = new VirtualClock();
    const at: number[] = [];
    const queue = aQueue(clock, { process: () => Promise.resolve(void at.push(clock.monotonicMs())) });
    await queue.start(running);
    for (const delay of delays) queue.addAfter('a', delay);
    await clock.advanceAsync(200);
    expect(at).toEqual([want]);
    await queue.stop();
  });

  it('backs off a failing key further each time, and forgets its failures once it succeeds', async () => {
    const clock = new VirtualClock();
    const at: number[] = [];
    let failing = true;
    const queue = aQueue(clock, {
      backoff: { baseMs: 100, maxMs: 10_000 },
      random: { ...seededRandom(1), next: () => 1 },
      process: () => {
        at.push(clock.monotonicMs());
        return failing ? Promise.reject(new Error('poisoned')) : Promise.resolve();
      },
    });
    await queue.start(running);
    queue.add('a');
    await clock.advanceAsync(750);
    expect(at).toEqual([0, 100, 300, 700]);
    failing = false;
    await clock.advanceAsync(10_000);
    failing = true;
    at.length = 0;
    const startMs = clock.monotonicMs();
    queue.add('a');
    await clock.advanceAsync(150);
    expect(at.map((ms) => ms - startMs)).toEqual([0, 100]);
    await queue.stop();
  });

  it('lets nobody wait for a poisoned key, even at one worker', async () => {
    const clock = new VirtualClock();
    const good: string[] = [];
    const queue = aQueue(clock, {
      concurrency: 1,
      process: (key) => {
        // A synchronous throw is a failure like any other.
        if (key === 'poison') throw new Error('always');
        good.push(key);
        return Promise.resolve();
      },
    });
    await queue.start(running);
    queue.add('poison');
    for (let i = 0; i < 100; i += 1) queue.add(`good-${i}`);
    await clock.advanceAsync(1_000);
    expect(good).toHaveLength(100);
    await queue.stop();
  });

  it('takes the slot from a hanging key, aborts it, and keeps it locked until it returns', async () => {
    const clock = new VirtualClock();
    const worked: string[] = [];
    let aborted = false;
    let letGo: () => void = () => undefined;
    let hangs = 0;
    const queue = aQueue(clock, {
      concurrency: 1,
      timeoutMs: 1_000,
      process: (key, signal) => {
        if (key !== 'hang') return Promise.resolve(void worked.push(key));
        hangs += 1;
        signal.addEventListener('abort', () => {
          aborted = true;
        });
        return new Promise((resolve) => {
          letGo = resolve;
        });
      },
    });
    await queue.start(running);
    queue.add('hang');
    queue.add('other');
    await clock.advanceAsync(1_500);
    expect({ aborted, worked }).toEqual({ aborted: true, worked: [] });
    await clock.advanceAsync(600);
    expect(worked).toEqual(['other']);
    queue.add('hang');
    await clock.advanceAsync(5_000);
    expect(hangs).toBe(1);
    letGo();
    await clock.advanceAsync(1);
    expect(hangs).toBe(2);
    letGo();
    await clock.advanceAsync(1);
    await queue.stop();
  });

  it('stops within its bound, aborting what is in work, and takes nothing afterwards', async () => {
    const clock = new VirtualClock();
    let signal: AbortSignal | undefined;
    const queue = aQueue(clock, {
      stopTimeoutMs: 500,
      process: (_key, given) => {
        signal = given;
        return new Promise(() => undefined);
      },
    });
    await queue.start(running);
    queue.add('a');
    await clock.advanceAsync(1);
    const stopped = queue.stop();
    expect(signal?.aborted).toBe(true);
    await clock.advanceAsync(500);
    await stopped;
    queue.add('b');
    queue.addAfter('c', 10);
    expect(queue.depth).toBe(0);
  });

  it('never works on one key twice at once, loses no key, and keeps within its slots', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            key: fc.constantFrom('a', 'b', 'c', 'd'),
            delay: fc.integer({ min: 0, max: 30 }),
            at: fc.integer({ min: 0, max: 100 }),
          }),
          { minLength: 1, maxLength: 40 },
        ),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 0, max: 1_000 }),
        async (adds, concurrency, seed) => {
          const clock = new VirtualClock();
          const random = seededRandom(seed);
          const inWork = new Set<string>();
          const startedAt = new Map<string, number>();
          const queue = aQueue(clock, {
            concurrency,
            backoff: { baseMs: 1, maxMs: 8 },
            process: async (key) => {
              expect(inWork.has(key)).toBe(false);
              inWork.add(key);
              expect(inWork.size).toBeLessThanOrEqual(concurrency);
              startedAt.set(key, clock.monotonicMs());
              await clock.sleep(random.next() * 10);
              inWork.delete(key);
              if (random.next() < 0.3) throw new Error('chance');
            },
          });
          await queue.start(running);
          const lastAdd = new Map<string, number>();
          for (const { key, delay, at } of adds) {
            clock.after(at, () => {
              lastAdd.set(key, Math.max(lastAdd.get(key) ?? 0, at));
              queue.addAfter(key, delay);
            });
          }
          await clock.advanceAsync(100);
          expect(await clock.advanceUntil(() => queue.idle, 60_000)).toBe(true);
          // Everything that was added was worked on at or after its last add.
          for (const [key, addedMs] of lastAdd) expect(startedAt.get(key)).toBeGreaterThanOrEqual(addedMs);
          await queue.stop();
        },
      ),
      { numRuns: 40 },
    );
  });

  it('publishes the usual workqueue metrics', async () => {
    const clock = new VirtualClock();
    const metrics = createMetrics();
    const queue = aQueue(clock, { metrics, process: () => clock.sleep(2_000) });
    queue.add('a');
    queue.add('b');
    await queue.start(running);
    await clock.advanceAsync(500);
    expect(await metrics.expose()).toContain('workqueue_unfinished_work_seconds{name="test"} 1');
    await clock.advanceAsync(5_000);
    const page = await metrics.expose();
    expect(page).toContain('workqueue_adds_total{name="test"} 2');
    expect(page).toContain('workqueue_depth{name="test"} 0');
    expect(page).toContain('workqueue_work_duration_seconds_count{name="test"} 2');
    await queue.stop();
  });
});
