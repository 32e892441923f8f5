/** Picks the rules of each built-in kind. Kinds without rules of their own get the common ones. */
import { DEFINITION_RULES } from '../crd/definition-rules.ts';
import type { KindRules, NameRule, Strategy } from '../registry/resource.ts';
import { NAMESPACE_RULES, SECRET_RULES, SERVICE_RULES, SIMPLE_RULES } from './core-rules.ts';
import { JOB_RULES } from './job-rules.ts';
import { NODE_RULES, POD_RULES } from './pod-rules.ts';
import { WORKLOAD_RULES } from './workload-rules.ts';
import { ACCESS_RULES } from './access-rules.ts';

const RULES: Readonly<Record<string, KindRules>> = {
  '/pods': POD_RULES,
  '/nodes': NODE_RULES,
  '/namespaces': NAMESPACE_RULES,
  '/services': SERVICE_RULES,
  '/secrets': SECRET_RULES,
  'batch/jobs': JOB_RULES,
  'apiextensions.k8s.io/customresourcedefinitions': DEFINITION_RULES,
  ...SIMPLE_RULES,
  ...WORKLOAD_RULES,
  ...ACCESS_RULES,
};

const PATH_NAMED: ReadonlySet<string> = new Set([
  'rbac.authorization.k8s.io/roles',
  'rbac.authorization.k8s.io/rolebindings',
  'rbac.authorization.k8s.io/clusterroles',
  'rbac.authorization.k8s.io/clusterrolebindings',
]);

function nameRule(key: string): NameRule {
  return PATH_NAMED.has(key) ? 'path-segment' : 'dns-subdomain';
}

export function strategyFor(key: string, flags: { readonly status: boolean; readonly generation: boolean }): Strategy {
  return {
    nameRule: nameRule(key),
    hasStatus: flags.status,
    generationOf: flags.generation ? ['*'] : [],
    defaultPropagation: 'Background',
    returnsDeleted: false,
    ...RULES[key],
  };
}
