/**
 * Label and field selectors: text in, predicate out. Fields are read by dotted path; which fields a resource may be
 * selected by is decided by its registry entry, not here.
 */
import { type ApiObject, type JsonObject, objectAt, objectsAt, stringAt, stringsAt, valueAt } from '../json-value.ts';
import { badRequest } from '../status-error.ts';

export type Predicate = (object: ApiObject) => boolean;

/** One field requirement, kept visible so that reads by name need no scan. */
export interface FieldRequirement {
  readonly path: string;
  readonly operator: '=' | '!=';
  readonly value: string;
}

type LabelTest = (labels: Readonly<Record<string, string>>) => boolean;

const SET_BASED = /^\s*([A-Za-z0-9./_-]+)\s+(in|notin)\s*\(([^)]*)\)\s*$/;
const COMPARED = /^\s*([A-Za-z0-9./_-]+)\s*(==|=|!=|>|<)\s*([A-Za-z0-9._-]*)\s*$/;
const PRESENT = /^\s*(!?)\s*([A-Za-z0-9./_-]+)\s*$/;

/** Splits at commas outside parentheses. */
function clauses(text: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const ch = text[i];
    if (ch === '(') depth++;
    else if (ch === ')') depth--;
    else if (ch === ',' && depth === 0) {
      found.push(text.slice(start, i));
      start = i + 1;
    }
  }
  found.push(text.slice(start));
  return found.filter((clause) => clause.trim() !== '');
}

function setTest(key: string, operator: string, list: string): LabelTest {
  const values = new Set(list.split(',').map((value) => value.trim()));
  if (operator === 'in') return (labels) => labels[key] !== undefined && values.has(labels[key]);
  return (labels) => labels[key] === undefined || !values.has(labels[key]);
}

function comparedTest(key: string, operator: string, value: string): LabelTest {
  switch (operator) {
    case '!=':
      return (labels) => labels[key] !== value;
    case '>':
      return (labels) => labels[key] !== undefined && Number(labels[key]) > Number(value);
    case '<':
      return (labels) => labels[key] !== undefined && Number(labels[key]) < Number(value);
    default:
      return (labels) => labels[key] === value;
  }
}

function labelTest(clause: string): LabelTest {
  const inSet = SET_BASED.exec(clause);
  if (inSet !== null) return setTest(inSet[1] ?? '', inSet[2] ?? '', inSet[3] ?? '');
  const compared = COMPARED.exec(clause);
  if (compared !== null) return comparedTest(compared[1] ?? '', compared[2] ?? '', compared[3] ?? '');
  const present = PRESENT.exec(clause);
  if (present === null)
    throw badRequest(`unable to parse requirement: found '${clause.trim()}', expected a label requirement`);
  const key = present[2] ?? '';
  return present[1] === '!' ? (labels) => labels[key] === undefined : (labels) => labels[key] !== undefined;
}

const NO_LABELS: Readonly<Record<string, string>> = {};

/** `undefined` when the text selects everything. */
export function parseLabelSelector(text: string | null): Predicate | undefined {
  if (text === null) return undefined;
  const tests = clauses(text).map(labelTest);
  if (tests.length === 0) return undefined;
  return (object) => {
    const labels = object.metadata.labels ?? NO_LABELS;
    return tests.every((test) => test(labels));
  };
}

export function parseFieldSelector(text: string | null): readonly FieldRequirement[] {
  if (text === null) return [];
  return clauses(text).map((clause) => {
    const match = /^\s*([^=!]+?)\s*(==|=|!=)\s*(.*?)\s*$/.exec(clause);
    if (match === null) throw badRequest(`invalid selector: '${clause}'; can't understand '${clause}'`);
    const value = (match[3] ?? '').replace(/\\(.)/g, '$1');
    return { path: match[1] ?? '', operator: match[2] === '!=' ? '!=' : '=', value };
  });
}

/** Refuses fields outside `allowed`; metadata.name and metadata.namespace always work. */
export function fieldPredicate(
  requirements: readonly FieldRequirement[],
  allowed: readonly string[],
): Predicate | undefined {
  if (requirements.length === 0) return undefined;
  for (const { path } of requirements) {
    if (path === 'metadata.name' || path === 'metadata.namespace' || allowed.includes(path)) continue;
    throw badRequest(`field label not supported: ${path}`);
  }
  const tests = requirements.map(({ path, operator, value }) => {
    const keys = path.split('.');
    return (object: ApiObject): boolean => {
      const found = valueAt(object, keys);
      const text = found === undefined || found === null ? '' : typeof found === 'object' ? '' : String(found);
      return operator === '=' ? text === value : text !== value;
    };
  });
  return (object) => tests.every((test) => test(object));
}

export function bothPredicates(a: Predicate | undefined, b: Predicate | undefined): Predicate | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return (object) => a(object) && b(object);
}

type Labels = Readonly<Record<string, string>>;

function expressionMatches(expression: JsonObject, labels: Labels): boolean {
  const value = labels[stringAt(expression, 'key') ?? ''];
  const listed = value !== undefined && stringsAt(expression, 'values').includes(value);
  switch (stringAt(expression, 'operator') ?? '') {
    case 'In':
      return listed;
    case 'NotIn':
      return !listed;
    case 'Exists':
      return value !== undefined;
    default:
      return value === undefined;
  }
}

/** metav1.LabelSelector against labels: absent selects nothing, empty selects everything. */
export function selectorMatches(selector: JsonObject | undefined, labels: Labels): boolean {
  if (selector === undefined) return false;
  const wanted = Object.entries(objectAt(selector, 'matchLabels') ?? {});
  return (
    wanted.every(([key, value]) => labels[key] === value) &&
    objectsAt(selector, 'matchExpressions').every((expression) => expressionMatches(expression, labels))
  );
}
