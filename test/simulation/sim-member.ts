/**
 * A member of the simulation: a sandbox cluster with a control plane and kubelets that keep working whatever becomes of the
 * agent, and the agent of production on a process of its own, which can be killed, paused and started anew.
 */
import { createAgentApp, type AgentApp } from '../../src/agent/app.ts';
import { loadAgentConfig } from '../../src/agent/config.ts';
import { createIdentityStore } from '../../src/agent/enrolment/identity-store.ts';
import { customResourceDefinition } from '../../src/api/crd/custom-resource-definition.ts';
import { MEMBER_KINDS } from '../../src/api/v1alpha1/kinds.ts';
import type { SeededRandom } from '../../src/platform/clock/seeded-random.ts';
import type { VirtualClock } from '../../src/platform/clock/virtual-clock.ts';
import { RpcError } from '../../src/platform/grpc/rpc-error.ts';
import { namespaces } from '../../src/platform/kube/builtin-resources.ts';
import { createKubeClient } from '../../src/platform/kube/kube-client-http.ts';
import type { KubeClient } from '../../src/platform/kube/kube-client.ts';
import type { KubeObject } from '../../src/platform/kube/object.ts';
import type { Logger } from '../../src/platform/log/logger.ts';
import { createMetrics } from '../../src/platform/metrics/registry.ts';
import { createAuthority } from '../../src/platform/pki/authority.ts';
import { createKeyAndCsr, verifyCsr } from '../../src/platform/pki/certificate-request.ts';
import { parseCertificate } from '../../src/platform/pki/certificate.ts';
import { formatMemberSpiffeId, type MemberSpiffeId } from '../../src/platform/pki/spiffe-id.ts';
import type { SandboxNodeSpec } from '../../src/sandbox/cluster/node-shape.ts';
import { createSandboxCluster, type SandboxCluster } from '../../src/sandbox/cluster/sandbox-cluster.ts';
import { applyObjects } from '../support/yaml-objects.ts';
import { ApiTrouble, faultyTransport } from './faulty-transport.ts';
import { NAMESPACE } from './sim-hub.ts';
import { SimHost, wholeMs } from './sim-host.ts';
import { SimLine, type SessionServer } from './sim-line.ts';

const VALIDITY_MS = 30 * 86_400_000;

export interface SimMemberDeps {
  readonly name: string;
  readonly nodes: readonly SandboxNodeSpec[];
  readonly block: number;
  readonly dir: string;
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly logger: (who: string) => Logger;
  readonly hub: () => SessionServer | undefined;
  readonly note: (text: string) => void;
  readonly onError: (where: string, error: unknown) => void;
}

export class SimMember {
  readonly name: string;
  readonly cluster: SandboxCluster;
  /** An administrator's, without faults. */
  readonly client: KubeClient;
  readonly trouble = new ApiTrouble();
  readonly nodes: readonly SandboxNodeSpec[];
  line!: SimLine;
  id!: MemberSpiffeId;
  certificate!: { readonly fingerprint: string; readonly notAfterMs: number };
  host: SimHost | undefined;
  /** Processes that have ended and may still be running out. */
  readonly ending: Promise<void>[] = [];
  private readonly deps: SimMemberDeps;
  private agent: AgentApp | undefined;
  private processes = 0;

  constructor(deps: SimMemberDeps) {
    this.deps = deps;
    this.name = deps.name;
    this.nodes = deps.nodes;
    const { clock, random } = deps;
    this.cluster = createSandboxCluster({
      name: deps.name,
      clock: wholeMs(clock),
      random: random.fork('cluster'),
      logger: deps.logger(`${deps.name}/cluster`),
      dataDir: `${deps.dir}/${deps.name}`,
      nodes: deps.nodes,
      runtime: 'simulated',
      addressBlock: deps.block,
      crds: MEMBER_KINDS.map((kind) => customResourceDefinition(kind) as unknown as KubeObject),
    });
    this.client = createKubeClient({
      transport: this.cluster.transport(),
      clock: wholeMs(clock),
      random: random.fork('admin'),
      userAgent: 'simulation',
    });
  }

  /** The cluster, the owner's policy, and an identity that a hub has issued. The agent is not started. */
  async prepare(): Promise<void> {
    const { clock, random, hub, onError, name } = this.deps;
    await this.cluster.start(new AbortController().signal);
    await applyObjects(this.client, [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
      {
        apiVersion: 'lumbung.dev/v1alpha1',
        kind: 'LendingPolicy',
        metadata: { name: 'default' },
        spec: { reclaimGrace: '1s', jurisdiction: 'ID' },
      } as KubeObject,
    ]);
    const system = await this.client.get({ type: namespaces, name: 'kube-system' });
    this.id = {
      trustDomain: 'lumbung.dev',
      member: name,
      clusterUid: system.metadata.uid ?? '',
      jurisdiction: 'ID',
    };
    const authority = await createAuthority(
      { commonName: 'simulation', validityMs: VALIDITY_MS },
      { clock, random: random.fork('authority') },
    );
    const store = createIdentityStore({ client: this.client, namespace: NAMESPACE, member: name });
    const { keyPem } = await store.ensure();
    const { csrPem } = await createKeyAndCsr({ commonName: name, keyPem });
    const csr = await verifyCsr(csrPem);
    const certificatePem = await authority.issueClientCertificate({
      publicKeySpki: csr.publicKeySpki,
      commonName: name,
      spiffeUri: formatMemberSpiffeId(this.id),
      validityMs: VALIDITY_MS,
    });
    await store.update({ certificatePem, trustBundlePem: authority.certificatePem });
    const { fingerprint, notAfterMs } = parseCertificate(certificatePem);
    this.certificate = { fingerprint, notAfterMs };
    this.line = new SimLine({
      member: name,
      clock,
      hub,
      certificate: this.certificate,
      onError: (error) => {
        onError(`session of ${name}`, error);
      },
    });
  }

  /** A new process of the agent. Resolves once it has begun to work, which takes no virtual time. */
  async startAgent(wallSkewMs: number): Promise<void> {
    const { clock, name, onError, note } = this.deps;
    this.processes += 1;
    const host = new SimHost(`${name}/agent-${this.processes}`, clock, wallSkewMs);
    const agent = this.makeAgent(host);
    this.host = host;
    this.agent = agent;
    agent.failure.catch((error: unknown) => {
      if (this.host !== host || host.dead) return;
      note(`${host.name} gave up: ${String(error)}`);
      this.killAgent();
    });
    agent.start(new AbortController().signal).catch((error: unknown) => {
      if (!host.dead) onError(host.name, error);
    });
    // Its metrics listener is the one real socket: time must not pass before it stands, or histories would differ.
    while (agent.ports.metrics === 0) await clock.settle();
  }

  killAgent(): void {
    const { host, agent } = this;
    if (host === undefined || agent === undefined) return;
    this.host = undefined;
    this.agent = undefined;
    host.kill();
    // Whatever it still tries fails; what goes wrong while a killed process runs out concerns nobody.
    this.ending.push(agent.stop().catch(() => undefined));
  }

  /** Everything of it ends in an orderly way. */
  async stop(): Promise<void> {
    await this.agent?.stop();
    await Promise.all(this.ending);
    await this.client.close();
    await this.cluster.stop();
  }

  private makeAgent(host: SimHost): AgentApp {
    const { clock, random, logger, name } = this.deps;
    const own = random.fork(host.name);
    const log = logger(host.name);
    const metrics = createMetrics();
    const transport = faultyTransport({
      inner: this.cluster.transport({ user: 'lumbung-agent', groups: ['system:masters'] }),
      host,
      trouble: this.trouble,
      clock,
      random: own.fork('network'),
    });
    const config = loadAgentConfig({
      env: {},
      flags: {
        member: name,
        hub: 'hub.simulation:7443',
        'metrics-address': '127.0.0.1:0',
        'lease-duration': '6s',
        'lease-renew-deadline': '4s',
        'lease-retry-period': '1s',
      },
    });
    return createAgentApp({
      config: { ...config, identity: 'agent-0' },
      client: createKubeClient({ transport, clock: host.clock, random: own, logger: log, metrics, userAgent: 'agent' }),
      clock: host.clock,
      random: own,
      logger: log,
      // The process is the test's, and its own families are of no interest here.
      metrics: { ...metrics, addProcessMetrics: () => undefined },
      version: '0.0.0-simulation',
      commit: 'simulation',
      token: () => Promise.resolve(undefined),
      transport: {
        enrolment: {
          fetchTrustBundle: () => Promise.reject(new RpcError('UNAVAILABLE', 'nobody joins in this history')),
          enrol: () => Promise.reject(new RpcError('UNAVAILABLE', 'nobody joins in this history')),
        },
        link: () => ({ connect: () => this.line.connect(host) }),
      },
    });
  }
}
