/**
 * Sets of field paths in the very form that managedFields publish (FieldsV1): a trie of `f:name`, `k:{keys}` and `v:value`
 * steps. A node without children is a member; a node with children is one only if it holds `.`.
 * All functions return new tries and never change their arguments.
 */
import { isObject, type JsonObject } from '../json-value.ts';

export type FieldSet = JsonObject;

export const EMPTY_SET: FieldSet = Object.freeze({});

function child(set: FieldSet, step: string): FieldSet | undefined {
  const found = set[step];
  return isObject(found) ? found : undefined;
}

export function isEmptySet(set: FieldSet): boolean {
  for (const _ in set) return false;
  return true;
}

/** A node that stands for its own path, not only for what lies below. */
export function isMember(node: FieldSet): boolean {
  return isEmptySet(node) || node['.'] !== undefined;
}

/** Adds `.` so that a node with children is a member too. */
export function withSelf(node: FieldSet): FieldSet {
  return isEmptySet(node) || node['.'] !== undefined ? node : { '.': {}, ...node };
}

export function unionSets(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(a)) return b;
  if (isEmptySet(b)) return a;
  const result: FieldSet = { ...a };
  for (const step in b) {
    const mine = child(a, step);
    const theirs = child(b, step);
    if (theirs === undefined) continue;
    result[step] = mine === undefined ? theirs : unionNodes(mine, theirs);
  }
  return result;
}

function unionNodes(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(a) && isEmptySet(b)) return a;
  const merged = unionSets(a, b);
  return isMember(a) || isMember(b) ? withSelf(merged) : merged;
}

/** Members of both. */
export function intersectSets(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = {};
  for (const step in a) {
    const mine = child(a, step);
    const theirs = child(b, step);
    if (step === '.' || mine === undefined || theirs === undefined) continue;
    const below = intersectSets(mine, theirs);
    const both = isMember(mine) && isMember(theirs);
    if (both) result[step] = withSelf(below);
    else if (!isEmptySet(below)) result[step] = below;
  }
  return result;
}

/** Members of `a` that are not members of `b`. */
export function subtractSets(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(b)) return a;
  const result: FieldSet = {};
  for (const step in a) {
    if (step === '.') continue;
    const mine = child(a, step);
    if (mine === undefined) continue;
    const theirs = child(b, step);
    if (theirs === undefined) {
      result[step] = mine;
      continue;
    }
    const below = subtractSets(mine, theirs);
    const stays = isMember(mine) && !isMember(theirs);
    if (stays) result[step] = withSelf(below);
    else if (!isEmptySet(below)) result[step] = below;
  }
  return result;
}

/** `a` without the members of `gone` and without anything below them: what is left when those values vanish. */
export function withoutSubtrees(a: FieldSet, gone: FieldSet): FieldSet {
  if (isEmptySet(gone)) return a;
  const result: FieldSet = {};
  for (const step in a) {
    const mine = child(a, step);
    if (mine === undefined) continue;
    const theirs = step === '.' ? undefined : child(gone, step);
    if (theirs === undefined) {
      result[step] = mine;
      continue;
    }
    if (isMember(theirs)) continue;
    const below = withoutSubtrees(mine, theirs);
    if (!isEmptySet(below)) result[step] = below;
  }
  return result;
}

/** Member paths as people read them: `.spec.containers[name="a"].image`. */
export function pathsOf(set: FieldSet, prefix = ''): string[] {
  const paths: string[] = [];
  for (const step in set) {
    if (step === '.') continue;
    const node = child(set, step);
    if (node === undefined) continue;
    const path = prefix + stepText(step);
    if (isMember(node)) paths.push(path);
    paths.push(...pathsOf(node, path));
  }
  return paths;
}

function stepText(step: string): string {
  const rest = step.slice(2);
  switch (step.slice(0, 2)) {
    case 'k:': {
      const keys = JSON.parse(rest) as Record<string, unknown>;
      return `[${Object.keys(keys)
        .map((key) => `${key}=${JSON.stringify(keys[key])}`)
        .join(',')}]`;
    }
    case 'v:':
      return `[=${rest}]`;
    case 'i:':
      return `[${rest}]`;
    default:
      return `.${rest}`;
  }
}
