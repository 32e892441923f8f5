/**
 * One hub process on simulated ground: the rooms of production composed as the composition root does, without its servers;
 * sessions come over lines in memory with the identity that the certificate would have said.
 */
import { COMPUTE_JOB_RESOURCE } from '../../src/api/v1alpha1/compute-job.ts';
import { GPU_POOL_RESOURCE } from '../../src/api/v1alpha1/gpu-pool.ts';
import { MEMBER_CLUSTER_RESOURCE } from '../../src/api/v1alpha1/member-cluster.ts';
import { createJobController, type JobController } from '../../src/hub/controllers/computejob/job-controller.ts';
import { createPoolController } from '../../src/hub/controllers/gpupool/pool-controller.ts';
import { createMemberController } from '../../src/hub/controllers/membercluster/member-controller.ts';
import { reviewSession } from '../../src/hub/federation/admission-watch.ts';
import { createAttachmentResolver } from '../../src/hub/federation/attachments.ts';
import { createFederationMetrics } from '../../src/hub/federation/federation-metrics.ts';
import { createLogBroker } from '../../src/hub/federation/log-broker.ts';
import { createOutbound } from '../../src/hub/federation/outbound.ts';
import { SessionRegistry } from '../../src/hub/federation/session-registry.ts';
import { serveSession, type SessionDeps, type SessionPeer } from '../../src/hub/federation/session.ts';
import { createLeaderDuties, leadershipOf } from '../../src/hub/leader-duties.ts';
import { createHubMetrics } from '../../src/hub/observe/hub-metrics.ts';
import { createScheduler } from '../../src/hub/scheduler/scheduler.ts';
import { createHubFleet } from '../../src/hub/state/hub-fleet.ts';
import { HubState } from '../../src/hub/state/hub-state.ts';
import type { RawObject } from '../../src/hub/state/job-record.ts';
import type { Random } from '../../src/platform/clock/random.ts';
import { parseTimestamp } from '../../src/platform/clock/timestamp.ts';
import { createEventRecorder } from '../../src/platform/kube/event-recorder.ts';
import { createKubeClient } from '../../src/platform/kube/kube-client-http.ts';
import { createLeaderElector, type LeaderElector } from '../../src/platform/kube/lease-elector.ts';
import type { ResourceType } from '../../src/platform/kube/object.ts';
import { createReflector, type Reflector } from '../../src/platform/kube/reflector.ts';
import type { KubeTransport } from '../../src/platform/kube/transport.ts';
import { createRunnableGroup } from '../../src/platform/lifecycle/group.ts';
import type { Runnable } from '../../src/platform/lifecycle/runnable.ts';
import type { Logger } from '../../src/platform/log/logger.ts';
import { createMetrics } from '../../src/platform/metrics/registry.ts';
import type { SimHost } from './sim-host.ts';
import type { SessionServer } from './sim-line.ts';

export const NAMESPACE = 'lumbung-system';
export const HUB_TIMING = {
  silentAfterMs: 8_000,
  massSilenceWindowMs: 6_000,
  leaderLeaseMs: 6_000,
  renewDeadlineMs: 4_000,
  retryPeriodMs: 1_000,
  reportIntervalMs: 2_000,
} as const;

export interface SimHubDeps {
  readonly host: SimHost;
  readonly transport: KubeTransport;
  readonly random: Random;
  readonly logger: Logger;
  readonly peer: (member: string) => SessionPeer;
}

export interface SimHub extends SessionServer, Runnable {
  readonly leading: boolean;
}

export function createSimHub(deps: SimHubDeps): SimHub {
  const { host, random, logger, transport } = deps;
  const { clock } = host;
  const metrics = createMetrics();
  const client = createKubeClient({ transport, clock, random, logger, metrics, userAgent: 'lumbung-hub', host: 'hub' });
  const reflect = (type: ResourceType): Reflector<RawObject> =>
    createReflector<RawObject>({ client, type, clock, random, logger });
  const caches = {
    jobs: reflect(COMPUTE_JOB_RESOURCE),
    pools: reflect(GPU_POOL_RESOURCE),
    members: reflect(MEMBER_CLUSTER_RESOURCE),
  };
  const hubMetrics = createHubMetrics(metrics);
  const federationMetrics = createFederationMetrics(metrics);
  const events = createEventRecorder({ client, clock, component: 'lumbung-hub', instance: host.name, logger, metrics });
  const state = new HubState({
    jobs: caches.jobs.store,
    pools: caches.pools.store,
    members: caches.members.store,
    clock,
    logger,
    settings: HUB_TIMING,
  });
  let jobs: JobController | undefined;
  const shared = { state, client, clock, random, metrics, events, hubMetrics, logger };
  const makeLoops = (): readonly Runnable[] => {
    jobs = createJobController(shared);
    return [jobs, createPoolController(shared), createMemberController(shared), createScheduler(shared)];
  };
  const fleet = createHubFleet({
    state,
    clock,
    logger,
    observer: hubMetrics,
    orphanGraceMs: 86_400_000,
    onReferenceProblem: (run, message) => {
      jobs?.referenceProblem(run, message);
    },
  });
  const sessions = new SessionRegistry(() => undefined);
  fleet.onAdmissionChanged((member) => {
    reviewSession(member, { fleet, sessions });
  });
  const duties = createLeaderDuties({
    state,
    sessions,
    makeLoops,
    predecessorRenewedMs: () => parseTimestamp(elector.predecessorRenewTime),
    isLeader: () => elector.isLeader(),
    clock,
    logger,
  });
  const elector: LeaderElector = createLeaderElector({
    client,
    clock,
    random,
    logger,
    metrics,
    namespace: NAMESPACE,
    name: 'lumbung-hub',
    identity: `${host.name}_${random.uuid()}`,
    leaseDurationMs: HUB_TIMING.leaderLeaseMs,
    renewDeadlineMs: HUB_TIMING.renewDeadlineMs,
    retryPeriodMs: HUB_TIMING.retryPeriodMs,
    onStarted: (term, signal) => duties.begin(term, signal),
    onStopped: (term) => duties.end(term),
  });
  const leadership = leadershipOf(elector, state);
  const incarnation = random.uuid();
  const attachments = createAttachmentResolver({ client });
  const outbound = createOutbound({
    ...{ fleet, sessions, attachments, leadership, incarnation, clock, logger },
    metrics: federationMetrics,
  });
  fleet.onDesiredChanged((member) => {
    outbound.push(member);
  });
  const session: SessionDeps = {
    ...{ fleet, leadership, sessions, outbound, clock, logger, incarnation },
    logs: createLogBroker({ sessions, clock, random, metrics: federationMetrics }),
    metrics: federationMetrics,
    hubVersion: '0.0.0-simulation',
    reportIntervalMs: HUB_TIMING.reportIntervalMs,
  };
  const group = createRunnableGroup({
    name: 'hub',
    stages: [[caches.jobs, caches.pools, caches.members, events], [state], [elector]],
    clock,
    logger,
  });
  return {
    name: host.name,
    host,
    get leading() {
      return leadership.provablyLeading();
    },
    serve: (stream, member) => serveSession(stream, deps.peer(member), session),
    start: (signal) => group.start(signal),
    stop: async () => {
      await group.stop();
      await client.close();
    },
  };
}
