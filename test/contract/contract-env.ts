/** One running target with a namespace and an API group of its own, so that suites may share a server. */
import { randomBytes } from 'node:crypto';
import { eventually } from '../support/eventually.ts';
import { contractClient, type ContractClient } from './contract-client.ts';
import type { ContractTarget, RunningTarget } from './contract-target.ts';

export interface ContractEnv {
  readonly target: RunningTarget;
  readonly admin: ContractClient;
  /** A fresh namespace, usable at once. */
  readonly namespace: string;
  /** `/api/v1/namespaces/<namespace>`. */
  readonly core: string;
  /** Custom resources of this group are the suite's own. */
  readonly group: string;
  as(user: string, groups?: readonly string[]): Promise<ContractClient>;
  stop(): Promise<void>;
}

export type EnvGetter = () => ContractEnv;

export async function startEnv(contractTarget: ContractTarget): Promise<ContractEnv> {
  const target = await contractTarget.start();
  const admin = contractClient(target.admin);
  const id = randomBytes(4).toString('hex');
  const namespace = `contract-${id}`;
  await admin.post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  const core = `/api/v1/namespaces/${namespace}`;
  await eventually(async () => (await admin.get(`${core}/serviceaccounts/default`)).status === 200, {
    what: 'the default service account',
  });
  return {
    target,
    admin,
    namespace,
    core,
    group: `c${id}.example.com`,
    as: async (user, groups = []) => contractClient(await target.as(user, groups)),
    stop: async () => {
      await admin.delete(`/api/v1/namespaces/${namespace}`);
      await target.stop();
    },
  };
}

export function configMap(
  name: string,
  data: Record<string, string> = {},
  metadata: Record<string, unknown> = {},
): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, data };
}

/** A pod that nothing will ever place: its node selector matches no node. */
export function idlePod(
  name: string,
  metadata: Record<string, unknown> = {},
  spec: Record<string, unknown> = {},
): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, ...metadata },
    spec: {
      nodeSelector: { 'contract/nowhere': 'true' },
      containers: [{ name: 'main', image: 'example.com/none' }],
      ...spec,
    },
  };
}

/** Suspended, so that no controller makes pods of it. */
export function idleJob(name: string, spec: Record<string, unknown> = {}, restartPolicy = 'Never'): object {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name },
    spec: {
      suspend: true,
      template: { spec: { restartPolicy, containers: [{ name: 'main', image: 'example.com/none' }] } },
      ...spec,
    },
  };
}
