import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { textWith } from '../support/matchers.ts';
import { createAgentApp, type AgentApp } from '../../src/agent/app.ts';
import { loadAgentConfig } from '../../src/agent/config.ts';
import { customResourceDefinition } from '../../src/api/crd/custom-resource-definition.ts';
import { MEMBER_KINDS } from '../../src/api/v1alpha1/kinds.ts';
import { LENDING_POLICY_RESOURCE, type LendingPolicyStatus } from '../../src/api/v1alpha1/lending-policy.ts';
import type { RunReport } from '../../src/core/model/run.ts';
import { systemClock } from '../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../src/platform/clock/system-random.ts';
import { jobs, leases, pods, secrets } from '../../src/platform/kube/builtin-resources.ts';
import { createKubeClient } from '../../src/platform/kube/kube-client-http.ts';
import type { KubeClient } from '../../src/platform/kube/kube-client.ts';
import type { KubeObject } from '../../src/platform/kube/object.ts';
import { createSinkLogger } from '../../src/platform/log/logger.ts';
import { createMetrics, type MetricsRegistry } from '../../src/platform/metrics/registry.ts';
import { createSandboxCluster, type SandboxCluster } from '../../src/sandbox/cluster/sandbox-cluster.ts';
import { memberName, tenantName } from '../../src/core/model/ids.ts';
import type { RunOrder } from '../../src/core/model/run.ts';
import type { AgentMessage } from '../../src/wire/session-messages.ts';
import { anOrder } from '../support/agent-builders.ts';
import { anEnrolmentHub, type EnrolmentHub } from '../support/enrolment-hub.ts';
import { applyObjects } from '../support/yaml-objects.ts';

const NAMESPACE = 'lumbung-system';
type Report = Extract<AgentMessage, { kind: 'report' }>['report'];

/** The hub's side of the newest session: welcomes, acknowledges, keeps the last whole report. */
class HubSide {
  readonly hellos: number[] = [];
  last: Report | undefined;
  private readonly hub: EnrolmentHub;
  private served = 0;

  constructor(hub: EnrolmentHub) {
    this.hub = hub;
  }

  serve(): void {
    while (this.served < this.hub.sessions.length) void this.serveOne(this.served++);
  }

  send(message: Parameters<EnrolmentHub['sessions'][number]['send']>[0]): void {
    this.hub.sessions.at(-1)?.send(message);
  }

  order(
    counter: number,
    runs: readonly RunOrder[],
    more: { readonly outcomeAcks?: readonly RunOrder['id'][] } = {},
  ): void {
    const generation = { incarnation: 'i', term: 1, counter };
    this.send({
      kind: 'desired',
      desired: { generation, runs, cancels: [], outcomeAcks: more.outcomeAcks ?? [], goneJobUids: [], cordoned: false },
    });
  }

  run(uid: string): RunReport | undefined {
    return this.last?.runs.find((report) => report.id.jobUid === uid);
  }

  private async serveOne(at: number): Promise<void> {
    const stream = this.hub.sessions[at]!;
    let inventory: Report | undefined;
    for await (const message of stream.incoming) {
      if (!message.ok) throw new Error(JSON.stringify(message.error));
      if (message.value.kind === 'hello') {
        this.hellos.push(message.value.hello.epoch);
        stream.send({
          kind: 'welcome',
          welcome: { protocolVersion: 1, hubVersion: 't', incarnation: 'i', term: 1, reportIntervalMs: 1000 },
        });
      }
      if (message.value.kind !== 'report') continue;
      const { report, inventoryOmitted } = message.value;
      if (!inventoryOmitted) inventory = report;
      const { policy, window, offers, gpus } = inventory ?? report;
      this.last = { ...report, policy, window, offers, gpus };
      stream.send({ kind: 'reportAck', epoch: report.epoch, sequence: report.sequence, inventoryKnown: true });
    }
  }
}

describe('the agent as a whole, on a sandbox cluster and a hub of its own', () => {
  let dir: string;
  let cluster: SandboxCluster;
  let client: KubeClient;
  let hub: EnrolmentHub;
  let side: HubSide;
  let poll: NodeJS.Timeout;
  const agents: { app: AgentApp; client: KubeClient; metrics: MetricsRegistry }[] = [];
  const lines: string[] = [];

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'agent-app-'));
    const clock = systemClock();
    const random = systemRandom();
    cluster = createSandboxCluster({
      name: 'member',
      clock,
      random,
      logger: createSinkLogger('error', () => undefined),
      dataDir: dir,
      runtime: 'simulated',
      nodes: [
        { name: 'n-1', gpuModel: 'H100-80GB', gpus: 4 },
        { name: 'n-2', gpuModel: 'H100-80GB', gpus: 4 },
      ],
      crds: MEMBER_KINDS.map((kind) => customResourceDefinition(kind) as unknown as KubeObject),
    });
    await cluster.start(new AbortController().signal);
    client = createKubeClient({ transport: cluster.transport(), clock, random, userAgent: 'test' });
    await applyObjects(client, [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
      {
        apiVersion: 'lumbung.dev/v1alpha1',
        kind: 'LendingPolicy',
        metadata: { name: 'default' },
        spec: { jurisdiction: 'ID', reclaimGrace: '1s' },
      } as KubeObject,
    ]);
    const system = await client.get({
      type: { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false },
      name: 'kube-system',
    });
    hub = await anEnrolmentHub();
    const uid = system.metadata.uid ?? '';
    hub.answer = async (request) => ({
      kind: 'Issued',
      certificatePem: await hub.issue(request.csrPem, { clusterUid: uid }),
      trustBundle: [hub.authority.certificatePem],
    });
    side = new HubSide(hub);
    poll = setInterval(() => {
      side.serve();
    }, 10);
  });

  afterEach(async () => {
    clearInterval(poll);
    for (const agent of agents.splice(0)) {
      await agent.app.stop();
      await agent.client.close();
    }
    await client.close();
    await Promise.all([hub.stop(), cluster.stop()]);
    await rm(dir, { recursive: true, force: true });
  });

  async function startAgent(pod: string, token = 'secret-token'): Promise<(typeof agents)[number]> {
    const clock = systemClock();
    const random = systemRandom();
    const metrics = createMetrics();
    const own = createKubeClient({ transport: cluster.transport(), clock, random, userAgent: pod });
    const config = loadAgentConfig({
      env: {},
      flags: {
        member: 'member-a',
        hub: hub.federationAddress,
        'enrol-address': hub.enrolmentAddress,
        'hub-ca-sha256': hub.authority.fingerprint,
        'metrics-address': '127.0.0.1:0',
        'lease-duration': '2s',
        'lease-renew-deadline': '1500ms',
        'lease-retry-period': '200ms',
      },
    });
    const app = createAgentApp({
      config: { ...config, identity: pod },
      client: own,
      clock,
      random,
      logger: createSinkLogger('info', (_level, message, fields) => lines.push(`${message} ${JSON.stringify(fields)}`)),
      metrics,
      version: '1.0.0',
      commit: 'abc',
      token: () => Promise.resolve(token),
    });
    const agent = { app, client: own, metrics };
    agents.push(agent);
    await app.start(new AbortController().signal);
    return agent;
  }

  const order = (uid: string, overrides: Partial<RunOrder> = {}): RunOrder => ({
    ...anOrder({ uid, nodes: [['n-1', 1]] }),
    member: memberName('member-a'),
    tenant: tenantName('team-a'),
    template: { spec: { containers: [{ name: 'main', image: 'registry.example/tool:1', command: ['true'] }] } },
    ...overrides,
  });

  it(
    'joins, offers, runs a guest, shows it, gives back to the owner, and leaves in order',
    { timeout: 30_000 },
    async () => {
      const agent = await startAgent('pod-a');
      await vi.waitFor(
        () => {
          expect(side.last?.offers).toHaveLength(2);
        },
        { timeout: 10_000 },
      );
      expect(side.last).toMatchObject({
        policy: { state: 'Lending', jurisdiction: 'ID' },
        gpus: [{ gpuModel: 'H100-80GB', total: 8, idle: 8, offered: 8 }],
        agentVersion: '1.0.0',
        runs: [],
      });

      const forever = {
        metadata: { annotations: { 'sandbox.lumbung.dev/duration': '1h' } },
        spec: { containers: [{ name: 'main', image: 'registry.example/tool:1', command: ['sleep'] }] },
      };
      side.order(1, [order('job-long', { template: forever, gpusPerWorker: 4 })]);
      await vi.waitFor(
        () => {
          expect(side.run('job-long')?.phase).toBe('Running');
        },
        { timeout: 10_000 },
      );
      expect(side.last?.gpus).toMatchObject([{ lent: 4, idle: 4, offered: 4 }]);
      expect(side.last?.acknowledged?.counter).toBe(1);

      const page = await (await fetch(`http://127.0.0.1:${agent.app.ports.metrics}/metrics`)).text();
      expect(page).toContain('lumbung_agent_hub_connected 1');
      expect(page).toContain('lumbung_agent_runs{phase="Running"} 1');
      expect(page).toContain('lumbung_agent_gpus{vendor="nvidia",gpu_model="H100-80GB",state="lent"} 4');
      expect(page).toContain('lumbung_build_info{version="1.0.0",commit="abc",component="agent"} 1');
      expect((await fetch(`http://127.0.0.1:${agent.app.ports.metrics}/readyz`)).status).toBe(200);
      await vi.waitFor(async () => {
        const policy = await client.get<KubeObject & { status?: LendingPolicyStatus }>({
          type: LENDING_POLICY_RESOURCE,
          name: 'default',
        });
        const { conditions } = policy.status ?? {};
        expect(conditions?.find((condition) => condition.type === 'Lending')).toMatchObject({ status: 'True' });
      });

      const ownerPod = (name: string) => ({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: 'default', annotations: { 'sandbox.lumbung.dev/duration': '1h' } },
        spec: {
          containers: [
            { name: 'main', image: 'x', command: ['sleep'], resources: { limits: { 'nvidia.com/gpu': '4' } } },
          ],
        },
      });
      await client.create(pods, ownerPod('owner-1'));
      await client.create(pods, ownerPod('owner-2'));
      await vi.waitFor(
        async () => {
          const { items } = await client.list<KubeObject & { status?: { phase?: string } }>(pods, {
            namespace: 'default',
          });
          expect(items.map((pod) => pod.status?.phase)).toEqual(['Running', 'Running']);
        },
        { timeout: 10_000 },
      );
      await vi.waitFor(
        () => {
          expect(side.run('job-long')).toMatchObject({
            phase: 'Ended',
            end: { cause: 'Reclaimed', outcome: 'Stopped' },
          });
        },
        { timeout: 10_000 },
      );

      await agent.app.stop();
      const lease = await client.get<KubeObject & { spec: { holderIdentity?: string } }>({
        type: leases,
        namespace: NAMESPACE,
        name: 'lumbung-agent',
      });
      expect(lease.spec.holderIdentity ?? '').toBe('');
      expect(lines.join('\n')).not.toContain('secret-token');
      expect(lines.join('\n')).not.toContain('PRIVATE KEY');
    },
  );

  it(
    'acts in one pod at a time, and the next one takes guests over with a higher epoch',
    { timeout: 30_000 },
    async () => {
      const first = await startAgent('pod-a');
      await vi.waitFor(
        () => {
          expect(side.last?.offers).toHaveLength(2);
        },
        { timeout: 10_000 },
      );
      const second = await startAgent('pod-b');
      const forever = {
        metadata: { annotations: { 'sandbox.lumbung.dev/duration': '1h' } },
        spec: { containers: [{ name: 'main', image: 'registry.example/tool:1', command: ['sleep'] }] },
      };
      side.order(1, [order('job-1', { template: forever })]);
      await vi.waitFor(
        () => {
          expect(side.run('job-1')?.phase).toBe('Running');
        },
        { timeout: 10_000 },
      );
      expect([first.app.acting, second.app.acting]).toEqual([true, false]);
      expect(await second.metrics.expose()).not.toContain('lumbung_agent_runs{');

      await first.app.stop();
      await vi.waitFor(
        () => {
          expect(second.app.connected).toBe(true);
        },
        { timeout: 10_000 },
      );
      await vi.waitFor(() => {
        expect(side.hellos).toHaveLength(2);
      });
      expect(side.hellos[1]! - side.hellos[0]!).toBeGreaterThanOrEqual(2 ** 24 - 1);
      await vi.waitFor(() => {
        expect(side.run('job-1')?.phase).toBe('Running');
      });
      const { items } = await client.list(jobs, { labelSelector: 'lumbung.dev/guest=true' });
      expect(items).toHaveLength(1);
      // The identity is the member's, not the pod's: nobody joined twice.
      expect(hub.requests).toHaveLength(1);
      const { items: kept } = await client.list(secrets, { namespace: NAMESPACE });
      expect(kept.filter((secret) => secret.metadata.name === 'lumbung-agent-identity')).toHaveLength(1);
    },
  );

  it('ends when it may not join and has nobody to look after', { timeout: 20_000 }, async () => {
    hub.answer = () => Promise.resolve({ kind: 'Refused', message: 'the invitation is not valid' });
    const { app } = await startAgent('pod-a');
    await expect(app.failure).rejects.toMatchObject({
      kind: 'MembershipEnded',
      why: 'NotJoined',
      message: textWith('not valid'),
    });
  });

  it('ends its guests, then itself, when the hub revokes the member', { timeout: 30_000 }, async () => {
    const { app } = await startAgent('pod-a');
    await vi.waitFor(
      () => {
        expect(side.last?.offers).toHaveLength(2);
      },
      { timeout: 10_000 },
    );
    const forever = {
      metadata: { annotations: { 'sandbox.lumbung.dev/duration': '1h' } },
      spec: { containers: [{ name: 'main', image: 'registry.example/tool:1', command: ['sleep'] }] },
    };
    side.order(1, [order('job-1', { template: forever })]);
    await vi.waitFor(
      () => {
        expect(side.run('job-1')?.phase).toBe('Running');
      },
      { timeout: 10_000 },
    );
    side.send({ kind: 'goodbye', reason: 'Revoked', message: 'revoked by the pool operator', retryAfterMs: 0 });
    await expect(app.failure).rejects.toMatchObject({ why: 'Revoked' });
    const { items } = await client.list<KubeObject & { status?: { phase?: string } }>(pods, {
      labelSelector: 'lumbung.dev/guest=true',
    });
    expect(items.filter((pod) => pod.status?.phase === 'Running')).toEqual([]);
  });
});
