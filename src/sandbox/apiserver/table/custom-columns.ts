/** Printer columns of custom resources, from their definition. */
import { type ApiObject, type Json, type JsonObject, numberAt, objectsAt, stringAt } from '../json-value.ts';
import type { Column } from '../registry/resource.ts';
import { ageCell, ageColumn, nameColumn } from './cells.ts';
import { compileJsonPath } from './json-path.ts';

type Cell = string | number | boolean | undefined;

function cellOf(type: string, value: Json | undefined, nowMs: number): Cell {
  if (value === undefined || value === null) return undefined;
  switch (type) {
    case 'date':
      return typeof value === 'string' ? ageCell(value, nowMs) : '<invalid>';
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : undefined;
    case 'number':
      return typeof value === 'number' ? value : undefined;
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined;
    default:
      return typeof value === 'object' ? JSON.stringify(value) : String(value);
  }
}

function column(source: JsonObject): Column {
  const path = compileJsonPath(stringAt(source, 'jsonPath') ?? '');
  const type = (stringAt(source, 'type') ?? 'string') as Column['type'];
  return {
    name: stringAt(source, 'name') ?? '',
    type,
    format: stringAt(source, 'format') ?? '',
    description: stringAt(source, 'description') ?? '',
    priority: numberAt(source, 'priority') ?? 0,
    value: (object: ApiObject, nowMs) => cellOf(type, path(object)[0], nowMs),
  };
}

/** The columns of one version; without any of its own, name and age. */
export function customColumns(version: JsonObject): readonly Column[] {
  const own = objectsAt(version, 'additionalPrinterColumns').map(column);
  return own.length === 0 ? [nameColumn, ageColumn] : [nameColumn, ...own];
}
