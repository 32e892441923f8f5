import { describe, expect, it } from 'vitest';
import { termFloor } from '../../src/hub/term-floor.ts';

const at = (text: string): number => Date.parse(text);

describe('the floor of a hub’s terms', () => {
  /** As the elector does: above what the store shows, and above the floor. */
  const elected = (stored: number, wallMs: number): number => Math.max(stored, termFloor(wallMs)) + 1;

  it('keeps a hub above all its earlier terms when its store was set back, or lost its Lease', () => {
    const backup = elected(0, at('2026-03-01T10:00:00Z'));
    let newest = backup;
    for (let minute = 0; minute < 30; minute += 1)
      newest = elected(newest, at('2026-03-01T10:01:00Z') + minute * 2_000);
    expect(elected(backup, at('2026-03-01T10:03:00Z'))).toBeGreaterThan(newest);
    expect(elected(0, at('2026-03-01T10:03:00Z'))).toBeGreaterThan(newest);
  });

  it('changes nothing where the store is whole and the clock went back', () => {
    const first = elected(0, at('2026-03-01T10:00:00Z'));
    expect(elected(first, at('2021-01-01T00:00:00Z'))).toBe(first + 1);
  });

  it.each([
    { when: '1970-01-01T00:00:00Z', floor: 0 },
    { when: '2020-01-01T00:00:01Z', floor: 1 },
    { when: '2200-01-01T00:00:00Z', floor: 2 ** 31 - 2 },
  ])('is $floor at $when, and fits an int32 with the next one', ({ when, floor }) => {
    expect(termFloor(at(when))).toBe(floor);
    expect(elected(0, at(when))).toBeLessThan(2 ** 31);
  });
});
