/** Lists of kind `set` and `map` hold no item twice. */
import { duplicate, type FieldError } from '../field-error.ts';
import { isObject, type Json, type JsonObject } from '../json-value.ts';
import type { ListNode, ObjectNode, SchemaNode } from '../schema/schema-node.ts';

const worthWalking = new WeakMap<SchemaNode, boolean>();

function below(node: SchemaNode): SchemaNode[] {
  switch (node.kind) {
    case 'object':
      return [...node.fields.values()].filter((field) => field.node.source !== undefined).map((field) => field.node);
    case 'map':
      return [node.values];
    case 'list':
      return [node.items];
    case 'scalar':
    case 'any':
      return [];
  }
}

function hasKeyedLists(node: SchemaNode): boolean {
  const known = worthWalking.get(node);
  if (known !== undefined) return known;
  worthWalking.set(node, false);
  const found = (node.kind === 'list' && node.listType !== 'atomic') || below(node).some(hasKeyedLists);
  worthWalking.set(node, found);
  return found;
}

function identity(list: ListNode, item: Json): Json | undefined {
  if (list.listType === 'set') return item;
  if (!isObject(item)) return undefined;
  const keys: JsonObject = {};
  for (const key of list.keys) {
    const value =
      item[key] ?? (list.items.kind === 'object' ? list.items.fields.get(key)?.node.source?.['default'] : undefined);
    if (value !== undefined) keys[key] = value;
  }
  return keys;
}

function checkList(list: ListNode, items: readonly Json[], path: string, errors: FieldError[]): void {
  const seen = new Set<string>();
  items.forEach((item, i) => {
    if (list.listType !== 'atomic') {
      const key = identity(list, item);
      const text = JSON.stringify([key]);
      if (key !== undefined && seen.has(text)) errors.push(duplicate(`${path}[${i}]`, key));
      seen.add(text);
    }
    checkUnique(list.items, item, `${path}[${i}]`, errors);
  });
}

function checkMembers(node: ObjectNode, value: JsonObject, path: string, errors: FieldError[]): void {
  for (const [name, field] of node.fields) {
    if (field.node.source === undefined) continue;
    checkUnique(field.node, value[name], path === '' ? name : `${path}.${name}`, errors);
  }
}

export function checkUnique(node: SchemaNode, value: Json | undefined, path: string, errors: FieldError[]): void {
  if (value === undefined || value === null || !hasKeyedLists(node)) return;
  if (node.kind === 'list' && Array.isArray(value)) checkList(node, value, path, errors);
  else if (node.kind === 'object' && isObject(value)) checkMembers(node, value, path, errors);
  else if (node.kind === 'map' && isObject(value)) {
    for (const key in value) checkUnique(node.values, value[key], `${path}[${key}]`, errors);
  }
}
