/** Keeps aggregated ClusterRoles equal to the union of the roles that their selectors choose. */
import type { Clock } from '../../../platform/clock/clock.ts';
import type { Logger } from '../../../platform/log/logger.ts';
import { LOOPBACK } from '../authn/user-info.ts';
import type { Cluster } from '../cluster.ts';
import { type ApiObject, type JsonObject, objectAt, objectsAt, sameJson } from '../json-value.ts';
import { updateObject } from '../rest/write-object.ts';
import { resourceKey, type StoreChange } from '../storage/object-store.ts';
import { selectorMatches } from '../storage/selectors.ts';
import { DeferredQueue } from './deferred-queue.ts';

const CLUSTER_ROLES = resourceKey('rbac.authorization.k8s.io', 'clusterroles');
const OPTIONS = { user: LOOPBACK, manager: 'clusterrole-aggregation-controller', dryRun: false, subresource: '' };

export class RoleAggregator {
  private readonly cluster: Cluster;
  private readonly queue: DeferredQueue;

  constructor(cluster: Cluster, deps: { readonly clock: Clock; readonly logger: Logger | undefined }) {
    this.cluster = cluster;
    this.queue = new DeferredQueue({
      name: 'role-aggregator',
      ...deps,
      work: () => {
        this.aggregate();
      },
    });
  }

  readonly onChange = (change: StoreChange): void => {
    if (change.resource === CLUSTER_ROLES) this.queue.add('all');
  };

  stop(): void {
    this.queue.stop();
  }

  /** Aggregates may feed aggregates: a change here queues another pass, until nothing changes. */
  aggregate(): void {
    const roles = this.cluster.store.sorted(CLUSTER_ROLES);
    const resource = this.cluster.registry.storedAs(CLUSTER_ROLES);
    if (resource === undefined) return;
    for (const role of roles) {
      const selectors = objectsAt(objectAt(role, 'aggregationRule'), 'clusterRoleSelectors');
      if (selectors.length === 0) continue;
      const rules = this.union(roles, role, selectors);
      if (sameJson(rules, role['rules'])) continue;
      updateObject(this.cluster, resource, { old: role, next: { ...role, rules } }, OPTIONS);
    }
  }

  private union(roles: readonly ApiObject[], target: ApiObject, selectors: readonly JsonObject[]): JsonObject[] {
    const rules: JsonObject[] = [];
    for (const role of roles) {
      if (role === target || !selectors.some((selector) => selectorMatches(selector, role.metadata.labels ?? {})))
        continue;
      for (const rule of objectsAt(role, 'rules')) if (!rules.some((known) => sameJson(known, rule))) rules.push(rule);
    }
    return rules;
  }
}
