/**
 * Which fields a value has, and which fields a change touched, by the merge rules of its schema: atomic parts count as one
 * field, items of keyed lists by their keys, items of sets by value.
 */
import { isObject, type Json, type JsonObject, sameJson } from '../json-value.ts';
import { ANY, childNode, type ListNode, type SchemaNode } from '../schema/schema-node.ts';
import { type FieldSet, isEmptySet, withSelf } from './field-set.ts';

export interface FieldChanges {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

/** How a value merges: as one piece, member by member, or item by item. */
export type MergeShape = 'leaf' | 'members' | 'items';

export function mergeShape(node: SchemaNode, value: Json | undefined): MergeShape {
  if (isObject(value)) {
    if (node.kind === 'any') return 'members';
    return (node.kind === 'object' || node.kind === 'map') && !node.atomic ? 'members' : 'leaf';
  }
  if (Array.isArray(value)) return node.kind === 'list' && node.listType !== 'atomic' ? 'items' : 'leaf';
  return 'leaf';
}

/** Defaults of list-map keys that clients may leave out. */
const KEY_DEFAULTS: Readonly<Record<string, string>> = { protocol: 'TCP' };

function keyDefault(list: ListNode, key: string): Json | undefined {
  const items = list.items;
  if (items.kind !== 'object') return undefined;
  const source = items.fields.get(key)?.node.source?.['default'];
  return source ?? (items.definition === undefined ? undefined : KEY_DEFAULTS[key]);
}

/** The path step of a list item, or `undefined` when it lacks its keys (validation will say so). */
export function itemStep(list: ListNode, item: Json): string | undefined {
  if (list.listType === 'set') return `v:${JSON.stringify(item)}`;
  if (!isObject(item)) return undefined;
  const keys: JsonObject = {};
  for (const key of [...list.keys].sort()) {
    const value = item[key] ?? keyDefault(list, key);
    if (value !== undefined) keys[key] = value;
  }
  return isEmptySet(keys) ? undefined : `k:${JSON.stringify(keys)}`;
}

/** Items by step; of equal steps the first counts. */
export function itemsByStep(list: ListNode, items: readonly Json[]): Map<string, Json> {
  const found = new Map<string, Json>();
  for (const item of items) {
    const step = itemStep(list, item);
    if (step !== undefined && !found.has(step)) found.set(step, item);
  }
  return found;
}

/** The node of a member that the schema may not know: unknown parts are deduced from the value. */
export function memberNode(node: SchemaNode, key: string): SchemaNode {
  return childNode(node, key) ?? ANY;
}

/** Fields that applying `value` claims. */
export function fieldsOf(node: SchemaNode, value: Json): FieldSet {
  const shape = mergeShape(node, value);
  if (shape === 'leaf') return {};
  const set: FieldSet = {};
  if (isObject(value)) {
    for (const key in value) {
      const member = value[key];
      if (member === undefined) continue;
      const below = fieldsOf(memberNode(node, key), member);
      const entryOfMap = node.kind !== 'object' || !node.fields.has(key);
      if (claimsNothing(memberNode(node, key), member)) continue;
      set[`f:${key}`] = entryOfMap ? withSelf(below) : below;
    }
    return set;
  }
  if (node.kind === 'list' && Array.isArray(value)) {
    for (const [step, item] of itemsByStep(node, value)) set[step] = withSelf(fieldsOf(node.items, item));
  }
  return set;
}

/** An empty keyed list claims no field. */
function claimsNothing(node: SchemaNode, value: Json): boolean {
  return Array.isArray(value) && value.length === 0 && mergeShape(node, value) === 'items';
}

/** All of a value that came anew: its containers are members too. */
function wholeOf(node: SchemaNode, value: Json): FieldSet {
  const shape = mergeShape(node, value);
  if (shape === 'leaf') return {};
  const set: FieldSet = { '.': {} };
  if (isObject(value)) {
    for (const key in value) {
      const member = value[key];
      if (member !== undefined) set[`f:${key}`] = wholeOf(memberNode(node, key), member);
    }
  } else if (node.kind === 'list' && Array.isArray(value)) {
    for (const [step, item] of itemsByStep(node, value)) set[step] = wholeOf(node.items, item);
  }
  return onlySelf(set) ? {} : set;
}

function onlySelf(set: FieldSet): boolean {
  for (const step in set) if (step !== '.') return false;
  return true;
}

interface Collector {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

/** Compares two values of one node; `undefined` means absent. */
export function compareFields(node: SchemaNode, before: JsonObject, after: JsonObject): FieldChanges {
  const all: Collector = { added: {}, modified: {}, removed: {} };
  compareMembers(node, [before, after], all);
  return all;
}

function compareMembers(node: SchemaNode, [before, after]: readonly [JsonObject, JsonObject], into: Collector): void {
  for (const key in after) {
    if (after[key] === undefined) continue;
    compareStep(`f:${key}`, memberNode(node, key), [before[key], after[key]], into);
  }
  for (const key in before) {
    if (before[key] !== undefined && after[key] === undefined) {
      compareStep(`f:${key}`, memberNode(node, key), [before[key], undefined], into);
    }
  }
}

function compareItems(
  node: ListNode,
  [before, after]: readonly [readonly Json[], readonly Json[]],
  into: Collector,
): void {
  const old = itemsByStep(node, before);
  const fresh = itemsByStep(node, after);
  for (const [step, item] of fresh) compareStep(step, node.items, [old.get(step), item], into);
  for (const [step, item] of old) if (!fresh.has(step)) compareStep(step, node.items, [item, undefined], into);
}

function compareStep(
  step: string,
  node: SchemaNode,
  [before, after]: readonly [Json | undefined, Json | undefined],
  into: Collector,
): void {
  if (before === after) return;
  if (before === undefined) {
    if (after !== undefined) into.added[step] = wholeOf(node, after);
  } else if (after === undefined) into.removed[step] = wholeOf(node, before);
  else compareBoth(step, node, [before, after], into);
}

function compareBoth(step: string, node: SchemaNode, values: readonly [Json, Json], into: Collector): void {
  const [before, after] = values;
  const shape = mergeShape(node, after);
  if (shape === 'leaf' || shape !== mergeShape(node, before)) {
    if (!sameJson(before, after)) into.modified[step] = {};
    return;
  }
  const below: Collector = { added: {}, modified: {}, removed: {} };
  if (isObject(before) && isObject(after)) compareMembers(node, [before, after], below);
  else if (node.kind === 'list' && Array.isArray(before) && Array.isArray(after)) {
    compareItems(node, [before, after], below);
  }
  for (const part of ['added', 'modified', 'removed'] as const) {
    if (!isEmptySet(below[part])) into[part][step] = below[part];
  }
}
