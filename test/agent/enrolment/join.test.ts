import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { textWith } from '../../support/matchers.ts';
import { createGrpcEnrolment } from '../../../src/agent/enrolment/grpc-enrolment.ts';
import { createIdentityStore } from '../../../src/agent/enrolment/identity-store.ts';
import { join, type JoinDeps } from '../../../src/agent/enrolment/join.ts';
import { seededRandom } from '../../../src/platform/clock/seeded-random.ts';
import { systemClock } from '../../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../../src/platform/clock/system-random.ts';
import type { Clock } from '../../../src/platform/clock/clock.ts';
import { createSinkLogger } from '../../../src/platform/log/logger.ts';
import { createAuthority } from '../../../src/platform/pki/authority.ts';
import { createKeyAndCsr } from '../../../src/platform/pki/certificate-request.ts';
import { parseCertificate as parse } from '../../../src/platform/pki/certificate.ts';
import { anAgentCluster, type AgentCluster } from '../../support/agent-cluster.ts';
import { anEnrolmentHub, type EnrolmentHub } from '../../support/enrolment-hub.ts';

const TOKEN = 'token-that-must-stay-unseen';

describe('joining', () => {
  let cluster: AgentCluster;
  let hub: EnrolmentHub;
  let lines: string[];
  beforeEach(async () => {
    [cluster, hub] = await Promise.all([anAgentCluster(), anEnrolmentHub()]);
    lines = [];
  });
  afterEach(async () => {
    await Promise.all([cluster.stop(), hub.stop()]);
  });

  /** Real time in which waiting takes no time. */
  const hurried = (): Clock => ({ ...systemClock(), sleep: () => new Promise((resolve) => setTimeout(resolve, 5)) });

  const deps = (overrides: Partial<JoinDeps> = {}): JoinDeps => {
    const clock = hurried();
    return {
      store: createIdentityStore({ client: cluster.client, namespace: 'lumbung-system', member: 'member-a' }),
      port: createGrpcEnrolment({ address: hub.enrolmentAddress, clock }),
      member: 'member-a',
      clusterUid: 'cluster-1',
      agentVersion: '1.0.0',
      token: () => Promise.resolve(TOKEN),
      caFingerprint: hub.authority.fingerprint,
      jurisdiction: () => 'ID',
      clock,
      random: seededRandom(1),
      logger: createSinkLogger('debug', (_level, message, fields) =>
        lines.push(`${message} ${JSON.stringify(fields)}`),
      ),
      ...overrides,
    };
  };
  const signal = () => new AbortController().signal;

  it('gets a certificate for its own key, persists it, and asks nobody the next time', async () => {
    const identity = await join(deps(), signal());
    expect(identity).toMatchObject({ jurisdiction: 'ID', trustBundlePem: textWith('CERTIFICATE') });
    expect(hub.requests).toMatchObject([
      { member: 'member-a', clusterUid: 'cluster-1', token: TOKEN, jurisdiction: 'ID', agentVersion: '1.0.0' },
    ]);
    const again = await join(deps({ token: () => Promise.resolve(undefined) }), signal());
    expect(again?.fingerprint).toBe(identity?.fingerprint);
    expect(hub.requests).toHaveLength(1);
    expect(lines.join('\n')).not.toContain(TOKEN);
    expect(lines.join('\n')).not.toContain('PRIVATE KEY');
  });

  it('waits while the hub says Pending and asks with the same key, also after a restart', async () => {
    const stop = new AbortController();
    hub.answer = (_request, nth) => {
      if (nth === 2) stop.abort();
      return Promise.resolve({ kind: 'Pending', message: 'wait', retryAfterSeconds: 1 });
    };
    expect(await join(deps(), stop.signal)).toBeUndefined();
    hub.answer = async (request, nth) =>
      nth < 5
        ? { kind: 'Pending', message: 'wait', retryAfterSeconds: 1 }
        : {
            kind: 'Issued',
            certificatePem: await hub.issue(request.csrPem),
            trustBundle: [hub.authority.certificatePem],
          };
    expect(await join(deps(), signal())).toBeDefined();
    expect(hub.requests.length).toBeGreaterThanOrEqual(5);
    const keyOf = async (csrPem: string): Promise<string> => hub.issue(csrPem).then((pem) => publicKeyOf(pem));
    const keys = new Set(await Promise.all(hub.requests.map((request) => keyOf(request.csrPem))));
    expect(keys.size).toBe(1);
  });

  it('goes on trying while nobody answers', async () => {
    const address = hub.enrolmentAddress;
    const { authority } = hub;
    await hub.stop();
    const stop = new AbortController();
    const joining = join(deps({ port: createGrpcEnrolment({ address, clock: systemClock() }) }), stop.signal);
    await new Promise((resolve) => setTimeout(resolve, 50));
    stop.abort();
    expect(await joining).toBeUndefined();
    expect(lines.some((line) => line.includes('cannot be reached'))).toBe(true);
    hub = await anEnrolmentHub({ authority });
    expect(await join(deps(), signal())).toBeDefined();
  });

  it('refuses a hub of another authority before the token leaves', async () => {
    const foreign = await createAuthority(
      { commonName: 'evil', validityMs: 3_600_000 },
      { clock: systemClock(), random: systemRandom() },
    );
    await expect(join(deps({ caFingerprint: foreign.fingerprint }), signal())).rejects.toMatchObject({
      why: 'PinMismatch',
    });
    expect(hub.requests).toEqual([]);
  });

  it('needs to know which hub to trust', async () => {
    const { caFingerprint: _pin, ...rest } = deps();
    await expect(join(rest, signal())).rejects.toMatchObject({ why: 'PinMissing' });
  });

  it('says what to ask for when there is no token, or the certificate lapsed', async () => {
    await expect(join(deps({ token: () => Promise.resolve('') }), signal())).rejects.toMatchObject({
      why: 'TokenMissing',
      message: textWith('lumbung member invite member-a'),
    });
    hub.answer = async (request) => ({
      kind: 'Issued',
      certificatePem: await hub.issue(request.csrPem, {}, 1500),
      trustBundle: [hub.authority.certificatePem],
    });
    await join(deps(), signal());
    const later: Clock = { ...hurried(), nowMs: () => Date.now() + 10_000 };
    await expect(join(deps({ clock: later, token: () => Promise.resolve(undefined) }), signal())).rejects.toMatchObject(
      { why: 'TokenMissing', message: textWith('--rejoin') },
    );
  });

  it('joins anew with a token when the certificate lapsed, by the stored trust and the same key', async () => {
    hub.answer = async (request) => ({
      kind: 'Issued',
      certificatePem: await hub.issue(request.csrPem, {}, 1500),
      trustBundle: [hub.authority.certificatePem],
    });
    const first = await join(deps(), signal());
    hub.answer = async (request) => ({
      kind: 'Issued',
      certificatePem: await hub.issue(request.csrPem),
      trustBundle: [hub.authority.certificatePem],
    });
    const { caFingerprint: _pin, ...unpinned } = deps();
    const later: Clock = { ...hurried(), nowMs: () => Date.now() + 10_000 };
    const second = await join({ ...unpinned, clock: later }, signal());
    expect(second?.fingerprint).not.toBe(first?.fingerprint);
    expect(publicKeyOf(second!.certificatePem)).toBe(publicKeyOf(first!.certificatePem));
  });

  it('ends when the hub refuses, without the token in the error', async () => {
    hub.answer = () => Promise.resolve({ kind: 'Refused', message: 'the invitation is not valid' });
    const failure = await join(deps(), signal()).catch((error: unknown) => error);
    expect(failure).toMatchObject({ why: 'Refused', message: textWith('not valid') });
    expect(String(failure)).not.toContain(TOKEN);
  });

  it.each([
    ['for another member', (csr: string) => hub.issue(csr, { member: 'member-b' })],
    ['for another cluster', (csr: string) => hub.issue(csr, { clusterUid: 'cluster-2' })],
    ['for another key', async () => hub.issue((await createKeyAndCsr({ commonName: 'x' })).csrPem)],
    ['that is none', () => Promise.resolve('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')],
  ])('takes no certificate %s', async (_what, issue) => {
    hub.answer = async (request) => ({
      kind: 'Issued',
      certificatePem: await issue(request.csrPem),
      trustBundle: [hub.authority.certificatePem],
    });
    await expect(join(deps(), signal())).rejects.toMatchObject({ why: 'WrongCertificate' });
    expect((await deps().store.load())?.certificatePem).toBeUndefined();
  });

  it('takes no certificate of an authority that the hub does not vouch for', async () => {
    const foreign = await createAuthority(
      { commonName: 'other', validityMs: 3_600_000 },
      { clock: systemClock(), random: systemRandom() },
    );
    hub.answer = async (request) => ({
      kind: 'Issued',
      certificatePem: await hub.issue(request.csrPem),
      trustBundle: [foreign.certificatePem],
    });
    await expect(join(deps(), signal())).rejects.toMatchObject({ why: 'WrongCertificate' });
  });
});

function publicKeyOf(pem: string): string {
  return parse(pem).publicKeyFingerprint;
}
