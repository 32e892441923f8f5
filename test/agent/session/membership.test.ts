import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createGrpcEnrolment } from '../../../src/agent/enrolment/grpc-enrolment.ts';
import { createIdentityStore } from '../../../src/agent/enrolment/identity-store.ts';
import type { MemberIdentity } from '../../../src/agent/enrolment/certificate-check.ts';
import { createEpochs } from '../../../src/agent/session/epochs.ts';
import { createGrpcLink } from '../../../src/agent/session/grpc-link.ts';
import {
  createMembership,
  type Membership,
  type MembershipDeps,
  type MembershipEnded,
} from '../../../src/agent/session/membership.ts';
import { createAgentMetrics } from '../../../src/agent/telemetry/agent-metrics.ts';
import { clusterUid, fence, jobUid } from '../../../src/core/model/ids.ts';
import { seededRandom } from '../../../src/platform/clock/seeded-random.ts';
import { systemClock } from '../../../src/platform/clock/system-clock.ts';
import { silentLogger } from '../../../src/platform/log/logger.ts';
import { createMetrics } from '../../../src/platform/metrics/registry.ts';
import { anAgentCluster, type AgentCluster } from '../../support/agent-cluster.ts';
import { fakeInventory, fakeKeeper } from '../../support/agent-fakes.ts';
import { anEnrolmentHub, type EnrolmentHub } from '../../support/enrolment-hub.ts';

describe('membership', () => {
  let cluster: AgentCluster;
  let hub: EnrolmentHub;
  let welcoming: NodeJS.Timeout;
  const started: Membership[] = [];
  beforeEach(async () => {
    [cluster, hub] = await Promise.all([anAgentCluster(), anEnrolmentHub()]);
    let served = 0;
    welcoming = setInterval(() => {
      for (; served < hub.sessions.length; served += 1) {
        hub.sessions[served]!.send({
          kind: 'welcome',
          welcome: { protocolVersion: 1, hubVersion: 't', incarnation: 'i', term: 1, reportIntervalMs: 500 },
        });
      }
    }, 5);
  });
  afterEach(async () => {
    clearInterval(welcoming);
    for (const membership of started.splice(0)) await membership.stop();
    await Promise.all([cluster.stop(), hub.stop()]);
  });

  async function aMember(overrides: Partial<MembershipDeps> = {}) {
    const clock = systemClock();
    const keeper = fakeKeeper();
    const identities: MemberIdentity[] = [];
    const ended: MembershipEnded[] = [];
    const membership = createMembership({
      store: createIdentityStore({ client: cluster.client, namespace: 'lumbung-system', member: 'member-a' }),
      enrolment: createGrpcEnrolment({ address: hub.enrolmentAddress, clock }),
      link: (identity) => createGrpcLink({ identity }),
      addresses: [hub.federationAddress],
      member: 'member-a',
      clusterUid: clusterUid('cluster-1'),
      agentVersion: '1',
      kubernetesVersion: '1',
      token: () => Promise.resolve('token'),
      caFingerprint: hub.authority.fingerprint,
      jurisdiction: () => '',
      epochs: createEpochs(1),
      sealingPublicKey: new Uint8Array(32),
      inventory: fakeInventory(),
      keeper,
      onIdentity: (identity) => identities.push(identity),
      onEnded: (end) => ended.push(end),
      clock,
      random: seededRandom(1),
      logger: silentLogger(),
      metrics: createAgentMetrics(createMetrics()),
      ...overrides,
    });
    started.push(membership);
    await membership.start(new AbortController().signal);
    return { membership, keeper, identities, ended };
  }

  it('joins, connects, renews at half of the life over the open stream, and goes on under the new certificate', async () => {
    hub.answer = async (request) => ({
      kind: 'Issued',
      certificatePem: await hub.issue(request.csrPem, {}, 4000),
      trustBundle: [hub.authority.certificatePem],
    });
    const { membership, identities } = await aMember();
    await vi.waitFor(() => {
      expect(membership.connected).toBe(true);
    });
    await vi.waitFor(
      () => {
        expect(identities).toHaveLength(2);
      },
      { timeout: 5000 },
    );
    expect(hub.sessions).toHaveLength(1);
    expect(membership.connected).toBe(true);
    await vi.waitFor(
      () => {
        expect(hub.sessions).toHaveLength(2);
      },
      { timeout: 5000 },
    );
    await vi.waitFor(() => {
      expect(membership.connected).toBe(true);
    });
    expect(hub.requests).toHaveLength(1);
    expect(hub.renewals).toHaveLength(1);
  });

  it('joins again when the certificate lapsed because no renewal came through', async () => {
    let issued = 0;
    hub.renewAnswer = () => Promise.reject(new Error('no'));
    hub.answer = async (request) => {
      issued += 1;
      return {
        kind: 'Issued',
        certificatePem: await hub.issue(request.csrPem, {}, issued === 1 ? 2000 : 600_000),
        trustBundle: [hub.authority.certificatePem],
      };
    };
    const { membership, identities, ended } = await aMember();
    await vi.waitFor(
      () => {
        expect(identities).toHaveLength(2);
      },
      { timeout: 8000 },
    );
    await vi.waitFor(() => {
      expect(membership.connected).toBe(true);
    });
    expect(issued).toBe(2);
    expect(ended).toEqual([]);
  });

  it('stays for the guests that run here though it may not join', async () => {
    hub.answer = () => Promise.resolve({ kind: 'Refused', message: 'no' });
    const keeper = fakeKeeper();
    const run = { jobUid: jobUid('j'), fence: fence(1) };
    keeper.setGuests([
      { run, booking: { run, nodes: [], perWorker: {} }, pods: [], stopping: false, gpuSecondsAtRisk: 0 },
    ]);
    const { ended } = await aMember({ keeper });
    await vi.waitFor(() => {
      expect(hub.requests).toHaveLength(1);
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(ended).toEqual([]);
  });

  it('waits for the guests to be gone after a revocation', async () => {
    const { membership, keeper, ended } = await aMember();
    const run = { jobUid: jobUid('j'), fence: fence(1) };
    keeper.setGuests([
      { run, booking: { run, nodes: [], perWorker: {} }, pods: [], stopping: true, gpuSecondsAtRisk: 0 },
    ]);
    await vi.waitFor(() => {
      expect(membership.connected).toBe(true);
    });
    hub.sessions[0]!.send({ kind: 'goodbye', reason: 'Revoked', message: 'bye', retryAfterMs: 0 });
    await vi.waitFor(() => {
      expect(keeper.ended).toHaveLength(1);
    });
    expect(ended).toEqual([]);
    keeper.setGuests([]);
    await vi.waitFor(
      () => {
        expect(ended).toMatchObject([{ why: 'Revoked' }]);
      },
      { timeout: 3000 },
    );
  });
});
