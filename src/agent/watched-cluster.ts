/**
 * What the agent watches of its own cluster, whether it acts or stands by: nodes, pods, resource slices where served, and the
 * owner's policy; with the inventory and the policy's reader over them.
 *
 * Invariants: pods and nodes are made slim as they are stored; the policy counts as unreadable after three failures in a row
 * to watch it. Leaves out guests' own objects, which the keeper of runs watches.
 */
import { LENDING_POLICY_NAME, LENDING_POLICY_RESOURCE } from '../api/v1alpha1/lending-policy.ts';
import type { Jurisdiction } from '../core/model/ids.ts';
import type { Clock } from '../platform/clock/clock.ts';
import type { Random } from '../platform/clock/random.ts';
import { nodes, pods, resourceSlices } from '../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../platform/kube/kube-client.ts';
import { isForbidden, isNotFound } from '../platform/kube/kube-error.ts';
import type { KubeObject, ResourceType } from '../platform/kube/object.ts';
import { createReflector, type Reflector } from '../platform/kube/reflector.ts';
import type { Runnable } from '../platform/lifecycle/runnable.ts';
import type { Logger } from '../platform/log/logger.ts';
import { createInventory, type Inventory } from './inventory/inventory.ts';
import { slimNode, type SlimNode } from './inventory/slim-node.ts';
import { slimPod, type SlimPod } from './inventory/slim-pod.ts';
import { createLendingPolicyReader, type LendingPolicyReader } from './lending/lending-policy-reader.ts';

const UNREADABLE_AFTER_FAILURES = 3;

export interface WatchedClusterDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly certifiedJurisdiction: () => Jurisdiction | undefined;
  /** Whether resource.k8s.io/v1 is served and may be read. */
  readonly hasResourceSlices: boolean;
}

export interface WatchedCluster {
  readonly pods: Reflector<SlimPod>;
  readonly policies: Reflector<KubeObject>;
  readonly lending: LendingPolicyReader;
  readonly inventory: Inventory;
  /** In the order in which they are started. */
  readonly stages: readonly (readonly Runnable[])[];
}

export function watchCluster(deps: WatchedClusterDeps): WatchedCluster {
  const { client, clock, random, logger, certifiedJurisdiction } = deps;
  const common = (type: ResourceType) => ({
    client,
    type,
    clock,
    random,
    logger: logger.child({ component: `reflector/${type.plural}` }),
  });
  const nodeReflector = createReflector<SlimNode>({ ...common(nodes), transform: slimNode });
  const podReflector = createReflector<SlimPod>({ ...common(pods), transform: slimPod });
  const policies = createReflector<KubeObject>({
    ...common(LENDING_POLICY_RESOURCE),
    fieldSelector: `metadata.name=${LENDING_POLICY_NAME}`,
  });
  const slices = deps.hasResourceSlices ? createReflector<KubeObject>(common(resourceSlices)) : undefined;
  const lending = createLendingPolicyReader({
    policies: policies.store,
    readable: () => policies.state.kind !== 'Backoff' || policies.state.failures < UNREADABLE_AFTER_FAILURES,
    certifiedJurisdiction,
    clock,
    logger: logger.child({ component: 'lending' }),
  });
  const inventory = createInventory({
    nodes: nodeReflector.store,
    pods: podReflector.store,
    ...(slices === undefined ? {} : { resourceSlices: slices.store }),
    lending,
    clock,
    logger: logger.child({ component: 'inventory' }),
  });
  const reflectors = [nodeReflector, podReflector, policies, ...(slices === undefined ? [] : [slices])];
  return { pods: podReflector, policies, lending, inventory, stages: [[lending], [inventory], reflectors] };
}

/** Asked once at start: a cluster that begins to serve it later is noticed when the agent restarts. */
export async function servesResourceSlices(client: KubeClient): Promise<boolean> {
  try {
    await client.list(resourceSlices, { limit: 1 });
    return true;
  } catch (error) {
    if (isNotFound(error) || isForbidden(error)) return false;
    throw error;
  }
}
