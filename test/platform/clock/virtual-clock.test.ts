import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';

describe('VirtualClock', () => {
  it('runs timers in order of due time and then of creation, each exactly at its time', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 30 }), (delays) => {
        const clock = new VirtualClock();
        const ran: { delay: number; index: number; at: number }[] = [];
        delays.forEach((delay, index) => clock.after(delay, () => ran.push({ delay, index, at: clock.monotonicMs() })));
        clock.advance(50);
        const want = delays
          .map((delay, index) => ({ delay, index, at: delay }))
          .sort((a, b) => a.delay - b.delay || a.index - b.index);
        expect(ran).toEqual(want);
      }),
    );
  });

  it('does not run what was cancelled, and runs what a timer adds within the same advance', () => {
    const clock = new VirtualClock();
    const ran: string[] = [];
    clock.after(10, () => ran.push('cancelled')).cancel();
    clock.after(5, () => clock.after(5, () => ran.push('added')));
    clock.advance(9);
    expect(ran).toEqual([]);
    clock.advance(1);
    expect(ran).toEqual(['added']);
  });

  it('ticks periodically until cancelled, also from within the tick', () => {
    const clock = new VirtualClock();
    let ticks = 0;
    const timer = clock.every(10, () => {
      ticks += 1;
      if (ticks === 3) timer.cancel();
    });
    clock.advance(100);
    expect(ticks).toBe(3);
    expect(clock.nextDueMs()).toBeUndefined();
  });

  it('moves only wall and boot time while suspended, and only the wall on a jump', () => {
    const clock = new VirtualClock({ wallMs: 1_000 });
    let fired = false;
    clock.after(10, () => {
      fired = true;
    });
    clock.suspend(60_000);
    expect(clock.read()).toEqual({ wallMs: 61_000, monotonicMs: 0, bootMs: 60_000 });
    expect(fired).toBe(false);
    clock.jumpWall(-5_000);
    expect(clock.read()).toEqual({ wallMs: 56_000, monotonicMs: 0, bootMs: 60_000 });
  });

  it('lets promises settle between timers when advanced asynchronously', async () => {
    const clock = new VirtualClock();
    const times: number[] = [];
    const work = async (): Promise<void> => {
      for (let round = 0; round < 3; round += 1) {
        await clock.sleep(10);
        times.push(clock.monotonicMs());
      }
    };
    const done = work();
    await clock.advanceAsync(100);
    await done;
    expect(times).toEqual([10, 20, 30]);
    expect(clock.monotonicMs()).toBe(100);
  });

  it('stops advancing as soon as the condition holds, and reports when it cannot come to hold', async () => {
    const clock = new VirtualClock();
    let count = 0;
    const timer = clock.every(10, () => {
      count += 1;
    });
    expect(await clock.advanceUntil(() => count === 4, 1_000)).toBe(true);
    expect(clock.monotonicMs()).toBe(40);
    timer.cancel();
    expect(await clock.advanceUntil(() => count === 5, 1_000)).toBe(false);
  });

  it('wakes a sleeper early when its signal aborts, without a timer left behind', async () => {
    const clock = new VirtualClock();
    const controller = new AbortController();
    const sleep = clock.sleep(1_000, controller.signal);
    controller.abort();
    await sleep;
    expect(clock.nextDueMs()).toBeUndefined();
    await clock.sleep(1_000, controller.signal);
    expect(clock.monotonicMs()).toBe(0);
  });
});
