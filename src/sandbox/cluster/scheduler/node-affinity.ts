/**
 * Whether a node is one that a pod wants: nodeSelector and node affinity.
 *
 * Invariants: terms are alternatives, requirements of a term must all hold; an empty term or an empty list of terms matches
 * nothing; an operator or number that cannot be read matches nothing. Leaves out taints (taints.ts) and resources (fit.ts).
 */
import type { Node } from '../objects/node.ts';
import type { NodeSelectorTerm, Pod, SelectorRequirement } from '../objects/pod.ts';

/** nodeSelector and required node affinity, as far as `node` goes. */
export function matchesRequired(pod: Pick<Pod, 'spec'>, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  for (const [key, value] of Object.entries(pod.spec.nodeSelector ?? {})) {
    if (labels[key] !== value) return false;
  }
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || required.nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

/** Sum of the weights of the preferred terms that `node` matches. */
export function preferenceWeight(pod: Pick<Pod, 'spec'>, node: Node): number {
  let sum = 0;
  for (const { weight, preference } of pod.spec.affinity?.nodeAffinity
    ?.preferredDuringSchedulingIgnoredDuringExecution ?? []) {
    if (matchesTerm(preference, node)) sum += weight;
  }
  return sum;
}

function matchesTerm(term: NodeSelectorTerm, node: Node): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  if (expressions.length === 0 && fields.length === 0) return false;
  const labels = node.metadata.labels ?? {};
  return (
    expressions.every((requirement) => matchesRequirement(requirement, labels[requirement.key])) &&
    fields.every(
      (requirement) => requirement.key === 'metadata.name' && matchesRequirement(requirement, node.metadata.name),
    )
  );
}

function matchesRequirement(requirement: SelectorRequirement, value: string | undefined): boolean {
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return difference(value, values[0]) > 0;
    case 'Lt':
      return difference(value, values[0]) < 0;
    default:
      return false;
  }
}

/** NaN, which is neither above nor below 0, unless both are whole numbers. */
function difference(value: string | undefined, bound: string | undefined): number {
  return isInteger(value) && isInteger(bound) ? Number(value) - Number(bound) : NaN;
}

function isInteger(text: string | undefined): boolean {
  return text !== undefined && /^[+-]?\d{1,15}$/.test(text);
}
