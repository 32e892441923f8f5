import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkCertificate, type MemberIdentity } from '../../../src/agent/enrolment/certificate-check.ts';
import { createIdentityKeeper, renewalDueMs } from '../../../src/agent/enrolment/identity-keeper.ts';
import { createIdentityStore, type IdentityStore } from '../../../src/agent/enrolment/identity-store.ts';
import { createAgentMetrics } from '../../../src/agent/telemetry/agent-metrics.ts';
import { seededRandom } from '../../../src/platform/clock/seeded-random.ts';
import { systemRandom } from '../../../src/platform/clock/system-random.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { RpcError } from '../../../src/platform/grpc/rpc-error.ts';
import { silentLogger } from '../../../src/platform/log/logger.ts';
import { createMetrics } from '../../../src/platform/metrics/registry.ts';
import { createAuthority, type Authority } from '../../../src/platform/pki/authority.ts';
import { createKeyAndCsr, verifyCsr } from '../../../src/platform/pki/certificate-request.ts';
import { formatMemberSpiffeId } from '../../../src/platform/pki/spiffe-id.ts';
import { anAgentCluster, type AgentCluster } from '../../support/agent-cluster.ts';
import { HUB_MEMBER } from '../../support/enrolment-hub.ts';

const DAY = 86_400_000;

describe('when a certificate is renewed', () => {
  it.each([
    ['fresh, dated back', { notBeforeMs: -300_000, notAfterMs: 30 * DAY }, 0, 15 * DAY],
    ['fresh, for seconds', { notBeforeMs: -300_000, notAfterMs: 20_000 }, 0, 10_000],
    ['past its half-life', { notBeforeMs: -300_000, notAfterMs: 30 * DAY }, 20 * DAY, 20 * DAY],
    ['not dated back', { notBeforeMs: 0, notAfterMs: 20_000 }, 0, 10_000],
  ])('%s', (_what, certificate, now, due) => {
    expect(renewalDueMs(certificate, now)).toBe(due);
  });

  it('is never before now and never in the second half of what is left', () => {
    fc.assert(
      fc.property(fc.nat(10 * DAY), fc.nat(30 * DAY), fc.nat(30 * DAY), (back, life, now) => {
        const due = renewalDueMs({ notBeforeMs: -back, notAfterMs: life }, now);
        expect(due).toBeGreaterThanOrEqual(now);
        if (now < life) expect(due).toBeLessThanOrEqual(now + (life - now) / 2);
      }),
    );
  });
});

describe('the identity keeper', () => {
  let cluster: AgentCluster;
  let store: IdentityStore;
  let authority: Authority;
  const clock = () => new VirtualClock({ wallMs: Date.now(), turnsPerStep: 12 });
  beforeAll(async () => {
    authority = await createAuthority(
      { commonName: 'hub', validityMs: 365 * DAY },
      { clock: { nowMs: () => Date.now() }, random: systemRandom() },
    );
  });
  beforeEach(async () => {
    cluster = await anAgentCluster();
    store = createIdentityStore({ client: cluster.client, namespace: 'lumbung-system', member: 'member-a' });
  });
  afterEach(() => cluster.stop());

  const issue = async (csrPem: string, validityMs = 30 * DAY): Promise<string> => {
    const { publicKeySpki } = await verifyCsr(csrPem);
    return authority.issueClientCertificate({
      publicKeySpki,
      commonName: 'member-a',
      spiffeUri: formatMemberSpiffeId(HUB_MEMBER),
      validityMs,
    });
  };

  async function aKeeper(answers: { renew?: (csrPem: string) => Promise<string> } = {}, validityMs = 10 * DAY) {
    const virtual = clock();
    const { keyPem } = await store.ensure();
    const { csrPem } = await createKeyAndCsr({ commonName: 'member-a', keyPem });
    const initial = checkCertificate(
      await issue(csrPem, validityMs),
      authority.certificatePem,
      { member: 'member-a', clusterUid: 'cluster-1', keyPem },
      virtual.nowMs(),
    );
    const asked: string[] = [];
    const connected = { now: true };
    const keeper = createIdentityKeeper(initial, {
      store,
      member: 'member-a',
      clusterUid: 'cluster-1',
      renew: () =>
        connected.now
          ? async (csr) => {
              asked.push(csr);
              return { certificatePem: await (answers.renew ?? issue)(csr), trustBundle: [authority.certificatePem] };
            }
          : undefined,
      clock: virtual,
      random: seededRandom(1),
      logger: silentLogger(),
      metrics: createAgentMetrics(createMetrics()),
    });
    const seen: MemberIdentity[] = [];
    keeper.subscribe(() => seen.push(keeper.current()));
    await keeper.start(new AbortController().signal);
    /** Moves virtual time while real work (signing, requests) goes on beside it. */
    const until = async (done: () => boolean, stepMs: number, steps = 200): Promise<boolean> => {
      for (let i = 0; i < steps && !done(); i += 1) {
        await virtual.advanceAsync(stepMs);
        await new Promise((resolve) => setTimeout(resolve, 3));
      }
      return done();
    };
    return { keeper, initial, asked, seen, connected, virtual, until };
  }

  it('renews at half of the life, checks, persists, and then tells', async () => {
    const { keeper, initial, seen, asked, virtual, until } = await aKeeper();
    await virtual.advanceAsync(5 * DAY - 3_600_000);
    expect(asked).toEqual([]);
    expect(await until(() => seen.length === 1, 3_600_000)).toBe(true);
    expect(keeper.current().fingerprint).not.toBe(initial.fingerprint);
    expect((await store.load())?.certificatePem).toBe(keeper.current().certificatePem);
    await keeper.stop();
  });

  it('tries again until it works, and waits for a session', async () => {
    let failures = 2;
    const { keeper, seen, asked, connected, virtual, until } = await aKeeper({
      renew: (csr) => (failures-- > 0 ? Promise.reject(new RpcError('UNAVAILABLE', 'down')) : issue(csr)),
    });
    connected.now = false;
    await virtual.advanceAsync(5 * DAY + 1000);
    expect(asked).toEqual([]);
    connected.now = true;
    expect(await until(() => seen.length === 1, 60_000)).toBe(true);
    expect(asked).toHaveLength(3);
    await keeper.stop();
  });

  it('keeps the old certificate when what comes is not for it', async () => {
    const { keeper, initial, asked, seen, until } = await aKeeper({
      renew: async () => issue((await createKeyAndCsr({ commonName: 'x' })).csrPem),
    });
    expect(await until(() => asked.length >= 2, 6 * 3_600_000)).toBe(true);
    expect(seen).toEqual([]);
    expect(keeper.current().fingerprint).toBe(initial.fingerprint);
    expect((await store.load())?.certificatePem).toBeUndefined();
    await keeper.stop();
  });

  it('says when the certificate lapsed', async () => {
    const { keeper, until } = await aKeeper(
      { renew: () => Promise.reject(new RpcError('PERMISSION_DENIED', 'no')) },
      100_000,
    );
    let lapsed = false;
    void keeper.lapsed.then(() => {
      lapsed = true;
    });
    expect(await until(() => lapsed, 5000)).toBe(true);
    await keeper.stop();
  });

  it('takes a new trust bundle, persists it, and ignores one without an authority', async () => {
    const { keeper, seen, until } = await aKeeper();
    const next = await createAuthority(
      { commonName: 'next', validityMs: DAY },
      { clock: { nowMs: () => Date.now() }, random: systemRandom() },
    );
    keeper.trust([authority.certificatePem, next.certificatePem]);
    expect(await until(() => seen.length === 1, 1)).toBe(true);
    expect(keeper.current().trustBundlePem.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect((await store.load())?.trustBundlePem).toBe(keeper.current().trustBundlePem);
    keeper.trust([await issue((await createKeyAndCsr({ commonName: 'x' })).csrPem)]);
    keeper.trust(['nonsense']);
    await until(() => false, 1, 10);
    expect(seen).toHaveLength(1);
    await keeper.stop();
  });
});
