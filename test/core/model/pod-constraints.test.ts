import { describe, expect, it } from 'vitest';
import { readNodeTerms, readTolerations } from '../../../src/core/model/pod-constraints.ts';
import type { PodProblem } from '../../../src/core/model/pod-json.ts';
import { nodeMeetsTerms } from '../../../src/core/model/selectors.ts';

const affinity = (nodeSelectorTerms: unknown) => ({
  affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
});
const terms = (spec: Record<string, unknown>) => {
  const problems: PodProblem[] = [];
  return { terms: readNodeTerms(spec, 'spec', problems), problems };
};
const tolerations = (list: unknown) => {
  const problems: PodProblem[] = [];
  return { read: readTolerations({ tolerations: list }, 'spec', problems), problems };
};
const node = (labels: Record<string, string>, name = 'node-1') => ({ node: name, labels });

describe('node terms of a pod', () => {
  it('are absent when the pod says nothing', () => {
    expect(terms({})).toEqual({ terms: [], problems: [] });
  });

  it('put the node selector into every alternative', () => {
    const spec = {
      nodeSelector: { zone: 'a' },
      ...affinity([
        { matchExpressions: [{ key: 'gen', operator: 'Gt', values: ['6'] }] },
        { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node-9'] }] },
      ]),
    };
    const { terms: read, problems } = terms(spec);
    expect(problems).toEqual([]);
    expect(nodeMeetsTerms(node({ zone: 'a', gen: '7' }), read)).toBe(true);
    expect(nodeMeetsTerms(node({ zone: 'b', gen: '7' }), read)).toBe(false);
    expect(nodeMeetsTerms(node({ zone: 'a' }, 'node-9'), read)).toBe(true);
    expect(nodeMeetsTerms(node({ zone: 'a' }), read)).toBe(false);
  });

  it('match no node when every required term is empty, as in Kubernetes', () => {
    const { terms: read, problems } = terms(affinity([{}]));
    expect(problems).toEqual([]);
    expect(nodeMeetsTerms(node({ zone: 'a' }), read)).toBe(false);
  });

  it('leave out an empty term beside a full one', () => {
    const { terms: read } = terms(affinity([{}, { matchExpressions: [{ key: 'zone', operator: 'Exists' }] }]));
    expect(nodeMeetsTerms(node({ zone: 'a' }), read)).toBe(true);
    expect(nodeMeetsTerms(node({}), read)).toBe(false);
  });

  it.each([
    ['a selector that is a list', { nodeSelector: [] }, 'spec.nodeSelector'],
    ['a label that is a number', { nodeSelector: { a: 1 } }, 'spec.nodeSelector'],
    [
      'no terms',
      affinity([]),
      'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms',
    ],
    [
      'an unknown operator',
      affinity([{ matchExpressions: [{ key: 'a', operator: 'Like', values: ['b'] }] }]),
      'nodeSelectorTerms[0].matchExpressions[0].operator',
    ],
    [
      'In without values',
      affinity([{ matchExpressions: [{ key: 'a', operator: 'In' }] }]),
      'nodeSelectorTerms[0].matchExpressions[0].values',
    ],
    [
      'Exists with values',
      affinity([{ matchExpressions: [{ key: 'a', operator: 'Exists', values: ['b'] }] }]),
      'nodeSelectorTerms[0].matchExpressions[0].values',
    ],
    [
      'Gt with a word',
      affinity([{ matchExpressions: [{ key: 'a', operator: 'Gt', values: ['b'] }] }]),
      'nodeSelectorTerms[0].matchExpressions[0].values',
    ],
    [
      'a field that is not the name',
      affinity([{ matchFields: [{ key: 'spec.x', operator: 'In', values: ['b'] }] }]),
      'nodeSelectorTerms[0].matchFields[0].key',
    ],
    ['a term that is text', affinity(['a']), 'nodeSelectorTerms[0]'],
    ['an affinity that is text', { affinity: 'a' }, 'spec.affinity'],
  ])('with %s are refused with the path', (_why, spec, path) => {
    const { problems } = terms(spec);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.path.endsWith(path)).toBe(true);
  });
});

describe('tolerations of a pod', () => {
  it('get their defaults and lose what is empty', () => {
    expect(
      tolerations([
        { key: 'a', value: 'b' },
        { operator: 'Exists', effect: '' },
        { key: 'c', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 },
      ]),
    ).toEqual({
      read: [
        { operator: 'Equal', key: 'a', value: 'b' },
        { operator: 'Exists' },
        { operator: 'Exists', key: 'c', effect: 'NoExecute' },
      ],
      problems: [],
    });
  });

  it.each([
    ['an unknown operator', { key: 'a', operator: 'Gt' }, 'spec.tolerations[0].operator'],
    ['an unknown effect', { key: 'a', effect: 'Never' }, 'spec.tolerations[0].effect'],
    ['no key and Equal', { value: 'b' }, 'spec.tolerations[0].operator'],
    ['Exists with a value', { key: 'a', operator: 'Exists', value: 'b' }, 'spec.tolerations[0].value'],
    ['a number as key', { key: 1 }, 'spec.tolerations[0].key'],
    ['text', 'all', 'spec.tolerations[0]'],
  ])('with %s are refused with the path', (_why, toleration, path) => {
    expect(tolerations([toleration]).problems[0]?.path).toBe(path);
    expect(tolerations([toleration]).read).toHaveLength(0);
  });
});
