import { describe, expect, it } from 'vitest';
import { memberName } from '../../../../src/core/model/ids.ts';
import { FitClass } from '../../../../src/core/scheduling/fit-class.ts';
import { SCORE_TERMS } from '../../../../src/core/scheduling/gang.ts';
import type { Candidate } from '../../../../src/core/scheduling/score/score-term.ts';
import { sharesOf } from '../../../../src/core/scheduling/score/score-term.ts';
import { WorkingSet } from '../../../../src/core/scheduling/working-set.ts';
import { aJob, aNode, poolRules } from '../../../support/core-builders.ts';

describe('the score of a candidate', () => {
  const member = memberName('member-a');
  const set = new WorkingSet([8, 3].map((gpus, i) => ({ member, offer: aNode({ name: `n${i}`, gpus }) })));
  const job = aJob({ workers: 3, gpusPerWorker: 2 });
  const [group] = new FitClass({ job, rules: poolRules() }, set).on(member, set.nodes).groups;
  const candidate: Candidate = {
    group: group!,
    picks: [
      { position: 1, workers: 1 },
      { position: 0, workers: 2 },
    ],
  };

  it('is the size of the GPU, then the GPUs left behind, then the nodes touched', () => {
    const scores = SCORE_TERMS.map((term) => [term.name, term.score(candidate, set, job.gpusPerWorker)]);
    expect(scores).toEqual([
      ['SmallestSufficientGpu', 80 * 2 ** 30],
      ['Pack', 8 - 4 + 3 - 2],
      ['FewestNodes', 2],
    ]);
  });

  it('leaves the nodes of the placement in order of name', () => {
    expect(sharesOf(candidate)).toEqual([
      { node: 'n0', workers: 2 },
      { node: 'n1', workers: 1 },
    ]);
  });
});
