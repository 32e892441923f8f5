/**
 * The embedded Kubernetes API server: composes store, types, rules and transports. One object per cluster; nothing is
 * shared between two. It serves what kubectl, helm and our own components use of the real one, and no further.
 */
import type { Clock } from '../../platform/clock/clock.ts';
import type { Random } from '../../platform/clock/random.ts';
import type { KubeTransport } from '../../platform/kube/transport.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { builtinResources } from './builtin/builtin-resources.ts';
import { BUILTIN_TYPES } from './builtin/builtin-types.ts';
import type { Cluster } from './cluster.ts';
import { createDefaultNamespaces, createNamespaceFurniture } from './controllers/namespace-furniture.ts';
import { Registry } from './registry/registry.ts';
import {
  createRequestHandler,
  type RequestHandler,
  type RequestRecord,
  type RequestStage,
} from './rest/request-handler.ts';
import { ResourceEndpoint } from './rest/resource-endpoint.ts';
import { SubresourceHooks, type SubresourceHandler, type SubresourceName } from './rest/subresource-hooks.ts';
import { ObjectStore } from './storage/object-store.ts';
import { createInProcessTransport } from './transport/in-process-transport.ts';

export interface ApiServerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger;
  /** Shown in kubeconfigs and certificates; default `sandbox`. */
  readonly name?: string;
  /** Changes kept per resource type for watches to resume from; default 4,000. */
  readonly historyPerType?: number;
}

export interface Identity {
  readonly user: string;
  readonly groups: readonly string[];
}

export interface ApiServer {
  readonly name: string;
  /** In-process client side. Without identity requests come from a cluster administrator. */
  transport(identity?: Identity): KubeTransport;
  /** Plugs in e.g. `pods/log`. */
  registerSubresource(name: SubresourceName, handler: SubresourceHandler): void;
  /** Called for every finished request; returns the unsubscribe. */
  onRequest(listener: (record: RequestRecord) => void): () => void;
  stop(): Promise<void>;
}

const ADMIN: Identity = { user: 'kubernetes-admin', groups: ['system:masters'] };

export function createApiServer(deps: ApiServerDeps): ApiServer {
  const cluster: Cluster = {
    store: new ObjectStore({ historyPerType: deps.historyPerType ?? 4000 }),
    registry: new Registry(builtinResources()),
    clock: deps.clock,
    random: deps.random,
  };
  const furniture = createNamespaceFurniture(cluster);
  cluster.store.subscribe(furniture.onChange);
  createDefaultNamespaces(cluster);
  const hooks = new SubresourceHooks();
  const endpoint = new ResourceEndpoint({ cluster, types: BUILTIN_TYPES, hooks });
  const listeners = new Set<(record: RequestRecord) => void>();
  const resources: RequestStage = (call, info) => (info.kind === 'resource' ? endpoint.handle(call, info) : undefined);
  const handler: RequestHandler = createRequestHandler({
    authorize: () => undefined,
    stages: [resources],
    audit: (record) => {
      for (const listener of listeners) listener(record);
    },
    logger: deps.logger,
  });
  let open = true;
  return {
    name: deps.name ?? 'sandbox',
    transport: (identity = ADMIN) => {
      const user = { username: identity.user, groups: [...identity.groups, 'system:authenticated'] };
      return createInProcessTransport({ handler, identify: () => user, isOpen: () => open });
    },
    registerSubresource: (name, handle) => {
      hooks.register(name, handle);
    },
    onRequest: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop: () => {
      open = false;
      return Promise.resolve();
    },
  };
}
