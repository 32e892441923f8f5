import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/cli/cli-io.ts';
import { numberWithin, parseLabels, wholeNumber } from '../../src/cli/option-checks.ts';

const usage = (message: RegExp): object => ({
  exitCode: EXIT.usage,
  message: expect.stringMatching(message) as string,
});

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return expect.unreachable('nothing was thrown');
}

describe('wholeNumber', () => {
  it.each([0, 1, 7, Number.MAX_SAFE_INTEGER])('takes %d', (value) => {
    expect(wholeNumber('tail')(value)).toBe(value);
  });

  it('takes what is absent', () => {
    expect(wholeNumber('tail')(undefined)).toBeUndefined();
  });

  it.each([-1, 0.5, Infinity, 2 ** 53])('refuses %d', (value) => {
    expect(thrownBy(() => wholeNumber('tail')(value))).toMatchObject(usage(/^--tail: .* whole number of at least 0$/));
  });

  it('refuses less than its least', () => {
    expect(thrownBy(() => wholeNumber('attempt', 1)(0))).toMatchObject(usage(/--attempt: 0 .* at least 1/));
  });
});

describe('numberWithin', () => {
  it.each([0.5, 24])('takes %d', (value) => {
    expect(numberWithin('hours', 0, 24)(value)).toBe(value);
  });

  it.each([0, -1, 24.01, Number.NaN, Infinity])('refuses %d', (value) => {
    expect(thrownBy(() => numberWithin('hours', 0, 24)(value))).toMatchObject(usage(/above 0 and at most 24/));
  });
});

describe('parseLabels', () => {
  it('splits at the first equals sign; an empty value is a value, and the last of a key counts', () => {
    expect(parseLabels('label', ['a=1', 'b=x=y', 'c=', 'a=2'])).toEqual({ a: '2', b: 'x=y', c: '' });
  });

  it.each(['', 'a', '=a'])('refuses %j', (label) => {
    expect(thrownBy(() => parseLabels('label', [label]))).toMatchObject(usage(/^--label: .*KEY=VALUE/));
  });
});
