import { describe, expect, it } from 'vitest';
import { describeProblems, FieldChecks, parseBytes } from '../../src/wire/field-checks.ts';

describe('FieldChecks', () => {
  it.each<[string, (checks: FieldChecks) => unknown, string]>([
    ['a missing text', (checks) => checks.text('a', '', { min: 1, max: 3 }), 'is required'],
    ['a long text', (checks) => checks.text('a', 'abcd', { max: 3 }), 'must have at most 3 characters, has 4'],
    ['NUL in a text', (checks) => checks.text('a', 'a\u0000', { max: 3 }), 'must not contain NUL'],
    [
      'a number below',
      (checks) => checks.whole('a', -1),
      `must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`,
    ],
    ['a number above', (checks) => checks.whole('a', 6, { max: 5 }), 'must be a whole number from 0 to 5'],
    [
      'a number that is not exact',
      (checks) => checks.whole('a', 2n ** 53n),
      `must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`,
    ],
    ['a fraction', (checks) => checks.whole('a', 1.5), `must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`],
    [
      'few bytes',
      (checks) => checks.bytes('a', new Uint8Array(1), { min: 2, max: 3 }),
      'must have at least 2 bytes, has 1',
    ],
    ['a long list', (checks) => checks.list('a', [1, 2], 1, (_at, item) => item), 'must have at most 1 items, has 2'],
    [
      'a missing message',
      (checks) => checks.required<number, number>('a', undefined, (_at, item) => item, 0),
      'is required',
    ],
  ])('names %s', (_name, check, message) => {
    const checks = new FieldChecks();
    check(checks);
    expect(checks.finish('value')).toEqual({ ok: false, error: [{ path: 'a', message }] });
  });

  it('hands out the value when nothing was wrong', () => {
    const checks = new FieldChecks();
    expect(checks.whole('a', 2n ** 53n - 1n)).toBe(Number.MAX_SAFE_INTEGER);
    expect(checks.finish('value')).toEqual({ ok: true, value: 'value' });
  });

  it('stops collecting at 20 problems', () => {
    const checks = new FieldChecks();
    for (let index = 0; index < 100; index += 1) checks.problem(`a[${index}]`, 'is wrong');
    const finished = checks.finish(0);
    expect(finished.ok ? 0 : finished.error.length).toBe(20);
  });
});

describe('parseBytes', () => {
  it('turns a throwing reader into a problem', () => {
    const parsed = parseBytes(() => {
      throw new RangeError('index out of range: 3 + 10 > 8');
    }, new Uint8Array(8));
    expect(parsed).toEqual({
      ok: false,
      error: [{ path: '', message: 'is not a valid protobuf message: index out of range: 3 + 10 > 8' }],
    });
  });
});

describe('describeProblems', () => {
  it('makes one sentence of them', () => {
    expect(
      describeProblems([
        { path: 'a', message: 'is required' },
        { path: '', message: 'is empty' },
      ]),
    ).toBe('a is required; is empty');
  });
});
