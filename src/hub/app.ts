/**
 * The hub's composition root: every object of the process, flat. Read it to know every loop there is.
 *
 * Order: caches first; then the servers that every replica runs (a replica that does not lead says so); then the election.
 * Leaves out the process: argv, environment and signals are bin's.
 */
import { COMPUTE_JOB_RESOURCE } from '../api/v1alpha1/compute-job.ts';
import { GPU_POOL_RESOURCE } from '../api/v1alpha1/gpu-pool.ts';
import { MEMBER_CLUSTER_RESOURCE } from '../api/v1alpha1/member-cluster.ts';
import type { Clock } from '../platform/clock/clock.ts';
import type { Random } from '../platform/clock/random.ts';
import { parseTimestamp } from '../platform/clock/timestamp.ts';
import { createGrpcServer } from '../platform/grpc/server.ts';
import { createAggregatedServer, type AggregatedServer } from '../platform/kube/aggregated-server.ts';
import { createEventRecorder, type EventRecorder } from '../platform/kube/event-recorder.ts';
import type { KubeClient } from '../platform/kube/kube-client.ts';
import { createLeaderElector, type LeaderElector } from '../platform/kube/lease-elector.ts';
import type { ResourceType } from '../platform/kube/object.ts';
import { createReflector, type Reflector } from '../platform/kube/reflector.ts';
import { createRunnableGroup } from '../platform/lifecycle/group.ts';
import type { Runnable } from '../platform/lifecycle/runnable.ts';
import type { Logger } from '../platform/log/logger.ts';
import { createHttpServer, healthHandler, metricsHandler } from '../platform/metrics/http.ts';
import type { MetricsRegistry } from '../platform/metrics/registry.ts';
import type { HostPort } from '../platform/config/parser.ts';
import type { HubConfig } from './config.ts';
import { createJobController, type JobController } from './controllers/computejob/job-controller.ts';
import { createPoolController } from './controllers/gpupool/pool-controller.ts';
import { createMemberController } from './controllers/membercluster/member-controller.ts';
import { reviewSession } from './federation/admission-watch.ts';
import { createAttachmentResolver } from './federation/attachments.ts';
import { openAuthorityStore, type AuthorityStore } from './federation/authority-store.ts';
import { createFederationMetrics, type FederationMetrics } from './federation/federation-metrics.ts';
import { enrolmentService, federationService, type GrpcServiceDeps } from './federation/grpc-services.ts';
import { publishHubInfo } from './federation/hub-info.ts';
import type { Leadership } from './federation/leadership.ts';
import { createLogBroker, type LogBroker } from './federation/log-broker.ts';
import { createOutbound } from './federation/outbound.ts';
import { SessionRegistry } from './federation/session-registry.ts';
import type { SessionDeps } from './federation/session.ts';
import { createLeaderDuties, leadershipOf } from './leader-duties.ts';
import { createHubMetrics } from './observe/hub-metrics.ts';
import { observeState } from './observe/state-metrics.ts';
import { explainJob } from './observe/explain-job.ts';
import { createScheduler } from './scheduler/scheduler.ts';
import { createHubFleet, type HubFleet } from './state/hub-fleet.ts';
import { HubState } from './state/hub-state.ts';
import type { RawObject } from './state/job-record.ts';
import { publishSubresourceApi } from './subresources/publish-api.ts';
import { readRequestHeader } from './subresources/request-header.ts';
import { answerSubresource } from './subresources/subresource-api.ts';
import { termFloor } from './term-floor.ts';

export interface HubAppDeps {
  readonly config: HubConfig;
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly version: string;
  /** Commit the build was made from. */
  readonly commit: string;
}

export interface HubApp extends Runnable {
  /** Where the servers listen, once started. */
  readonly ports: {
    readonly federation: number;
    readonly enrolment: number;
    readonly metrics: number;
    readonly subresources: number;
  };
}

const LEASE_NAME = 'lumbung-hub';

/** Nothing happens until `start`. */
export function createHubApp(deps: HubAppDeps): HubApp {
  let group: Runnable | undefined;
  const ports = { federation: 0, enrolment: 0, metrics: 0, subresources: 0 };
  return {
    name: 'hub',
    ports,
    start: async (signal) => {
      const built = await compose(deps);
      group = built.group;
      await group.start(signal);
      Object.assign(ports, built.ports());
    },
    stop: async () => {
      await group?.stop();
    },
  };
}

interface Caches {
  readonly jobs: Reflector<RawObject>;
  readonly pools: Reflector<RawObject>;
  readonly members: Reflector<RawObject>;
}

async function compose(deps: HubAppDeps): Promise<{ readonly group: Runnable; readonly ports: () => HubApp['ports'] }> {
  const { config, client, clock, random, logger, metrics } = deps;
  metrics.addProcessMetrics();
  const caches = makeCaches(deps);
  const control = makeControl(deps, caches);
  const authority = await openAuthorityStore({
    client,
    namespace: config.namespace,
    serverNames: splitNames([...config.serverNames, ...subresourceNames(config)]),
    clock,
    random,
    logger: logger.child({ component: 'authority' }),
  });
  const elector = makeElector(deps, control);
  const servers = await makeServers(deps, {
    caches,
    control,
    authority,
    leadership: leadershipOf(elector, control.state),
  });
  const group = createRunnableGroup({
    name: 'hub',
    stages: [
      [caches.jobs, caches.pools, caches.members, control.events],
      [control.state],
      servers.runnables,
      [hubInfo(deps, authority, servers), elector],
    ],
    clock,
    logger,
  });
  return { group, ports: servers.ports };
}

function makeCaches(deps: HubAppDeps): Caches {
  const { client, clock, random, logger } = deps;
  const reflect = (type: ResourceType): Reflector<RawObject> =>
    createReflector<RawObject>({
      client,
      type,
      clock,
      random,
      logger: logger.child({ component: `reflector/${type.plural}` }),
    });
  return {
    jobs: reflect(COMPUTE_JOB_RESOURCE),
    pools: reflect(GPU_POOL_RESOURCE),
    members: reflect(MEMBER_CLUSTER_RESOURCE),
  };
}

/** What decides: state, fleet, and the loops of the leader. */
interface Control {
  readonly state: HubState;
  readonly fleet: HubFleet;
  readonly events: EventRecorder;
  readonly sessions: SessionRegistry;
  readonly federationMetrics: FederationMetrics;
  readonly makeLoops: () => readonly Runnable[];
}

function makeControl(deps: HubAppDeps, caches: Caches): Control {
  const { config, client, clock, random, logger, metrics } = deps;
  const hubMetrics = createHubMetrics(metrics);
  const federationMetrics = createFederationMetrics(metrics);
  const events = createEventRecorder({
    client,
    clock,
    component: 'lumbung-hub',
    instance: identityOf(config),
    logger,
    metrics,
  });
  const state = new HubState({
    jobs: caches.jobs.store,
    pools: caches.pools.store,
    members: caches.members.store,
    clock,
    logger: logger.child({ component: 'state' }),
    settings: {
      silentAfterMs: config.silentAfter,
      massSilenceWindowMs: config.massSilenceWindow,
      leaderLeaseMs: config.leaderLeaseDuration,
    },
  });
  observeState({ state, clock, metrics, build: { version: deps.version, commit: deps.commit } });
  // Each term has loops of its own; a problem that federation finds goes to those of the current one.
  let jobs: JobController | undefined;
  const shared = { state, client, clock, random, metrics, events, hubMetrics };
  const makeLoops = (): readonly Runnable[] => {
    jobs = createJobController({ ...shared, logger: logger.child({ component: 'computejob' }) });
    return [
      jobs,
      createPoolController({ ...shared, logger: logger.child({ component: 'gpupool' }) }),
      createMemberController({ ...shared, logger: logger.child({ component: 'membercluster' }) }),
      createScheduler({ ...shared, logger: logger.child({ component: 'scheduler' }), limit: config.commitConcurrency }),
    ];
  };
  const fleet = createHubFleet({
    state,
    clock,
    logger: logger.child({ component: 'fleet' }),
    observer: hubMetrics,
    orphanGraceMs: config.orphanGrace,
    onReferenceProblem: (run, message) => {
      jobs?.referenceProblem(run, message);
    },
  });
  const sessions = new SessionRegistry((count) => {
    federationMetrics.sessions.set({}, count);
  });
  fleet.onAdmissionChanged((member) => {
    reviewSession(member, { fleet, sessions });
  });
  return { state, fleet, events, sessions, federationMetrics, makeLoops };
}

function makeElector(deps: HubAppDeps, control: Control): LeaderElector {
  const { config, client, clock, random, logger, metrics } = deps;
  const duties = createLeaderDuties({
    state: control.state,
    sessions: control.sessions,
    makeLoops: control.makeLoops,
    // How a restored backup is noticed: the store then shows a renewal of long ago.
    predecessorRenewedMs: () => parseTimestamp(elector.predecessorRenewTime),
    isLeader: () => elector.isLeader(),
    clock,
    logger,
  });
  const elector: LeaderElector = createLeaderElector({
    client,
    clock,
    random,
    logger: logger.child({ component: 'election' }),
    metrics,
    namespace: config.namespace,
    name: LEASE_NAME,
    // A replica that restarts under its old name must not pass for the process that led before.
    identity: `${identityOf(config)}_${random.uuid()}`,
    leaseDurationMs: config.leaderLeaseDuration,
    renewDeadlineMs: config.leaderRenewDeadline,
    retryPeriodMs: config.leaderRetryPeriod,
    termFloor: () => termFloor(clock.nowMs()),
    onStarted: (term, signal) => duties.begin(term, signal),
    onStopped: (term) => duties.end(term),
  });
  return elector;
}

interface Servers {
  readonly runnables: readonly Runnable[];
  readonly ports: () => HubApp['ports'];
}

interface ServerParts {
  readonly caches: Caches;
  readonly control: Control;
  readonly authority: AuthorityStore;
  readonly leadership: Leadership;
}

async function makeServers(deps: HubAppDeps, parts: ServerParts): Promise<Servers> {
  const { config, clock, logger, metrics } = deps;
  const services = makeServices(deps, parts);
  const federation = createGrpcServer({
    ...config.federationAddress,
    name: 'federation',
    tls: parts.authority.tls,
    clientCertificates: 'required',
    services: [federationService(services)],
    clock,
    logger: logger.child({ component: 'federation' }),
    onRefusedPeer: ({ why, address }) => {
      parts.control.federationMetrics.refusals.inc({ reason: why });
      logger.warn('a peer without a valid certificate was turned away', { component: 'federation', why, address });
    },
  });
  const enrolment = createGrpcServer({
    ...config.enrolmentAddress,
    name: 'enrolment',
    tls: parts.authority.tls,
    clientCertificates: 'none',
    services: [enrolmentService(services)],
    clock,
    logger: logger.child({ component: 'enrolment' }),
    maxReceiveBytes: 65_536,
  });
  const checks = {
    'caches-synced': () => {
      if (!parts.control.state.synced) throw new Error('the first lists are not in yet');
    },
  };
  const http = createHttpServer({
    ...config.metricsAddress,
    handlers: {
      '/metrics': metricsHandler(metrics),
      '/healthz': healthHandler('healthz', {}),
      '/readyz': healthHandler('readyz', checks),
    },
    logger,
  });
  const subresources = await makeSubresources(deps, parts, services.session.logs);
  return {
    runnables: [federation, enrolment, http, ...(subresources === undefined ? [] : [subresources])],
    ports: () => ({
      federation: federation.port,
      enrolment: enrolment.port,
      metrics: http.port,
      subresources: subresources?.port ?? 0,
    }),
  };
}

function makeServices(deps: HubAppDeps, parts: ServerParts): GrpcServiceDeps {
  const { config, client, clock, random, logger, version } = deps;
  const { control, authority, leadership } = parts;
  const { fleet, sessions, federationMetrics: metrics } = control;
  const incarnation = random.uuid();
  const attachments = createAttachmentResolver({ client });
  const outbound = createOutbound({ fleet, sessions, attachments, leadership, incarnation, clock, logger, metrics });
  fleet.onDesiredChanged((member) => {
    outbound.push(member);
  });
  const logs = createLogBroker({ sessions, clock, random, metrics });
  const session: SessionDeps = {
    fleet,
    leadership,
    sessions,
    outbound,
    logs,
    clock,
    logger: logger.child({ component: 'session' }),
    metrics,
    hubVersion: version,
    incarnation,
    reportIntervalMs: config.reportInterval,
  };
  const enrolment = {
    client,
    members: parts.caches.members.store,
    authority,
    trustDomain: config.trustDomain,
    certificateValidityMs: config.certificateValidity,
    clock,
    logger: logger.child({ component: 'enrolment' }),
    metrics,
  };
  return { session, enrolment, trustDomain: config.trustDomain, clock };
}

/** Undefined where the cluster has no aggregation layer; logs and explanations are then not served. */
async function makeSubresources(
  deps: HubAppDeps,
  parts: ServerParts,
  logs: LogBroker,
): Promise<AggregatedServer | undefined> {
  const { config, client, logger } = deps;
  const requestHeader = await readRequestHeader(client);
  if (requestHeader === undefined) {
    logger.warn('no aggregation layer is configured here: `lumbung logs` and `lumbung explain` will not work');
    return undefined;
  }
  const { state, fleet } = parts.control;
  return createAggregatedServer({
    ...config.aggregatedApiAddress,
    tls: parts.authority.tls,
    requestHeader,
    logger: logger.child({ component: 'subresources' }),
    handle: (request) =>
      answerSubresource(request, {
        client,
        fleet,
        logs,
        jobUid: (namespace, name) => state.jobs.byKey({ namespace, name })?.record.uid,
        explain: (namespace, name) => explainJob(state, namespace, name),
        orphans: () => ({ kind: 'OrphanList', items: fleet.orphans() }),
      }),
  });
}

/** Publishes where this hub is, once its ports are known. A Service that maps its port keeps the number. */
function hubInfo(deps: HubAppDeps, authority: AuthorityStore, servers: Servers): Runnable {
  const { config, client } = deps;
  const host = config.serverNames[0] ?? 'localhost';
  const addressOf = (advertised: HostPort | undefined, port: number): string =>
    advertised === undefined ? `${host}:${port}` : `${advertised.host}:${advertised.port}`;
  return {
    name: 'hub-info',
    start: async () => {
      const ports = servers.ports();
      if (config.aggregatedApiService !== undefined && ports.subresources !== 0) {
        const service = { namespace: config.namespace, name: config.aggregatedApiService, port: ports.subresources };
        await publishSubresourceApi(client, { ...service, caPem: authority.authority.certificatePem });
      }
      await publishHubInfo(client, config.namespace, {
        federationAddress: addressOf(config.advertisedFederationAddress, ports.federation),
        enrolmentAddress: addressOf(config.advertisedEnrolmentAddress, ports.enrolment),
        caSha256: authority.authority.fingerprint,
        trustDomain: config.trustDomain,
      });
    },
    stop: () => {
      authority.stop();
      return Promise.resolve();
    },
  };
}

/** The API server looks for the Service's name in the certificate. */
function subresourceNames({ aggregatedApiService, namespace }: HubConfig): readonly string[] {
  return aggregatedApiService === undefined ? [] : [`${aggregatedApiService}.${namespace}.svc`];
}

function identityOf(config: HubConfig): string {
  return config.identity ?? 'lumbung-hub';
}

function splitNames(names: readonly string[]): {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
} {
  const isAddress = (name: string): boolean => /^[\d.]+$/.test(name) || name.includes(':');
  return { dnsNames: names.filter((name) => !isAddress(name)), ipAddresses: names.filter(isAddress) };
}
