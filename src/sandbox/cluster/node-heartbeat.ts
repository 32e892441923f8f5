/**
 * Keeps a Lease per node renewed, as kubelets do, but slowly: a quiet sandbox should make next to no requests.
 *
 * Invariants: a node that is cut off renews nothing; a failed renewal waits for the next beat.
 */
import type { Clock, Timer } from '../../platform/clock/clock.ts';
import { formatMicroTimestamp } from '../../platform/clock/timestamp.ts';
import { leases } from '../../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { isAlreadyExists, isNotFound } from '../../platform/kube/kube-error.ts';
import type { Logger } from '../../platform/log/logger.ts';

export interface NodeHeartbeatDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly nodeName: string;
  /** Between two beats; the lease lasts three. */
  readonly periodMs: number;
  readonly connected: () => boolean;
}

const namespace = 'kube-node-lease';

/** Beats once at once, then every period, until the returned function is called. */
export function startHeartbeat(deps: NodeHeartbeatDeps): () => void {
  const beat = (): void => {
    if (!deps.connected()) return;
    renew(deps).catch((error: unknown) => {
      deps.logger.debug('node lease not renewed', { node: deps.nodeName, error: String(error) });
    });
  };
  const timer: Timer = deps.clock.every(deps.periodMs, beat);
  beat();
  return () => {
    timer.cancel();
  };
}

async function renew(deps: NodeHeartbeatDeps): Promise<void> {
  const { client, nodeName } = deps;
  const renewTime = formatMicroTimestamp(deps.clock.nowMs());
  const ref = { type: leases, namespace, name: nodeName };
  try {
    await client.mergePatch(ref, { spec: { renewTime } });
    return;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  const lease = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: nodeName, namespace },
    spec: { holderIdentity: nodeName, leaseDurationSeconds: Math.ceil((3 * deps.periodMs) / 1000), renewTime },
  };
  try {
    await client.create(leases, lease);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}
