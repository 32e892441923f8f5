import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memberName } from '../../../src/core/model/ids.ts';
import { WorkingSet } from '../../../src/core/scheduling/working-set.ts';
import { aNode } from '../../support/core-builders.ts';

const member = memberName('member-a');
const open = (...gpus: number[]) =>
  new WorkingSet(gpus.map((free, i) => ({ member, offer: aNode({ name: `n${i}`, gpus: free, freeCpuMilli: 4_000 }) })));
const gpu = 'nvidia.com/gpu';

describe('a working set', () => {
  it('counts how often a request fits, by its scarcest resource', () => {
    const set = open(8);
    expect(set.fitting(0, set.compile({ [gpu]: 2, pods: 1 }))).toBe(4);
    expect(set.fitting(0, set.compile({ [gpu]: 1, cpu: 1_500 }))).toBe(2);
    expect(set.fitting(0, set.compile({ [gpu]: 9 }))).toBe(0);
    expect(set.fitting(0, set.compile({ 'example.com/unheard-of': 1 }))).toBe(0);
    expect(set.fitting(0, set.compile({ cpu: 0 }))).toBe(Number.POSITIVE_INFINITY);
  });

  it('takes what fits and refuses what does not, leaving nothing taken', () => {
    const set = open(3);
    const request = set.compile({ [gpu]: 2 });
    expect(set.take(0, request, 1)).toBe(true);
    expect(set.free(0, gpu)).toBe(1);
    expect(set.take(0, request, 1)).toBe(false);
    expect(set.free(0, gpu)).toBe(1);
    expect(set.take(0, set.compile({ 'example.com/unheard-of': 1 }), 1)).toBe(false);
  });

  it('counts amounts below zero as none', () => {
    const set = new WorkingSet([{ member, offer: { ...aNode(), free: { cpu: -5, [gpu]: 1 } } }]);
    expect(set.free(0, 'cpu')).toBe(0);
    expect(set.free(0, 'memory')).toBe(0);
  });

  it('rolls back to the very amounts of the checkpoint, and names what it touched', () => {
    const anAction = fc.record({
      node: fc.nat(2),
      gpus: fc.integer({ min: 1, max: 3 }),
      times: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(anAction), fc.array(anAction), (kept, undone) => {
        const set = open(8, 6, 4);
        const run = (actions: typeof kept): void => {
          for (const { node, gpus, times } of actions) set.take(node, set.compile({ [gpu]: gpus, cpu: 100 }), times);
        };
        const amounts = (): unknown => [0, 1, 2].map((node) => [set.free(node, gpu), set.free(node, 'cpu')]);
        run(kept);
        const [before, checkpoint, touchedBefore] = [amounts(), set.checkpoint(), set.touched.length];
        run(undone);
        const changed = [0, 1, 2].filter(
          (node) => JSON.stringify((amounts() as unknown[])[node]) !== JSON.stringify((before as unknown[])[node]),
        );
        expect(new Set(set.touched.slice(touchedBefore))).toEqual(new Set(changed));
        set.rollback(checkpoint);
        expect(amounts()).toEqual(before);
        for (const node of [0, 1, 2]) expect(set.free(node, gpu)).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 300 },
    );
  });
});
