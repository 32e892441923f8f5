/**
 * A federation inside the test's own process: the hub's app and the agents' apps as production composes them, joined by
 * invite and accept, over real gRPC and mutual TLS on the loopback; each cluster is a sandbox spoken to in-process. The real
 * clock, with seconds where production has minutes. What every part logged, asked of its cluster and said on the wire is
 * kept, so that a test can count it or search it.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAgentApp, type AgentApp } from '../../src/agent/app.ts';
import { enrolmentAddress, loadAgentConfig } from '../../src/agent/config.ts';
import { createGrpcEnrolment } from '../../src/agent/enrolment/grpc-enrolment.ts';
import type { FederationConnection, FederationLink } from '../../src/agent/session/federation-link.ts';
import { createGrpcLink } from '../../src/agent/session/grpc-link.ts';
import { customResourceDefinition } from '../../src/api/crd/custom-resource-definition.ts';
import { COMPUTE_JOB_RESOURCE } from '../../src/api/v1alpha1/compute-job.ts';
import type { ComputeJobStatus } from '../../src/api/v1alpha1/compute-job-status.ts';
import { HUB_KINDS, MEMBER_KINDS } from '../../src/api/v1alpha1/kinds.ts';
import { LENDING_POLICY_RESOURCE } from '../../src/api/v1alpha1/lending-policy.ts';
import { MEMBER_CLUSTER_RESOURCE, type MemberClusterStatus } from '../../src/api/v1alpha1/member-cluster.ts';
import { runCli } from '../../src/cli/app.ts';
import { createHubApp, type HubApp } from '../../src/hub/app.ts';
import { loadHubConfig, type HubConfig } from '../../src/hub/config.ts';
import type { ExplainReport } from '../../src/hub/observe/explain-job.ts';
import type { Clock } from '../../src/platform/clock/clock.ts';
import { systemClock } from '../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../src/platform/clock/system-random.ts';
import type { MessageStream } from '../../src/platform/grpc/message-stream.ts';
import { configMaps } from '../../src/platform/kube/builtin-resources.ts';
import { createKubeClient } from '../../src/platform/kube/kube-client-http.ts';
import type { KubeClient } from '../../src/platform/kube/kube-client.ts';
import type { KubeObject } from '../../src/platform/kube/object.ts';
import type { KubeRequestRecord } from '../../src/platform/kube/request-accounting.ts';
import { createSinkLogger, type Logger } from '../../src/platform/log/logger.ts';
import { createMetrics, type MetricsRegistry } from '../../src/platform/metrics/registry.ts';
import type { SandboxNodeSpec } from '../../src/sandbox/cluster/node-shape.ts';
import { createSandboxCluster, type SandboxCluster } from '../../src/sandbox/cluster/sandbox-cluster.ts';
import { eventually } from './eventually.ts';
import { freePort } from './program.ts';
import { applyObjects } from './yaml-objects.ts';

export const SYSTEM_NAMESPACE = 'lumbung-system';

type Runtime = 'processes' | 'simulated';

export interface InProcessMember {
  readonly name: string;
  readonly nodes: readonly SandboxNodeSpec[];
  /** Default ID. */
  readonly jurisdiction?: string;
  readonly region?: string;
  /** Labels of the MemberCluster; pools select by them. */
  readonly labels?: Readonly<Record<string, string>>;
  /** More of the LendingPolicy's spec; default lends everything with a reclaim grace of 1 s. */
  readonly policy?: Readonly<Record<string, unknown>>;
  readonly runtime?: Runtime;
  /** How far the agent's wall clock is ahead of this machine's. */
  readonly wallAheadMs?: () => number;
}

export interface InProcessOptions {
  readonly members: readonly InProcessMember[];
  readonly hubConfig?: Partial<HubConfig>;
  /** Who the programs are on their clusters. Default: administrators. */
  readonly access?: { readonly hub: ProgramAccess; readonly agent: ProgramAccess };
}

/** A program as an installation lets it in: its ServiceAccount in the system namespace, and what grants it anything. */
export interface ProgramAccess {
  readonly serviceAccount: string;
  /** Applied by an administrator before the program starts. */
  readonly objects: readonly KubeObject[];
}

/** One cluster, and what the program on it did. */
export interface Side {
  readonly sandbox: SandboxCluster;
  /** An administrator's. */
  readonly client: KubeClient;
  readonly metrics: MetricsRegistry;
  /** Every line that the program logged, debug included. */
  readonly log: readonly string[];
  /** Every request that the program sent to its API server. */
  readonly requests: KubeRequestRecord[];
  /** The program's ServiceAccount; undefined: it is an administrator. */
  readonly account: string | undefined;
}

export interface MemberSide extends Side {
  readonly shape: InProcessMember;
  agent: AgentApp;
  /** Every message of its sessions, both ways, bytes as Latin-1 text. */
  readonly wire: readonly string[];
  /** Connections that the agent has opened so far. */
  readonly connections: readonly FederationConnection[];
}

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

type Job = KubeObject & { readonly spec: Record<string, unknown>; readonly status?: ComputeJobStatus };

const HUB_FLAGS = {
  namespace: SYSTEM_NAMESPACE,
  identity: 'hub-0',
  'federation-address': '127.0.0.1:0',
  'enrolment-address': '127.0.0.1:0',
  'metrics-address': '127.0.0.1:0',
  'leader-lease-duration': '3s',
  'leader-renew-deadline': '2500ms',
  'leader-retry-period': '400ms',
  'aggregated-api-service': 'lumbung-hub-subresources',
  'server-names': 'localhost,127.0.0.1',
  'report-interval': '500ms',
  'silent-after': '5s',
  'mass-silence-window': '1s',
};

const deps = { clock: systemClock(), random: systemRandom() };

export class InProcessFederation {
  readonly dir: string;
  readonly hub: Side;
  hubApp: HubApp;
  private readonly options: InProcessOptions;
  readonly members = new Map<string, MemberSide>();
  private readonly closers: (() => Promise<void>)[];

  private constructor(parts: {
    readonly dir: string;
    readonly hub: Side;
    readonly hubApp: HubApp;
    readonly options: InProcessOptions;
    readonly closers: (() => Promise<void>)[];
  }) {
    this.options = parts.options;
    this.dir = parts.dir;
    this.hub = parts.hub;
    this.hubApp = parts.hubApp;
    this.closers = parts.closers;
  }

  /** Everything up and every member connected. Ends what it started if that fails. */
  static async start(options: InProcessOptions): Promise<InProcessFederation> {
    const dir = await mkdtemp(join(tmpdir(), 'lumbung-in-process-'));
    const closers: (() => Promise<void>)[] = [() => rm(dir, { recursive: true, force: true, maxRetries: 5 })];
    let federation: InProcessFederation | undefined;
    try {
      const started = new InProcessFederation({
        dir,
        options,
        closers,
        ...(await startHub(dir, closers, options)),
      });
      federation = started;
      const joins = options.members.map((shape, at) => started.addMember(shape, at + 2));
      // All of them, also where one fails: nothing may be starting while everything is stopped.
      const failed = (await Promise.allSettled(joins)).find((one) => one.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      return started;
    } catch (error) {
      if (federation === undefined) await closeAll(closers);
      else await federation.stop();
      throw error;
    }
  }

  /** Ends agents, hub and clusters, in that order, and removes every file. */
  async stop(): Promise<void> {
    await Promise.all([...this.members.values()].map((member) => member.agent.stop()));
    await closeAll(this.closers);
  }

  /** Invites, accepts and starts one more member; resolves once it is connected. */
  async addMember(shape: InProcessMember, block = this.members.size + 2): Promise<MemberSide> {
    const member = await this.makeMember(shape, block);
    this.members.set(shape.name, member);
    await member.agent.start(new AbortController().signal);
    await this.whenConnected(shape.name);
    return member;
  }

  member(name: string): MemberSide {
    const member = this.members.get(name);
    if (member === undefined) throw new Error(`no member ${name}`);
    return member;
  }

  /** Applies objects to the hub's cluster as a person would. */
  async apply(...objects: readonly unknown[]): Promise<void> {
    await applyObjects(this.hub.client, objects as readonly KubeObject[]);
  }

  async setPolicy(member: string, spec: Readonly<Record<string, unknown>>): Promise<void> {
    await this.member(member).client.mergePatch({ type: LENDING_POLICY_RESOURCE, name: 'default' }, { spec });
  }

  async job(namespace: string, name: string): Promise<Job> {
    return this.hub.client.get({ type: COMPUTE_JOB_RESOURCE, namespace, name });
  }

  async patchJob(namespace: string, name: string, spec: Readonly<Record<string, unknown>>): Promise<void> {
    await this.hub.client.mergePatch({ type: COMPUTE_JOB_RESOURCE, namespace, name }, { spec });
  }

  /** Waits until the job's status is as wanted; says what it was when it never is. */
  async whenJob(
    key: string,
    wanted: (status: ComputeJobStatus) => boolean | undefined,
    withinMs = 15_000,
  ): Promise<ComputeJobStatus> {
    const [namespace = '', name = ''] = key.split('/');
    let last: ComputeJobStatus | undefined;
    try {
      return await eventually(
        async () => {
          last = (await this.job(namespace, name)).status;
          return last !== undefined && wanted(last) === true ? last : undefined;
        },
        { what: `status of ${key}`, withinMs, everyMs: 40 },
      );
    } catch (error) {
      throw new Error(`job ${key} never came so far; its last status: ${JSON.stringify(last)}`, { cause: error });
    }
  }

  /** What `lumbung explain -o json` prints. */
  async explain(key: string): Promise<ExplainReport> {
    const [namespace = '', name = ''] = key.split('/');
    return this.hub.client.raw<ExplainReport>(
      'GET',
      `/apis/subresources.lumbung.dev/v1alpha1/namespaces/${namespace}/computejobs/${name}/explain`,
    );
  }

  /** Runs the CLI's own code with a kubeconfig of the hub. */
  async cli(...args: readonly string[]): Promise<CliResult> {
    let out = '';
    let err = '';
    const code = await runCli(
      args,
      {
        out: (text) => {
          out += `${text}\n`;
        },
        note: (text) => {
          err += `${text}\n`;
        },
        write: (bytes) => {
          out += Buffer.from(bytes).toString();
          return Promise.resolve();
        },
        color: false,
        env: { KUBECONFIG: join(this.dir, 'hub.kubeconfig') },
        signal: new AbortController().signal,
      },
      'test',
    );
    return { code, out, err };
  }

  /** Fails the test unless the command succeeds. */
  async lumbung(...args: readonly string[]): Promise<string> {
    const { code, out, err } = await this.cli(...args);
    if (code !== 0) throw new Error(`lumbung ${args.join(' ')} exited ${code}: ${err}`);
    return out;
  }

  async memberStatus(name: string): Promise<MemberClusterStatus> {
    const object = await this.hub.client.get<KubeObject & { readonly status?: MemberClusterStatus }>({
      type: MEMBER_CLUSTER_RESOURCE,
      name,
    });
    return object.status ?? {};
  }

  async whenConnected(name: string, wanted = 'True'): Promise<void> {
    await eventually(
      async () => {
        const { conditions = [] } = await this.memberStatus(name);
        return conditions.some((one) => one.type === 'Connected' && one.status === wanted);
      },
      { what: `Connected of ${name} is ${wanted}`, withinMs: 20_000 },
    );
  }

  /** A new process of the member's agent, as a restarted pod would be. The one before must have been stopped. */
  async restartAgent(name: string): Promise<void> {
    const member = this.member(name);
    member.agent = this.makeAgent(member, { token: undefined, hubCaSha256: undefined });
    await member.agent.start(new AbortController().signal);
  }

  /** Stops the hub's process, lets `meanwhile` happen, and starts a new one at the same addresses. */
  async restartHub(meanwhile: () => void): Promise<void> {
    const { federation, enrolment, subresources } = this.hubApp.ports;
    await this.hubApp.stop();
    meanwhile();
    this.hubApp = makeHub(this.hub, this.closers, {
      ...this.options.hubConfig,
      federationAddress: { host: '127.0.0.1', port: federation },
      enrolmentAddress: { host: '127.0.0.1', port: enrolment },
      aggregatedApiAddress: { host: '127.0.0.1', port: subresources },
    });
    await this.hubApp.start(new AbortController().signal);
  }

  /** Everything that the programs have logged, said on the wire and shown as metrics, and every object that is no Secret. */
  async everythingSaid(): Promise<string> {
    const members = [...this.members.values()];
    const sides = [this.hub, ...members];
    return [
      ...sides.flatMap((side) => side.log),
      ...members.flatMap((member) => member.wire),
      ...(await Promise.all(sides.map((side) => side.metrics.expose()))),
      ...sides.map((side) => withoutSecrets(side.sandbox.snapshot())),
    ].join('\n');
  }

  private async makeMember(shape: InProcessMember, block: number): Promise<MemberSide> {
    const { name, jurisdiction = 'ID', region, labels = { 'lumbung.dev/tier': 'shared' } } = shape;
    const invitation = JSON.parse(
      await this.lumbung(
        ...['member', 'invite', name, '--jurisdiction', jurisdiction, '-o', 'json'],
        ...Object.entries(labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]),
        ...(region === undefined ? [] : ['--region', region]),
      ),
    ) as { readonly token: string; readonly caSha256: string };
    await this.lumbung('member', 'accept', name);
    const cluster = await startCluster(
      {
        dir: this.dir,
        name,
        nodes: shape.nodes,
        runtime: shape.runtime ?? 'simulated',
        block,
        side: 'member',
        access: this.options.access?.agent,
      },
      this.closers,
    );
    await applyObjects(cluster.client, [
      namespace(SYSTEM_NAMESPACE),
      {
        apiVersion: 'lumbung.dev/v1alpha1',
        kind: 'LendingPolicy',
        metadata: { name: 'default' },
        spec: { reclaimGrace: '1s', jurisdiction, ...shape.policy },
      } as KubeObject,
    ]);
    const member = { ...cluster, shape, wire: [] as string[], connections: [] as FederationConnection[] };
    const agent = this.makeAgent(member, { token: invitation.token, hubCaSha256: invitation.caSha256 });
    // The one object: a restarted agent's registry takes the place of the old one in it.
    return Object.assign(member, { agent });
  }

  private makeAgent(
    member: Omit<MemberSide, 'agent'>,
    invitation: { readonly token: string | undefined; readonly hubCaSha256: string | undefined },
  ): AgentApp {
    const { ports } = this.hubApp;
    const config = loadAgentConfig({
      env: {},
      flags: {
        member: member.shape.name,
        hub: `localhost:${ports.federation}`,
        'enrol-address': `localhost:${ports.enrolment}`,
        'metrics-address': '127.0.0.1:0',
        ...(invitation.hubCaSha256 === undefined ? {} : { 'hub-ca-sha256': invitation.hubCaSha256 }),
        ...(member.account === undefined ? {} : { 'service-account-name': member.account }),
      },
    });
    const { client, logger, metrics } = programOn(member, 'lumbung-agent', this.closers);
    return createAgentApp({
      ...deps,
      clock: clockAhead(member.shape.wallAheadMs ?? (() => 0)),
      config: { ...config, identity: 'agent-0' },
      client,
      logger,
      metrics,
      version: '0.0.0-test',
      commit: 'test',
      token: () => Promise.resolve(invitation.token),
      transport: {
        enrolment: createGrpcEnrolment({ address: enrolmentAddress(config), clock: deps.clock }),
        link: (identity) => tapped(createGrpcLink({ identity }), member),
      },
    });
  }
}

/** The machine's clock with another time of day; time passes as fast. */
function clockAhead(aheadMs: () => number): Clock {
  const clock = deps.clock;
  return {
    nowMs: () => clock.nowMs() + aheadMs(),
    monotonicMs: () => clock.monotonicMs(),
    read: () => ({ ...clock.read(), wallMs: clock.read().wallMs + aheadMs() }),
    after: (delayMs, handler) => clock.after(delayMs, handler),
    every: (periodMs, handler) => clock.every(periodMs, handler),
    sleep: (delayMs, signal) => clock.sleep(delayMs, signal),
  };
}

function withoutSecrets(snapshot: string): string {
  const { objects } = JSON.parse(snapshot) as { readonly objects: Readonly<Record<string, unknown>> };
  if (objects['/secrets'] === undefined) throw new Error('the snapshot has no Secrets to leave out');
  return JSON.stringify({ ...objects, '/secrets': [] });
}

export function namespace(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
}

export interface PoolShape {
  readonly name: string;
  /** Tenants by name; each has the namespace of that name. A number is its weight. */
  readonly tenants?: Readonly<Record<string, number>>;
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** A pool with leases in seconds. */
export function aPool({ name, tenants = {}, spec = {} }: PoolShape): KubeObject {
  return {
    apiVersion: 'lumbung.dev/v1alpha1',
    kind: 'GpuPool',
    metadata: { name },
    spec: {
      memberSelector: { matchLabels: { 'lumbung.dev/tier': 'shared' } },
      tenants: Object.entries(tenants).map(([tenant, weight]) => ({ name: tenant, namespaces: [tenant], weight })),
      lease: { duration: '4s', terminationGrace: '1s', margin: '1s', maxClockDriftPercent: 1, replaceAfter: '7s' },
      ...spec,
    },
  } as KubeObject;
}

export interface JobShape {
  /** `namespace/name`. */
  readonly key: string;
  readonly pool: string;
  /** How long a simulated worker runs: `0s`, `3s`, `infinite`. Default 0s. */
  readonly duration?: string;
  readonly exitCode?: number;
  /** Shell text, for real processes. */
  readonly script?: string;
  readonly image?: string;
  readonly spec?: Readonly<Record<string, unknown>>;
  /** Put into the template's spec beside its container. */
  readonly podSpec?: Readonly<Record<string, unknown>>;
  /** Put into the container. */
  readonly container?: Readonly<Record<string, unknown>>;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export function aJob(shape: JobShape): KubeObject {
  const [space, name] = shape.key.split('/');
  const annotations = {
    'sandbox.lumbung.dev/duration': shape.duration ?? '0s',
    'sandbox.lumbung.dev/exit-code': String(shape.exitCode ?? 0),
  };
  const container = {
    name: 'main',
    image: shape.image ?? 'registry.example/work:1',
    command: ['sh', '-c', shape.script ?? 'true'],
    resources: { limits: { cpu: '100m', memory: '64Mi' } },
    ...shape.container,
  };
  return {
    apiVersion: 'lumbung.dev/v1alpha1',
    kind: 'ComputeJob',
    metadata: { namespace: space, name },
    spec: {
      pool: shape.pool,
      ...shape.spec,
      template: { metadata: { annotations, ...shape.metadata }, spec: { containers: [container], ...shape.podSpec } },
    },
  } as KubeObject;
}

export function hasCondition(status: ComputeJobStatus, type: string, value = 'True'): boolean {
  return status.conditions?.some((condition) => condition.type === type && condition.status === value) === true;
}
export const isSucceeded = (status: ComputeJobStatus): boolean => hasCondition(status, 'Succeeded');
export const isFailed = (status: ComputeJobStatus): boolean => hasCondition(status, 'Failed');
export const isRunning = (status: ComputeJobStatus): boolean => status.phase === 'Running';

async function startHub(
  dir: string,
  closers: (() => Promise<void>)[],
  options: InProcessOptions,
): Promise<{ readonly hub: Side; readonly hubApp: HubApp }> {
  const hub = await startCluster(
    { dir, name: 'hub', nodes: [], runtime: 'simulated', block: 1, side: 'hub', access: options.access?.hub },
    closers,
  );
  const apiPort = await freePort();
  await applyObjects(hub.client, [
    namespace(SYSTEM_NAMESPACE),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: HUB_FLAGS['aggregated-api-service'], namespace: SYSTEM_NAMESPACE },
      spec: { type: 'ExternalName', externalName: 'localhost', ports: [{ port: apiPort, protocol: 'TCP' }] },
    } as KubeObject,
  ]);
  await writeFile(join(dir, 'hub.kubeconfig'), await hub.sandbox.kubeconfig(), { mode: 0o600 });
  const aggregatedApiAddress = { host: '127.0.0.1', port: apiPort };
  const app = makeHub(hub, closers, { ...options.hubConfig, aggregatedApiAddress });
  await app.start(new AbortController().signal);
  await eventually(
    () =>
      hub.client.get({ type: configMaps, namespace: SYSTEM_NAMESPACE, name: 'lumbung-hub' }).then(
        () => true,
        () => false,
      ),
    { what: 'the hub has published where it is' },
  );
  return { hub, hubApp: app };
}

function makeHub(hub: Side, closers: (() => Promise<void>)[], config: Partial<HubConfig>): HubApp {
  const app = createHubApp({
    ...deps,
    ...programOn(hub, 'lumbung-hub', closers),
    config: { ...loadHubConfig({ env: {}, flags: HUB_FLAGS }), ...config },
    version: '0.0.0-test',
    commit: 'test',
  });
  closers.push(() => app.stop());
  return app;
}

interface ClusterStart {
  readonly dir: string;
  readonly name: string;
  readonly nodes: readonly SandboxNodeSpec[];
  readonly runtime: Runtime;
  readonly block: number;
  readonly side: 'hub' | 'member';
  readonly access: ProgramAccess | undefined;
}

async function startCluster(start: ClusterStart, closers: (() => Promise<void>)[]): Promise<Side> {
  const { dir, name, nodes, runtime, block, side, access } = start;
  const kinds = side === 'hub' ? HUB_KINDS : MEMBER_KINDS;
  const sandbox = createSandboxCluster({
    ...deps,
    name,
    logger: createSinkLogger('error', () => undefined),
    dataDir: join(dir, name),
    nodes,
    runtime,
    addressBlock: block,
    https: side === 'hub',
    crds: kinds.map((kind) => customResourceDefinition(kind) as unknown as KubeObject),
  });
  closers.push(() => sandbox.stop());
  await sandbox.start(new AbortController().signal);
  const client = createKubeClient({ ...deps, transport: sandbox.transport(), userAgent: 'test' });
  closers.push(() => client.close());
  if (access !== undefined) await applyObjects(client, [namespace(SYSTEM_NAMESPACE), ...access.objects]);
  return { sandbox, client, metrics: createMetrics(), log: [], requests: [], account: access?.serviceAccount };
}

/** What a program is handed to work on a cluster. */
function programOn(
  side: Omit<Side, 'metrics'>,
  user: string,
  closers: (() => Promise<void>)[],
): { readonly client: KubeClient; readonly logger: Logger; readonly metrics: MetricsRegistry } {
  const logger = createSinkLogger('debug', (level, message, fields) => {
    (side.log as string[]).push(`${level} ${message} ${JSON.stringify(fields)}`);
  });
  // A process has one registry; a restarted one begins anew.
  const metrics = createMetrics();
  Object.assign(side, { metrics });
  const client = createKubeClient({
    ...deps,
    transport: side.sandbox.transport(identityOf(side.account, user)),
    logger,
    metrics,
    userAgent: user,
    host: user,
    onRequest: (record) => side.requests.push(record),
  });
  closers.push(() => client.close());
  return { client, logger, metrics };
}

/** As the API server sees the token of a pod with that ServiceAccount. */
function identityOf(account: string | undefined, user: string): { readonly user: string; readonly groups: string[] } {
  if (account === undefined) return { user, groups: ['system:masters'] };
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${SYSTEM_NAMESPACE}`, 'system:authenticated'];
  return { user: `system:serviceaccount:${SYSTEM_NAMESPACE}:${account}`, groups };
}

/** The same link, with every message written down. */
function tapped(link: FederationLink, member: Pick<MemberSide, 'wire' | 'connections'>): FederationLink {
  const write = (arrow: string, message: unknown): void => {
    (member.wire as string[]).push(`${arrow} ${wireText(message)}`);
  };
  return {
    connect: (address) => {
      const connection = link.connect(address);
      (member.connections as FederationConnection[]).push(connection);
      return {
        ...connection,
        session: tappedStream(connection.session, write),
        openLogs: () => connection.openLogs(),
      };
    },
  };
}

function tappedStream<In, Out>(
  stream: MessageStream<In, Out>,
  write: (arrow: string, message: unknown) => void,
): MessageStream<In, Out> {
  async function* incoming(): AsyncGenerator<In> {
    for await (const message of stream.incoming) {
      write('<-', message);
      yield message;
    }
  }
  return {
    send: (message, options) => {
      write('->', message);
      return stream.send(message, options);
    },
    drained: () => stream.drained(),
    get queued() {
      return stream.queued;
    },
    incoming: { [Symbol.asyncIterator]: incoming },
    close: (end) => {
      stream.close(end);
    },
    closed: stream.closed,
  };
}

/** JSON, with bytes as Latin-1 so that plain text in them would be found. */
function wireText(message: unknown): string {
  return JSON.stringify(message, (_key, value: unknown) =>
    value instanceof Uint8Array
      ? Buffer.from(value).toString('latin1')
      : typeof value === 'bigint'
        ? value.toString()
        : value,
  );
}

async function closeAll(closers: (() => Promise<void>)[]): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}
