import { describe, expect, it } from 'vitest';
import { plainLine, plainText } from '../../../src/cli/render/plain-text.ts';

describe('plainText', () => {
  it('blanks what would command a terminal and keeps every letter', () => {
    expect(plainText('\u001b[31mrød\u0007 日本\u009b2J\r\tx')).toBe(' [31mrød  日本 2J  x');
    expect(plainText('two\nlines')).toBe('two\nlines');
  });

  it('makes one line of many where asked to', () => {
    expect(plainLine('two\nlines')).toBe('two lines');
  });
});
