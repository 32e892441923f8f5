import { describe, expect, it } from 'vitest';
import type { PodProblem } from '../../../src/core/model/pod-json.ts';
import { asList, asObject, asText, optionalObject } from '../../../src/core/model/pod-json.ts';

describe('reading raw JSON', () => {
  it.each([
    ['an object', (v: unknown, p: PodProblem[]) => asObject(v, 'at', p), { a: 1 }, { a: 1 }, undefined],
    [
      'a list where an object belongs',
      (v: unknown, p: PodProblem[]) => asObject(v, 'at', p),
      [],
      undefined,
      'must be an object, got a list',
    ],
    [
      'null where an object belongs',
      (v: unknown, p: PodProblem[]) => asObject(v, 'at', p),
      null,
      undefined,
      'is required',
    ],
    ['a list', (v: unknown, p: PodProblem[]) => asList(v, 'at', p), [1], [1], undefined],
    ['an absent list', (v: unknown, p: PodProblem[]) => asList(v, 'at', p), undefined, [], undefined],
    [
      'a number where a list belongs',
      (v: unknown, p: PodProblem[]) => asList(v, 'at', p),
      5,
      [],
      'must be a list, got a number',
    ],
    ['a text', (v: unknown, p: PodProblem[]) => asText(v, 'at', p), 'x', 'x', undefined],
    ['an empty text', (v: unknown, p: PodProblem[]) => asText(v, 'at', p), '', undefined, 'is required'],
    [
      'an object where a text belongs',
      (v: unknown, p: PodProblem[]) => asText(v, 'at', p),
      {},
      undefined,
      'must be a text, got an object',
    ],
    ['an absent optional object', (v: unknown, p: PodProblem[]) => optionalObject(v, 'at', p), null, {}, undefined],
    [
      'a text where an optional object belongs',
      (v: unknown, p: PodProblem[]) => optionalObject(v, 'at', p),
      'x',
      {},
      'must be an object, got a string',
    ],
  ])('takes %s as it should', (_why, read, value, want, message) => {
    const problems: PodProblem[] = [];
    expect(read(value, problems)).toEqual(want);
    expect(problems.map((one) => one.message)).toEqual(message === undefined ? [] : [message]);
    for (const problem of problems) expect(problem.path).toBe('at');
  });
});
