import { describe, expect, it } from 'vitest';
import { ageCell, shortDuration } from '../../../../src/sandbox/apiserver/table/cells.ts';
import { compileJsonPath, isJsonPath } from '../../../../src/sandbox/apiserver/table/json-path.ts';

const root = {
  spec: {
    n: 1,
    'a.b': 'dotted',
    list: [
      { k: 'x', v: 1 },
      { k: 'y', v: 2 },
    ],
  },
  metadata: { labels: { 'example.com/z': 'q' } },
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
};

describe('printer column paths', () => {
  it.each([
    ['.spec.n', [1]],
    ['spec.n', [1]],
    ['{.spec.n}', [1]],
    [".spec['a.b']", ['dotted']],
    ['.metadata.labels.example\\.com/z', ['q']],
    ['.spec.list[0].k', ['x']],
    ['.spec.list[-1].k', ['y']],
    ['.spec.list[*].v', [1, 2]],
    ['.status.conditions[?(@.type=="Ready")].status', ['True']],
    ['.spec.absent.deep', []],
    ['.spec.list', [root.spec.list]],
  ])('%s gives %j', (path, want) => {
    expect(compileJsonPath(path)(root)).toEqual(want);
  });

  it('knows what it does not understand', () => {
    expect(isJsonPath('.a..b')).toBe(false);
    expect(isJsonPath('.a[?(@.x>3)]')).toBe(false);
  });
});

describe('ages', () => {
  const [s, m, h, d] = [1000, 60_000, 3_600_000, 86_400_000];
  it.each([
    [0, '0s'],
    [119 * s, '119s'],
    [2 * m, '2m'],
    [2 * m + 5 * s, '2m5s'],
    [10 * m + 5 * s, '10m'],
    [3 * h, '3h'],
    [3 * h + 7 * m, '3h7m'],
    [47 * h, '47h'],
    [2 * d + 3 * h, '2d3h'],
    [9 * d, '9d'],
    [800 * d, '2y70d'],
    [3650 * d, '10y'],
  ])('%d ms reads %s', (ms, want) => {
    expect(shortDuration(ms)).toBe(want);
  });

  it('says so when there is no time', () => {
    expect(ageCell(undefined, 0)).toBe('<unknown>');
    expect(ageCell('nonsense', 0)).toBe('<invalid>');
  });
});
