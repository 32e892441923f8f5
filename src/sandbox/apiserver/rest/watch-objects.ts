/**
 * Answers a watch: where it starts, what each change looks like through its selectors, bookmarks, and its end.
 */
import type { Cluster } from '../cluster.ts';
import type { ApiObject, JsonObject } from '../json-value.ts';
import { apiVersionOf, type Resource } from '../registry/resource.ts';
import { ApiError, badRequest, expired } from '../status-error.ts';
import type { ChangeKind, StoreChange } from '../storage/object-store.ts';
import type { Predicate } from '../storage/selectors.ts';
import { type PresentOptions, presentObject, tableOf } from './present.ts';
import { WatchStream } from './watch-stream.ts';

export interface WatchRequest {
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly selected: Predicate | undefined;
  readonly query: URLSearchParams;
  readonly present: Omit<PresentOptions, 'nowMs'>;
}

const BOOKMARK_PERIOD_MS = 60_000;
const DEFAULT_TIMEOUT_MS = 30 * 60_000;
const NEWLINE = Buffer.from('}\n');

type EventType = ChangeKind | 'BOOKMARK' | 'ERROR';

/** What a selector's view of a change is; `undefined` when the watcher need not know. */
function seenThrough(selected: Predicate | undefined, change: StoreChange): ChangeKind | undefined {
  if (selected === undefined) return change.kind;
  const now = change.kind !== 'DELETED' && selected(change.object);
  const before = change.previous !== undefined && selected(change.previous);
  if (now) return before ? 'MODIFIED' : 'ADDED';
  return before ? 'DELETED' : undefined;
}

class Watch {
  readonly stream = new WatchStream();
  private readonly cluster: Cluster;
  private readonly request: WatchRequest;
  /** Tables name their columns once. */
  private columnsSent = false;

  constructor(cluster: Cluster, request: WatchRequest) {
    this.cluster = cluster;
    this.request = request;
  }

  change(change: StoreChange): void {
    const { namespace, selected } = this.request;
    if (namespace !== undefined && (change.object.metadata.namespace ?? '') !== namespace) return;
    const kind = seenThrough(selected, change);
    if (kind !== undefined) this.event(kind, change.object);
  }

  event(type: EventType, object: ApiObject): void {
    const { resource, present } = this.request;
    const options = { ...present, nowMs: this.cluster.clock.nowMs() };
    const bytes =
      present.presentation === 'table' ? this.table(object, options) : presentObject(resource, object, options);
    this.stream.push(Buffer.concat([Buffer.from(`{"type":"${type}","object":`), bytes, NEWLINE]));
  }

  bookmark(initialEventsEnd: boolean): void {
    const { resource } = this.request;
    const object = {
      kind: resource.kind,
      apiVersion: apiVersionOf(resource),
      metadata: {
        resourceVersion: String(this.cluster.store.revision),
        creationTimestamp: null,
        ...(initialEventsEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
      },
    };
    this.stream.push(Buffer.from(`{"type":"BOOKMARK","object":${JSON.stringify(object)}}\n`));
  }

  error(error: ApiError): void {
    this.stream.push(Buffer.from(`{"type":"ERROR","object":${JSON.stringify(error.status())}}\n`));
    this.stream.end();
  }

  private table(object: ApiObject, options: PresentOptions): Buffer {
    const { resourceVersion } = object.metadata;
    const meta = resourceVersion === undefined ? {} : { resourceVersion };
    const table: JsonObject = tableOf(this.request.resource, [object], meta, options);
    if (this.columnsSent) table['columnDefinitions'] = null;
    this.columnsSent = true;
    return Buffer.from(JSON.stringify(table));
  }
}

function timeoutMs(query: URLSearchParams): number {
  const text = query.get('timeoutSeconds');
  const seconds = text === null ? 0 : Number(text);
  if (!Number.isFinite(seconds) || seconds < 0) throw badRequest(`invalid timeoutSeconds: ${text ?? ''}`);
  return seconds === 0 ? DEFAULT_TIMEOUT_MS : seconds * 1000;
}

function startRevision(query: URLSearchParams): number | undefined {
  const text = query.get('resourceVersion') ?? '';
  if (text === '' || text === '0') return undefined;
  const revision = Number(text);
  if (!Number.isSafeInteger(revision) || revision < 0)
    throw badRequest(`Invalid value: "${text}": invalid resource version`);
  return revision;
}

function checkInitialEvents(query: URLSearchParams): boolean {
  const wanted = query.get('sendInitialEvents');
  if (wanted === null) return false;
  if (query.get('resourceVersionMatch') !== 'NotOlderThan') {
    throw new ApiError(
      422,
      'Invalid',
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
      { group: 'meta.k8s.io', kind: 'ListOptions' },
    );
  }
  return wanted === 'true';
}

/** Begins with what exists (no revision given, or initial events asked for) or with what changed since a revision. */
function replay(cluster: Cluster, watch: Watch, request: WatchRequest, sendInitialEvents: boolean): void {
  const { resource, namespace, selected, query } = request;
  const from = startRevision(query);
  if (from === undefined || sendInitialEvents) {
    for (const object of cluster.store.sorted(resource.storageKey, namespace)) {
      if (selected === undefined || selected(object)) watch.event('ADDED', object);
    }
    return;
  }
  const missed = cluster.store.since(resource.storageKey, from);
  if (missed === undefined) {
    watch.error(expired(`too old resource version: ${from} (${cluster.store.oldest(resource.storageKey)})`));
    return;
  }
  for (const change of missed) watch.change(change);
}

/** Never throws once streaming has begun; a revision that is too old shows as an ERROR event, as the real server sends it. */
export function watchObjects(cluster: Cluster, request: WatchRequest, signal: AbortSignal | undefined): WatchStream {
  const { query, resource } = request;
  const deadlineMs = timeoutMs(query);
  const sendInitialEvents = checkInitialEvents(query);
  const bookmarks = query.get('allowWatchBookmarks') === 'true';
  const watch = new Watch(cluster, request);
  const { stream } = watch;
  replay(cluster, watch, request, sendInitialEvents);
  if (!stream.open) return stream;
  if (sendInitialEvents && bookmarks) watch.bookmark(true);
  const from = startRevision(query) ?? 0;
  const unwatch = cluster.store.watch(resource.storageKey, (change) => {
    if (change.revision > from) watch.change(change);
  });
  const timeout = cluster.clock.after(deadlineMs, () => {
    if (bookmarks) watch.bookmark(false);
    stream.end();
  });
  const pulse = bookmarks
    ? cluster.clock.every(BOOKMARK_PERIOD_MS, () => {
        watch.bookmark(false);
      })
    : undefined;
  const leave = (): void => {
    stream.end();
  };
  stream.whenEnded(() => {
    unwatch();
    timeout.cancel();
    pulse?.cancel();
    signal?.removeEventListener('abort', leave);
  });
  if (signal?.aborted === true) leave();
  else signal?.addEventListener('abort', leave, { once: true });
  return stream;
}
