/**
 * What is served here: /version, /api, /apis and their lists, in the old form and in the aggregated one.
 * Groups of aggregated API servers appear beside our own.
 */
import type { JsonObject } from '../json-value.ts';
import { apiVersionOf, type Resource } from '../registry/resource.ts';
import { compareVersions, type Registry } from '../registry/registry.ts';

export const KUBERNETES_VERSION = { major: '1', minor: '36', gitVersion: 'v1.36.3' };

/** The server's version, as kubectl prints it. The suffix says that this is no real server. */
export function versionDocument(): JsonObject {
  return {
    ...KUBERNETES_VERSION,
    gitVersion: `${KUBERNETES_VERSION.gitVersion}+lumbung-sandbox`,
    gitCommit: '0000000000000000000000000000000000000000',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: 'none',
    compiler: 'none',
    platform: 'linux/amd64',
    emulationMajor: KUBERNETES_VERSION.major,
    emulationMinor: KUBERNETES_VERSION.minor,
    minCompatibilityMajor: KUBERNETES_VERSION.major,
    minCompatibilityMinor: '35',
  };
}

export function coreVersions(): JsonObject {
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
}

/** Groups other than core, each with its versions in order of preference. */
export type GroupVersions = ReadonlyMap<string, readonly string[]>;

function groupJson(name: string, versions: readonly string[]): JsonObject {
  const list = versions.map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions: list, ...(list[0] === undefined ? {} : { preferredVersion: list[0] }) };
}

/** Our own groups and those of aggregated servers. */
export function allGroups(
  registry: Registry,
  aggregated: readonly { readonly group: string; readonly version: string }[],
): GroupVersions {
  const groups = new Map<string, readonly string[]>();
  for (const [group, versions] of registry.groups()) if (group !== '') groups.set(group, versions);
  for (const { group, version } of aggregated) {
    const versions = new Set([...(groups.get(group) ?? []), version]);
    groups.set(group, [...versions].sort(compareVersions));
  }
  return groups;
}

export function groupList(groups: GroupVersions): JsonObject {
  return {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: [...groups].map(([name, versions]) => groupJson(name, versions)),
  };
}

export function groupDocument(name: string, versions: readonly string[]): JsonObject {
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupJson(name, versions) };
}

function listed(values: readonly string[]): string[] | undefined {
  return values.length === 0 ? undefined : [...values];
}

function withoutAbsent(object: Record<string, JsonObject[string]>): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

function resourceJson(resource: Resource): JsonObject[] {
  const main = withoutAbsent({
    name: resource.plural,
    singularName: resource.singular,
    namespaced: resource.namespaced,
    kind: resource.kind,
    verbs: [...resource.verbs],
    shortNames: listed(resource.shortNames),
    categories: listed(resource.categories),
    storageVersionHash: undefined,
  });
  const subs = [...resource.subresources.values()].map((sub) =>
    withoutAbsent({
      name: `${resource.plural}/${sub.name}`,
      singularName: '',
      namespaced: resource.namespaced,
      group: sub.group,
      version: sub.version,
      kind: sub.kind,
      verbs: [...sub.verbs],
    }),
  );
  return [main, ...subs];
}

export function resourceList(group: string, version: string, resources: readonly Resource[]): JsonObject {
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf({ group, version }),
    resources: resources.flatMap(resourceJson),
  };
}

function discoveryResource(resource: Resource): JsonObject {
  return withoutAbsent({
    resource: resource.plural,
    responseKind: { group: resource.group, version: resource.version, kind: resource.kind },
    scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: resource.singular,
    verbs: [...resource.verbs],
    shortNames: listed(resource.shortNames),
    categories: listed(resource.categories),
    subresources: [...resource.subresources.values()].map((sub) => ({
      subresource: sub.name,
      responseKind: { group: sub.group ?? resource.group, version: sub.version ?? resource.version, kind: sub.kind },
      verbs: [...sub.verbs],
    })),
  });
}

/** One group of the aggregated form. */
export function groupDiscovery(registry: Registry, group: string, versions: readonly string[]): JsonObject {
  return {
    metadata: { name: group, creationTimestamp: null },
    versions: versions.map((version) => ({
      version,
      resources: registry.inGroupVersion(group, version).map(discoveryResource),
      freshness: 'Current',
    })),
  };
}

export function groupDiscoveryList(items: readonly JsonObject[]): JsonObject {
  return { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {}, items: [...items] };
}
