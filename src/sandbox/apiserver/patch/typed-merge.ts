/**
 * Merges an applied configuration into a live object by the schema's list and map kinds, and takes away fields that an
 * applier gave up. Both return new values and share what did not change.
 */
import { isObject, type Json, type JsonObject } from '../json-value.ts';
import type { ListNode, SchemaNode } from '../schema/schema-node.ts';
import type { FieldSet } from './field-set.ts';
import { itemStep, itemsByStep, memberNode, mergeShape } from './typed-fields.ts';

/** The live value with the applied one over it. */
export function mergeTyped(node: SchemaNode, live: Json | undefined, applied: Json): Json {
  const shape = mergeShape(node, applied);
  if (live === undefined || shape === 'leaf' || mergeShape(node, live) !== shape) return applied;
  if (isObject(live) && isObject(applied)) return mergeMembers(node, live, applied);
  if (node.kind === 'list' && Array.isArray(live) && Array.isArray(applied)) return mergeItems(node, live, applied);
  return applied;
}

function mergeMembers(node: SchemaNode, live: JsonObject, applied: JsonObject): JsonObject {
  const merged: JsonObject = { ...live };
  for (const key in applied) {
    const value = applied[key];
    if (value !== undefined) merged[key] = mergeTyped(memberNode(node, key), live[key], value);
  }
  return merged;
}

/** Applied items keep the applied order; items that are only live come as soon as it is their turn in the live order. */
function mergeItems(node: ListNode, live: readonly Json[], applied: readonly Json[]): Json[] {
  const wanted = itemsByStep(node, applied);
  const had = itemsByStep(node, live);
  const merged: Json[] = [];
  const done = new Set<string>();
  let cursor = 0;
  const emitLiveOnly = (): void => {
    for (; cursor < live.length; cursor++) {
      const item = live[cursor];
      if (item === undefined) continue;
      const step = itemStep(node, item);
      if (step !== undefined && wanted.has(step)) {
        if (!done.has(step)) return;
      } else merged.push(item);
    }
  };
  for (const [step, item] of wanted) {
    emitLiveOnly();
    done.add(step);
    merged.push(mergeTyped(node.items, had.get(step), item));
  }
  emitLiveOnly();
  return merged;
}

/** Removes what `given up` names and `owned` (by anybody, after the apply) does not hold, whole branches at a time. */
export function pruneGivenUp(
  node: SchemaNode,
  value: Json,
  sets: { readonly givenUp: FieldSet; readonly owned: FieldSet },
): Json {
  if (isObject(value)) return pruneMembers(node, value, sets);
  if (Array.isArray(value) && node.kind === 'list') return pruneItems(node, value, sets);
  return value;
}

function pruneMembers(
  node: SchemaNode,
  value: JsonObject,
  { givenUp, owned }: { readonly givenUp: FieldSet; readonly owned: FieldSet },
): JsonObject {
  const result: JsonObject = { ...value };
  for (const step in givenUp) {
    if (!step.startsWith('f:')) continue;
    const key = step.slice(2);
    const member = value[key];
    const below = givenUp[step];
    const kept = owned[step];
    if (member === undefined) continue;
    if (kept === undefined) Reflect.deleteProperty(result, key);
    else if (isObject(below) && isObject(kept)) {
      result[key] = pruneGivenUp(memberNode(node, key), member, { givenUp: below, owned: kept });
    }
  }
  return result;
}

function pruneItems(
  node: ListNode,
  value: readonly Json[],
  { givenUp, owned }: { readonly givenUp: FieldSet; readonly owned: FieldSet },
): Json[] {
  const result: Json[] = [];
  for (const item of value) {
    const step = itemStep(node, item);
    const below = step === undefined ? undefined : givenUp[step];
    const kept = step === undefined ? undefined : owned[step];
    if (!isObject(below)) result.push(item);
    else if (isObject(kept)) result.push(pruneGivenUp(node.items, item, { givenUp: below, owned: kept }));
  }
  return result;
}
