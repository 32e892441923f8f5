/**
 * Validation rules (x-kubernetes-validations): compiled once per schema, run on every write. Rules that speak of oldSelf
 * run on updates only, where old and new value can be matched: members by name, items of keyed lists by key. Parts that
 * an update left as they were are not judged again.
 */
import { Optional } from '@marcbachmann/cel-js';
import { duplicate, type FieldError, fieldForbidden, invalidValue, invalidWithout, required } from '../field-error.ts';
import { isObject, type Json, type JsonObject, objectsAt, sameJson, stringAt } from '../json-value.ts';
import { itemStep, itemsByStep } from '../patch/typed-fields.ts';
import type { SchemaNode } from '../schema/schema-node.ts';
import { celEnvironment } from './cel-environment.ts';
import { celValue } from './cel-values.ts';

type Program = (context: Record<string, unknown>) => unknown;

interface Rule {
  readonly text: string;
  readonly program: Program;
  readonly transition: boolean;
  readonly optionalOldSelf: boolean;
  readonly message: string | undefined;
  readonly messageProgram: Program | undefined;
  readonly reason: string | undefined;
  /** Path below self to blame, e.g. `.workers`. */
  readonly fieldPath: string;
}

export interface RuleTree {
  readonly node: SchemaNode;
  readonly rules: readonly Rule[];
  /** Children that hold rules: members by name, or `*` for items and map values. */
  readonly children: ReadonlyMap<string, RuleTree>;
  readonly hasTransitions: boolean;
}

/** Thrown for a rule that does not compile. */
export class RuleSyntaxError extends Error {
  readonly rule: string;
  constructor(rule: string, message: string) {
    super(message);
    this.rule = rule;
  }
}

function program(text: string, optionalOldSelf: boolean): Program {
  try {
    return celEnvironment(optionalOldSelf).parse(text);
  } catch (error) {
    const message = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    throw new RuleSyntaxError(text, message);
  }
}

function compileRule(source: JsonObject): Rule {
  const text = stringAt(source, 'rule') ?? '';
  const optional = source['optionalOldSelf'] === true;
  const message = stringAt(source, 'messageExpression');
  return {
    text,
    program: program(text, optional),
    transition: /\boldSelf\b/.test(text.replace(/"[^"]*"|'[^']*'/g, '')),
    optionalOldSelf: optional,
    message: stringAt(source, 'message'),
    messageProgram: message === undefined ? undefined : program(message, optional),
    reason: stringAt(source, 'reason'),
    fieldPath: stringAt(source, 'fieldPath') ?? '',
  };
}

function childNodes(node: SchemaNode): readonly (readonly [string, SchemaNode])[] {
  switch (node.kind) {
    case 'object':
      return [...node.fields]
        .filter(([, field]) => field.node.source !== undefined)
        .map(([name, field]) => [name, field.node]);
    case 'map':
      return [['*', node.values]];
    case 'list':
      return [['*', node.items]];
    case 'scalar':
    case 'any':
      return [];
  }
}

/** `undefined` when no rule lies at or below the node. Throws RuleSyntaxError. */
export function compileRules(node: SchemaNode): RuleTree | undefined {
  const rules = objectsAt(node.source, 'x-kubernetes-validations').map(compileRule);
  const children = new Map<string, RuleTree>();
  for (const [name, child] of childNodes(node)) {
    const tree = compileRules(child);
    if (tree !== undefined) children.set(name, tree);
  }
  if (rules.length === 0 && children.size === 0) return undefined;
  const hasTransitions =
    rules.some((rule) => rule.transition) || [...children.values()].some((child) => child.hasTransitions);
  return { node, rules, children, hasTransitions };
}

/** Objects and lists are not repeated in a refusal. */
function shownValue(node: SchemaNode, value: Json): Json | undefined {
  return node.kind === 'scalar' || node.kind === 'any' ? value : undefined;
}

function ruleMessage(rule: Rule, context: Record<string, unknown>): string {
  if (rule.messageProgram !== undefined) {
    try {
      const text = rule.messageProgram(context);
      if (typeof text === 'string' && text.trim() !== '' && !text.includes('\n')) return text.trim();
    } catch {
      // As on the real server: a message that cannot be computed falls back to the fixed one.
    }
  }
  return rule.message ?? `failed rule: ${rule.text.trim()}`;
}

interface Blamed {
  readonly path: string;
  /** Absent when the refusal leaves it out. */
  readonly value: Json | undefined;
}

function failure(rule: Rule, at: Blamed, message: string): FieldError {
  const field = blamed(at.path, rule.fieldPath);
  switch (rule.reason ?? '') {
    case 'FieldValueForbidden':
      return fieldForbidden(field, message);
    case 'FieldValueRequired':
      return required(field, message);
    case 'FieldValueDuplicate':
      return at.value === undefined
        ? { field, reason: 'FieldValueDuplicate', message: 'Duplicate value' }
        : duplicate(field, at.value);
    default:
      return at.value === undefined ? invalidWithout(field, message) : invalidValue(field, at.value, message);
  }
}

function blamed(path: string, fieldPath: string): string {
  if (fieldPath === '') return path === '' ? '<nil>' : path;
  return path === '' ? fieldPath.replace(/^\./, '') : path + fieldPath;
}

interface Place {
  readonly path: string;
  readonly value: Json;
  readonly old: Json | undefined;
}

class RuleRun {
  readonly errors: FieldError[] = [];

  visit(tree: RuleTree, place: Place): void {
    const { value, old } = place;
    if (value === null) return;
    const unchanged = old !== undefined && sameJson(value, old);
    if (unchanged && !tree.hasTransitions) return;
    this.judge(tree, place, unchanged);
    if (tree.children.size > 0) this.descend(tree, place);
  }

  private descend(tree: RuleTree, place: Place): void {
    const { value, path } = place;
    const { node, children } = tree;
    if (node.kind === 'list' && Array.isArray(value)) this.items(tree, value, place);
    else if (node.kind === 'map' && isObject(value)) {
      for (const key in value) this.member(children.get('*'), place, { key, path: `${path}[${key}]` });
    } else if (isObject(value)) {
      for (const [key, child] of children) {
        this.member(child, place, { key, path: path === '' ? key : `${path}.${key}` });
      }
    }
  }

  private member(tree: RuleTree | undefined, place: Place, at: { readonly key: string; readonly path: string }): void {
    if (tree === undefined || !isObject(place.value)) return;
    const value = place.value[at.key];
    const old = isObject(place.old) ? place.old[at.key] : undefined;
    if (value !== undefined) this.visit(tree, { path: at.path, value, old });
  }

  private items(tree: RuleTree, items: readonly Json[], { old, path }: Place): void {
    const child = tree.children.get('*');
    const { node } = tree;
    if (child === undefined || node.kind !== 'list') return;
    const before = node.listType === 'map' && Array.isArray(old) ? itemsByStep(node, old) : undefined;
    items.forEach((value, i) => {
      const step = before === undefined ? undefined : itemStep(node, value);
      this.visit(child, { path: `${path}[${i}]`, value, old: step === undefined ? undefined : before?.get(step) });
    });
  }

  private judge(tree: RuleTree, { path, value, old }: Place, unchanged: boolean): void {
    const due = tree.rules.filter((rule) => (rule.transition ? old !== undefined || rule.optionalOldSelf : !unchanged));
    if (due.length === 0) return;
    const self = celValue(tree.node, value);
    const oldSelf = old === undefined ? undefined : celValue(tree.node, old);
    const shown = { path, value: shownValue(tree.node, value) };
    for (const rule of due)
      this.run(rule, shown, { self, oldSelf: rule.optionalOldSelf ? Optional.of(oldSelf) : oldSelf });
  }

  private run(rule: Rule, at: Blamed, context: Record<string, unknown>): void {
    try {
      if (rule.program(context) === true) return;
      this.errors.push(failure(rule, at, ruleMessage(rule, context)));
    } catch (error) {
      const message = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
      this.errors.push(
        failure(
          { ...rule, reason: undefined },
          at,
          `${message} evaluating rule: ${(rule.message ?? rule.text).trim()}`,
        ),
      );
    }
  }
}

/** Runs all rules of a tree; `old` undefined on create. */
export function runRules(tree: RuleTree, value: Json, old: Json | undefined): readonly FieldError[] {
  const run = new RuleRun();
  run.visit(tree, { path: '', value, old });
  return run.errors;
}
