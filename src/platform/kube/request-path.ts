/**
 * How a resource type, object and options look as a URL path. Decides escaping and refuses calls that cannot mean
 * anything (a namespaced object without a namespace), before they reach a server.
 */
import type { ObjectRef } from './kube-client.ts';
import type { ResourceType } from './object.ts';

type QueryValue = string | number | boolean | undefined;

/** `/api/v1/namespaces/ns/pods`; without namespace, the whole cluster's collection. */
export function collectionPath(type: ResourceType, namespace: string | undefined): string {
  const root = type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`;
  if (namespace === undefined || namespace === '') return `${root}/${type.plural}`;
  if (!type.namespaced)
    throw new TypeError(`${type.kind} is cluster-scoped: namespace ${JSON.stringify(namespace)} makes no sense`);
  return `${root}/namespaces/${encodeURIComponent(namespace)}/${type.plural}`;
}

/** Path of one object, or of a subresource of it. */
export function objectPath(ref: ObjectRef, subresource?: string): string {
  const { type, name, namespace } = ref;
  if (name === '') throw new TypeError(`${type.kind}: name is empty`);
  if (type.namespaced && (namespace === undefined || namespace === '')) {
    throw new TypeError(`${type.kind} ${JSON.stringify(name)}: namespace is missing`);
  }
  const path = `${collectionPath(type, namespace)}/${encodeURIComponent(name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

/** Path for creating in: namespaced types need the object's namespace. */
export function creationPath(type: ResourceType, namespace: string | undefined): string {
  if (type.namespaced && (namespace === undefined || namespace === '')) {
    throw new TypeError(`${type.kind}: metadata.namespace is missing`);
  }
  return collectionPath(type, namespace);
}

/** `path` with the defined parameters as its query. */
export function withQuery(path: string, parameters: Readonly<Record<string, QueryValue>>): string {
  const query = Object.entries(parameters)
    .filter((entry): entry is [string, string | number | boolean] => entry[1] !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`)
    .join('&');
  if (query === '') return path;
  return `${path}${path.includes('?') ? '&' : '?'}${query}`;
}
