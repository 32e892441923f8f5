/**
 * KubeClient over any KubeTransport.
 *
 * Invariants: objects stay raw JSON. List items get `apiVersion` and `kind`, which servers leave out there, so that an object
 * looks the same whether listed or watched. How a call looks is decided in http-call.ts, how it is sent in http-caller.ts.
 * Leaves out caching (reflector.ts) and credentials (the transport's).
 */
import type { Clock } from '../clock/clock.ts';
import type { Random } from '../clock/random.ts';
import { silentLogger, type Logger } from '../log/logger.ts';
import type { MetricsRegistry } from '../metrics/registry.ts';
import { apiVersionOf } from './builtin-resources.ts';
import {
  applyCall,
  createCall,
  deleteCall,
  getCall,
  listCall,
  logCall,
  patchCall,
  rawCall,
  replaceCall,
  watchCall,
  type HttpCall,
} from './http-call.ts';
import { HttpCaller } from './http-caller.ts';
import type { KubeClient, WatchEvent } from './kube-client.ts';
import { KubeUnreachable } from './kube-error.ts';
import type { KubeList, KubeObject, ResourceType } from './object.ts';
import { requestRecorder, type KubeRequestRecord } from './request-accounting.ts';
import type { KubeTransport } from './transport.ts';
import { watchEvents } from './watch-stream.ts';

export interface KubeClientOptions {
  readonly transport: KubeTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly userAgent: string;
  readonly logger?: Logger;
  /** Registers rest_client_requests_total and rest_client_request_duration_seconds. */
  readonly metrics?: MetricsRegistry;
  /** Value of the metrics' `host` label, e.g. the cluster's name; default empty. */
  readonly host?: string;
  /** Lower-case names. */
  readonly defaultHeaders?: Readonly<Record<string, string>>;
  /** Called once per HTTP request, retries one by one. */
  readonly onRequest?: (record: KubeRequestRecord) => void;
}

/** A client that owns `transport`: closing the client closes it. */
export function createKubeClient(options: KubeClientOptions): KubeClient {
  const caller = new HttpCaller({
    transport: options.transport,
    clock: options.clock,
    random: options.random,
    logger: options.logger ?? silentLogger(),
    account: requestRecorder(options),
    headers: { ...options.defaultHeaders, 'user-agent': options.userAgent },
  });
  // The one cast of the client: what an answer holds is the caller's knowledge, and schemas are checked in api/.
  const json = async <T>(call: HttpCall): Promise<T> => (await caller.json(call)) as T;

  return {
    get: async (ref, callOptions = {}) => json(getCall(ref, callOptions)),
    list: async <T extends KubeObject>(type: ResourceType, listOptions = {}) =>
      withItemTypes<T>(type, await json<KubeList<T>>(listCall(type, listOptions))),
    create: async (type, object, writeOptions = {}) => json(createCall(type, object, writeOptions)),
    replace: async (type, object, patchOptions = {}) => json(replaceCall(type, object, patchOptions)),
    apply: async (type, object, patchOptions) => json(applyCall(type, object, patchOptions)),
    mergePatch: async (ref, patch, patchOptions = {}) => json(patchCall(ref, 'merge', patch, patchOptions)),
    jsonPatch: async (ref, ops, patchOptions = {}) => json(patchCall(ref, 'json', ops, patchOptions)),
    delete: async (ref, deleteOptions) => {
      await caller.json(deleteCall(ref, deleteOptions));
    },
    watch: (type, watchOptions = {}) => watchOver(caller, watchCall(type, watchOptions)),
    logs: async (ref, logOptions = {}) => caller.stream(logCall(ref, logOptions)),
    raw: async (method, path, body, callOptions = {}) => json(rawCall(method, path, body, callOptions)),
    rawStream: async (path, callOptions = {}) => caller.stream(rawCall('GET', path, undefined, callOptions)),
    close: () => caller.close(),
  };
}

/** Opens the watch when iteration begins, so that a refusal reaches whoever iterates. */
async function* watchOver<T extends KubeObject>(
  caller: HttpCaller,
  call: HttpCall,
): AsyncGenerator<WatchEvent<T>, void, undefined> {
  yield* watchEvents<T>(await caller.stream(call));
}

function withItemTypes<T extends KubeObject>(type: ResourceType, list: KubeList<T> | undefined): KubeList<T> {
  const found: unknown = list?.items;
  // A list that is not one would turn into an empty cache, and an empty cache into deletions.
  if (list === undefined || (found !== null && !Array.isArray(found))) {
    throw new KubeUnreachable('Protocol', `list of ${type.plural}: the answer has no items`);
  }
  const apiVersion = apiVersionOf(type);
  const items = ((found ?? []) as readonly T[]).map((item) =>
    item.kind === undefined || item.apiVersion === undefined ? { apiVersion, kind: type.kind, ...item } : item,
  );
  return { ...list, items };
}
