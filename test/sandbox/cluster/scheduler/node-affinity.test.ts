import { describe, expect, it } from 'vitest';
import type { NodeSelectorTerm } from '../../../../src/sandbox/cluster/objects/pod.ts';
import { matchesRequired, preferenceWeight } from '../../../../src/sandbox/cluster/scheduler/node-affinity.ts';
import { aNode, aPod } from '../object-builders.ts';

const node = aNode({ name: 'n1', labels: { zone: 'a', cores: '16', odd: 'x' } });

function required(...nodeSelectorTerms: NodeSelectorTerm[]) {
  return aPod({
    spec: { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } },
  });
}

describe('node affinity', () => {
  it.each([
    ['In', { key: 'zone', operator: 'In', values: ['a', 'b'] }, true],
    ['In with other values', { key: 'zone', operator: 'In', values: ['c'] }, false],
    ['In on an absent label', { key: 'rack', operator: 'In', values: ['a'] }, false],
    ['NotIn', { key: 'zone', operator: 'NotIn', values: ['a'] }, false],
    ['NotIn on an absent label', { key: 'rack', operator: 'NotIn', values: ['a'] }, true],
    ['Exists', { key: 'zone', operator: 'Exists' }, true],
    ['DoesNotExist', { key: 'zone', operator: 'DoesNotExist' }, false],
    ['Gt', { key: 'cores', operator: 'Gt', values: ['8'] }, true],
    ['Gt at the bound', { key: 'cores', operator: 'Gt', values: ['16'] }, false],
    ['Lt', { key: 'cores', operator: 'Lt', values: ['32'] }, true],
    ['Gt on text', { key: 'odd', operator: 'Gt', values: ['1'] }, false],
    ['an unknown operator', { key: 'zone', operator: 'Near', values: ['a'] }, false],
  ])('judges %s', (_name, requirement, want) => {
    expect(matchesRequired(required({ matchExpressions: [requirement] }), node)).toBe(want);
  });

  it('wants all requirements of one term and any of several terms', () => {
    const good = { key: 'zone', operator: 'In', values: ['a'] };
    const bad = { key: 'zone', operator: 'In', values: ['z'] };
    expect(matchesRequired(required({ matchExpressions: [good, bad] }), node)).toBe(false);
    expect(matchesRequired(required({ matchExpressions: [bad] }, { matchExpressions: [good] }), node)).toBe(true);
  });

  it('matches the node name by matchFields and nothing by an empty term', () => {
    expect(
      matchesRequired(required({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }] }), node),
    ).toBe(true);
    expect(
      matchesRequired(required({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n2'] }] }), node),
    ).toBe(false);
    expect(matchesRequired(required({}), node)).toBe(false);
  });

  it('honours nodeSelector', () => {
    expect(matchesRequired(aPod({ spec: { nodeSelector: { zone: 'a' } } }), node)).toBe(true);
    expect(matchesRequired(aPod({ spec: { nodeSelector: { zone: 'b' } } }), node)).toBe(false);
  });

  it('adds up the weights of preferences that hold', () => {
    const preference = (value: string) => ({ matchExpressions: [{ key: 'zone', operator: 'In', values: [value] }] });
    const preferred = [
      { weight: 10, preference: preference('a') },
      { weight: 5, preference: preference('b') },
      { weight: 2, preference: preference('a') },
    ];
    const pod = aPod({
      spec: { affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred } } },
    });
    expect(preferenceWeight(pod, node)).toBe(12);
  });
});
