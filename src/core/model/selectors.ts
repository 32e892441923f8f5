/**
 * Label requirements in Kubernetes' sense: does a set of labels satisfy them, and how selectors become them. Decides alone what
 * In, NotIn, Exists, DoesNotExist, Gt and Lt mean, for members, nodes and pods alike.
 */
import { compareStrings, sorted } from '../../std/ordering.ts';
import type { LabelRequirement } from './job.ts';

export type Labels = Readonly<Record<string, string>>;

/** The structure of metav1.LabelSelector. */
export interface LabelSelectorLike {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: LabelRequirement['operator'];
    readonly values?: readonly string[];
  }[];
}

/** Requirements of a selector, labels first by key. An empty selector has none and selects everything. */
export function requirementsOf(selector: LabelSelectorLike): readonly LabelRequirement[] {
  return [
    ...requirementsOfLabels(selector.matchLabels ?? {}),
    ...(selector.matchExpressions ?? []).map(({ key, operator, values }) => ({ key, operator, values: values ?? [] })),
  ];
}

/** One `In` per label, as nodeSelector and matchLabels mean it. */
export function requirementsOfLabels(labels: Labels): readonly LabelRequirement[] {
  return sorted(Object.entries(labels), ([a], [b]) => compareStrings(a, b)).map(([key, value]) => ({
    key,
    operator: 'In' as const,
    values: [value],
  }));
}

/** Does `labels` meet one requirement? NotIn holds where the label is absent; Gt and Lt need a whole number on both sides. */
export function meetsRequirement(labels: Labels, requirement: LabelRequirement): boolean {
  const value = Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined;
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && requirement.values.includes(value);
    case 'NotIn':
      return value === undefined || !requirement.values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt':
      return comparesAsIntegers(value, requirement.values[0], requirement.operator);
  }
}

/** All of them; true for none. */
export function meetsAll(labels: Labels, requirements: readonly LabelRequirement[]): boolean {
  return requirements.every((requirement) => meetsRequirement(labels, requirement));
}

/** Any alternative (OR) of which all requirements (AND) hold; no alternatives = true. */
export function meetsAnyTerm(labels: Labels, terms: readonly (readonly LabelRequirement[])[]): boolean {
  return terms.length === 0 || terms.some((requirements) => meetsAll(labels, requirements));
}

/** The first requirement that does not hold, in the given order. */
export function firstUnmet(labels: Labels, requirements: readonly LabelRequirement[]): LabelRequirement | undefined {
  return requirements.find((requirement) => !meetsRequirement(labels, requirement));
}

const INTEGER = /^[+-]?[0-9]{1,19}$/;

function comparesAsIntegers(value: string | undefined, bound: string | undefined, operator: 'Gt' | 'Lt'): boolean {
  if (value === undefined || bound === undefined || !INTEGER.test(value) || !INTEGER.test(bound)) return false;
  // BigInt, because labels hold 64-bit integers; it takes no leading plus sign.
  const [have, than] = [BigInt(value.replace('+', '')), BigInt(bound.replace('+', ''))];
  return operator === 'Gt' ? have > than : have < than;
}

/**
 * Key under which `matchFields: metadata.name` is kept among label requirements. No label can be called so: a key has one
 * slash at most and no colon.
 */
export const NODE_NAME_FIELD = 'field:metadata.name';

/** Do a node's labels, and its name where a term asks for it, satisfy node terms? */
export function nodeMeetsTerms(
  node: { readonly node: string; readonly labels: Labels },
  terms: readonly (readonly LabelRequirement[])[],
): boolean {
  if (terms.length === 0) return true;
  const asksName = terms.some((term) => term.some((requirement) => requirement.key === NODE_NAME_FIELD));
  return meetsAnyTerm(asksName ? { ...node.labels, [NODE_NAME_FIELD]: node.node } : node.labels, terms);
}
