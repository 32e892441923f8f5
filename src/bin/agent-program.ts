/** The agent's process: argv, environment, the token's file and signals in, exit code out. */
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { createAgentApp } from '../agent/app.ts';
import { describeAgentSettings, loadAgentConfig, type AgentConfig } from '../agent/config.ts';
import { clusterTools } from './cluster-tools.ts';
import { runProgram } from './run-program.ts';
import { COMMIT, VERSION } from './version.ts';

await runProgram({
  name: 'lumbung-agent',
  describe: describeAgentSettings,
  load: (sources) => loadAgentConfig(sources),
  make: async (config, logger) => {
    const tools = await clusterTools(config, logger, { program: 'lumbung-agent', host: 'member' });
    const app = createAgentApp({
      config: { ...config, identity: config.identity ?? hostname() },
      ...tools,
      logger,
      version: VERSION,
      commit: COMMIT,
      token: () => readToken(config),
    });
    return { app, client: tools.client, clock: tools.clock, failure: app.failure };
  },
});

/** Read when it is needed: an invitation that was used up is often deleted afterwards. */
async function readToken({ token, tokenFile }: AgentConfig): Promise<string | undefined> {
  if (tokenFile === undefined) return token;
  try {
    return (await readFile(tokenFile, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
