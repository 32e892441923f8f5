/** Starts and stops the server's own controllers, and feeds them the store's changes in a fixed order. */
import type { Logger } from '../../../platform/log/logger.ts';
import type { Cluster } from '../cluster.ts';
import { DefinitionController } from '../crd/definition-controller.ts';
import type { SubresourceHooks } from '../rest/subresource-hooks.ts';
import type { StoreChange } from '../storage/object-store.ts';
import { startEventExpiry } from './event-expiry.ts';
import { GarbageCollector } from './garbage-collector.ts';
import { createNamespaceFurniture } from './namespace-furniture.ts';
import { NamespaceTerminator } from './namespace-terminator.ts';
import { RoleAggregator } from './role-aggregator.ts';

export interface ClusterControllers {
  /** Publishes the CA bundle into every namespace. */
  publishCa(caPem: string): void;
  /** After a restore: what is in the store now is all there is. */
  relearn(): void;
  stop(): void;
}

export function startControllers(
  cluster: Cluster,
  hooks: SubresourceHooks,
  logger: Logger | undefined,
): ClusterControllers {
  const deps = { clock: cluster.clock, logger };
  const definitions = new DefinitionController({ cluster, hooks, ...deps });
  const furniture = createNamespaceFurniture(cluster);
  const collector = new GarbageCollector(cluster, deps);
  const terminator = new NamespaceTerminator(cluster, deps);
  const aggregator = new RoleAggregator(cluster, deps);
  const expiry = startEventExpiry(cluster);
  const unsubscribe = cluster.store.subscribe((change: StoreChange) => {
    definitions.onChange(change);
    furniture.onChange(change);
    collector.onChange(change);
    terminator.onChange(change);
    aggregator.onChange(change);
  });
  return {
    publishCa: (caPem) => {
      furniture.publishCa(caPem);
    },
    relearn: () => {
      definitions.relearn();
      collector.relearn();
      terminator.relearn();
    },
    stop: () => {
      unsubscribe();
      expiry.cancel();
      definitions.stop();
      collector.stop();
      terminator.stop();
      aggregator.stop();
    },
  };
}
