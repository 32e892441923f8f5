import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/platform/clock/seeded-random.ts';
import { systemRandom } from '../../../src/platform/clock/system-random.ts';

const uuidV4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('seededRandom', () => {
  it('gives one history per seed and unrelated ones for neighbours', () => {
    const draw = (seed: number): number[] => {
      const random = seededRandom(seed);
      return Array.from({ length: 20 }, () => random.next());
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('draws uniformly from [0, 1)', () => {
    const random = seededRandom('uniform');
    const tenths = new Array<number>(10).fill(0);
    for (let i = 0; i < 20_000; i += 1) {
      const value = random.next();
      expect(value >= 0 && value < 1).toBe(true);
      tenths[Math.floor(value * 10)]! += 1;
    }
    for (const count of tenths) expect(Math.abs(count - 2_000)).toBeLessThan(250);
  });

  it('forks streams that do not depend on how much was drawn elsewhere', () => {
    const a = seededRandom(7);
    a.next();
    expect(a.fork('x').next()).toBe(seededRandom(7).fork('x').next());
    expect(a.fork('x').next()).not.toBe(a.fork('y').next());
  });

  it.each([
    ['seeded', seededRandom(3)],
    ['system', systemRandom()],
  ])('makes version 4 uuids and bytes of the length asked for (%s)', (_name, random) => {
    expect(random.uuid()).toMatch(uuidV4);
    expect(random.uuid()).not.toBe(random.uuid());
    expect(random.bytes(33)).toHaveLength(33);
  });
});
