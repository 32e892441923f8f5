import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAgentApp, type AgentApp } from '../../src/agent/app.ts';
import { loadAgentConfig } from '../../src/agent/config.ts';
import { customResourceDefinition } from '../../src/api/crd/custom-resource-definition.ts';
import { MEMBER_KINDS } from '../../src/api/v1alpha1/kinds.ts';
import type { Cause } from '../../src/core/model/cause.ts';
import { fence, jobUid, memberName, runKey, tenantName } from '../../src/core/model/ids.ts';
import type { Desired } from '../../src/core/model/desired.ts';
import type { RunOrder, RunReport } from '../../src/core/model/run.ts';
import { systemClock } from '../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../src/platform/clock/system-random.ts';
import { jobs, namespaces, pods } from '../../src/platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../src/platform/kube/kube-client.ts';
import { createKubeClient } from '../../src/platform/kube/kube-client-http.ts';
import type { KubeObject } from '../../src/platform/kube/object.ts';
import { createSinkLogger } from '../../src/platform/log/logger.ts';
import { createMetrics } from '../../src/platform/metrics/registry.ts';
import { createSandboxCluster, type SandboxCluster } from '../../src/sandbox/cluster/sandbox-cluster.ts';
import type { HubMessage } from '../../src/wire/session-messages.ts';
import { anOrder, type OrderShape } from '../support/agent-builders.ts';
import { anEnrolmentHub, type EnrolmentHub } from '../support/enrolment-hub.ts';
import { eventually } from '../support/eventually.ts';
import { applyObjects } from '../support/yaml-objects.ts';

const deps = { clock: systemClock(), random: systemRandom() };
const TERM = 5;

/** A member with an agent of production, and a hub that says whatever a test wants it to say. */
class ForgedHub {
  readonly cluster: SandboxCluster;
  readonly client: KubeClient;
  readonly hub: EnrolmentHub;
  readonly metrics = createMetrics();
  readonly log: string[] = [];
  term = TERM;
  counter = 0;
  private readonly dir: string;
  private agent: AgentApp | undefined;
  private readonly agentClient: KubeClient;
  private readonly reports = new Map<string, RunReport>();
  private served = 0;
  private readonly watching: NodeJS.Timeout;

  private constructor(parts: { readonly dir: string; readonly cluster: SandboxCluster; readonly hub: EnrolmentHub }) {
    Object.assign(this, parts);
    this.dir = parts.dir;
    this.cluster = parts.cluster;
    this.hub = parts.hub;
    const client = (): KubeClient =>
      createKubeClient({ ...deps, transport: this.cluster.transport(), userAgent: 'test' });
    this.client = client();
    this.agentClient = client();
    this.watching = setInterval(() => {
      while (this.served < this.hub.sessions.length) void this.serve(this.served++);
    }, 10);
  }

  /** `certified`: the jurisdiction in the certificate; the owner says ID. */
  static async start(certified: string): Promise<ForgedHub> {
    const dir = await mkdtemp(join(tmpdir(), 'forged-hub-'));
    const cluster = createSandboxCluster({
      ...deps,
      name: 'member',
      logger: createSinkLogger('error', () => undefined),
      dataDir: dir,
      runtime: 'simulated',
      nodes: [{ name: 'n-1', gpuModel: 'H100-80GB', gpus: 8 }],
      crds: MEMBER_KINDS.map((kind) => customResourceDefinition(kind) as unknown as KubeObject),
    });
    await cluster.start(new AbortController().signal);
    const forged = new ForgedHub({ dir, cluster, hub: await anEnrolmentHub() });
    const policy = { jurisdiction: 'ID', reclaimGrace: '2s', tenants: ['team-a'] };
    await applyObjects(forged.client, [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'lumbung-system' } },
      {
        apiVersion: 'lumbung.dev/v1alpha1',
        kind: 'LendingPolicy',
        metadata: { name: 'default' },
        spec: policy,
      } as KubeObject,
    ]);
    await forged.startAgent(certified);
    return forged;
  }

  private async startAgent(certified: string): Promise<void> {
    const { uid = '' } = (await this.client.get({ type: namespaces, name: 'kube-system' })).metadata;
    this.hub.answer = async (request) => ({
      kind: 'Issued',
      certificatePem: await this.hub.issue(request.csrPem, { clusterUid: uid, jurisdiction: certified }),
      trustBundle: [this.hub.authority.certificatePem],
    });
    const config = loadAgentConfig({
      env: {},
      flags: {
        member: 'member-a',
        hub: this.hub.federationAddress,
        'enrol-address': this.hub.enrolmentAddress,
        'hub-ca-sha256': this.hub.authority.fingerprint,
        'metrics-address': '127.0.0.1:0',
      },
    });
    this.agent = createAgentApp({
      ...deps,
      config: { ...config, identity: 'agent-0' },
      client: this.agentClient,
      logger: createSinkLogger('info', (level, message, fields) => {
        this.log.push(`${level} ${message} ${JSON.stringify(fields)}`);
      }),
      metrics: this.metrics,
      version: '1.0.0',
      commit: 'test',
      token: () => Promise.resolve('token'),
    });
    await this.agent.start(new AbortController().signal);
    await eventually(() => this.agent?.connected, { what: 'the agent is connected' });
  }

  async stop(): Promise<void> {
    clearInterval(this.watching);
    await this.agent?.stop();
    await Promise.all([this.agentClient.close(), this.client.close()]);
    await Promise.all([this.hub.stop(), this.cluster.stop()]);
    await rm(this.dir, { recursive: true, force: true });
  }

  say(message: HubMessage): void {
    this.hub.sessions.at(-1)?.send(message);
  }

  desire(content: Partial<Desired>): void {
    this.counter += 1;
    const generation = { incarnation: 'forged', term: TERM, counter: this.counter };
    const empty = { runs: [], cancels: [], outcomeAcks: [], goneJobUids: [], cordoned: false };
    this.say({ kind: 'desired', desired: { generation, ...empty, ...content } });
  }

  run(uid: string, number = 1): RunReport | undefined {
    return this.reports.get(runKey({ jobUid: jobUid(uid), fence: fence(number) }));
  }

  async whenRun(uid: string, wanted: (report: RunReport) => boolean, number = 1): Promise<RunReport> {
    return eventually(
      () => {
        const report = this.run(uid, number);
        return report !== undefined && wanted(report) ? report : undefined;
      },
      { what: `report of ${uid}` },
    ).catch((error: unknown) => {
      throw new Error(`${uid} was last reported as ${JSON.stringify(this.run(uid, number))}`, { cause: error });
    });
  }

  async jobsOf(uid: string): Promise<number> {
    return (await this.client.list(jobs, { labelSelector: `lumbung.dev/job-uid=${uid}` })).items.length;
  }

  async livePods(uid: string): Promise<number> {
    type Pod = KubeObject & { readonly status?: { readonly phase?: string } };
    const { items } = await this.client.list<Pod>(pods, { labelSelector: `lumbung.dev/job-uid=${uid}` });
    return items.filter((pod) => pod.status?.phase === 'Running').length;
  }

  /** Reports that the agent has sent since; whole ones, so that one is the proof that the order was looked at. */
  private async serve(at: number): Promise<void> {
    const stream = this.hub.sessions[at];
    if (stream === undefined) return;
    for await (const message of stream.incoming) {
      if (!message.ok) throw new Error(JSON.stringify(message.error));
      if (message.value.kind === 'hello') {
        const welcome = {
          protocolVersion: 1,
          hubVersion: 't',
          incarnation: 'forged',
          term: this.term,
          reportIntervalMs: 300,
        };
        stream.send({ kind: 'welcome', welcome });
      }
      if (message.value.kind !== 'report') continue;
      const { report } = message.value;
      for (const run of report.runs) this.reports.set(runKey(run.id), run);
      stream.send({ kind: 'reportAck', epoch: report.epoch, sequence: report.sequence, inventoryKnown: true });
    }
  }
}

function order(shape: OrderShape, overrides: Partial<RunOrder> = {}): RunOrder {
  return { ...anOrder({ nodes: [['n-1', 1]], ...shape }), ...overrides };
}

const forever = { 'sandbox.lumbung.dev/duration': 'infinite' };
const container = { name: 'main', image: 'registry.example/tool:1', command: ['true'] };

function template(podSpec: Record<string, unknown> = {}, inContainer: Record<string, unknown> = {}): unknown {
  return { metadata: { annotations: forever }, spec: { containers: [{ ...container, ...inContainer }], ...podSpec } };
}

describe('a hub that is not honest', () => {
  let forged: ForgedHub;
  const orders = new Map<string, RunOrder>();
  beforeAll(async () => {
    forged = await ForgedHub.start('ID');
  });
  afterAll(() => forged.stop());

  /** Desired is whole: what other tests ordered stays in it. */
  function give(one: RunOrder): void {
    orders.set(one.id.jobUid, one);
    forged.desire({ runs: [...orders.values()] });
  }

  it.concurrent.each([
    ['host path', template({ volumes: [{ name: 'v', hostPath: { path: '/' } }] }), 'template.spec.volumes[0].hostPath'],
    ['node name', template({ nodeName: 'n-1' }), 'template.spec.nodeName'],
    ['priority class', template({ priorityClassName: 'system-cluster-critical' }), 'template.spec.priorityClassName'],
    [
      'devices',
      template({}, { env: [{ name: 'NVIDIA_VISIBLE_DEVICES', value: 'all' }] }),
      'template.spec.containers[0].env[0].name',
    ],
    ['grace', template({ terminationGracePeriodSeconds: 3600 }), 'template.spec.terminationGracePeriodSeconds'],
    ['service account', template({ serviceAccountName: 'default' }), 'template.spec.serviceAccountName'],
    ['host network', template({ hostNetwork: true }), 'template.spec.hostNetwork'],
    [
      'privileged',
      template({}, { securityContext: { privileged: true } }),
      'template.spec.containers[0].securityContext.privileged',
    ],
    ['tolerations', template({ tolerations: [{ operator: 'Exists' }] }), 'template.spec.tolerations'],
    ['unknown field', template({ newInKubernetes99: true }), 'template.spec.newInKubernetes99'],
    ['no template', 42, 'template'],
  ])('cannot place a template with %s', async (name, hostile, path) => {
    const uid = `hostile-${name.replaceAll(' ', '-')}`;
    give(order({ uid }, { template: hostile }));
    const { end } = await forged.whenRun(uid, (report) => report.phase === 'Ended');
    expect(end).toMatchObject({ outcome: 'Refused', everStarted: false });
    // What is no template at all is not even read as an order.
    expect(end?.cause).toBe(hostile === 42 ? 'Unsupported' : 'TemplateRefused');
    expect(end?.message).toContain(path);
    expect(await forged.jobsOf(uid)).toBe(0);
  });

  it.concurrent.each<[string, OrderShape, Partial<RunOrder>, { readonly cause: Cause; readonly said: string }]>([
    ['of a foreign jurisdiction', { jurisdictions: ['US'] }, {}, { cause: 'JurisdictionRefused', said: 'US' }],
    ['of a tenant not lent to', { tenant: 'stranger' }, {}, { cause: 'PolicyRefused', said: 'stranger' }],
    ['for another member', {}, { member: memberName('member-b') }, { cause: 'Unsupported', said: 'member-b' }],
    ['on a node that is not there', { nodes: [['n-99', 1]], model: 'T4' }, {}, { cause: 'StaleOffer', said: '' }],
    [
      'bigger than the cluster',
      { workers: 3, gpusPerWorker: 8, nodes: [['n-1', 3]] },
      {},
      { cause: 'StaleOffer', said: '24' },
    ],
    ['that does not add up', { workers: 4, nodes: [['n-1', 1]] }, {}, { cause: 'Unsupported', said: 'nodes' }],
  ])('cannot place an order %s', async (name, shape, overrides, { cause, said }) => {
    const uid = `order-${name.replaceAll(' ', '-')}`;
    give(order({ uid, ...shape }, { template: template(), ...overrides }));
    const { end } = await forged.whenRun(uid, (report) => report.phase === 'Ended');
    expect(end).toMatchObject({ outcome: 'Refused', cause, everStarted: false });
    expect(end?.message).toContain(said);
    expect(await forged.jobsOf(uid)).toBe(0);
  });

  it('cannot start a lower fence, nor the same fence again', async () => {
    const uid = 'fences';
    const at = (number: number): RunOrder => order({ uid, fence: number }, { template: template() });
    give(at(7));
    await forged.whenRun(uid, (report) => report.phase === 'Running', 7);
    give(at(3));
    const lower = await forged.whenRun(uid, (report) => report.phase === 'Ended', 3);
    expect(lower.end).toMatchObject({ outcome: 'Refused', everStarted: false });
    expect(await forged.livePods(uid)).toBe(1);
    const id = { jobUid: jobUid(uid), fence: fence(7) };
    orders.delete(uid);
    forged.desire({ runs: [...orders.values()], cancels: [{ id, cause: 'Suspended', message: 'enough' }] });
    await eventually(async () => (await forged.livePods(uid)) === 0, { what: 'the cancelled run ends' });
    // Acknowledged, forgotten by the hub, and ordered once more.
    forged.desire({ runs: [...orders.values()], outcomeAcks: [id] });
    give(at(7));
    await forged.whenRun(uid, (report) => report.phase === 'Ended', 7);
    await settled();
    expect(await forged.livePods(uid)).toBe(0);
    expect(await forged.metrics.expose()).toMatch(/lumbung_agent_fence_rejections_total\{[^}]*\} [1-9]/);
  });

  it('stops nothing by silence, by acknowledging what has not ended, or by saying that the job is gone', async () => {
    const uid = 'steadfast';
    give(order({ uid, tenant: 'team-a' }, { template: template(), tenant: tenantName('team-a') }));
    await forged.whenRun(uid, (report) => report.phase === 'Running');
    const id = { jobUid: jobUid(uid), fence: fence(1) };
    orders.delete(uid);
    forged.desire({ runs: [...orders.values()] });
    forged.desire({ runs: [...orders.values()], outcomeAcks: [id], goneJobUids: [jobUid(uid)] });
    const other = { jobUid: jobUid(uid), fence: fence(2) };
    forged.desire({ runs: [...orders.values()], cancels: [{ id: other, cause: 'Deleted', message: 'another one' }] });
    await settled();
    expect(await forged.livePods(uid)).toBe(1);
    forged.desire({ runs: [...orders.values()], cancels: [{ id, cause: 'Deleted', message: 'this one' }] });
    const { end } = await forged.whenRun(uid, (report) => report.phase === 'Ended');
    expect(end).toMatchObject({ outcome: 'Stopped', cause: 'Deleted' });
  });

  it('of an earlier generation or term is not obeyed', async () => {
    const uid = 'late-word';
    const empty = { runs: [order({ uid }, { template: template() })], cancels: [], outcomeAcks: [], goneJobUids: [] };
    for (const generation of [
      { incarnation: 'forged', term: TERM - 1, counter: 1_000_000 },
      { incarnation: 'forged', term: TERM, counter: 0 },
    ]) {
      forged.say({ kind: 'desired', desired: { generation, cordoned: false, ...empty } });
    }
    await settled();
    expect(forged.run(uid)).toBeUndefined();
    expect(await forged.jobsOf(uid)).toBe(0);
  });

  /** The agent has taken everything that was said so far: an order after it was looked at. */
  async function settled(): Promise<void> {
    const uid = `marker-${Math.random().toString(36).slice(2)}`;
    give(order({ uid }, { template: template({ nodeName: 'n-1' }) }));
    await forged.whenRun(uid, (report) => report.phase === 'Ended');
  }
});

describe('a hub whose certificate says another jurisdiction than the owner', () => {
  let forged: ForgedHub;
  beforeAll(async () => {
    forged = await ForgedHub.start('SG');
  });
  afterAll(() => forged.stop());

  it('gets nothing placed', async () => {
    forged.desire({ runs: [order({ uid: 'abroad', jurisdictions: ['SG'] }, { template: template() })] });
    const { end } = await forged.whenRun('abroad', (report) => report.phase === 'Ended');
    expect(end).toMatchObject({ outcome: 'Refused', cause: 'JurisdictionRefused', everStarted: false });
    expect(end?.message).toMatch(/ID.*SG/);
  });

  it('of a lower term than before is left at the next connection', async () => {
    forged.term = TERM - 1;
    const before = forged.hub.sessions.length;
    forged.say({ kind: 'goodbye', reason: 'Draining', message: 'come again', retryAfterMs: 1 });
    await eventually(() => forged.hub.sessions.length > before + 1, {
      what: 'it is left, and tried again',
      withinMs: 15_000,
    });
    forged.desire({ runs: [order({ uid: 'by-an-old-term' }, { template: template() })] });
    expect(forged.run('by-an-old-term')).toBeUndefined();
    expect(await forged.metrics.expose()).toMatch(
      /lumbung_agent_fence_rejections_total\{reason="[^"]*[Tt]erm[^"]*"\} [1-9]/,
    );
  });
});
