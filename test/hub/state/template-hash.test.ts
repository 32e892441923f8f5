import { describe, expect, it } from 'vitest';
import { templateHash } from '../../../src/hub/state/template-hash.ts';

describe('the hash of a template', () => {
  it('does not depend on the order in which fields were written, and on everything else', () => {
    const hash = templateHash({ spec: { a: 1, b: [{ x: 1, y: 2 }] } });
    expect(templateHash({ spec: { b: [{ y: 2, x: 1 }], a: 1 } })).toBe(hash);
    expect(templateHash({ spec: { a: 1, b: [{ x: 2, y: 2 }] } })).not.toBe(hash);
    expect(templateHash({ spec: { a: 1, b: [{ x: 1, y: 2 }, {}] } })).not.toBe(hash);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
  });
});
