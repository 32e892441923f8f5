import { describe, expect, it } from 'vitest';
import { HostClock } from '../../../src/platform/clock/host-clock.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';

describe('HostClock', () => {
  it('shows its own wall clock over the shared timeline', () => {
    const base = new VirtualClock({ wallMs: 0 });
    const host = new HostClock(base, { wallSkewMs: 60_000 });
    base.advance(5);
    expect(host.read()).toEqual({ wallMs: 60_005, monotonicMs: 5, bootMs: 5 });
    host.setWallSkew(-1);
    expect(host.nowMs()).toBe(4);
  });

  it('holds timers while paused and runs the late ones in their order on resume', () => {
    const base = new VirtualClock();
    const host = new HostClock(base);
    const ran: string[] = [];
    host.after(20, () => ran.push('second'));
    host.after(10, () => ran.push('first'));
    const cancelled = host.after(15, () => ran.push('cancelled'));
    host.pause();
    base.advance(100);
    cancelled.cancel();
    expect(ran).toEqual([]);
    host.resume();
    expect(ran).toEqual(['first', 'second']);
  });

  it('gives one late tick of an interval after a pause, not a pile', () => {
    const base = new VirtualClock();
    const host = new HostClock(base);
    let ticks = 0;
    host.every(10, () => {
      ticks += 1;
    });
    base.advance(20);
    host.pause();
    base.advance(100);
    host.resume();
    expect(ticks).toBe(3);
    base.advance(10);
    expect(ticks).toBe(4);
  });
});
