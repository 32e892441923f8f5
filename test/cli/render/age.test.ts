import { describe, expect, it } from 'vitest';
import { renderAge } from '../../../src/cli/render/age.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

describe('renderAge', () => {
  it.each([
    [0, '0s'],
    [999, '0s'],
    [119 * second, '119s'],
    [120 * second, '2m'],
    [119 * minute + 59 * second, '119m'],
    [2 * hour, '2h'],
    [47 * hour, '47h'],
    [48 * hour, '2d'],
    [400 * 24 * hour, '400d'],
  ])('renders %d ms as %s', (ms, text) => {
    expect(renderAge(ms)).toBe(text);
  });

  it('takes a clock that is behind for no age at all', () => {
    expect(renderAge(-5 * second)).toBe('0s');
  });
});
