/**
 * A federation on this machine: a hub and members, each a sandbox cluster with its own API server and disk; hub and agents
 * as processes of the built programs, over real gRPC and mTLS, joined by invite and accept. The demo, the fault rounds and
 * the benchmarks stand on it.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { COMPUTE_JOB_RESOURCE } from '../../src/api/v1alpha1/compute-job.ts';
import type { ComputeJobStatus } from '../../src/api/v1alpha1/compute-job-status.ts';
import { HUB_KINDS, MEMBER_KINDS } from '../../src/api/v1alpha1/kinds.ts';
import { customResourceDefinition } from '../../src/api/crd/custom-resource-definition.ts';
import { systemClock } from '../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../src/platform/clock/system-random.ts';
import { configMaps } from '../../src/platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../src/platform/kube/kube-client.ts';
import { createKubeClient } from '../../src/platform/kube/kube-client-http.ts';
import { isNotFound } from '../../src/platform/kube/kube-error.ts';
import type { KubeObject } from '../../src/platform/kube/object.ts';
import { silentLogger } from '../../src/platform/log/logger.ts';
import type { SandboxNodeSpec } from '../../src/sandbox/cluster/node-shape.ts';
import { createSandboxCluster, type SandboxCluster } from '../../src/sandbox/cluster/sandbox-cluster.ts';
import { eventually } from './eventually.ts';
import { freePort, Program } from './program.ts';
import { applyObjects } from './yaml-objects.ts';

export interface MemberShape {
  readonly name: string;
  readonly jurisdiction: string;
  readonly region?: string;
  readonly nodes: readonly SandboxNodeSpec[];
  /** Spec of the LendingPolicy, but for the jurisdiction. Default: lends everything, reclaim grace 2 s. */
  readonly policy?: Readonly<Record<string, unknown>>;
}

export interface FederationOptions {
  readonly members: readonly MemberShape[];
  readonly runtime?: 'processes' | 'simulated';
  /** Settings of the hub as flags, without dashes: `report-interval`. */
  readonly hubSettings?: Readonly<Record<string, string>>;
  readonly agentSettings?: Readonly<Record<string, string>>;
  /** Variables of both programs' environments. */
  readonly env?: Readonly<Record<string, string>>;
  readonly hubNodeArgs?: readonly string[];
  readonly agentNodeArgs?: readonly string[];
  readonly progress?: (text: string) => void;
  /** Folder of the built programs; default `dist`. */
  readonly dist?: string;
}

export interface FederationCluster {
  readonly name: string;
  readonly sandbox: SandboxCluster;
  readonly client: KubeClient;
  /** An administrator's, for people. */
  readonly kubeconfig: string;
  /** The hub's or agent's, under a name of its own. */
  readonly programKubeconfig: string;
  /** The member's disk: where workers keep their diaries. */
  readonly disk: string;
}

export interface FederationMember extends FederationCluster {
  readonly shape: MemberShape;
  readonly agent: Program;
  readonly metricsPort: number;
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const NAMESPACE = 'lumbung-system';

export class Federation {
  readonly dir: string;
  readonly hubCluster: FederationCluster;
  readonly hub: Program;
  readonly hubMetricsPort: number;
  readonly members: ReadonlyMap<string, FederationMember>;

  private constructor(parts: Pick<Federation, 'dir' | 'hubCluster' | 'hub' | 'hubMetricsPort' | 'members'>) {
    this.dir = parts.dir;
    this.hubCluster = parts.hubCluster;
    this.hub = parts.hub;
    this.hubMetricsPort = parts.hubMetricsPort;
    this.members = parts.members;
  }

  /** Everything up and every member connected. Stops what it started if that fails. */
  static async start(options: FederationOptions): Promise<Federation> {
    const dir = await mkdtemp(join(tmpdir(), 'lumbung-'));
    const progress = options.progress ?? (() => undefined);
    progress('starting the clusters');
    const hubCluster = await startCluster({
      dir,
      name: 'hub',
      nodes: [],
      runtime: options.runtime,
      block: 1,
      user: 'lumbung-hub',
    });
    await installCrds(hubCluster, 'hub');
    const [federationPort, enrolmentPort, apiPort, hubMetricsPort] = await Promise.all([
      freePort(),
      freePort(),
      freePort(),
      freePort(),
    ]);
    await applyObjects(hubCluster.client, [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'lumbung-hub-subresources', namespace: NAMESPACE },
        spec: { type: 'ExternalName', externalName: 'localhost', ports: [{ port: apiPort, protocol: 'TCP' }] },
      } as KubeObject,
    ]);
    const hub = new Program({
      name: 'hub',
      script: `${options.dist ?? 'dist'}/hub.js`,
      args: flags({
        kubeconfig: hubCluster.programKubeconfig,
        namespace: NAMESPACE,
        identity: 'hub-0',
        'federation-address': `127.0.0.1:${federationPort}`,
        'enrolment-address': `127.0.0.1:${enrolmentPort}`,
        'aggregated-api-address': `127.0.0.1:${apiPort}`,
        'aggregated-api-service': 'lumbung-hub-subresources',
        'metrics-address': `127.0.0.1:${hubMetricsPort}`,
        'server-names': 'localhost,127.0.0.1',
        ...options.hubSettings,
      }),
      env: options.env ?? {},
      logFile: join(dir, 'hub.log'),
      nodeArgs: options.hubNodeArgs ?? [],
    });
    const members = new Map<string, FederationMember>();
    const federation = new Federation({ dir, hubCluster, hub, hubMetricsPort, members });
    try {
      hub.start();
      for (const [at, shape] of options.members.entries()) {
        members.set(shape.name, await makeMember(dir, shape, at + 2, options));
      }
      progress('joining the members');
      await Promise.all([...members.values()].map((member) => federation.join(member, options)));
      await Promise.all([...members.keys()].map((name) => federation.whenConnected(name)));
    } catch (error) {
      await federation.stop({ keepFiles: true });
      throw error;
    }
    return federation;
  }

  /** Runs the CLI against the hub. */
  async lumbung(...args: readonly string[]): Promise<CommandResult> {
    return runCommand(process.execPath, ['dist/cli.js', ...args], { KUBECONFIG: this.hubCluster.kubeconfig });
  }

  member(name: string): FederationMember {
    const member = this.members.get(name);
    if (member === undefined) throw new Error(`no member ${name}`);
    return member;
  }

  async job(namespace: string, name: string): Promise<KubeObject & { readonly status?: ComputeJobStatus }> {
    return this.hubCluster.client.get({ type: COMPUTE_JOB_RESOURCE, namespace, name });
  }

  /** Waits until the job's status is as wanted; says what it was when it never is. */
  async whenJob(
    namespace: string,
    name: string,
    wanted: (status: ComputeJobStatus) => boolean,
    withinMs = 30_000,
  ): Promise<ComputeJobStatus> {
    let last: ComputeJobStatus | undefined;
    try {
      return await eventually(
        async () => {
          last = (await this.job(namespace, name)).status;
          return last !== undefined && wanted(last) ? last : undefined;
        },
        { what: `status of ${namespace}/${name}`, withinMs, everyMs: 50 },
      );
    } catch (error) {
      throw new Error(`job ${namespace}/${name} never came so far; its last status: ${JSON.stringify(last)}`, {
        cause: error,
      });
    }
  }

  async whenConnected(name: string): Promise<void> {
    await eventually(
      async () => {
        const { stdout } = await this.lumbung('member', 'list', '-o', 'json');
        const list = JSON.parse(stdout) as readonly (KubeObject & {
          readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
        })[];
        const conditions = list.find((item) => item.metadata.name === name)?.status?.conditions ?? [];
        return conditions.some((condition) => condition.type === 'Connected' && condition.status === 'True');
      },
      { what: `member ${name} is connected`, withinMs: 30_000, everyMs: 250 },
    );
  }

  /** Every agent that runs holds its Lease and has an open session: by the agents' own metrics, which change at once. */
  async whenHealed(): Promise<void> {
    for (const member of this.members.values()) {
      await eventually(
        async () => {
          const page = await fetch(`http://127.0.0.1:${member.metricsPort}/metrics`).then((answer) => answer.text());
          return /^lumbung_agent_hub_connected(\{[^}]*\})? 1$/m.test(page);
        },
        { what: `${member.name}'s agent is connected`, withinMs: 30_000, everyMs: 50 },
      );
    }
  }

  get disks(): readonly string[] {
    return [...this.members.values()].map((member) => member.disk);
  }

  /** Ends every process, then every cluster, then removes every file. */
  async stop(options: { readonly keepFiles?: boolean } = {}): Promise<void> {
    await Promise.all([this.hub.stop(), ...[...this.members.values()].map((member) => member.agent.stop())]);
    await Promise.all([...this.members.values(), this.hubCluster].map((cluster) => stopCluster(cluster)));
    if (options.keepFiles !== true) await rm(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }

  private async join(member: FederationMember, options: FederationOptions): Promise<void> {
    const { name, jurisdiction, region } = member.shape;
    await eventually(async () => (await this.hubInfo()) !== undefined, {
      what: 'the hub has published where it is',
      withinMs: 20_000,
    });
    const invited = await this.lumbung(
      'member',
      'invite',
      name,
      '--jurisdiction',
      jurisdiction,
      '--label',
      'lumbung.dev/tier=shared',
      '-o',
      'json',
      ...(region === undefined ? [] : ['--region', region]),
    );
    if (invited.code !== 0) throw new Error(`invite failed: ${invited.stderr}`);
    const invitation = JSON.parse(invited.stdout) as {
      readonly token: string;
      readonly federationAddress: string;
      readonly enrolmentAddress: string;
      readonly caSha256: string;
    };
    const tokenFile = join(this.dir, `${name}.token`);
    await writeFile(tokenFile, invitation.token, { mode: 0o600 });
    Object.assign(member.agent.options, {
      args: flags({
        kubeconfig: member.programKubeconfig,
        namespace: NAMESPACE,
        member: name,
        hub: invitation.federationAddress,
        'enrol-address': invitation.enrolmentAddress,
        'hub-ca-sha256': invitation.caSha256,
        'token-file': tokenFile,
        'metrics-address': `127.0.0.1:${member.metricsPort}`,
        ...options.agentSettings,
      }),
    });
    member.agent.start();
    const accepted = await this.lumbung('member', 'accept', name);
    if (accepted.code !== 0) throw new Error(`accept failed: ${accepted.stderr}`);
  }

  private async hubInfo(): Promise<KubeObject | undefined> {
    try {
      return await this.hubCluster.client.get({ type: configMaps, namespace: NAMESPACE, name: 'lumbung-hub' });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
}

async function makeMember(
  dir: string,
  shape: MemberShape,
  block: number,
  options: FederationOptions,
): Promise<FederationMember> {
  const cluster = await startCluster({
    dir,
    name: shape.name,
    nodes: shape.nodes,
    runtime: options.runtime,
    block,
    user: 'lumbung-agent',
  });
  await installCrds(cluster, 'member');
  const policy = { reclaimGrace: '2s', ...shape.policy, jurisdiction: shape.jurisdiction };
  await applyObjects(cluster.client, [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
    {
      apiVersion: 'lumbung.dev/v1alpha1',
      kind: 'LendingPolicy',
      metadata: { name: 'default' },
      spec: policy,
    } as KubeObject,
  ]);
  const agent = new Program({
    name: `agent ${shape.name}`,
    script: `${options.dist ?? 'dist'}/agent.js`,
    args: [],
    env: options.env ?? {},
    logFile: join(dir, `agent-${shape.name}.log`),
    nodeArgs: options.agentNodeArgs ?? [],
  });
  return { ...cluster, shape, agent, metricsPort: await freePort() };
}

interface ClusterStart {
  readonly dir: string;
  readonly name: string;
  readonly nodes: readonly SandboxNodeSpec[];
  readonly runtime: 'processes' | 'simulated' | undefined;
  readonly block: number;
  /** Who the kubeconfig says that hub or agent is, for counting its requests. */
  readonly user: string;
}

async function startCluster(start: ClusterStart): Promise<FederationCluster> {
  const clock = systemClock();
  const random = systemRandom();
  const dataDir = join(start.dir, start.name);
  await mkdir(dataDir, { recursive: true });
  const sandbox = createSandboxCluster({
    name: start.name,
    clock,
    random,
    logger: silentLogger(),
    dataDir,
    nodes: start.nodes,
    addressBlock: start.block,
    ...(start.runtime === undefined ? {} : { runtime: start.runtime }),
  });
  await sandbox.start(new AbortController().signal);
  const served = await sandbox.apiServer.listen({ host: '127.0.0.1', port: 0 });
  const kubeconfig = join(start.dir, `${start.name}.kubeconfig`);
  await writeFile(kubeconfig, await served.kubeconfig(), { mode: 0o600 });
  const programKubeconfig = join(start.dir, `${start.name}-program.kubeconfig`);
  await writeFile(programKubeconfig, await served.kubeconfig({ user: start.user, groups: ['system:masters'] }), {
    mode: 0o600,
  });
  const client = createKubeClient({ transport: sandbox.transport(), clock, random, userAgent: 'federation-harness' });
  return { name: start.name, sandbox, client, kubeconfig, programKubeconfig, disk: join(dataDir, 'disk') };
}

async function stopCluster(cluster: FederationCluster): Promise<void> {
  await cluster.client.close();
  await cluster.sandbox.stop();
}

async function installCrds(cluster: FederationCluster, side: 'hub' | 'member'): Promise<void> {
  const kinds = side === 'hub' ? HUB_KINDS : MEMBER_KINDS;
  await applyObjects(
    cluster.client,
    kinds.map((kind) => customResourceDefinition(kind) as unknown as KubeObject),
  );
  for (const kind of kinds) {
    await eventually(() => cluster.client.list(kind.resource, { limit: 1 }).then(() => true), {
      what: `${kind.resource.plural} are served`,
    });
  }
}

function flags(settings: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

export async function runCommand(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<CommandResult> {
  const child = spawn(program, args, {
    env: { PATH: process.env['PATH'] ?? '', HOME: tmpdir(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      resolve(status ?? 128);
    });
  });
  return { code, stdout, stderr };
}
