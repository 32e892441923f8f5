/** The hub's process: argv, environment and signals in, exit code out. */
import { hostname } from 'node:os';
import { describeHubSettings, loadHubConfig } from '../hub/config.ts';
import { createHubApp } from '../hub/app.ts';
import { clusterTools } from './cluster-tools.ts';
import { runProgram } from './run-program.ts';
import { COMMIT, VERSION } from './version.ts';

await runProgram({
  name: 'lumbung-hub',
  describe: describeHubSettings,
  load: (sources) => loadHubConfig(sources),
  make: async (config, logger) => {
    const tools = await clusterTools(config, logger, { program: 'lumbung-hub', host: 'hub' });
    const app = createHubApp({
      config: { ...config, identity: config.identity ?? hostname() },
      ...tools,
      logger,
      version: VERSION,
      commit: COMMIT,
    });
    return { app, client: tools.client, clock: tools.clock };
  },
});
