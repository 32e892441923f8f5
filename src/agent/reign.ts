/**
 * Everything that only the agent pod that holds the Lease does: keep runs, give back to the owner, enforce limits, write the
 * policy's status, and speak for the member. Made anew for every term of the Lease and stopped as a whole when it ends.
 *
 * Order: the term is persisted first, then guests are taken over, then the owner is protected, then the hub hears of it: a
 * report that forgets a run must never be sent. Guests outlive a reign.
 */
import { memberName, type ClusterUid } from '../core/model/ids.ts';
import type { Clock } from '../platform/clock/clock.ts';
import type { Random } from '../platform/clock/random.ts';
import type { KubeClient } from '../platform/kube/kube-client.ts';
import { createRunnableGroup } from '../platform/lifecycle/group.ts';
import type { Runnable } from '../platform/lifecycle/runnable.ts';
import type { Logger } from '../platform/log/logger.ts';
import type { MetricsRegistry } from '../platform/metrics/registry.ts';
import { createSealer, type Sealer } from '../platform/pki/sealing.ts';
import { dialAddress, type AgentConfig } from './config.ts';
import type { MemberIdentity } from './enrolment/certificate-check.ts';
import type { EnrolmentPort } from './enrolment/enrolment-port.ts';
import type { IdentityStore } from './enrolment/identity-store.ts';
import { createLimitEnforcer } from './lending/enforce-limits.ts';
import { policyOf } from './lending/lending-policy-reader.ts';
import { createPolicyStatusWriter } from './lending/policy-status.ts';
import { createReclaimer, type Reclaimer } from './reclaim/reclaimer.ts';
import { createRunKeeper } from './runs/create-run-keeper.ts';
import type { RunKeeper } from './runs/run-keeper.ts';
import { createEpochs } from './session/epochs.ts';
import type { FederationLink } from './session/federation-link.ts';
import { createMembership, type Membership, type MembershipEnded } from './session/membership.ts';
import type { AgentMetrics } from './telemetry/agent-metrics.ts';
import type { WatchedCluster } from './watched-cluster.ts';

export interface ReignDeps {
  readonly config: AgentConfig;
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly families: AgentMetrics;
  readonly version: string;
  readonly kubernetesVersion: string;
  readonly clusterUid: ClusterUid;
  readonly store: IdentityStore;
  readonly cluster: WatchedCluster;
  readonly enrolment: EnrolmentPort;
  readonly link: (identity: () => MemberIdentity) => FederationLink;
  /** The token, from wherever the process was told to take it. */
  readonly token: () => Promise<string | undefined>;
  /** True only while this process provably holds the agent's Lease. */
  readonly mayAct: () => boolean;
  readonly onIdentity: (identity: MemberIdentity) => void;
  readonly onEnded: (end: MembershipEnded) => void;
}

export interface Reign extends Runnable {
  readonly keeper: RunKeeper;
  readonly membership: Membership;
}

/** Persists the term and makes what acts under it; nothing acts before `start`. */
export async function beginReign(term: number, deps: ReignDeps): Promise<Reign> {
  const { store, cluster, clock, logger } = deps;
  const { sealingKeyPem } = await store.ensure();
  await store.update({ leaseTerm: term });
  const sealer = createSealer(sealingKeyPem);
  const keeper = makeKeeper(deps, sealer);
  const reclaimer = createReclaimer({
    inventory: cluster.inventory,
    pods: cluster.pods.store,
    keeper,
    clock,
    logger: logger.child({ component: 'reclaim' }),
    metrics: deps.families,
  });
  const membership = makeMembership(deps, { term, keeper, sealer });
  const group = createRunnableGroup({
    name: `reign-${term}`,
    stages: [
      [whenSynced(cluster)],
      [keeper],
      [reclaimer, makeLimitEnforcer(deps, keeper), makeStatusWriter(deps, keeper, reclaimer)],
      [membership],
    ],
    clock,
    logger,
  });
  return {
    name: group.name,
    keeper,
    membership,
    start: (signal) => group.start(signal),
    stop: () => group.stop(),
  };
}

function makeKeeper(deps: ReignDeps, sealer: Sealer): RunKeeper {
  const { config, client, clock, random, logger, metrics, families, cluster, mayAct } = deps;
  return createRunKeeper({
    client,
    clock,
    random,
    logger: logger.child({ component: 'runs' }),
    metrics,
    inventory: cluster.inventory,
    lending: cluster.lending,
    sealer,
    member: memberName(config.member),
    namespace: config.namespace,
    protectedCidrs: config.protectedCidrs,
    ...(config.serviceAccountName === undefined ? {} : { serviceAccountName: config.serviceAccountName }),
    mayAct,
    observer: {
      fenceRejected: (reason) => {
        families.fenceRejections.inc({ reason });
      },
      started: () => {
        families.runsStarted.inc({});
      },
      ended: (_run, cause) => {
        families.runsEnded.inc({ cause });
      },
    },
  });
}

function makeLimitEnforcer({ cluster, logger, families }: ReignDeps, keeper: RunKeeper): Runnable {
  const { lending, inventory } = cluster;
  return createLimitEnforcer({
    lending,
    inventory,
    keeper,
    logger: logger.child({ component: 'limits' }),
    metrics: families,
  });
}

function makeStatusWriter(deps: ReignDeps, keeper: RunKeeper, reclaimer: Reclaimer): Runnable {
  const { client, cluster, clock, logger, mayAct } = deps;
  const { lending, inventory, policies } = cluster;
  return createPolicyStatusWriter({
    client,
    policies: policies.store,
    state: () => lending.state(),
    gpus: () => inventory.report(keeper.bookings()).gpus,
    blocked: () => reclaimer.blocked(),
    sources: [
      (handler) => lending.subscribe(handler),
      (handler) => inventory.subscribe(handler),
      (handler) => reclaimer.subscribe(handler),
    ],
    mayAct,
    clock,
    logger: logger.child({ component: 'policy-status' }),
  });
}

function makeMembership(
  deps: ReignDeps,
  { term, keeper, sealer }: { readonly term: number; readonly keeper: RunKeeper; readonly sealer: Sealer },
): Membership {
  const { config, cluster, families, logger } = deps;
  return createMembership({
    store: deps.store,
    enrolment: deps.enrolment,
    link: deps.link,
    addresses: config.hub.map(dialAddress),
    member: config.member,
    clusterUid: deps.clusterUid,
    agentVersion: deps.version,
    kubernetesVersion: deps.kubernetesVersion,
    token: deps.token,
    ...(config.hubCaSha256 === undefined ? {} : { caFingerprint: config.hubCaSha256 }),
    jurisdiction: () => policyOf(cluster.lending.state())?.jurisdiction ?? '',
    epochs: createEpochs(term),
    sealingPublicKey: sealer.publicKey,
    inventory: cluster.inventory,
    keeper,
    onIdentity: deps.onIdentity,
    onEnded: deps.onEnded,
    clock: deps.clock,
    random: deps.random,
    logger: logger.child({ component: 'session' }),
    metrics: families,
  });
}

/** Nothing may be decided or reported from half a cluster. */
function whenSynced({ inventory }: WatchedCluster): Runnable {
  const gone = new AbortController();
  return {
    name: 'caches-synced',
    start: (signal) =>
      new Promise((resolve) => {
        let off: () => void = () => undefined;
        const look = (): void => {
          if (!inventory.synced && !signal.aborted && !gone.signal.aborted) return;
          off();
          resolve();
        };
        off = inventory.subscribe(look);
        signal.addEventListener('abort', look, { once: true });
        gone.signal.addEventListener('abort', look, { once: true });
        look();
      }),
    stop: () => {
      gone.abort();
      return Promise.resolve();
    },
  };
}
