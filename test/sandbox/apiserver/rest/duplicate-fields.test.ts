import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { duplicateFields } from '../../../../src/sandbox/apiserver/rest/duplicate-fields.ts';

describe('repeated members', () => {
  it.each([
    ['{"a":1,"a":2}', ['a']],
    ['{"a":{"b":1,"c":[{"d":1},{"d":1,"d":2}],"b":3}}', ['a.c[1].d', 'a.b']],
    ['{"a":"{\\"b\\":1,\\"b\\":2}"}', []],
    ['{"a":["x","x"],"b":"a"}', []],
    ['{"a\\u0062":1,"ab":2}', ['ab']],
    ['[{"a":1},{"a":1}]', []],
  ])('%s has %j', (text, want) => {
    expect(duplicateFields(text)).toEqual(want);
  });

  it('are never found in what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(duplicateFields(JSON.stringify(JSON.parse(text)))).toEqual([]);
      }),
    );
  });
});
