/**
 * Reads a request's method and path: what it acts on and with which verb, as authorization, routing and audit need it.
 */
import type { Verb } from '../registry/resource.ts';

export interface ResourceRequest {
  readonly kind: 'resource';
  readonly verb: Verb;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  /** '' for cluster-wide. */
  readonly namespace: string;
  readonly name: string;
  /** What follows the subresource, e.g. the path of a proxied call. */
  readonly rest: string;
  readonly path: string;
}

export interface PlainRequest {
  readonly kind: 'plain';
  /** Lower-case method, as RBAC's nonResourceURLs spell it. */
  readonly verb: string;
  readonly path: string;
}

export type RequestInfo = ResourceRequest | PlainRequest;

/** Resources whose own subresources look like resources inside the namespace of that name. */
const NAMESPACE_SUBRESOURCES: ReadonlySet<string> = new Set(['finalize', 'status']);

function verbOf(method: string, hasName: boolean, watching: boolean): Verb {
  switch (method) {
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return hasName ? 'delete' : 'deletecollection';
    default:
      return watching ? 'watch' : hasName ? 'get' : 'list';
  }
}

function decoded(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    // A malformed escape names nothing; the raw text will not be found, which is the right answer.
    return segment;
  }
}

/** Where a path's resource part begins. */
interface ResourcePath {
  readonly group: string;
  readonly version: string;
  readonly parts: readonly string[];
}

function resourcePath(segments: readonly string[]): ResourcePath | undefined {
  const [root, first = '', second = ''] = segments;
  if (root === 'api' && segments.length > 2) return { group: '', version: first, parts: segments.slice(2) };
  if (root === 'apis' && segments.length > 3) return { group: first, version: second, parts: segments.slice(3) };
  return undefined;
}

interface Scoped {
  readonly namespace: string;
  readonly parts: readonly string[];
}

function scoped({ group, parts }: ResourcePath): Scoped {
  const [first, name = '', third = ''] = parts;
  if (first !== 'namespaces') return { namespace: '', parts };
  if (parts.length > 2 && !NAMESPACE_SUBRESOURCES.has(third)) return { namespace: name, parts: parts.slice(2) };
  // A namespace object is authorized inside itself.
  return { namespace: group === '' ? name : '', parts };
}

/** `path` without query. `watching` is the query's `watch=true`. */
export function readRequest(method: string, path: string, watching: boolean): RequestInfo {
  const segments = path
    .split('/')
    .filter((segment) => segment !== '')
    .map(decoded);
  const found = resourcePath(segments);
  if (found === undefined) return { kind: 'plain', verb: method.toLowerCase(), path };
  const { namespace, parts } = scoped(found);
  const [resource = '', name = '', subresource = ''] = parts;
  return {
    kind: 'resource',
    verb: verbOf(method, name !== '', watching),
    group: found.group,
    version: found.version,
    resource,
    subresource,
    namespace,
    name,
    rest: parts.slice(3).join('/'),
    path,
  };
}
