import { describe, expect, it } from 'vitest';
import { runHistory } from './simulation.ts';

describe('the federation in simulation', () => {
  it.each([2, 3])('keeps its promises through the trouble of seed %i', async (seed) => {
    const history = await runHistory({ seed });
    expect(history.broken, history.trace.join('\n')).toEqual([]);
    expect(history.starts).toBeGreaterThan(0);
  });

  it('lives the same history again from the same seed', async () => {
    const [first, again] = [await runHistory({ seed: 4 }), await runHistory({ seed: 4 })];
    expect(again.trace).toEqual(first.trace);
  });
});
