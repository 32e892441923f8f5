import { describe, expect, it } from 'vitest';
import { renderTable } from '../../../src/cli/render/table.ts';

describe('renderTable', () => {
  it('starts each column at one place, three blanks after the widest cell before it', () => {
    const text = renderTable(
      ['NAME', 'GPUS', 'WHY'],
      [
        ['member-with-a-long-name', 8, 'full'],
        ['b', 1024, 'needs 8 GPUs, 5 free'],
      ],
    );
    expect(text).toBe(
      [
        'NAME                      GPUS   WHY',
        'member-with-a-long-name   8      full',
        'b                         1024   needs 8 GPUs, 5 free',
      ].join('\n'),
    );
  });

  it('keeps the columns after an empty cell in line', () => {
    const lines = renderTable(
      ['A', 'B', 'C'],
      [
        ['x', '', 'z1'],
        ['', 'y', 'z2'],
      ],
    ).split('\n');
    expect(lines.map((line) => line.search(/C$|z\d$/))).toEqual([8, 8, 8]);
  });

  it('prints the headings alone for no rows, and no blanks at the end of any line', () => {
    expect(renderTable(['A', 'LONGER', 'C'], [])).toBe('A   LONGER   C');
    const lines = renderTable(['A', 'LONGER'], [['x', '']]).split('\n');
    expect(lines.filter((line) => /\s$/.test(line))).toEqual([]);
  });

  it('measures wide characters by the room they take', () => {
    const lines = renderTable(
      ['NAME', 'END'],
      [
        ['日本', 'x'],
        ['abcd', 'y'],
      ],
    ).split('\n');
    expect(lines).toEqual(['NAME   END', '日本   x', 'abcd   y']);
  });

  it('writes no escape sequence, whatever a cell holds', () => {
    const text = renderTable(['NAME'], [['\u001b[31mred\u001b[0m\u0007'], ['two\nlines\ttab']]);

    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    expect(text.split('\n')).toHaveLength(3);
  });
});
