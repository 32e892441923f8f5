import { describe, expect, it } from 'vitest';
import type { LabelRequirement } from '../../../src/core/model/job.ts';
import {
  firstUnmet,
  meetsAll,
  meetsAnyTerm,
  meetsRequirement,
  NODE_NAME_FIELD,
  nodeMeetsTerms,
  requirementsOf,
} from '../../../src/core/model/selectors.ts';

const labels = { zone: 'a', gen: '7', big: '9007199254740993', word: 'seven' };
const need = (key: string, operator: LabelRequirement['operator'], ...values: string[]): LabelRequirement => ({
  key,
  operator,
  values,
});

describe('a label requirement', () => {
  it.each([
    [need('zone', 'In', 'a', 'b'), true],
    [need('zone', 'In', 'b'), false],
    [need('none', 'In', 'a'), false],
    [need('zone', 'NotIn', 'b'), true],
    [need('zone', 'NotIn', 'a'), false],
    [need('none', 'NotIn', 'a'), true],
    [need('zone', 'Exists'), true],
    [need('none', 'Exists'), false],
    [need('none', 'DoesNotExist'), true],
    [need('zone', 'DoesNotExist'), false],
    [need('gen', 'Gt', '6'), true],
    [need('gen', 'Gt', '7'), false],
    [need('gen', 'Lt', '8'), true],
    [need('gen', 'Lt', '7'), false],
    [need('gen', 'Gt', '-8'), true],
    [need('big', 'Gt', '9007199254740992'), true],
    [need('word', 'Gt', '6'), false],
    [need('gen', 'Gt', 'six'), false],
    [need('none', 'Lt', '6'), false],
    [need('toString', 'Exists'), false],
  ])('%o is %s', (requirement, want) => {
    expect(meetsRequirement(labels, requirement)).toBe(want);
  });

  it('comes from matchLabels and matchExpressions, all of which must hold', () => {
    const requirements = requirementsOf({
      matchLabels: { zone: 'a', gen: '7' },
      matchExpressions: [
        { key: 'word', operator: 'Exists' },
        { key: 'none', operator: 'In', values: ['x'] },
      ],
    });
    expect(requirements.map((one) => one.key)).toEqual(['gen', 'zone', 'word', 'none']);
    expect(meetsAll(labels, requirements)).toBe(false);
    expect(firstUnmet(labels, requirements)?.key).toBe('none');
  });

  it('of an empty selector selects everything', () => {
    expect(meetsAll({}, requirementsOf({}))).toBe(true);
  });
});

describe('node terms', () => {
  it('are alternatives; none at all means any node', () => {
    expect(meetsAnyTerm(labels, [])).toBe(true);
    expect(meetsAnyTerm(labels, [[need('zone', 'In', 'x')], [need('zone', 'In', 'a')]])).toBe(true);
    expect(meetsAnyTerm(labels, [[need('zone', 'In', 'x')], [need('zone', 'In', 'a'), need('none', 'Exists')]])).toBe(
      false,
    );
  });

  it('may ask for the name of the node', () => {
    const node = { node: 'node-1', labels };
    expect(nodeMeetsTerms(node, [[need(NODE_NAME_FIELD, 'In', 'node-1')]])).toBe(true);
    expect(nodeMeetsTerms(node, [[need(NODE_NAME_FIELD, 'NotIn', 'node-1')]])).toBe(false);
    expect(nodeMeetsTerms(node, [])).toBe(true);
  });
});
