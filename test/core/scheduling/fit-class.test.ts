import { describe, expect, it } from 'vitest';
import { memberName } from '../../../src/core/model/ids.ts';
import { couldHold, FitClass, fitKey } from '../../../src/core/scheduling/fit-class.ts';
import { WorkingSet } from '../../../src/core/scheduling/working-set.ts';
import { aJob, aNode, poolRules } from '../../support/core-builders.ts';

const member = memberName('member-a');
const open = (...nodes: Parameters<typeof aNode>[0][]) =>
  new WorkingSet(nodes.map((sketch, i) => ({ member, offer: aNode({ name: `n${i}`, ...sketch }) })));
const groupsOf = (set: WorkingSet, job = aJob(), rules = poolRules()) =>
  new FitClass({ job, rules }, set).on(member, set.nodes);

describe('a class of equal jobs', () => {
  it('groups the nodes of a member by model and counts what fits', () => {
    const fit = groupsOf(open({ gpus: 3 }, { gpus: 5, model: 'T4' }, { gpus: 2 }));
    expect(fit.groups.map((group) => [group.gpuModel, group.total, group.fits])).toEqual([
      ['H100-80GB', 5, [3, 2]],
      ['T4', 5, [5]],
    ]);
  });

  it('keeps its counts right after takings and rollbacks', () => {
    const set = open({ gpus: 3 }, { gpus: 2 });
    const fitClass = new FitClass({ job: aJob(), rules: poolRules() }, set);
    const [group] = fitClass.on(member, set.nodes).groups;
    const checkpoint = set.checkpoint();
    set.take(0, group!.request, 2);
    expect(fitClass.on(member, set.nodes).groups[0]).toMatchObject({ total: 3, fits: [1, 2] });
    set.rollback(checkpoint);
    expect(fitClass.on(member, set.nodes).groups[0]).toMatchObject({ total: 5, fits: [3, 2] });
  });

  it.each([
    [
      'a model nobody has',
      aJob({ models: ['B200'] }),
      poolRules(),
      { kind: 'NoSuchGpuModel', wanted: ['B200'], has: ['H100-80GB', 'T4'] },
    ],
    [
      'a model outside the pool',
      aJob({ models: ['T4'] }),
      poolRules({ gpuModels: ['H100-80GB'] as never }),
      { kind: 'NoSuchGpuModel', wanted: ['T4'], has: ['H100-80GB'] },
    ],
    [
      'a vendor outside the pool',
      aJob(),
      poolRules({ vendors: ['amd'] }),
      { kind: 'NoSuchGpuModel', wanted: [], has: [] },
    ],
    [
      'more memory than any',
      aJob({ gpuMinMemoryBytes: 2 ** 40 }),
      poolRules(),
      { kind: 'GpuMemoryTooSmall', needBytes: 2 ** 40, haveBytes: 80 * 2 ** 30 },
    ],
    [
      "more memory than any, by the pool's word",
      aJob(),
      poolRules({ gpuMinMemoryBytes: 2 ** 40 }),
      { kind: 'GpuMemoryTooSmall', needBytes: 2 ** 40, haveBytes: 80 * 2 ** 30 },
    ],
    [
      'a label nobody has',
      aJob({ nodeTerms: [[{ key: 'x', operator: 'Exists', values: [] }]] }),
      poolRules(),
      { kind: 'NodeSelectorMismatch', nodes: 2 },
    ],
    [
      'no toleration',
      aJob({ models: ['T4'] }),
      poolRules(),
      { kind: 'UntoleratedTaint', nodes: 1, taint: 'slow:NoSchedule' },
    ],
  ])('is refused for %s', (_why, job, rules, want) => {
    const set = open(
      { gpus: 1 },
      { gpus: 1, model: 'T4', memoryGib: 16, taints: [{ key: 'slow', value: '', effect: 'NoSchedule' }] },
    );
    expect(groupsOf(set, job, rules)).toEqual({ refusal: want, groups: [] });
  });

  it('knows what the empty nodes could hold', () => {
    const [group] = groupsOf(open({ gpus: 0, totalGpus: 8 }, { gpus: 1, totalGpus: 4 })).groups;
    expect(couldHold(group!, aJob({ gpusPerWorker: 3 }))).toBe(3);
  });

  it('tells jobs apart by what they ask of nodes, and by nothing else', () => {
    const rules = poolRules();
    const key = fitKey(aJob(), rules);
    expect(fitKey(aJob({ uid: 'x', priority: 9, createdAtMs: 7, workers: 4, images: ['y'] }), rules)).toBe(key);
    expect(fitKey(aJob({ workerRequests: { pods: 1, memory: 2 ** 30, cpu: 1_000 } }), rules)).toBe(key);
    for (const job of [
      aJob({ gpusPerWorker: 2 }),
      aJob({ models: ['T4'] }),
      aJob({ gpuMinMemoryBytes: 1 }),
      aJob({ workerRequests: { pods: 1 } }),
      aJob({ tolerations: [{ operator: 'Exists' }] }),
    ]) {
      expect(fitKey(job, rules)).not.toBe(key);
    }
  });
});
