/**
 * The served resource types. Built-ins are fixed; custom ones come and go with their definitions. Decides which type a
 * group, version and plural name; knows nothing of objects.
 */
import type { Resource } from './resource.ts';

function routeKey(group: string, version: string, plural: string): string {
  return `${group}/${version}/${plural}`;
}

/** `v1` before `v1beta1` before `v1alpha1`; larger numbers first; other names last, by name. */
export function compareVersions(a: string, b: string): number {
  const rank = (version: string): readonly [number, number, number] => {
    const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
    if (match === null) return [3, 0, 0];
    const stage = match[2] === undefined ? 0 : match[2] === 'beta' ? 1 : 2;
    return [stage, -Number(match[1]), -Number(match[3] ?? 0)];
  };
  const [x, y] = [rank(a), rank(b)];
  return x[0] - y[0] || x[1] - y[1] || x[2] - y[2] || (a < b ? -1 : a > b ? 1 : 0);
}

export class Registry {
  private readonly byRoute = new Map<string, Resource>();
  private changes = 0;

  constructor(builtins: readonly Resource[]) {
    for (const resource of builtins) this.add(resource);
  }

  /** Grows with every change: lets derived documents be cached. */
  get generation(): number {
    return this.changes;
  }

  add(resource: Resource): void {
    this.byRoute.set(routeKey(resource.group, resource.version, resource.plural), resource);
    this.changes++;
  }

  remove(resource: Resource): void {
    if (this.byRoute.delete(routeKey(resource.group, resource.version, resource.plural))) this.changes++;
  }

  find(group: string, version: string, plural: string): Resource | undefined {
    return this.byRoute.get(routeKey(group, version, plural));
  }

  /** Any served version of the kind, the one asked for first. */
  byKind(group: string, version: string, kind: string): Resource | undefined {
    let other: Resource | undefined;
    for (const resource of this.byRoute.values()) {
      if (resource.group !== group || resource.kind !== kind) continue;
      if (resource.version === version) return resource;
      other ??= resource;
    }
    return other;
  }

  all(): IterableIterator<Resource> {
    return this.byRoute.values();
  }

  /** One entry per stored type (not per version), namespaced ones only if asked. */
  stored(namespacedOnly: boolean): Resource[] {
    const seen = new Map<string, Resource>();
    for (const resource of this.byRoute.values()) {
      if (resource.verbs.includes('list') && (!namespacedOnly || resource.namespaced))
        seen.set(resource.storageKey, resource);
    }
    return [...seen.values()];
  }

  storedAs(storageKey: string): Resource | undefined {
    for (const resource of this.byRoute.values()) if (resource.storageKey === storageKey) return resource;
    return undefined;
  }

  /** Groups in the order of discovery: core first, then by name; versions by preference. */
  groups(): ReadonlyMap<string, readonly string[]> {
    const groups = new Map<string, Set<string>>();
    for (const { group, version } of this.byRoute.values())
      groups.set(group, (groups.get(group) ?? new Set()).add(version));
    const names = [...groups.keys()].sort();
    return new Map(names.map((name) => [name, [...(groups.get(name) ?? [])].sort(compareVersions)]));
  }

  inGroupVersion(group: string, version: string): Resource[] {
    return [...this.byRoute.values()]
      .filter((resource) => resource.group === group && resource.version === version)
      .sort((a, b) => (a.plural < b.plural ? -1 : 1));
  }
}
