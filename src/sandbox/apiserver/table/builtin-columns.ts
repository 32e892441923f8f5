/** Printer columns of built-in kinds. */
import type { Column } from '../registry/resource.ts';
import { ageColumn, nameColumn } from './cells.ts';

const DEFAULT_COLUMNS: readonly Column[] = [nameColumn, ageColumn];

export function columnsFor(_key: string): readonly Column[] {
  return DEFAULT_COLUMNS;
}
