/** Tables that align, as kubectl's do: no borders, upper-case headings, three spaces between columns. */
import CliTable from 'cli-table3';
import { plainLine } from './plain-text.ts';

const noBorder = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '   ',
} as const;

/** Lines joined by newlines, none at the end; one line a row, whatever the cells hold. */
export function renderTable(headings: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const table = new CliTable({
    head: [...headings],
    chars: { ...noBorder },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) table.push(row.map((cell) => plainLine(String(cell))));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
