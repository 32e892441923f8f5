/** Short ways to write columns of built-in kinds. */
import { type ApiObject, isObject, type Json, type JsonObject, textFor, valueAt } from '../json-value.ts';
import type { Column } from '../registry/resource.ts';

export type CellValue = string | number | boolean | undefined;
export type CellReader = (object: ApiObject, nowMs: number) => CellValue;

/** A column shown by default. */
export function text(name: string, value: CellReader): Column {
  return { name, type: 'string', format: '', description: name, priority: 0, value };
}

export function integer(name: string, value: CellReader): Column {
  return { name, type: 'integer', format: '', description: name, priority: 0, value };
}

/** A column shown with `-o wide`. */
export function wide(name: string, value: CellReader): Column {
  return { name, type: 'string', format: '', description: name, priority: 1, value };
}

/** The text at a dotted path, or `fallback`. */
export function at(path: string, fallback = '<none>'): CellReader {
  const keys = path.split('.');
  return (object) => textOf(valueAt(object, keys), fallback);
}

export function textOf(value: Json | undefined, fallback = '<none>'): string {
  if (value === undefined || value === null || value === '') return fallback;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

export function count(path: string): CellReader {
  const keys = path.split('.');
  return (object) => {
    const value = valueAt(object, keys);
    return typeof value === 'number' ? value : 0;
  };
}

/** Members of an object or items of a list, added over several paths. */
export function sizeOf(...paths: readonly string[]): CellReader {
  return (object) =>
    paths.reduce((total, path) => {
      const value = valueAt(object, path.split('.'));
      return total + (Array.isArray(value) ? value.length : isObject(value) ? Object.keys(value).length : 0);
    }, 0);
}

/** A label selector as `kubectl get` shows it. */
export function selectorText(selector: JsonObject | undefined): string {
  if (selector === undefined) return '<none>';
  const labels = isObject(selector['matchLabels']) ? selector['matchLabels'] : {};
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${textFor(value)}`);
  const expressions = Array.isArray(selector['matchExpressions']) ? selector['matchExpressions'].filter(isObject) : [];
  const tests = expressions.map((expression) => {
    const values = Array.isArray(expression['values']) ? ` (${expression['values'].map(String).join(',')})` : '';
    return `${textFor(expression['key'])} ${textFor(expression['operator']).toLowerCase()}${values}`;
  });
  const all = [...pairs, ...tests];
  return all.length === 0 ? '<none>' : all.join(',');
}
