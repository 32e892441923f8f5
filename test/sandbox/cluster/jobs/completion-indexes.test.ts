import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatIndexes, parseIndexes } from '../../../../src/sandbox/cluster/jobs/completion-indexes.ts';

describe('completion indexes', () => {
  it.each([
    ['0-2,5', [0, 1, 2, 5]],
    ['', []],
    ['3', [3]],
    ['x,1-,2', [2]],
  ])('reads %j', (text, want) => {
    expect([...parseIndexes(text)]).toEqual(want);
  });

  it('leaves out what lies beyond the completions', () => {
    expect([...parseIndexes('0-9', 3)]).toEqual([0, 1, 2]);
  });

  it('joins three neighbours by a hyphen and two by a comma, as the real controller does', () => {
    expect(formatIndexes([4, 0, 1, 6, 3, 5])).toBe('0,1,3-6');
  });

  it('writes what it reads', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(60)), (indexes) => {
        expect([...parseIndexes(formatIndexes(indexes))]).toEqual([...indexes].sort((a, b) => a - b));
      }),
    );
  });
});
