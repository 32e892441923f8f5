/**
 * Where a run's pods may and should go, as node affinity.
 *
 * Decides: required are all nodes that qualify (same GPU model, offered now, and the chosen ones), one term each, ANDed into
 * every term of the tenant's own; preferred are the chosen nodes. One term names one node, because Kubernetes allows
 * exactly one value for the field metadata.name. With very many combinations only the chosen nodes are named.
 */
import type { NodeName } from '../../../core/model/ids.ts';
import { isObject } from '../template/check-template.ts';

type Json = Readonly<Record<string, unknown>>;

/** More terms than this make the scheduler slow and the object large. */
const MOST_TERMS = 1_000;
const CHOSEN_WEIGHT = 100;
const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution';

export interface NodeChoice {
  readonly chosen: readonly NodeName[];
  /** Others of the same class that would do. */
  readonly eligible: readonly NodeName[];
}

/** The tenant's affinity with ours ANDed into it. */
export function withNodeTerms(affinity: unknown, choice: NodeChoice): Json {
  const given = isObject(affinity) ? affinity : {};
  const node = isObject(given['nodeAffinity']) ? given['nodeAffinity'] : {};
  const tenantTerms = termsOf(node[REQUIRED]);
  const all = [...new Set([...choice.chosen, ...choice.eligible])];
  const nodes = all.length * Math.max(1, tenantTerms.length) <= MOST_TERMS ? all : choice.chosen;
  const preferred = Array.isArray(node[PREFERRED]) ? (node[PREFERRED] as readonly unknown[]) : [];
  return {
    ...given,
    nodeAffinity: {
      [REQUIRED]: { nodeSelectorTerms: nodes.flatMap((name) => andNode(tenantTerms, name)) },
      [PREFERRED]: [
        ...preferred,
        ...choice.chosen.map((name) => ({ weight: CHOSEN_WEIGHT, preference: { matchFields: [fieldOf(name)] } })),
      ],
    },
  };
}

/** Terms are alternatives: each of the tenant's gets the node; without any the node alone is the term. */
function andNode(tenantTerms: readonly Json[], name: NodeName): readonly Json[] {
  if (tenantTerms.length === 0) return [{ matchFields: [fieldOf(name)] }];
  return tenantTerms.map((term) => {
    const fields = Array.isArray(term['matchFields']) ? (term['matchFields'] as readonly unknown[]) : [];
    return { ...term, matchFields: [...fields, fieldOf(name)] };
  });
}

function fieldOf(name: NodeName): Json {
  return { key: 'metadata.name', operator: 'In', values: [name] };
}

/** An empty term matches no node in Kubernetes; with our field in it, it would match one. */
function termsOf(required: unknown): readonly Json[] {
  const terms = isObject(required) ? required['nodeSelectorTerms'] : undefined;
  return Array.isArray(terms) ? terms.filter(isObject).map(keepEmptyUnmatchable) : [];
}

function keepEmptyUnmatchable(term: Json): Json {
  const parts = ['matchExpressions', 'matchFields'].map((name) => term[name]);
  const empty = parts.every((part) => !Array.isArray(part) || part.length === 0);
  if (!empty) return term;
  return { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['no.node.has.this.name'] }] };
}
