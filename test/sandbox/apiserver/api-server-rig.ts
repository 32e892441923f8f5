/** An embedded API server on virtual time, and the plain client to look at it with. */
import { seededRandom } from '../../../src/platform/clock/seeded-random.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { type ApiServer, createApiServer } from '../../../src/sandbox/apiserver/api-server.ts';
import { contractClient, type ContractClient } from '../../contract/contract-client.ts';

export interface ApiServerRig {
  readonly clock: VirtualClock;
  readonly server: ApiServer;
  readonly admin: ContractClient;
}

export function apiServerRig(options: { readonly historyPerType?: number } = {}): ApiServerRig {
  const clock = new VirtualClock();
  const server = createApiServer({ clock, random: seededRandom(7), ...options });
  return { clock, server, admin: contractClient(server.transport()) };
}

export const MAPS = '/api/v1/namespaces/default/configmaps';

export function map(name: string, data: Record<string, string> = {}): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data };
}
