import { describe, expect, it } from 'vitest';
import type { Toleration } from '../../../src/core/model/job.ts';
import type { Taint } from '../../../src/core/model/member.ts';
import { firstUntolerated, taintText, tolerates } from '../../../src/core/model/tolerations.ts';

const taint: Taint = { key: 'gpu', value: 'yes', effect: 'NoSchedule' };

describe('a toleration', () => {
  it.each<[Toleration, boolean]>([
    [{ operator: 'Exists' }, true],
    [{ operator: 'Exists', effect: 'NoExecute' }, false],
    [{ operator: 'Exists', key: 'gpu' }, true],
    [{ operator: 'Exists', key: 'cpu' }, false],
    [{ operator: 'Equal', key: 'gpu', value: 'yes' }, true],
    [{ operator: 'Equal', key: 'gpu', value: 'no' }, false],
    [{ operator: 'Equal', key: 'gpu' }, false],
    [{ operator: 'Equal', key: 'gpu', value: 'yes', effect: 'NoSchedule' }, true],
    [{ operator: 'Equal', value: 'yes' }, false],
  ])('%o covers the taint: %s', (toleration, want) => {
    expect(tolerates(toleration, taint)).toBe(want);
  });

  it('is not needed for a preference', () => {
    expect(firstUntolerated([{ ...taint, effect: 'PreferNoSchedule' }], [])).toBeUndefined();
  });

  it('must be there for every other taint; the first without one is named', () => {
    const drain: Taint = { key: 'drain', value: '', effect: 'NoExecute' };
    expect(firstUntolerated([taint, drain], [{ operator: 'Exists', key: 'gpu' }])).toEqual(drain);
    expect(taintText(drain)).toBe('drain:NoExecute');
    expect(taintText(taint)).toBe('gpu=yes:NoSchedule');
  });
});
