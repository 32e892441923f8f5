/**
 * Strategic merge patch for built-in kinds: lists merge by the keys that their schema names, with the directives
 * `$patch`, `$retainKeys`, `$setElementOrder/…` and `$deleteFromPrimitiveList/…`.
 */
import { isObject, type Json, type JsonObject, sameJson, stringAt } from '../json-value.ts';
import { ANY, type FieldNode, type ListNode, type SchemaNode } from '../schema/schema-node.ts';
import { badRequest } from '../status-error.ts';

const SET_ORDER = '$setElementOrder/';
const DELETE_PRIMITIVES = '$deleteFromPrimitiveList/';
const RETAIN_KEYS = '$retainKeys';
const PATCH = '$patch';

function fieldOf(node: SchemaNode, key: string): FieldNode | undefined {
  return node.kind === 'object' ? node.fields.get(key) : undefined;
}

function nodeOf(node: SchemaNode, key: string): SchemaNode {
  return fieldOf(node, key)?.node ?? (node.kind === 'map' ? node.values : ANY);
}

function isDirective(key: string): boolean {
  return key.startsWith('$');
}

/** What a patch puts where nothing was: its directives mean nothing there. */
function withoutDirectives(value: Json): Json {
  if (Array.isArray(value)) {
    return value
      .filter((item) => !isObject(item) || item[PATCH] === undefined || item[PATCH] === 'merge')
      .map(withoutDirectives);
  }
  if (!isObject(value)) return value;
  const result: JsonObject = {};
  for (const key in value) {
    const member = value[key];
    if (!isDirective(key) && member !== null && member !== undefined) result[key] = withoutDirectives(member);
  }
  return result;
}

export function applyStrategicPatch(node: SchemaNode, target: JsonObject, patch: JsonObject): JsonObject {
  switch (stringAt(patch, PATCH) ?? 'merge') {
    case 'merge':
      return mergeObject(node, target, patch);
    case 'replace':
      return withoutDirectives(patch) as JsonObject;
    case 'delete':
      return {};
    default:
      throw badRequest(`Unknown patch type: ${JSON.stringify(patch[PATCH])}`);
  }
}

function mergeObject(node: SchemaNode, target: JsonObject, patch: JsonObject): JsonObject {
  const result: JsonObject = { ...target };
  const retain = patch[RETAIN_KEYS];
  if (Array.isArray(retain)) {
    for (const key of Object.keys(result)) if (!retain.includes(key)) Reflect.deleteProperty(result, key);
  }
  for (const key in patch) {
    const member = patch[key];
    if (isDirective(key) || member === undefined) continue;
    if (member === null) Reflect.deleteProperty(result, key);
    else result[key] = mergeMember({ node, key, patch }, result[key], member);
  }
  applyListDirectives(node, result, patch);
  return result;
}

interface MemberAt {
  readonly node: SchemaNode;
  readonly key: string;
  readonly patch: JsonObject;
}

function mergeMember(at: MemberAt, present: Json | undefined, member: Json): Json {
  const child = nodeOf(at.node, at.key);
  if (isObject(member))
    return isObject(present) ? applyStrategicPatch(child, present, member) : withoutDirectives(member);
  if (!Array.isArray(member)) return member;
  const field = fieldOf(at.node, at.key);
  if (field?.merge.patchMerge !== true || child.kind !== 'list') return withoutDirectives(member);
  const before = Array.isArray(present) ? present : [];
  const mergeKey = field.merge.patchMergeKey;
  const merged = mergeKey === undefined ? mergePrimitives(before, member) : mergeItems(child, mergeKey, before, member);
  return merged;
}

function mergePrimitives(before: readonly Json[], patch: readonly Json[]): Json[] {
  return [...before, ...patch.filter((value) => !before.some((had) => sameJson(had, value)))];
}

function keyOf(item: Json, mergeKey: string): Json | undefined {
  return isObject(item) ? item[mergeKey] : undefined;
}

function mergeItems(list: ListNode, mergeKey: string, before: readonly Json[], patch: readonly Json[]): Json[] {
  if (patch.some((item) => isObject(item) && item[PATCH] === 'replace')) {
    return patch.filter((item) => !isObject(item) || item[PATCH] === undefined).map(withoutDirectives);
  }
  let result = [...before];
  for (const item of patch) {
    if (!isObject(item)) throw badRequest('invalid patch: list item must be an object');
    const key = item[mergeKey];
    if (key === undefined)
      throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`);
    if (item[PATCH] === 'delete') {
      result = result.filter((had) => !sameJson(keyOf(had, mergeKey), key));
      continue;
    }
    const at = result.findIndex((had) => sameJson(keyOf(had, mergeKey), key));
    const present = result[at];
    if (isObject(present)) result[at] = applyStrategicPatch(list.items, present, item);
    else result.push(withoutDirectives(item));
  }
  return result;
}

function applyListDirectives(node: SchemaNode, result: JsonObject, patch: JsonObject): void {
  for (const directive in patch) {
    const value = patch[directive];
    if (!Array.isArray(value)) continue;
    if (directive.startsWith(DELETE_PRIMITIVES)) {
      const key = directive.slice(DELETE_PRIMITIVES.length);
      const list = result[key];
      if (Array.isArray(list)) result[key] = list.filter((item) => !value.some((gone) => sameJson(gone, item)));
    }
    if (directive.startsWith(SET_ORDER)) {
      const key = directive.slice(SET_ORDER.length);
      const list = result[key];
      if (Array.isArray(list)) result[key] = inOrder(list, value, fieldOf(node, key)?.merge.patchMergeKey);
    }
  }
}

/** Items named in `order` take that order; the others keep their place relative to what came before them. */
function inOrder(list: readonly Json[], order: readonly Json[], mergeKey: string | undefined): Json[] {
  const identity = (item: Json): string => JSON.stringify([mergeKey === undefined ? item : keyOf(item, mergeKey)]);
  const rank = new Map(order.map((item, i) => [identity(item), i]));
  const ranked = list.filter((item) => rank.has(identity(item)));
  ranked.sort((a, b) => (rank.get(identity(a)) ?? 0) - (rank.get(identity(b)) ?? 0));
  let next = 0;
  const result: Json[] = [];
  for (const item of list) {
    if (!rank.has(identity(item))) result.push(item);
    else {
      const chosen = ranked[next++];
      if (chosen !== undefined) result.push(chosen);
    }
  }
  return result;
}
