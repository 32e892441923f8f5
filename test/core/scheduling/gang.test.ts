import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memberName } from '../../../src/core/model/ids.ts';
import { FitClass } from '../../../src/core/scheduling/fit-class.ts';
import { bestCandidate, placeGang } from '../../../src/core/scheduling/gang.ts';
import { sharesOf } from '../../../src/core/scheduling/score/score-term.ts';
import { WorkingSet } from '../../../src/core/scheduling/working-set.ts';
import { aJob, aNode, poolRules } from '../../support/core-builders.ts';

const member = memberName('member-a');

/** Where a gang goes on nodes n0, n1, ... with so many free GPUs. */
function choose(gpus: readonly number[], workers: number, gpusPerWorker = 1): Record<string, number> | undefined {
  const set = new WorkingSet(gpus.map((free, i) => ({ member, offer: aNode({ name: `n${i}`, gpus: free }) })));
  const job = aJob({ workers, gpusPerWorker });
  const candidate = bestCandidate(
    job,
    new FitClass({ job, rules: poolRules() }, set).on(member, set.nodes).groups,
    set,
  );
  return candidate && Object.fromEntries(sharesOf(candidate).map((share) => [share.node, share.workers]));
}

describe('the choice of nodes', () => {
  it.each([
    { why: 'one worker takes the tightest gap', gpus: [8, 1, 3], workers: 1, want: { n1: 1 } },
    { why: 'equal gaps go by name', gpus: [2, 2], workers: 1, want: { n0: 1 } },
    { why: 'a gang shares one node that it fills', gpus: [8, 4], workers: 4, want: { n1: 4 } },
    { why: 'a gang fills gaps rather than break a whole node', gpus: [8, 1, 1], workers: 2, want: { n1: 1, n2: 1 } },
    {
      why: 'a gang takes a whole node rather than eight gaps',
      gpus: [1, 1, 1, 1, 8, 1, 1, 1, 1],
      workers: 8,
      want: { n4: 8 },
    },
    {
      why: 'a large gang takes the roomiest nodes and ends on the tightest',
      gpus: [8, 8, 8, 1, 2],
      workers: 18,
      want: { n0: 8, n1: 8, n4: 2 },
    },
    {
      why: 'workers of four GPUs never split a GPU group over nodes',
      gpus: [3, 3, 4],
      workers: 2,
      gpusPerWorker: 4,
      want: undefined,
    },
    { why: 'everything exactly full', gpus: [2, 3], workers: 5, want: { n0: 2, n1: 3 } },
    { why: 'one worker too many', gpus: [2, 3], workers: 6, want: undefined },
  ])('$why', ({ gpus, workers, gpusPerWorker, want }) => {
    expect(choose(gpus, workers, gpusPerWorker)).toEqual(want);
  });

  it('places a gang whenever the sum of what nodes hold is enough, and only then', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(8), { maxLength: 6 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 4 }),
        (gpus, workers, per) => {
          const holds = gpus.reduce((sum, free) => sum + Math.floor(free / per), 0);
          const chosen = choose(gpus, workers, per);
          expect(chosen !== undefined).toBe(holds >= workers);
          for (const [node, count] of Object.entries(chosen ?? {})) {
            expect(count * per).toBeLessThanOrEqual(gpus[Number(node.slice(1))]!);
          }
          const placed = Object.values(chosen ?? {}).reduce((sum, count) => sum + count, 0);
          expect(placed).toBe(chosen === undefined ? 0 : workers);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('placing a gang', () => {
  it('takes all of it or, when capacity went away in between, nothing', () => {
    const set = new WorkingSet([2, 2].map((gpus, i) => ({ member, offer: aNode({ name: `n${i}`, gpus }) })));
    const job = aJob({ workers: 4 });
    const candidate = bestCandidate(
      job,
      new FitClass({ job, rules: poolRules() }, set).on(member, set.nodes).groups,
      set,
    )!;
    set.take(1, set.compile({ 'nvidia.com/gpu': 1 }), 1);
    expect(placeGang(candidate, set)).toBe(false);
    expect([set.free(0, 'nvidia.com/gpu'), set.free(1, 'nvidia.com/gpu')]).toEqual([2, 1]);
  });
});
