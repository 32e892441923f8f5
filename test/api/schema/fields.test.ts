import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  duration,
  integer,
  labelMap,
  list,
  mapOf,
  object,
  openObject,
  quantity,
  text,
  timestamp,
  withRules,
} from '../../../src/api/schema/fields.ts';

function messages(schema: z.ZodType, value: unknown): string[] {
  const parsed = schema.safeParse(value);
  return parsed.success ? [] : parsed.error.issues.map(({ message, path }) => `${path.join('.')}: ${message}`);
}

describe('quantity', () => {
  it.each([0, 1, '0', '40Gi', '500m', '1.5Gi', '1e3', '12E', 42949672960])('accepts %j', (value) => {
    expect(messages(quantity('Size.'), value)).toEqual([]);
  });
  it.each([-1, '-1', '', 'Gi', '1GiB', '1 Gi', 1.5, true, null, '0x10'])('refuses %j in one sentence', (value) => {
    expect(messages(quantity('Size.'), value)).toEqual([
      ': must be a quantity that is not negative, such as 40Gi, 500m or 2',
    ]);
  });
});

describe('duration', () => {
  const schema = duration('Time.', { minSeconds: 10, maxSeconds: 3600 });
  it.each(['10s', '1h', '59m59s'])('accepts %s within its bounds', (value) => {
    expect(messages(schema, value)).toEqual([]);
  });
  it.each(['9s', '1h1s'])('refuses %s outside of them, naming them', (value) => {
    expect(messages(schema, value)).toEqual([': must be from 10s to 3600s']);
  });
  it('reports what is no duration once', () => {
    expect(messages(schema, 'soon')).toEqual([
      ': must be a duration in whole hours, minutes and seconds, such as 1h30m or 45s',
    ]);
  });
});

describe('timestamp', () => {
  it.each(['2026-11-23T08:00:00Z', '2026-11-23T08:00:00.123456Z', '2026-11-23T08:00:00+07:00'])(
    'accepts %s',
    (value) => {
      expect(messages(timestamp('When.'), value)).toEqual([]);
    },
  );
  it.each(['2026-11-23', '2026-13-23T08:00:00Z', 'now', '2026-11-23T08:00:00'])('refuses %s', (value) => {
    expect(messages(timestamp('When.'), value)).toEqual([': must be an RFC 3339 time']);
  });
});

describe('list', () => {
  it('names the item that a set repeats', () => {
    expect(messages(list('Names.', text('Name.'), { max: 5, type: 'set' }), ['a', 'b', 'a'])).toEqual([
      '2: must not repeat "a"',
    ]);
  });
  it('names the key that a map repeats', () => {
    const items = list(
      'Things.',
      object('Thing.', { name: text('Name.'), size: z.exactOptional(integer('Size.', { min: 0, max: 9 })) }),
      { max: 5, type: 'map', key: 'name' },
    );
    expect(
      messages(items, [
        { name: 'a', size: 1 },
        { name: 'a', size: 2 },
      ]),
    ).toEqual(['1.name: must not repeat "a"']);
  });
  it('lets an atomic list repeat', () => {
    expect(messages(list('Words.', text('Word.'), { max: 2 }), ['a', 'a'])).toEqual([]);
  });
});

describe('maps and objects', () => {
  it('bounds the entries of a map', () => {
    expect(messages(labelMap('Labels.', 1), { a: '1', b: '2' })).toEqual([': must have at most 1 entries']);
    expect(messages(mapOf('Sizes.', quantity('Size.'), 2), { a: '1', b: 2 })).toEqual([]);
  });
  it('drops unknown fields of a closed object and keeps those of an open one', () => {
    expect(object('Closed.', { a: text('A.') }).parse({ a: 'x', b: 1 })).toEqual({ a: 'x' });
    expect(openObject('Open.', { a: text('A.') }).parse({ a: 'x', b: 1 })).toEqual({ a: 'x', b: 1 });
  });
});

describe('withRules', () => {
  it('carries the rule for the API server and the predicate for the decoder', () => {
    const schema = withRules(
      object('Range.', { low: integer('Low.', { min: 0, max: 9 }), high: integer('High.', { min: 0, max: 9 }) }),
      [
        { rule: 'self.low <= self.high', message: 'low must not be above high', holds: ({ low, high }) => low <= high },
        { rule: 'self.low == oldSelf.low', message: 'low cannot change' },
      ],
    );
    expect(messages(schema, { low: 3, high: 2 })).toEqual([': low must not be above high']);
    expect(schema.meta()).toEqual({
      description: 'Range.',
      'x-kubernetes-validations': [
        { rule: 'self.low <= self.high', message: 'low must not be above high' },
        { rule: 'self.low == oldSelf.low', message: 'low cannot change' },
      ],
    });
  });
});
