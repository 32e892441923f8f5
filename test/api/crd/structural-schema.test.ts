import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { toStructural } from '../../../src/api/crd/structural-schema.ts';
import {
  choice,
  count,
  counter,
  integer,
  labelMap,
  list,
  object,
  openObject,
  quantity,
  text,
  timestamp,
} from '../../../src/api/schema/fields.ts';

describe('toStructural', () => {
  it('writes bounds, defaults and requirements of scalars', () => {
    const schema = object('Thing.', {
      name: text('Name.', { max: 5, pattern: /^a+$/ }),
      size: integer('Size.', { min: 1, max: 9 }).default(3),
      when: z.exactOptional(timestamp('When.')),
    });
    expect(toStructural(schema, 'Thing')).toEqual({
      description: 'Thing.',
      type: 'object',
      required: ['name'],
      properties: {
        name: { description: 'Name.', type: 'string', pattern: '^a+$', maxLength: 5 },
        size: { description: 'Size.', type: 'integer', format: 'int32', default: 3, minimum: 1, maximum: 9 },
        when: { description: 'When.', type: 'string', format: 'date-time', maxLength: 40 },
      },
    });
  });

  it('tells 32-bit from 64-bit integers', () => {
    expect(toStructural(count('Count.'), 'x')).toMatchObject({ format: 'int32' });
    expect(toStructural(counter('Counter.'), 'x')).toMatchObject({ format: 'int64', maximum: Number.MAX_SAFE_INTEGER });
  });

  it('writes the one legal anyOf for int-or-string', () => {
    expect(toStructural(quantity('Size.'), 'x')).toMatchObject({
      anyOf: [{ type: 'integer' }, { type: 'string' }],
      'x-kubernetes-int-or-string': true,
    });
    expect(toStructural(quantity('Size.'), 'x')).not.toHaveProperty('type');
  });

  it('writes lists with their type, maps with their values, open objects as preserving', () => {
    expect(toStructural(list('Names.', text('Name.'), { max: 3, type: 'set' }), 'x')).toMatchObject({
      type: 'array',
      maxItems: 3,
      'x-kubernetes-list-type': 'set',
    });
    expect(toStructural(labelMap('Labels.', 2), 'x')).toMatchObject({
      type: 'object',
      maxProperties: 2,
      additionalProperties: { type: 'string', maxLength: 63 },
    });
    const open = toStructural(openObject('Open.', { a: text('A.') }), 'x');
    expect(open).toMatchObject({ 'x-kubernetes-preserve-unknown-fields': true });
    expect(open).not.toHaveProperty('additionalProperties');
  });

  it.each([
    ['a union', z.union([text('A.'), integer('B.', { min: 0, max: 1 })]), 'Thing.field: anyOf'],
    [
      'a discriminated union',
      z.discriminatedUnion('kind', [z.object({ kind: z.literal('a') }), z.object({ kind: z.literal('b') })]),
      'Thing.field',
    ],
    ['a nullable', z.nullable(text('A.')), 'Thing.field: nullable'],
    ['anything', z.unknown(), 'Thing.field: a schema without a type'],
  ])('refuses %s with its path', (_name, field, problem) => {
    expect(() => toStructural(z.object({ field }), 'Thing')).toThrow(problem);
  });

  it('keeps an enum as strings', () => {
    expect(toStructural(choice('Choice.', ['a', 'b']), 'x')).toEqual({
      description: 'Choice.',
      type: 'string',
      enum: ['a', 'b'],
    });
  });
});
