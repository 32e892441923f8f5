/** A cluster for the agent's tests: the embedded API server in-process, with an administrator's client. */
import { systemClock } from '../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../src/platform/clock/system-random.ts';
import { namespaces } from '../../src/platform/kube/builtin-resources.ts';
import { createKubeClient } from '../../src/platform/kube/kube-client-http.ts';
import type { KubeClient } from '../../src/platform/kube/kube-client.ts';
import type { KubeRequestRecord } from '../../src/platform/kube/request-accounting.ts';
import { createApiServer, type ApiServer } from '../../src/sandbox/apiserver/api-server.ts';

export interface AgentCluster {
  readonly server: ApiServer;
  readonly client: KubeClient;
  /** Every request that `client` has sent. */
  readonly requests: KubeRequestRecord[];
  stop(): Promise<void>;
}

/** With namespace `lumbung-system`. */
export async function anAgentCluster(): Promise<AgentCluster> {
  const deps = { clock: systemClock(), random: systemRandom() };
  const server = createApiServer(deps);
  const requests: KubeRequestRecord[] = [];
  const client = createKubeClient({
    ...deps,
    transport: server.transport(),
    userAgent: 'test',
    onRequest: (record) => requests.push(record),
  });
  await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'lumbung-system' } });
  return {
    server,
    client,
    requests,
    stop: async () => {
      await client.close();
      await server.stop();
    },
  };
}
