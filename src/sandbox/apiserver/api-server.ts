/**
 * The embedded Kubernetes API server: composes store, types, rules and transports. One object per cluster; nothing is
 * shared between two. It serves what kubectl, helm and our own components use of the real one, and no further.
 */
import type { Clock } from '../../platform/clock/clock.ts';
import type { Random } from '../../platform/clock/random.ts';
import type { KubeTransport } from '../../platform/kube/transport.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { type Access, createAccess } from './access.ts';
import type { UserInfo } from './authn/user-info.ts';
import { checkAccess } from './authz/access-check.ts';
import { Aggregator } from './aggregation/aggregator.ts';
import { builtinResources } from './builtin/builtin-resources.ts';
import { BUILTIN_TYPES } from './builtin/builtin-types.ts';
import { registerPodSubresources } from './builtin/pod-subresources.ts';
import { registerScale } from './builtin/scale-subresource.ts';
import type { Cluster } from './cluster.ts';
import { type ClusterControllers, startControllers } from './controllers/cluster-controllers.ts';
import { createDefaultNamespaces } from './controllers/namespace-furniture.ts';
import { createDiscoveryStage } from './discovery/discovery-stage.ts';
import { createOpenApiStage } from './discovery/openapi-stage.ts';
import { Registry } from './registry/registry.ts';
import { OpenStreams } from './rest/open-streams.ts';
import type { ApiCall } from './rest/api-call.ts';
import { createRequestHandler, type RequestHandler, type RequestRecord } from './rest/request-handler.ts';
import { ResourceEndpoint } from './rest/resource-endpoint.ts';
import { type SubresourceHandler, SubresourceHooks, type SubresourceName } from './rest/subresource-hooks.ts';
import { ObjectStore, type StoreSnapshot } from './storage/object-store.ts';
import { ClusterCertificates } from './transport/cluster-certificates.ts';
import { createInProcessTransport } from './transport/in-process-transport.ts';
import { type ListenOptions, type Listening, ListeningSockets } from './transport/listening.ts';

export interface ApiServerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger;
  /** Shown in kubeconfigs; default `sandbox`. */
  readonly name?: string;
  /** Changes kept per resource type for watches to resume from; default 2,000. */
  readonly historyPerType?: number;
}

export interface Identity {
  readonly user: string;
  readonly groups: readonly string[];
}

export interface ApiServer {
  readonly name: string;
  /**
   * In-process client side. With an identity, every request is that user's. Without one, an `authorization` header decides,
   * and requests that carry none come from a cluster administrator.
   */
  transport(identity?: Identity): KubeTransport;
  /** Serves HTTPS as well. May be called more than once. */
  listen(options?: ListenOptions): Promise<Listening>;
  /** A bearer token that means this user, over HTTPS and in-process. */
  addToken(token: string, identity: Identity): void;
  /** Plugs in e.g. `pods/log`. Authorization has happened and the parent exists when the handler is called. */
  registerSubresource(name: SubresourceName, handler: SubresourceHandler): void;
  /** Called for every finished request (a watch counts once it streams); returns the unsubscribe. */
  onRequest(listener: (record: RequestRecord) => void): () => void;
  /** The whole store as JSON text: a backup. */
  snapshot(): string;
  /**
   * Puts a backup back, as an operator restores etcd: all watches end, no older revision can be resumed. `bumpRevision`
   * (default 1,000,000) keeps revisions from running backwards; 0 shows what happens without that care.
   */
  restore(snapshot: string, options?: { readonly bumpRevision?: number }): void;
  /** Ends watches, closes sockets, stops controllers. Idempotent. */
  stop(): Promise<void>;
}

const ADMIN: UserInfo = { username: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] };
const DEFAULT_BUMP = 1_000_000;
const DEFAULT_HISTORY = 2000;

function userOf(identity: Identity): UserInfo {
  const groups = identity.groups.includes('system:authenticated')
    ? identity.groups
    : [...identity.groups, 'system:authenticated'];
  return { username: identity.user, groups };
}

interface Parts {
  readonly cluster: Cluster;
  readonly hooks: SubresourceHooks;
  readonly access: Access;
  readonly streams: OpenStreams;
  readonly controllers: ClusterControllers;
  readonly aggregator: Aggregator;
  readonly certificates: ClusterCertificates;
}

function createParts(deps: ApiServerDeps): Parts {
  const cluster: Cluster = {
    store: new ObjectStore({ historyPerType: deps.historyPerType ?? DEFAULT_HISTORY }),
    registry: new Registry(builtinResources()),
    clock: deps.clock,
    random: deps.random,
    guards: [],
  };
  const hooks = new SubresourceHooks();
  const controllers = startControllers(cluster, hooks, deps.logger);
  createDefaultNamespaces(cluster);
  const access = createAccess(cluster, hooks);
  registerPodSubresources(cluster, hooks);
  registerScale(cluster, hooks);
  const certificates = new ClusterCertificates(cluster, controllers);
  const aggregator = new Aggregator({
    cluster,
    clock: deps.clock,
    logger: deps.logger,
    frontProxy: async () => (await certificates.get()).frontProxy,
  });
  cluster.store.subscribe(aggregator.onChange);
  return { cluster, hooks, access, streams: new OpenStreams(), controllers, aggregator, certificates };
}

function createHandler(
  parts: Parts,
  audit: (record: RequestRecord) => void,
  logger: Logger | undefined,
): RequestHandler {
  const { cluster, hooks, access, streams, aggregator } = parts;
  const endpoint = new ResourceEndpoint({
    cluster,
    types: BUILTIN_TYPES,
    hooks,
    streams,
    authorize: (call, info) => {
      checkAccess(access.authorizer, call, info);
    },
  });
  return createRequestHandler({
    authorize: (call, info) => {
      checkAccess(access.authorizer, call, info);
    },
    stages: [
      (call, info) => aggregator.stage(call, info),
      createDiscoveryStage({ registry: cluster.registry, foreign: () => aggregator.foreign() }),
      createOpenApiStage(cluster.registry),
      (call, info) => (info.kind === 'resource' ? endpoint.handle(call, info) : undefined),
    ],
    audit,
    logger,
  });
}

export function createApiServer(deps: ApiServerDeps): ApiServer {
  const name = deps.name ?? 'sandbox';
  const parts = createParts(deps);
  const { cluster, hooks, access, streams, controllers, aggregator, certificates } = parts;
  const listeners = new Set<(record: RequestRecord) => void>();
  const audit = (record: RequestRecord): void => {
    for (const listener of listeners) listener(record);
  };
  const handler = createHandler(parts, audit, deps.logger);
  const sockets = new ListeningSockets({ name, handler, access, certificates, logger: deps.logger });
  let open = true;
  return {
    name,
    transport: (identity) => {
      const fixed = identity === undefined ? undefined : userOf(identity);
      const identify = (headers: ApiCall['headers']): UserInfo => {
        const assumed = fixed ?? (headers['authorization'] === undefined ? ADMIN : undefined);
        return access.authenticator.identify(headers, assumed);
      };
      return createInProcessTransport({ handler, identify, isOpen: () => open });
    },
    listen: (options = {}) => sockets.listen(options),
    addToken: (token, identity) => {
      access.authenticator.addToken(token, userOf(identity));
    },
    registerSubresource: (subresource, handle) => {
      hooks.register(subresource, handle);
    },
    onRequest: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    snapshot: () => JSON.stringify(cluster.store.snapshot()),
    restore: (snapshot, options = {}) => {
      streams.endAll();
      cluster.store.restore(JSON.parse(snapshot) as StoreSnapshot, options.bumpRevision ?? DEFAULT_BUMP);
      access.authorizer.forget();
      controllers.relearn();
      aggregator.relearn();
    },
    stop: async () => {
      open = false;
      streams.endAll();
      controllers.stop();
      aggregator.stop();
      await sockets.close();
    },
  };
}
