import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createGrpcLink, type LinkIdentity } from '../../../src/agent/session/grpc-link.ts';
import { systemClock } from '../../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../../src/platform/clock/system-random.ts';
import { createAuthority } from '../../../src/platform/pki/authority.ts';
import { createKeyAndCsr } from '../../../src/platform/pki/certificate-request.ts';
import { parseCertificate } from '../../../src/platform/pki/certificate.ts';
import type { HubMessage } from '../../../src/wire/session-messages.ts';
import { anEnrolmentHub, type EnrolmentHub } from '../../support/enrolment-hub.ts';

const welcome = (term: number): HubMessage => ({
  kind: 'welcome',
  welcome: { protocolVersion: 1, hubVersion: '1', incarnation: 'i', term, reportIntervalMs: 5000 },
});

describe('the link over gRPC', () => {
  let hub: EnrolmentHub;
  let identity: LinkIdentity;
  beforeEach(async () => {
    hub = await anEnrolmentHub();
    identity = await issued(hub);
  });
  afterEach(() => hub.stop());

  async function issued(by: EnrolmentHub): Promise<LinkIdentity> {
    const { keyPem, csrPem } = await createKeyAndCsr({ commonName: 'member-a' });
    const certificatePem = await by.issue(csrPem);
    const { fingerprint, notAfterMs } = parseCertificate(certificatePem);
    return { certificatePem, keyPem, trustBundlePem: hub.authority.certificatePem, fingerprint, notAfterMs };
  }

  it('carries messages both ways under mutual TLS', async () => {
    const connection = createGrpcLink({ identity: () => identity }).connect(hub.federationAddress);
    const hello = {
      protocolVersion: 1,
      oldestProtocolVersion: 1,
      clusterUid: 'cluster-1',
      epoch: 5,
      agentVersion: '1',
      kubernetesVersion: '1',
      sealingPublicKey: new Uint8Array(32),
    };
    connection.session.send({ kind: 'hello', hello });
    await vi.waitFor(() => {
      expect(hub.sessions).toHaveLength(1);
    });
    const received = hub.sessions[0]!.incoming[Symbol.asyncIterator]();
    expect(await received.next()).toMatchObject({ value: { ok: true, value: { kind: 'hello', hello: { epoch: 5 } } } });
    hub.sessions[0]!.send(welcome(3));
    const incoming = connection.session.incoming[Symbol.asyncIterator]();
    expect(await incoming.next()).toMatchObject({ value: { kind: 'welcome', welcome: { term: 3 } } });
    expect(connection.certificateFingerprint).toBe(identity.fingerprint);
    connection.close();
  });

  it('ends the session over a message that cannot be read', async () => {
    const connection = createGrpcLink({ identity: () => identity }).connect(hub.federationAddress);
    connection.session.send({ kind: 'pong', nonce: 1 });
    await vi.waitFor(() => {
      expect(hub.sessions).toHaveLength(1);
    });
    hub.sessions[0]!.send({ kind: 'goodbye', reason: 'Nonsense' as never, message: '', retryAfterMs: -5 } as never);
    const seen: string[] = [];
    for await (const message of connection.session.incoming) seen.push(message.kind);
    const end = await connection.session.closed;
    expect(end.kind).toBe('failed');
    expect(seen.length).toBeLessThanOrEqual(1);
    connection.close();
  });

  it('renews over the open connection, and passes a refusal on', async () => {
    const connection = createGrpcLink({ identity: () => identity }).connect(hub.federationAddress);
    const { csrPem } = await createKeyAndCsr({ commonName: 'member-a', keyPem: identity.keyPem });
    const answer = await connection.renew(csrPem);
    expect(parseCertificate(answer.certificatePem).fingerprint).not.toBe(identity.fingerprint);
    hub.renewAnswer = () => Promise.reject(new Error('internal detail'));
    await expect(connection.renew(csrPem)).rejects.toMatchObject({ kind: 'RpcError', code: 'INTERNAL' });
    connection.close();
  });

  it('opens log streams beside the session', async () => {
    const connection = createGrpcLink({ identity: () => identity }).connect(hub.federationAddress);
    const logs = connection.openLogs();
    logs.send({ kind: 'open', sessionId: 's-1' });
    await vi.waitFor(() => {
      expect(hub.logStreams).toHaveLength(1);
    });
    const received = hub.logStreams[0]!.incoming[Symbol.asyncIterator]();
    expect(await received.next()).toMatchObject({ value: { ok: true, value: { kind: 'open', sessionId: 's-1' } } });
    connection.close();
  });

  it.each(['a hub of another authority', 'a certificate of another authority', 'nobody listening'])(
    'does not connect with %s',
    async (what) => {
      const foreign = await createAuthority(
        { commonName: 'other', validityMs: 3_600_000 },
        { clock: systemClock(), random: systemRandom() },
      );
      const other = await anEnrolmentHub({ authority: foreign });
      try {
        const wrong =
          what === 'a hub of another authority'
            ? { ...identity, trustBundlePem: foreign.certificatePem }
            : what === 'nobody listening'
              ? identity
              : { ...(await issued(other)), trustBundlePem: hub.authority.certificatePem };
        const address = what === 'nobody listening' ? '127.0.0.1:1' : hub.federationAddress;
        const connection = createGrpcLink({ identity: () => wrong }).connect(address);
        expect(await connection.session.closed).toMatchObject({ kind: 'failed', code: 'UNAVAILABLE' });
        expect(hub.sessions).toEqual([]);
        connection.close();
      } finally {
        await other.stop();
      }
    },
  );
});
