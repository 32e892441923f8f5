/**
 * Answers a list: selection, order, pages. A continue token pins the revision of its first page, so that the pages
 * together show one moment; when history no longer reaches back, the client must start over (410).
 */
import type { Cluster } from '../cluster.ts';
import type { ApiObject } from '../json-value.ts';
import type { Resource } from '../registry/resource.ts';
import { ApiError, badRequest, expired } from '../status-error.ts';
import {
  bothPredicates,
  fieldPredicate,
  parseFieldSelector,
  parseLabelSelector,
  type Predicate,
} from '../storage/selectors.ts';
import type { ListMeta } from './present.ts';

export interface Selection {
  readonly selected: Predicate | undefined;
  /** Set when a field selector names exactly one object. */
  readonly name: string | undefined;
}

/** The selectors of a list or watch. */
export function readSelection(resource: Resource, query: URLSearchParams): Selection {
  const fields = parseFieldSelector(query.get('fieldSelector'));
  const selected = bothPredicates(
    parseLabelSelector(query.get('labelSelector')),
    fieldPredicate(fields, resource.selectableFields),
  );
  const name = fields.find(({ path, operator }) => path === 'metadata.name' && operator === '=')?.value;
  return { selected, name };
}

interface ContinueToken {
  readonly rv: number;
  /** Last key of the page before: namespace/name. */
  readonly start: string;
}

function readToken(text: string): ContinueToken {
  try {
    const token = JSON.parse(Buffer.from(text, 'base64url').toString()) as Partial<ContinueToken>;
    if (typeof token.rv === 'number' && typeof token.start === 'string') return { rv: token.rv, start: token.start };
  } catch {
    // Not a token of ours: answered below.
  }
  throw badRequest('continue key is not valid');
}

function keyOf({ metadata }: ApiObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}

function pageLimit(query: URLSearchParams): number {
  const text = query.get('limit');
  const limit = text === null || text === '' ? 0 : Number(text);
  if (!Number.isInteger(limit) || limit < 0) throw badRequest(`invalid limit: ${text ?? ''}`);
  return limit;
}

function checkRevision(cluster: Cluster, query: URLSearchParams): number | undefined {
  const text = query.get('resourceVersion') ?? '';
  if (text === '' || text === '0') return undefined;
  const revision = Number(text);
  if (!Number.isSafeInteger(revision) || revision < 0)
    throw badRequest(`Invalid value: "${text}": invalid resource version`);
  if (revision > cluster.store.revision) {
    const message = `Too large resource version: ${revision}, current: ${cluster.store.revision}`;
    throw new ApiError(504, 'Timeout', `Timeout: ${message}`, {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    });
  }
  return query.get('resourceVersionMatch') === 'Exact' ? revision : undefined;
}

const RESTART_LIST =
  'The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.';

export interface Page {
  readonly objects: readonly ApiObject[];
  readonly meta: ListMeta;
}

/** A list of one name needs no scan. */
function pick(object: ApiObject | undefined, selected: Predicate | undefined): readonly ApiObject[] {
  return object !== undefined && (selected === undefined || selected(object)) ? [object] : [];
}

function page(
  found: readonly ApiObject[],
  limit: number,
  at: { readonly revision: number; readonly counted: boolean },
): Page {
  const resourceVersion = String(at.revision);
  if (limit === 0 || found.length <= limit) return { objects: found, meta: { resourceVersion } };
  const objects = found.slice(0, limit);
  const last = objects[limit - 1];
  const next: ContinueToken = { rv: at.revision, start: last === undefined ? '' : keyOf(last) };
  return {
    objects,
    meta: {
      resourceVersion,
      continue: Buffer.from(JSON.stringify(next)).toString('base64url'),
      // The real server cannot count what a selector would leave out, and says nothing then.
      ...(at.counted ? { remainingItemCount: found.length - limit } : {}),
    },
  };
}

/** `namespace` undefined lists all namespaces. */
export function listObjects(
  cluster: Cluster,
  resource: Resource,
  namespace: string | undefined,
  query: URLSearchParams,
): Page {
  const { store } = cluster;
  const { selected, name } = readSelection(resource, query);
  const limit = pageLimit(query);
  const text = query.get('continue') ?? '';
  const token = text === '' ? undefined : readToken(text);
  const revision = token?.rv ?? checkRevision(cluster, query) ?? store.revision;
  if (name !== undefined && namespace !== undefined && revision === store.revision) {
    const objects = pick(store.get(resource.storageKey, namespace, name), selected);
    return { objects, meta: { resourceVersion: String(revision) } };
  }
  const all = store.sortedAt(resource.storageKey, namespace, revision);
  if (all === undefined) throw expired(RESTART_LIST);
  const chosen = selected === undefined ? all : all.filter(selected);
  const found = token === undefined ? chosen : chosen.filter((object) => isAfter(object, token.start));
  return page(found, limit, { revision, counted: selected === undefined });
}

/** Key order is by namespace, then name, not by the joined text. */
function isAfter(object: ApiObject, start: string): boolean {
  const at = start.indexOf('/');
  const namespace = object.metadata.namespace ?? '';
  const startNamespace = start.slice(0, at);
  if (namespace !== startNamespace) return namespace > startNamespace;
  return object.metadata.name > start.slice(at + 1);
}
