/**
 * The agent's composition root: every object of the process, flat. Read it with reign.ts to know every loop there is.
 *
 * Order: metrics and health first, so that a cluster that cannot be reached is seen; then what every pod of the agent
 * watches; then the election for the agent's Lease. Only its holder acts (reign.ts). Leaves out the process: argv,
 * environment, files and signals are bin's.
 */
import { clusterUid, type ClusterUid } from '../core/model/ids.ts';
import { backoffMs } from '../platform/clock/backoff.ts';
import type { Clock } from '../platform/clock/clock.ts';
import type { Random } from '../platform/clock/random.ts';
import { namespaces } from '../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../platform/kube/kube-client.ts';
import { createLeaderElector, type LeaderElector } from '../platform/kube/lease-elector.ts';
import { createRunnableGroup } from '../platform/lifecycle/group.ts';
import type { Runnable } from '../platform/lifecycle/runnable.ts';
import type { Logger } from '../platform/log/logger.ts';
import { createHttpServer, healthHandler, metricsHandler } from '../platform/metrics/http.ts';
import type { MetricsRegistry } from '../platform/metrics/registry.ts';
import { enrolmentAddress, type AgentConfig } from './config.ts';
import type { MemberIdentity } from './enrolment/certificate-check.ts';
import type { EnrolmentPort } from './enrolment/enrolment-port.ts';
import { createGrpcEnrolment } from './enrolment/grpc-enrolment.ts';
import { createIdentityStore, type IdentityStore } from './enrolment/identity-store.ts';
import { beginReign, type Reign } from './reign.ts';
import type { FederationLink } from './session/federation-link.ts';
import { createGrpcLink } from './session/grpc-link.ts';
import type { MembershipEnded } from './session/membership.ts';
import { createAgentMetrics, type AgentMetrics } from './telemetry/agent-metrics.ts';
import { observeAgentState } from './telemetry/state-gauges.ts';
import { servesResourceSlices, watchCluster, type WatchedCluster } from './watched-cluster.ts';

const LEASE_NAME = 'lumbung-agent';
const FIRST_CONTACT = { baseMs: 500, maxMs: 15_000 };

export interface AgentAppDeps {
  readonly config: AgentConfig & { readonly identity: string };
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly version: string;
  /** Commit the build was made from. */
  readonly commit: string;
  /** The token, from wherever the process was told to take it; undefined or empty = none. */
  readonly token: () => Promise<string | undefined>;
  /** The federation transport; default gRPC to the configured addresses. */
  readonly transport?: {
    readonly enrolment: EnrolmentPort;
    readonly link: (identity: () => MemberIdentity) => FederationLink;
  };
}

export interface AgentApp extends Runnable {
  /** Where /metrics is served, once started. */
  readonly ports: { readonly metrics: number };
  /** Rejects with MembershipEnded when this process cannot go on. */
  readonly failure: Promise<never>;
  /** This pod holds the agent's Lease and acts. */
  readonly acting: boolean;
  /** The hub has welcomed the open session. */
  readonly connected: boolean;
}

/** What is asked of the cluster once, before anything else. */
interface Surroundings {
  readonly clusterUid: ClusterUid;
  readonly kubernetesVersion: string;
  readonly hasResourceSlices: boolean;
  readonly leaseTerm: number;
}

/** Nothing happens until `start`. */
export function createAgentApp(deps: AgentAppDeps): AgentApp {
  return new Agent(deps);
}

class Agent implements AgentApp {
  readonly name = 'agent';
  readonly ports = { metrics: 0 };
  readonly failure: Promise<never>;
  private readonly deps: AgentAppDeps;
  private readonly families: AgentMetrics;
  private readonly store: IdentityStore;
  private readonly stopping = new AbortController();
  private fail: (end: MembershipEnded) => void = () => undefined;
  private cluster: WatchedCluster | undefined;
  private identity: MemberIdentity | undefined;
  private reign: Reign | undefined;
  private readonly groups: Runnable[] = [];

  constructor(deps: AgentAppDeps) {
    this.deps = deps;
    this.families = createAgentMetrics(deps.metrics);
    const { client, config } = deps;
    this.store = createIdentityStore({ client, namespace: config.namespace, member: config.member });
    this.failure = new Promise((_resolve, reject) => {
      this.fail = reject;
    });
    // Whoever does not wait for it is told by the log alone.
    this.failure.catch(() => undefined);
  }

  get acting(): boolean {
    return this.reign !== undefined;
  }

  get connected(): boolean {
    return this.reign?.membership.connected === true;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { clock, logger, metrics, version, commit } = this.deps;
    metrics.addProcessMetrics();
    this.families.buildInfo.set({ version, commit, component: 'agent' }, 1);
    const http = this.makeHttpServer();
    await this.run(createRunnableGroup({ name: 'agent-http', stages: [[http]], clock, logger }), signal);
    this.ports.metrics = http.port;
    const surroundings = await this.lookAround(signal);
    if (surroundings === undefined) return;
    const cluster = watchCluster({
      ...this.deps,
      certifiedJurisdiction: () => this.identity?.jurisdiction,
      hasResourceSlices: surroundings.hasResourceSlices,
    });
    this.cluster = cluster;
    this.observe(cluster);
    const elector = this.makeElector(surroundings, cluster);
    const stages = [...cluster.stages, [elector]];
    await this.run(createRunnableGroup({ name: 'agent', stages, clock, logger, stopTimeoutMs: 20_000 }), signal);
  }

  /** The Lease is given back after everything that acts has stopped; guests keep running. */
  async stop(): Promise<void> {
    this.stopping.abort();
    for (const group of this.groups.splice(0).reverse()) await group.stop();
  }

  private async run(group: Runnable, signal: AbortSignal): Promise<void> {
    if (this.stopping.signal.aborted) return;
    this.groups.push(group);
    await group.start(signal);
  }

  /** Keeps asking until the cluster answers: an agent that starts before its API server must not need a restart. */
  private async lookAround(signal: AbortSignal): Promise<Surroundings | undefined> {
    const { client, clock, random, logger } = this.deps;
    const either = AbortSignal.any([signal, this.stopping.signal]);
    for (let failures = 1; !either.aborted; failures += 1) {
      try {
        const [system, version, hasResourceSlices, stored] = await Promise.all([
          client.get({ type: namespaces, name: 'kube-system' }),
          client.raw<{ readonly gitVersion?: string }>('GET', '/version'),
          servesResourceSlices(client),
          this.store.load(),
        ]);
        return {
          clusterUid: clusterUid(system.metadata.uid ?? ''),
          kubernetesVersion: version.gitVersion ?? 'unknown',
          hasResourceSlices,
          leaseTerm: stored?.leaseTerm ?? 0,
        };
      } catch (error) {
        const delayMs = Math.round(backoffMs(FIRST_CONTACT, failures, random));
        logger.warn('the cluster does not answer yet', { error, againInMs: delayMs });
        await clock.sleep(delayMs, either);
      }
    }
    return undefined;
  }

  private makeHttpServer(): ReturnType<typeof createHttpServer> {
    const { config, logger, metrics } = this.deps;
    const checks = {
      'caches-synced': () => {
        if (this.cluster?.inventory.synced !== true) throw new Error('the first lists are not in yet');
      },
    };
    return createHttpServer({
      ...config.metricsAddress,
      handlers: {
        '/metrics': metricsHandler(metrics),
        '/healthz': healthHandler('healthz', {}),
        '/readyz': healthHandler('readyz', checks),
      },
      logger,
    });
  }

  private observe(cluster: WatchedCluster): void {
    observeAgentState({
      metrics: this.deps.metrics,
      families: this.families,
      inventory: cluster.inventory,
      keeper: () => this.reign?.keeper,
      lastLease: () => this.reign?.membership.lastLease(),
      clock: this.deps.clock,
    });
  }

  private makeElector(surroundings: Surroundings, cluster: WatchedCluster): LeaderElector {
    const { config, client, clock, random, logger, metrics } = this.deps;
    const elector: LeaderElector = createLeaderElector({
      client,
      clock,
      random,
      logger: logger.child({ component: 'election' }),
      metrics,
      namespace: config.namespace,
      name: LEASE_NAME,
      // A pod that restarts under its old name must not pass for the process that acted before.
      identity: `${config.identity}_${random.uuid()}`,
      leaseDurationMs: config.leaseDuration,
      renewDeadlineMs: config.leaseRenewDeadline,
      retryPeriodMs: config.leaseRetryPeriod,
      // Survives a deleted Lease object, so that connection epochs never run backwards.
      termFloor: () => surroundings.leaseTerm,
      onStarted: (term, signal) => this.beginReign(term, signal, { surroundings, cluster, elector }),
      onStopped: () => this.endReign(),
    });
    return elector;
  }

  private async beginReign(
    term: number,
    signal: AbortSignal,
    parts: { readonly surroundings: Surroundings; readonly cluster: WatchedCluster; readonly elector: LeaderElector },
  ): Promise<void> {
    const { surroundings, cluster, elector } = parts;
    const reign = await beginReign(term, {
      ...this.deps,
      ...this.transport(),
      families: this.families,
      kubernetesVersion: surroundings.kubernetesVersion,
      clusterUid: surroundings.clusterUid,
      store: this.store,
      cluster,
      mayAct: () => elector.isLeader(),
      onIdentity: (identity) => {
        this.identity = identity;
      },
      onEnded: (end) => {
        this.fail(end);
      },
    });
    this.reign = reign;
    await reign.start(signal);
  }

  private async endReign(): Promise<void> {
    const { reign } = this;
    this.reign = undefined;
    await reign?.stop();
  }

  private transport(): NonNullable<AgentAppDeps['transport']> {
    const { config, clock, transport } = this.deps;
    if (transport !== undefined) return transport;
    const serverName = config.hubServerName === undefined ? {} : { serverName: config.hubServerName };
    return {
      enrolment: createGrpcEnrolment({ address: enrolmentAddress(config), clock, ...serverName }),
      link: (identity) => createGrpcLink({ identity, ...serverName }),
    };
  }
}
