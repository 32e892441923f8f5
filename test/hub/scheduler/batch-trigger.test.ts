import { describe, expect, it } from 'vitest';
import { BatchTrigger } from '../../../src/hub/scheduler/batch-trigger.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';

function aTrigger(): { clock: VirtualClock; trigger: BatchTrigger; fired: number[] } {
  const clock = new VirtualClock();
  const fired: number[] = [];
  const trigger = new BatchTrigger({ clock, idleMs: 10, maxMs: 100, fire: () => fired.push(clock.monotonicMs()) });
  return { clock, trigger, fired };
}

describe('the trigger of the scheduler', () => {
  it('fires once after the idle time, however many wishes there were', () => {
    const { clock, trigger, fired } = aTrigger();
    for (let i = 0; i < 50; i += 1) trigger.poke();
    clock.advance(1000);
    expect(fired).toEqual([10]);
  });

  it('fires at the latest after the longest time while wishes keep coming', () => {
    const { clock, trigger, fired } = aTrigger();
    for (let ms = 0; ms < 250; ms += 5) {
      trigger.poke();
      clock.advance(5);
    }
    clock.advance(1000);
    expect(fired[0]).toBe(100);
    expect(fired.length).toBeLessThanOrEqual(4);
  });

  it('fires again for a wish that came after', () => {
    const { clock, trigger, fired } = aTrigger();
    trigger.poke();
    clock.advance(20);
    trigger.poke();
    clock.advance(20);
    expect(fired).toEqual([10, 30]);
  });

  it('drops what was wished for when cancelled', () => {
    const { clock, trigger, fired } = aTrigger();
    trigger.poke();
    trigger.cancel();
    clock.advance(1000);
    expect(fired).toEqual([]);
  });
});
