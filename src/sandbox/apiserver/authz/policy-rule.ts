/** RBAC rules: what one allows, and whether one set covers another. */
import { type JsonObject, stringsAt } from '../json-value.ts';

export interface PolicyRule {
  readonly verbs: readonly string[];
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames: readonly string[];
  readonly nonResourceURLs: readonly string[];
}

/** What somebody wants to do. */
export type Attributes =
  | {
      readonly kind: 'resource';
      readonly verb: string;
      readonly group: string;
      /** With subresource: `pods/log`. */
      readonly resource: string;
      readonly namespace: string;
      readonly name: string;
    }
  | { readonly kind: 'plain'; readonly verb: string; readonly path: string };

export function readRule(rule: JsonObject): PolicyRule {
  return {
    verbs: stringsAt(rule, 'verbs'),
    apiGroups: stringsAt(rule, 'apiGroups'),
    resources: stringsAt(rule, 'resources'),
    resourceNames: stringsAt(rule, 'resourceNames'),
    nonResourceURLs: stringsAt(rule, 'nonResourceURLs'),
  };
}

function listed(list: readonly string[], value: string): boolean {
  return list.includes('*') || list.includes(value);
}

function resourceListed(list: readonly string[], resource: string): boolean {
  if (listed(list, resource)) return true;
  const slash = resource.indexOf('/');
  return slash >= 0 && list.includes(`*${resource.slice(slash)}`);
}

function urlListed(list: readonly string[], path: string): boolean {
  return list.some((url) => url === '*' || url === path || (url.endsWith('*') && path.startsWith(url.slice(0, -1))));
}

export function ruleAllows(rule: PolicyRule, wanted: Attributes): boolean {
  if (!listed(rule.verbs, wanted.verb)) return false;
  if (wanted.kind === 'plain') return urlListed(rule.nonResourceURLs, wanted.path);
  if (!listed(rule.apiGroups, wanted.group) || !resourceListed(rule.resources, wanted.resource)) return false;
  return rule.resourceNames.length === 0 || rule.resourceNames.includes(wanted.name);
}

/** A rule cut into pieces that name one verb on one thing each. */
function pieces(rule: PolicyRule): PolicyRule[] {
  const names = rule.resourceNames.length === 0 ? [[]] : rule.resourceNames.map((name) => [name]);
  const empty = { apiGroups: [], resources: [], resourceNames: [], nonResourceURLs: [] };
  return rule.verbs.flatMap((verb) => [
    ...rule.nonResourceURLs.map((url) => ({ ...empty, verbs: [verb], nonResourceURLs: [url] })),
    ...rule.apiGroups.flatMap((group) =>
      rule.resources.flatMap((resource) =>
        names.map((resourceNames) => ({
          ...empty,
          verbs: [verb],
          apiGroups: [group],
          resources: [resource],
          resourceNames,
        })),
      ),
    ),
  ]);
}

function coversPiece(owned: PolicyRule, piece: PolicyRule): boolean {
  const [verb = '', url] = [piece.verbs[0], piece.nonResourceURLs[0]];
  if (!listed(owned.verbs, verb)) return false;
  if (url !== undefined) return urlListed(owned.nonResourceURLs, url);
  if (!listed(owned.apiGroups, piece.apiGroups[0] ?? '')) return false;
  if (!resourceListed(owned.resources, piece.resources[0] ?? '')) return false;
  const name = piece.resourceNames[0];
  return owned.resourceNames.length === 0 || (name !== undefined && owned.resourceNames.includes(name));
}

/** Pieces of `wanted` that no rule of `owned` allows. */
export function uncovered(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(pieces).filter((piece) => !owned.some((rule) => coversPiece(rule, piece)));
}

function quoted(values: readonly string[]): string {
  return `[${values.map((value) => `"${value}"`).join(' ')}]`;
}

/** As the real server spells a rule in refusals. */
export function ruleText(rule: PolicyRule): string {
  const parts: string[] = [];
  if (rule.nonResourceURLs.length > 0) parts.push(`NonResourceURLs:${quoted(rule.nonResourceURLs)}`);
  if (rule.apiGroups.length > 0) parts.push(`APIGroups:${quoted(rule.apiGroups)}`);
  if (rule.resources.length > 0) parts.push(`Resources:${quoted(rule.resources)}`);
  if (rule.resourceNames.length > 0) parts.push(`ResourceNames:${quoted(rule.resourceNames)}`);
  parts.push(`Verbs:${quoted(rule.verbs)}`);
  return `{${parts.join(', ')}}`;
}
