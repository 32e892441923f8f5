/** The hub's process: argv, environment and signals in, exit code out. */
import { hostname } from 'node:os';
import { describeHubSettings, loadHubConfig } from '../hub/config.ts';
import { createHubApp } from '../hub/app.ts';
import { systemClock } from '../platform/clock/system-clock.ts';
import { systemRandom } from '../platform/clock/system-random.ts';
import { createKubeClient } from '../platform/kube/kube-client-http.ts';
import { createMetrics } from '../platform/metrics/registry.ts';
import { createUndiciTransport } from '../platform/kube/undici-transport.ts';
import { clusterCredentials } from './cluster-credentials.ts';
import { runProgram } from './run-program.ts';
import { COMMIT, VERSION } from './version.ts';

await runProgram({
  name: 'lumbung-hub',
  describe: describeHubSettings,
  load: (sources) => loadHubConfig(sources),
  make: async (config, logger) => {
    const clock = systemClock();
    const random = systemRandom();
    const metrics = createMetrics();
    const transport = createUndiciTransport(await clusterCredentials(config), { clock });
    const client = createKubeClient({
      transport,
      clock,
      random,
      logger,
      metrics,
      userAgent: `lumbung-hub/${VERSION}`,
      host: 'hub',
    });
    const app = createHubApp({
      config: { ...config, identity: config.identity ?? hostname() },
      client,
      clock,
      random,
      logger,
      metrics,
      version: VERSION,
      commit: COMMIT,
    });
    return { app, client, clock };
  },
});
