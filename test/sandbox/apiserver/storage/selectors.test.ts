import { describe, expect, it } from 'vitest';
import {
  fieldPredicate,
  parseFieldSelector,
  parseLabelSelector,
  selectorMatches,
} from '../../../../src/sandbox/apiserver/storage/selectors.ts';

const object = (labels: Record<string, string>): never =>
  ({ apiVersion: 'v1', kind: 'X', metadata: { name: 'n', labels }, spec: { node: 'a', flag: false } }) as never;

describe('label selectors', () => {
  it.each([
    ['a=b', { a: 'b' }, true],
    ['a==b', { a: 'c' }, false],
    ['a!=b', {}, true],
    ['a in (b, c)', { a: 'c' }, true],
    ['a in (b, c)', {}, false],
    ['a notin (b)', {}, true],
    ['a', { a: '' }, true],
    ['!a', { a: '' }, false],
    ['a>3', { a: '4' }, true],
    ['a=b,x in (y,z),!q', { a: 'b', x: 'z' }, true],
    ['example.com/a=b', { 'example.com/a': 'b' }, true],
    ['a=', { a: '' }, true],
  ])('%s on %j is %s', (text, labels, want) => {
    expect(parseLabelSelector(text)?.(object(labels as Record<string, string>))).toBe(want);
  });

  it('selects everything when empty, and refuses nonsense', () => {
    expect(parseLabelSelector('')).toBeUndefined();
    expect(() => parseLabelSelector('a ~ b')).toThrow('unable to parse requirement');
  });

  it('reads structured selectors: absent selects nothing, empty all', () => {
    expect(selectorMatches(undefined, { a: 'b' })).toBe(false);
    expect(selectorMatches({}, { a: 'b' })).toBe(true);
    const some = {
      matchExpressions: [
        { key: 'a', operator: 'NotIn', values: ['b'] },
        { key: 'z', operator: 'DoesNotExist' },
      ],
    };
    expect(selectorMatches(some, { a: 'b' })).toBe(false);
    expect(selectorMatches(some, { a: 'c' })).toBe(true);
  });
});

describe('field selectors', () => {
  it.each([
    ['spec.node=a', true],
    ['spec.node!=a', false],
    ['spec.flag=false,metadata.name=n', true],
    ['spec.absent=', true],
  ])('%s is %s', (text, want) => {
    const allowed = ['spec.node', 'spec.flag', 'spec.absent'];
    expect(fieldPredicate(parseFieldSelector(text), allowed)?.(object({}))).toBe(want);
  });

  it('refuses fields that the kind cannot be selected by', () => {
    expect(() => fieldPredicate(parseFieldSelector('spec.other=1'), [])).toThrow(
      'field label not supported: spec.other',
    );
  });
});
