/**
 * Where a pod may go by its own words: nodeSelector, required node affinity and tolerations, read from raw JSON.
 *
 * Invariants: nodeSelector is ANDed into every alternative; a required term without expressions matches no node, as in
 * Kubernetes. Leaves out preferences, pod affinity and topology spread: they order nodes, or need other pods.
 */
import type { LabelRequirement, Toleration } from './job.ts';
import type { Json, PodProblem } from './pod-json.ts';
import { asList, asObject, asText, optionalObject, problemAt } from './pod-json.ts';
import { NODE_NAME_FIELD, requirementsOfLabels } from './selectors.ts';

type Terms = readonly (readonly LabelRequirement[])[];

const MATCHES_NOTHING: LabelRequirement = { key: NODE_NAME_FIELD, operator: 'In', values: [] };
const OPERATORS: readonly LabelRequirement['operator'][] = ['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt'];
const EFFECTS: readonly NonNullable<Toleration['effect']>[] = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

/** nodeSelector and required node affinity as alternatives; empty = any node. */
export function readNodeTerms(spec: Json, path: string, problems: PodProblem[]): Terms {
  const selector = requirementsOfLabels(textMap(spec['nodeSelector'], `${path}.nodeSelector`, problems));
  const affinityPath = `${path}.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution`;
  const affinity = optionalObject(spec['affinity'], `${path}.affinity`, problems);
  const nodeAffinity = optionalObject(affinity['nodeAffinity'], `${path}.affinity.nodeAffinity`, problems);
  const required = nodeAffinity['requiredDuringSchedulingIgnoredDuringExecution'];
  if (required === undefined || required === null) return selector.length === 0 ? [] : [selector];
  const listPath = `${affinityPath}.nodeSelectorTerms`;
  const list = asList(asObject(required, affinityPath, problems)?.['nodeSelectorTerms'], listPath, problems);
  if (list.length === 0) problems.push(problemAt(listPath, 'Missing', 'must list at least one term'));
  const terms = list.map((item, i) => readTerm(item, `${listPath}[${i}]`, problems));
  const possible = terms.filter((term) => term.length > 0);
  return possible.length === 0 ? [[MATCHES_NOTHING]] : possible.map((term) => [...selector, ...term]);
}

function readTerm(item: unknown, path: string, problems: PodProblem[]): readonly LabelRequirement[] {
  const term = asObject(item, path, problems) ?? {};
  const byLabel = asList(term['matchExpressions'], `${path}.matchExpressions`, problems).map((one, i) =>
    readRequirement(one, `${path}.matchExpressions[${i}]`, problems),
  );
  const byField = asList(term['matchFields'], `${path}.matchFields`, problems).map((one, i) => {
    const at = `${path}.matchFields[${i}]`;
    const requirement = readRequirement(one, at, problems);
    if (requirement === undefined || requirement.key === 'metadata.name')
      return requirement && { ...requirement, key: NODE_NAME_FIELD };
    problems.push(problemAt(`${at}.key`, 'BadSelector', `must be metadata.name, got "${requirement.key}"`));
    return undefined;
  });
  return [...byLabel, ...byField].filter((requirement) => requirement !== undefined);
}

function readRequirement(item: unknown, path: string, problems: PodProblem[]): LabelRequirement | undefined {
  const fields = asObject(item, path, problems);
  if (fields === undefined) return undefined;
  const key = asText(fields['key'], `${path}.key`, problems);
  const operator = OPERATORS.find((one) => one === fields['operator']);
  if (operator === undefined) {
    problems.push(problemAt(`${path}.operator`, 'BadSelector', `must be one of ${OPERATORS.join(', ')}`));
  }
  const list = asList(fields['values'], `${path}.values`, problems);
  const values = list.filter((value): value is string => typeof value === 'string');
  if (values.length < list.length) problems.push(problemAt(`${path}.values`, 'WrongType', 'must be a list of texts'));
  if (key === undefined || operator === undefined) return undefined;
  const want = valueCountProblem(operator, values);
  if (want !== undefined) problems.push(problemAt(`${path}.values`, 'BadSelector', want));
  return { key, operator, values };
}

function valueCountProblem(operator: LabelRequirement['operator'], values: readonly string[]): string | undefined {
  switch (operator) {
    case 'In':
    case 'NotIn':
      return values.length > 0 ? undefined : `must not be empty for ${operator}`;
    case 'Exists':
    case 'DoesNotExist':
      return values.length === 0 ? undefined : `must be empty for ${operator}`;
    case 'Gt':
    case 'Lt':
      return values.length === 1 && /^[+-]?[0-9]{1,19}$/.test(values[0] ?? '')
        ? undefined
        : `must be one whole number for ${operator}`;
  }
}

/** Tolerations with their defaults filled in. */
export function readTolerations(spec: Json, path: string, problems: PodProblem[]): readonly Toleration[] {
  return asList(spec['tolerations'], `${path}.tolerations`, problems).flatMap((item, i) => {
    const toleration = readToleration(item, `${path}.tolerations[${i}]`, problems);
    return toleration === undefined ? [] : [toleration];
  });
}

function readToleration(item: unknown, path: string, problems: PodProblem[]): Toleration | undefined {
  const fields = asObject(item, path, problems);
  if (fields === undefined) return undefined;
  const before = problems.length;
  const operator = fields['operator'] ?? 'Equal';
  const key = optionalText(fields['key'], `${path}.key`, problems);
  const value = optionalText(fields['value'], `${path}.value`, problems);
  const effect = readEffect(fields['effect'], `${path}.effect`, problems);
  if (operator !== 'Exists' && operator !== 'Equal') {
    problems.push(problemAt(`${path}.operator`, 'BadToleration', 'must be Exists or Equal'));
    return undefined;
  }
  checkOperator({ operator, key, value }, path, problems);
  if (problems.length > before) return undefined;
  return {
    operator,
    ...(key === '' ? {} : { key }),
    ...(value === '' ? {} : { value }),
    ...(effect === undefined ? {} : { effect }),
  };
}

function checkOperator(
  { operator, key, value }: { readonly operator: 'Exists' | 'Equal'; readonly key: string; readonly value: string },
  path: string,
  problems: PodProblem[],
): void {
  if (key === '' && operator === 'Equal') {
    problems.push(problemAt(`${path}.operator`, 'BadToleration', 'must be Exists when key is empty'));
  }
  if (operator === 'Exists' && value !== '') {
    problems.push(problemAt(`${path}.value`, 'BadToleration', 'must be empty for operator Exists'));
  }
}

function readEffect(value: unknown, path: string, problems: PodProblem[]): Toleration['effect'] {
  const text = optionalText(value, path, problems);
  const effect = EFFECTS.find((one) => one === text);
  if (text !== '' && effect === undefined) {
    problems.push(problemAt(path, 'BadToleration', `must be empty or one of ${EFFECTS.join(', ')}`));
  }
  return effect;
}

function optionalText(value: unknown, path: string, problems: PodProblem[]): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  problems.push(problemAt(path, 'WrongType', `must be a text, got a ${typeof value}`));
  return '';
}

function textMap(value: unknown, path: string, problems: PodProblem[]): Readonly<Record<string, string>> {
  const entries = Object.entries(optionalObject(value, path, problems));
  const texts = entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  if (texts.length < entries.length) problems.push(problemAt(path, 'WrongType', 'must map texts to texts'));
  return Object.fromEntries(texts);
}
