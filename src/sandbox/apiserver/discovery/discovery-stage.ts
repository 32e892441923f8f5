/** Serves discovery, version and health. The aggregated form covers all groups in one answer. */
import { type JsonObject, textFor } from '../json-value.ts';
import type { Registry } from '../registry/registry.ts';
import { type ApiAnswer, jsonAnswer, textAnswer } from '../rest/api-call.ts';
import { wantsAggregatedDiscovery } from '../rest/media-type.ts';
import type { RequestStage } from '../rest/request-handler.ts';
import {
  allGroups,
  coreVersions,
  groupDiscovery,
  groupDiscoveryList,
  groupDocument,
  groupList,
  resourceList,
  versionDocument,
} from './discovery-documents.ts';

const AGGREGATED_TYPE = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** A group version served by somebody else, and its discovery as last fetched. */
export interface ForeignGroup {
  readonly group: string;
  readonly version: string;
  /** Its APIResourceList's resources; undefined while it cannot be reached. */
  readonly resources: readonly JsonObject[] | undefined;
}

export interface DiscoveryDeps {
  readonly registry: Registry;
  readonly foreign: () => readonly ForeignGroup[];
}

function foreignVersion({ group, version, resources }: ForeignGroup): JsonObject {
  const mains = (resources ?? []).filter((resource) => !textFor(resource['name']).includes('/'));
  return {
    version,
    freshness: resources === undefined ? 'Stale' : 'Current',
    resources: mains.map((resource) => ({
      resource: resource['name'],
      responseKind: { group, version, kind: resource['kind'] },
      scope: resource['namespaced'] === true ? 'Namespaced' : 'Cluster',
      singularResource: resource['singularName'] ?? '',
      verbs: resource['verbs'],
    })),
  };
}

function aggregated(deps: DiscoveryDeps, core: boolean): ApiAnswer {
  const headers = { 'content-type': AGGREGATED_TYPE };
  if (core) {
    const list = groupDiscoveryList([groupDiscovery(deps.registry, '', ['v1'])]);
    return jsonAnswer(200, list, headers);
  }
  const foreign = deps.foreign();
  const items = [...allGroups(deps.registry, foreign)].map(([group, versions]) => {
    const own = versions.filter((version) => deps.registry.inGroupVersion(group, version).length > 0);
    const item = groupDiscovery(deps.registry, group, own);
    const theirs = foreign.filter((candidate) => candidate.group === group).map(foreignVersion);
    return { ...item, versions: [...(item['versions'] as JsonObject[]), ...theirs] };
  });
  return jsonAnswer(200, groupDiscoveryList(items), headers);
}

function groups(deps: DiscoveryDeps, name: string | undefined): ApiAnswer {
  const all = allGroups(deps.registry, deps.foreign());
  if (name === undefined) return jsonAnswer(200, groupList(all));
  const versions = all.get(name);
  if (versions === undefined) return textAnswer(404, '404 page not found\n');
  return jsonAnswer(200, groupDocument(name, versions));
}

function plainPath(path: string): ApiAnswer | undefined {
  switch (path) {
    case '/version':
    case '/version/':
      return jsonAnswer(200, versionDocument());
    case '/healthz':
    case '/livez':
    case '/readyz':
      return textAnswer(200, 'ok');
    default:
      return undefined;
  }
}

/** Answers GET requests that name no object. */
export function createDiscoveryStage(deps: DiscoveryDeps): RequestStage {
  return (call, info) => {
    if (info.kind !== 'plain' || call.method !== 'GET') return undefined;
    const segments = info.path.split('/').filter((segment) => segment !== '');
    const [root, group, version] = segments;
    if (root !== 'api' && root !== 'apis') return plainPath(info.path);
    if (segments.length === 1) {
      if (wantsAggregatedDiscovery(call.headers['accept'])) return aggregated(deps, root === 'api');
      return root === 'api' ? jsonAnswer(200, coreVersions()) : groups(deps, undefined);
    }
    if (root === 'api') return resources(deps.registry, '', group);
    return version === undefined ? groups(deps, group) : resources(deps.registry, group, version);
  };
}

function resources(registry: Registry, group: string | undefined, version: string | undefined): ApiAnswer | undefined {
  const list = registry.inGroupVersion(group ?? '', version ?? '');
  return list.length === 0 ? undefined : jsonAnswer(200, resourceList(group ?? '', version ?? '', list));
}
