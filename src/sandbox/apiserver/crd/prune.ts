/**
 * Structural pruning and defaulting of custom objects, in place: unknown fields go unless the schema preserves them,
 * nulls that may not be go, defaults come in where members are missing.
 */
import { cloneJson, isObject, type Json, type JsonObject } from '../json-value.ts';
import type { ObjectNode, SchemaNode } from '../schema/schema-node.ts';

function prunable(node: SchemaNode): boolean {
  return node.kind === 'object' || node.kind === 'map' || node.kind === 'list';
}

function pruneValue(node: SchemaNode, value: Json, path: string, dropped: string[]): void {
  if (isObject(value)) {
    if (node.kind === 'object') pruneObject(node, value, path, dropped);
    else if (node.kind === 'map' && prunable(node.values)) {
      for (const key in value) pruneMember(node.values, value[key], `${path}.${key}`, dropped);
    }
  } else if (Array.isArray(value) && node.kind === 'list' && prunable(node.items)) {
    value.forEach((item, i) => {
      pruneValue(node.items, item, `${path}[${i}]`, dropped);
    });
  }
}

function pruneMember(node: SchemaNode, value: Json | undefined, path: string, dropped: string[]): void {
  if (value !== undefined && value !== null) pruneValue(node, value, path, dropped);
}

function pruneObject(node: ObjectNode, value: JsonObject, path: string, dropped: string[]): void {
  for (const key in value) {
    const at = path === '' ? key : `${path}.${key}`;
    const field = node.fields.get(key);
    if (field !== undefined) pruneMember(field.node, value[key], at, dropped);
    else if (!node.preserveUnknown) {
      dropped.push(at);
      Reflect.deleteProperty(value, key);
    }
  }
}

/** Returns the paths of what was dropped. */
export function pruneCustom(root: ObjectNode, object: JsonObject): readonly string[] {
  const dropped: string[] = [];
  pruneObject(root, object, '', dropped);
  return dropped;
}

const hasDefaults = new WeakMap<SchemaNode, boolean>();

/** Whether a default lies anywhere below: most objects have few, and the walk should not look where none can be. */
function defaultsBelow(node: SchemaNode): boolean {
  const known = hasDefaults.get(node);
  if (known !== undefined) return known;
  // A cycle (metadata's own types have none) counts as none while it is being looked at.
  hasDefaults.set(node, false);
  const found = ownDefault(node) !== undefined || children(node).some(defaultsBelow) || mayHoldNulls(node);
  hasDefaults.set(node, found);
  return found;
}

function mayHoldNulls(node: SchemaNode): boolean {
  return node.kind === 'object' && node.source !== undefined;
}

function children(node: SchemaNode): SchemaNode[] {
  switch (node.kind) {
    case 'object':
      return node.source === undefined ? [] : [...node.fields.values()].map((field) => field.node);
    case 'map':
      return [node.values];
    case 'list':
      return [node.items];
    case 'scalar':
    case 'any':
      return [];
  }
}

function ownDefault(node: SchemaNode): Json | undefined {
  return node.source?.['default'];
}

function isNullable(node: SchemaNode): boolean {
  return node.kind === 'any' || node.source?.['nullable'] === true;
}

function fillObject(node: ObjectNode, value: JsonObject): void {
  if (node.source === undefined) return;
  for (const [name, field] of node.fields) {
    const member = value[name];
    if (member === undefined || (member === null && !isNullable(field.node))) {
      const given = ownDefault(field.node);
      if (given !== undefined) value[name] = cloneJson(given);
      else if (member === null) Reflect.deleteProperty(value, name);
    }
    const filled = value[name];
    if (filled !== undefined && filled !== null && defaultsBelow(field.node)) fillValue(field.node, filled);
  }
}

function fillEach(node: SchemaNode, values: Iterable<Json | undefined>): void {
  if (!defaultsBelow(node)) return;
  for (const value of values) if (value !== undefined && value !== null) fillValue(node, value);
}

function fillValue(node: SchemaNode, value: Json): void {
  if (node.kind === 'list' && Array.isArray(value)) fillEach(node.items, value);
  else if (node.kind === 'map' && isObject(value)) fillEach(node.values, Object.values(value));
  else if (node.kind === 'object' && isObject(value)) fillObject(node, value);
}

export function defaultCustom(root: ObjectNode, object: JsonObject): void {
  fillObject(root, object);
}
