import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { render } from '../../../src/cli/render/output-format.ts';

const value = { name: 'a', list: [1, 'two', null], text: 'yes: "no"\nnext', nested: { empty: {} } };

describe('render', () => {
  it('gives machines the value itself', () => {
    const never = (): string => expect.unreachable('the human form was made for a machine');
    expect(JSON.parse(render('json', value, never))).toEqual(value);
    expect(parse(render('yaml', value, never))).toEqual(value);
  });

  it('gives people the human form', () => {
    expect(render('table', value, () => 'NAME\na')).toBe('NAME\na');
  });

  it('ends without a newline, since whoever prints adds one', () => {
    for (const format of ['json', 'yaml'] as const) expect(render(format, value, () => '')).not.toMatch(/\n$/);
  });
});
