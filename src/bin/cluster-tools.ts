/** What both programs hold of their own cluster and process: clock, randomness, metrics, and a client with its accounts. */
import type { Clock } from '../platform/clock/clock.ts';
import type { Random } from '../platform/clock/random.ts';
import { systemClock } from '../platform/clock/system-clock.ts';
import { systemRandom } from '../platform/clock/system-random.ts';
import type { KubeClient } from '../platform/kube/kube-client.ts';
import { createKubeClient } from '../platform/kube/kube-client-http.ts';
import { createUndiciTransport } from '../platform/kube/undici-transport.ts';
import type { Logger } from '../platform/log/logger.ts';
import { createMetrics, type MetricsRegistry } from '../platform/metrics/registry.ts';
import { clusterCredentials } from './cluster-credentials.ts';
import { VERSION } from './version.ts';

export interface ClusterTools {
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: MetricsRegistry;
  readonly client: KubeClient;
}

/** `program` names the client to the cluster; `host` is the cluster's label in the client's metrics. */
export async function clusterTools(
  config: Parameters<typeof clusterCredentials>[0],
  logger: Logger,
  names: { readonly program: string; readonly host: string },
): Promise<ClusterTools> {
  const clock = systemClock();
  const random = systemRandom();
  const metrics = createMetrics();
  const transport = createUndiciTransport(await clusterCredentials(config), { clock });
  const userAgent = `${names.program}/${VERSION}`;
  const client = createKubeClient({ transport, clock, random, logger, metrics, userAgent, host: names.host });
  return { clock, random, metrics, client };
}
