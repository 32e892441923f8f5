import { describe, expect, it } from 'vitest';
import { Room } from '../../../src/core/scheduling/reclaim-room.ts';

const gang = {
  shares: [
    { node: 0, resources: { gpu: 2 } },
    { node: 1, resources: { gpu: 1, memory: 5 } },
  ],
};

describe('room on nodes', () => {
  it('fits what is there, and nothing on a node that is overfull', () => {
    const room = new Room([{ gpu: 2 }, { gpu: -1 }]);
    expect(room.fits(0, { gpu: 2, memory: 0 })).toBe(true);
    expect(room.fits(0, { gpu: 3 })).toBe(false);
    expect(room.fits(0, { memory: 1 })).toBe(false);
    expect(room.fits(1, { gpu: 1 })).toBe(false);
    expect(room.fits(9, {})).toBe(false);
  });

  it('gives back exactly what was taken, on every node of a gang', () => {
    const room = new Room([{ gpu: 1 }, {}]);
    room.release(gang);
    expect([room.at(0), room.at(1)]).toEqual([{ gpu: 3 }, { gpu: 1, memory: 5 }]);
    room.restore(gang);
    expect([room.at(0), room.at(1)]).toEqual([{ gpu: 1 }, { gpu: 0, memory: 0 }]);
  });

  it('is copied, not shared, also for one node alone', () => {
    const room = new Room([{ gpu: 0 }, { gpu: 0 }]);
    room.copy().release(gang);
    const alone = room.copyOf(1);
    alone.release(gang);
    expect(alone.fits({ gpu: 1, memory: 5 })).toBe(true);
    expect(alone.fits({ gpu: 2 })).toBe(false);
    alone.restore(gang);
    expect(alone.fits({ gpu: 1 })).toBe(false);
    expect(room.fits(1, { gpu: 1 })).toBe(false);
  });
});
