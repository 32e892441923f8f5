/**
 * `lumbung sandbox`: a small Kubernetes on this machine for trying things out, up until Ctrl-C. It writes a kubeconfig and
 * says how to use it. Containers are processes of this machine, and nothing isolates them.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import { customResourceDefinition } from '../../api/crd/custom-resource-definition.ts';
import { HUB_KINDS, MEMBER_KINDS } from '../../api/v1alpha1/kinds.ts';
import { systemClock } from '../../platform/clock/system-clock.ts';
import { systemRandom } from '../../platform/clock/system-random.ts';
import { silentLogger } from '../../platform/log/logger.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import { nodesOf, parseNodeSpec, type SandboxNodeSpec } from '../../sandbox/cluster/node-shape.ts';
import { createSandboxCluster } from '../../sandbox/cluster/sandbox-cluster.ts';
import { CliFailure, EXIT, type CliIo } from '../cli-io.ts';

interface SandboxOptions {
  readonly name: string;
  readonly nodes: readonly string[];
  readonly crds: 'hub' | 'member' | 'none';
  readonly port: number;
  readonly 'write-kubeconfig': string | undefined;
}

const crdChoices: readonly SandboxOptions['crds'][] = ['hub', 'member', 'none'];

export function sandbox(io: CliIo): CommandModule<object, SandboxOptions> {
  return {
    command: 'sandbox',
    describe: 'run a small Kubernetes on this machine until Ctrl-C; it isolates nothing',
    builder: (argv) =>
      argv
        .option('name', { type: 'string', default: 'sandbox', describe: 'name of the cluster' })
        .option('nodes', {
          type: 'string',
          array: true,
          default: ['gpu=H100-80GB x8'],
          describe: 'nodes, e.g. "gpu=H100-80GB x8, nodes=2"; may be given several times',
        })
        .option('crds', { choices: crdChoices, default: 'member' as const, describe: 'whose kinds to install' })
        .option('port', { type: 'number', default: 0, describe: 'port of the API server; default a free one' })
        .option('write-kubeconfig', {
          type: 'string',
          describe: 'where to write the kubeconfig; default into a folder of its own',
        }),
    handler: (args) => runSandbox(args, io),
  };
}

async function runSandbox(args: SandboxOptions, io: CliIo): Promise<void> {
  const nodes = args.nodes.flatMap((text, at) => readNodes(text, `${args.name}-${at + 1}`));
  const dir = await mkdtemp(join(tmpdir(), 'lumbung-sandbox-'));
  const kinds = { hub: HUB_KINDS, member: MEMBER_KINDS, none: [] }[args.crds];
  const cluster = createSandboxCluster({
    name: args.name,
    clock: systemClock(),
    random: systemRandom(),
    logger: silentLogger(),
    dataDir: join(dir, args.name),
    nodes,
    crds: kinds.map((kind) => customResourceDefinition(kind) as unknown as KubeObject),
    verboseEvents: true,
  });
  try {
    await cluster.start(io.signal);
    const served = await cluster.apiServer.listen({ host: '127.0.0.1', port: args.port });
    const path = resolve(args['write-kubeconfig'] ?? join(dir, 'kubeconfig'));
    await mkdir(resolve(path, '..'), { recursive: true });
    await writeFile(path, await served.kubeconfig(), { mode: 0o600 });
    const gpus = nodes.reduce((sum, node) => sum + (node.gpus ?? 0), 0);
    io.out(
      `cluster ${args.name} is up with ${nodes.length} node(s) and ${gpus} GPU(s); containers are plain processes and isolated from nothing`,
    );
    io.out(`  export KUBECONFIG=${path}`);
    io.note('Ctrl-C ends it');
    await aborted(io.signal);
  } finally {
    await cluster.stop();
    await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

function readNodes(text: string, prefix: string): readonly SandboxNodeSpec[] {
  const group = parseNodeSpec(text);
  if (!group.ok) {
    throw new CliFailure(EXIT.usage, `--nodes: ${JSON.stringify(text)}: ${group.error.field}: ${group.error.message}`);
  }
  return nodesOf(group.value, prefix);
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((done) => {
    signal.addEventListener(
      'abort',
      () => {
        done();
      },
      { once: true },
    );
  });
}
