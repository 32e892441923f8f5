import { connect as connectTcp } from 'node:net';
import { connect } from 'node:tls';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../../src/platform/clock/system-random.ts';
import type { PeerRefusal } from '../../../src/platform/grpc/refused-peers.ts';
import { createGrpcServer, type GrpcServer } from '../../../src/platform/grpc/server.ts';
import { createReloadableTls } from '../../../src/platform/grpc/tls-material.ts';
import { silentLogger } from '../../../src/platform/log/logger.ts';
import { createAuthority, loadAuthority, type Authority } from '../../../src/platform/pki/authority.ts';
import { createKeyAndCsr, verifyCsr } from '../../../src/platform/pki/certificate-request.ts';

const HOUR_MS = 3_600_000;

describe('a peer that TLS turns away', () => {
  const deps = { clock: systemClock(), random: systemRandom() };
  let authority: Authority;
  let server: GrpcServer;
  let refusals: PeerRefusal[];
  beforeEach(async () => {
    authority = await createAuthority({ commonName: 'ours', validityMs: HOUR_MS }, deps);
    const names = { commonName: 'server', dnsNames: ['localhost'], validityMs: HOUR_MS };
    const pair = await authority.issueServerCertificate(names);
    refusals = [];
    server = createGrpcServer({
      name: 'test',
      host: '127.0.0.1',
      port: 0,
      tls: createReloadableTls({ ...pair, trustBundlePem: authority.certificatePem }),
      clientCertificates: 'required',
      services: [],
      clock: deps.clock,
      logger: silentLogger(),
      stopGraceMs: 100,
      onRefusedPeer: (refusal) => refusals.push(refusal),
    });
    await server.start(new AbortController().signal);
  });
  afterEach(() => server.stop());

  async function identityBy(issuer: Authority, validityMs = HOUR_MS): Promise<{ cert: string; key: string }> {
    const { keyPem, csrPem } = await createKeyAndCsr({ commonName: 'peer' });
    const { publicKeySpki } = await verifyCsr(csrPem);
    const cert = await issuer.issueClientCertificate({ publicKeySpki, commonName: 'peer', validityMs });
    return { cert, key: keyPem };
  }

  /** Knocks, and resolves when the connection is over or was let in. */
  async function knock(identity: { cert?: string; key?: string }): Promise<void> {
    const options = { ca: authority.certificatePem, servername: 'localhost', ALPNProtocols: ['h2'] };
    const socket = connect({ host: '127.0.0.1', port: server.port, ...options, ...identity });
    // Whatever becomes of it shows in what the server tells.
    socket.on('error', () => undefined);
    await Promise.race([once(socket, 'close'), once(socket, 'data')]).catch(() => undefined);
    socket.destroy();
  }

  it.each([
    ['has the certificate of a foreign authority of the same name', 'UntrustedCertificate'],
    ['has a certificate that has ended', 'CertificateExpired'],
    ['has none', 'NoCertificate'],
  ] as const)('that %s is told as %s', async (_what, why) => {
    const past = { ...deps, clock: { nowMs: () => Date.now() - HOUR_MS } };
    const identities = {
      UntrustedCertificate: async () =>
        identityBy(await createAuthority({ commonName: 'ours', validityMs: HOUR_MS }, deps)),
      CertificateExpired: async () => identityBy(await loadAuthority(authority, past), 60_000),
      NoCertificate: () => Promise.resolve({}),
    };
    await knock(await identities[why]());
    await vi.waitFor(() => {
      expect(refusals).toEqual([{ why, address: expect.stringMatching(/^127\.0\.0\.1:\d+$/) as string }]);
    });
  });

  it('is nobody who is let in, and nobody who only opens a connection', async () => {
    await knock(await identityBy(authority));
    const probe = connectTcp(server.port, '127.0.0.1');
    await once(probe, 'connect');
    probe.end();
    await once(probe, 'close');
    // Told in order: when the next one is there, the earlier would be, too.
    await knock({});
    await vi.waitFor(() => {
      expect(refusals.map((refusal) => refusal.why)).toEqual(['NoCertificate']);
    });
  });
});
