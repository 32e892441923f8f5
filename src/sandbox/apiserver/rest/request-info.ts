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

/** `path` without query. `watching` is the query's `watch=true`. */
export function readRequest(method: string, path: string, watching: boolean): RequestInfo {
  const segments = path
    .split('/')
    .filter((segment) => segment !== '')
    .map(decoded);
  const plain: PlainRequest = { kind: 'plain', verb: method.toLowerCase(), path };
  const core = segments[0] === 'api';
  if (!core && segments[0] !== 'apis') return plain;
  const parts = segments.slice(core ? 2 : 3);
  const version = segments[core ? 1 : 2];
  if (version === undefined || parts.length === 0) return plain;
  let namespace = '';
  let rest = parts;
  if (parts[0] === 'namespaces' && parts.length > 2 && !NAMESPACE_SUBRESOURCES.has(parts[2] ?? '')) {
    namespace = parts[1] ?? '';
    rest = parts.slice(2);
  }
  const [resource = '', name = '', subresource = ''] = rest;
  // A namespace object is authorized inside itself.
  if (core && resource === 'namespaces' && name !== '') namespace = name;
  return {
    kind: 'resource',
    verb: verbOf(method, name !== '', watching),
    group: core ? '' : (segments[1] ?? ''),
    version,
    resource,
    subresource,
    namespace,
    name,
    rest: rest.slice(3).join('/'),
    path,
  };
}
