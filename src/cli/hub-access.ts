/** Reaches the hub cluster with the caller's own kubeconfig, as kubectl does. */
import type { Argv } from 'yargs';
import { systemClock } from '../platform/clock/system-clock.ts';
import { systemRandom } from '../platform/clock/system-random.ts';
import type { KubeClient } from '../platform/kube/kube-client.ts';
import { createKubeClient } from '../platform/kube/kube-client-http.ts';
import { KubeConfigError, loadKubeConfig, type KubeConfigSource } from '../platform/kube/kubeconfig.ts';
import { createUndiciTransport } from '../platform/kube/undici-transport.ts';
import { CliFailure, EXIT, type CliIo } from './cli-io.ts';

export interface AccessOptions {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
}

export interface HubAccess {
  readonly client: KubeClient;
  /** Namespace of the kubeconfig's context. */
  readonly namespace: string;
}

/** Adds `--kubeconfig` and `--context`. */
export function withAccess<T>(argv: Argv<T>): Argv<T & AccessOptions> {
  return argv
    .option('kubeconfig', {
      type: 'string',
      describe: 'kubeconfig of the hub (default: $KUBECONFIG, then ~/.kube/config)',
    })
    .option('context', { type: 'string', describe: 'context of the kubeconfig to use' });
}

/** Runs `use` with a client of the hub and closes it afterwards. */
export async function withHub<T>(options: AccessOptions, io: CliIo, use: (hub: HubAccess) => Promise<T>): Promise<T> {
  const clock = systemClock();
  const loaded = load(options, io);
  const transport = createUndiciTransport(loaded.credentials, { clock });
  const client = createKubeClient({ transport, clock, random: systemRandom(), userAgent: 'lumbung-cli' });
  try {
    return await use({ client, namespace: loaded.namespace });
  } finally {
    await client.close();
  }
}

function load(options: AccessOptions, io: CliIo): ReturnType<typeof loadKubeConfig> {
  const path = options.kubeconfig ?? io.env['KUBECONFIG'] ?? `${io.env['HOME'] ?? ''}/.kube/config`;
  const source: KubeConfigSource = {
    kind: 'file',
    path,
    ...(options.context === undefined ? {} : { context: options.context }),
  };
  try {
    return loadKubeConfig(source);
  } catch (error) {
    if (!(error instanceof KubeConfigError)) throw error;
    throw new CliFailure(EXIT.usage, error.message);
  }
}
