import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/platform/clock/system-clock.ts';

describe('systemClock', () => {
  it('reads wall, monotonic and boot time that go on together', async () => {
    const clock = systemClock();
    const before = clock.read();
    await clock.sleep(30);
    const after = clock.read();
    const passedMs = after.monotonicMs - before.monotonicMs;
    expect(passedMs).toBeGreaterThanOrEqual(29);
    // Boot time may come in steps of 10 ms.
    expect(after.bootMs - before.bootMs).toBeGreaterThanOrEqual(passedMs - 25);
    expect(Math.abs(after.wallMs - Date.now())).toBeLessThan(10_000);
  });

  it('ends a sleep early when the signal aborts', async () => {
    const controller = new AbortController();
    const sleep = systemClock().sleep(60_000, controller.signal);
    controller.abort();
    await expect(sleep).resolves.toBeUndefined();
  });

  it('does not fire a delay beyond what setTimeout can hold at once', async () => {
    const clock = systemClock();
    let fired = false;
    const timer = clock.after(40 * 86_400_000, () => {
      fired = true;
    });
    await clock.sleep(20);
    timer.cancel();
    expect(fired).toBe(false);
  });

  it.each([0, -1, Number.NaN])('refuses a period of %s ms', (periodMs) => {
    expect(() => systemClock().every(periodMs, () => undefined)).toThrow(RangeError);
  });
});
