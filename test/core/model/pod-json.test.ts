import { describe, expect, it } from 'vitest';
import type { PodProblem } from '../../../src/core/model/pod-json.ts';
import { asList, asObject, asText, optionalObject } from '../../../src/core/model/pod-json.ts';

describe('reading raw JSON', () => {
  const object = (value: unknown, problems: PodProblem[]) => asObject(value, 'at', problems);
  const list = (value: unknown, problems: PodProblem[]) => asList(value, 'at', problems);
  const text = (value: unknown, problems: PodProblem[]) => asText(value, 'at', problems);
  const optional = (value: unknown, problems: PodProblem[]) => optionalObject(value, 'at', problems);

  it.each([
    { what: 'an object', read: object, value: { a: 1 }, want: { a: 1 }, says: [] },
    {
      what: 'a list where an object belongs',
      read: object,
      value: [],
      want: undefined,
      says: ['must be an object, got a list'],
    },
    { what: 'null where an object belongs', read: object, value: null, want: undefined, says: ['is required'] },
    { what: 'a list', read: list, value: [1], want: [1], says: [] },
    { what: 'an absent list', read: list, value: undefined, want: [], says: [] },
    { what: 'a number where a list belongs', read: list, value: 5, want: [], says: ['must be a list, got a number'] },
    { what: 'a text', read: text, value: 'x', want: 'x', says: [] },
    { what: 'an empty text', read: text, value: '', want: undefined, says: ['is required'] },
    {
      what: 'an object where a text belongs',
      read: text,
      value: {},
      want: undefined,
      says: ['must be a text, got an object'],
    },
    { what: 'an absent optional object', read: optional, value: null, want: {}, says: [] },
    {
      what: 'a text where an optional object belongs',
      read: optional,
      value: 'x',
      want: {},
      says: ['must be an object, got a string'],
    },
  ])('takes $what as it should', ({ read, value, want, says }) => {
    const problems: PodProblem[] = [];
    expect(read(value, problems)).toEqual(want);
    expect(problems.map((one) => one.message)).toEqual(says);
    for (const problem of problems) expect(problem.path).toBe('at');
  });
});
