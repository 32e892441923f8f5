import { describe, expect, it } from 'vitest';
import { createEpochs } from '../../../src/agent/session/epochs.ts';

describe('connection epochs', () => {
  it('rise with every connection, and any later term is above all of an earlier one', () => {
    const first = createEpochs(3);
    const epochs = [first.next(), first.next()];
    expect(epochs[1]).toBeGreaterThan(epochs[0]!);
    expect(createEpochs(4).next()).toBeGreaterThan(3 * 2 ** 24 + 2 ** 24 - 1);
    expect(createEpochs(2 ** 29 - 1).next()).toBeLessThanOrEqual(Number.MAX_SAFE_INTEGER);
  });

  it.each([0, -1, 1.5, 2 ** 29, Number.NaN])('refuse the term %s', (term) => {
    expect(() => createEpochs(term)).toThrow(RangeError);
  });
});
