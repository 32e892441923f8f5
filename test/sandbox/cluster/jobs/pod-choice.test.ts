import { describe, expect, it } from 'vitest';
import { choosePods } from '../../../../src/sandbox/cluster/jobs/pod-choice.ts';
import { aJob, aJobPod } from '../object-builders.ts';

const none = new Set<number>();

describe('choosePods', () => {
  it('fills the lowest free indexes first', () => {
    const job = aJob({ parallelism: 3, completions: 5 });
    const tally = { active: [aJobPod(1, 'Running')], terminating: [] };
    expect(choosePods({ job, tally, succeeded: new Set([0]), failed: none }).create).toEqual([2, 3]);
  });

  it('takes the highest indexes away when parallelism shrinks', () => {
    const job = aJob({ parallelism: 1, completions: 3 });
    const tally = { active: [0, 1, 2].map((index) => aJobPod(index, 'Running')), terminating: [] };
    expect(
      choosePods({ job, tally, succeeded: none, failed: none }).remove.map(({ metadata }) => metadata.uid),
    ).toEqual(['pod-2', 'pod-1']);
  });

  it('takes away the second pod of an index', () => {
    const job = aJob({ parallelism: 2, completions: 2 });
    const tally = { active: [aJobPod(0, 'Running', 'a'), aJobPod(0, 'Running', 'b')], terminating: [] };
    const choice = choosePods({ job, tally, succeeded: none, failed: none });
    expect(choice.remove.map(({ metadata }) => metadata.uid)).toEqual(['b']);
    expect(choice.create).toEqual([1]);
  });
});
