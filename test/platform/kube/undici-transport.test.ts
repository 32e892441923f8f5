import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../../src/platform/clock/system-random.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { readText } from '../../../src/platform/kube/response-body.ts';
import type { KubeTransport } from '../../../src/platform/kube/transport.ts';
import { createUndiciTransport, type CredentialMaterial } from '../../../src/platform/kube/undici-transport.ts';
import { createAuthority, type Authority, type KeyPair } from '../../../src/platform/pki/authority.ts';
import { createKeyAndCsr, verifyCsr } from '../../../src/platform/pki/certificate-request.ts';
import { parseCertificate } from '../../../src/platform/pki/certificate.ts';

const hourMs = 3_600_000;
const deps = { clock: systemClock(), random: systemRandom() };
let authority: Authority;
let pair: KeyPair;
let server: Server | undefined;
let transport: KubeTransport | undefined;
let connections = 0;

beforeAll(async () => {
  authority = await createAuthority({ commonName: 'cluster', validityMs: hourMs }, deps);
  pair = await authority.issueServerCertificate({ commonName: 'kube', ipAddresses: ['127.0.0.1'], validityMs: hourMs });
});

afterEach(async () => {
  await transport?.close();
  transport = undefined;
  server?.closeAllConnections();
  const closing = server;
  server = undefined;
  if (closing !== undefined) await new Promise((resolve) => closing.close(resolve));
});

/** Answers with who asked: common name of the client certificate, authorization header, path. */
async function aServer(status = 200): Promise<string> {
  connections = 0;
  const made = createServer(
    {
      cert: pair.certificatePem,
      key: pair.keyPem,
      ca: authority.certificatePem,
      requestCert: true,
      rejectUnauthorized: false,
    },
    (request, response) => {
      const certificate = (request.socket as unknown as Pick<TLSSocket, 'getPeerCertificate'>).getPeerCertificate();
      const who = Object.keys(certificate).length === 0 ? '' : parseCertificate(certificate.raw).commonName;
      response.writeHead(status, { 'x-twice': ['a', 'b'] });
      response.end(
        JSON.stringify({
          who,
          authorization: request.headers.authorization,
          path: request.url,
          http: request.httpVersion,
        }),
      );
    },
  );
  made.on('secureConnection', () => (connections += 1));
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
  server = made;
  return `https://127.0.0.1:${(made.address() as AddressInfo).port}`;
}

async function who(of: KubeTransport, path = '/version'): Promise<Record<string, unknown>> {
  const response = await of.request({ method: 'GET', path, headers: {} });
  return JSON.parse(await readText(response.body)) as Record<string, unknown>;
}

async function clientMaterial(commonName: string): Promise<CredentialMaterial> {
  const made = await createKeyAndCsr({ commonName });
  const cert = await authority.issueClientCertificate({ ...(await verifyCsr(made.csrPem)), validityMs: hourMs });
  return { ca: authority.certificatePem, cert, key: made.keyPem };
}

describe('undici transport', () => {
  it('proves the server, shows our certificate, keeps the path prefix, and reuses connections', async () => {
    const url = await aServer();
    const material = await clientMaterial('operator');
    transport = createUndiciTransport(
      { server: `${url}/k8s/clusters/x/`, current: () => Promise.resolve(material) },
      deps,
    );
    expect(await who(transport)).toEqual({ who: 'operator', path: '/k8s/clusters/x/version', http: '1.1' });
    for (let i = 0; i < 20; i += 1) await who(transport);
    // A request may come while the last answer is being put away: then a second connection joins, never a twentieth.
    expect(connections).toBeLessThanOrEqual(2);
    const response = await transport.request({ method: 'GET', path: '/x', headers: {} });
    await readText(response.body);
    expect(response.headers['x-twice']).toBe('a, b');
  });

  it('refuses a server of another authority', async () => {
    const url = await aServer();
    const foreign = await createAuthority({ commonName: 'foreign', validityMs: hourMs }, deps);
    transport = createUndiciTransport(
      { server: url, current: () => Promise.resolve({ ca: foreign.certificatePem }) },
      deps,
    );
    await expect(who(transport)).rejects.toThrow();
  });

  it('reads credentials anew about every 10 s, and at once after a 401', async () => {
    const clock = new VirtualClock();
    const url = await aServer();
    let reads = 0;
    const current = (): Promise<CredentialMaterial> => {
      reads += 1;
      return Promise.resolve({ ca: authority.certificatePem, headers: { authorization: `Bearer token-${reads}` } });
    };
    transport = createUndiciTransport({ server: url, current }, { clock });
    expect(await who(transport)).toMatchObject({ authorization: 'Bearer token-1' });
    clock.advance(9_000);
    expect(await who(transport)).toMatchObject({ authorization: 'Bearer token-1' });
    clock.advance(2_000);
    expect(await Promise.all([who(transport), who(transport)])).toEqual([
      expect.objectContaining({ authorization: 'Bearer token-2' }),
      expect.objectContaining({ authorization: 'Bearer token-2' }),
    ]);
    // A token changes no TLS, so the connections stay.
    expect(connections).toBeLessThanOrEqual(3);
    await transport.close();
    server?.closeAllConnections();
    server?.close();
    const refusing = await aServer(401);
    transport = createUndiciTransport({ server: refusing, current }, { clock });
    reads = 10;
    await who(transport);
    expect(await who(transport)).toMatchObject({ authorization: 'Bearer token-12' });
  });

  it('makes new connections when the certificate rotates', async () => {
    const clock = new VirtualClock();
    const url = await aServer();
    let material = await clientMaterial('before');
    transport = createUndiciTransport({ server: url, current: () => Promise.resolve(material) }, { clock });
    expect(await who(transport)).toMatchObject({ who: 'before' });
    material = await clientMaterial('after');
    clock.advance(11_000);
    expect(await who(transport)).toMatchObject({ who: 'after' });
  });

  it('says that credentials cannot be read without saying what they are', async () => {
    const url = await aServer();
    const current = (): Promise<CredentialMaterial> =>
      Promise.reject(Object.assign(new Error('token abc is bad'), { code: 'ENOENT' }));
    transport = createUndiciTransport({ server: url, current }, deps);
    await expect(who(transport)).rejects.toMatchObject({
      kind: 'KubeUnreachable',
      code: 'ENOENT',
      message: `${url}: the credentials cannot be read (ENOENT)`,
    });
  });

  it.each(['', 'nonsense', 'ftp://x', 'unix:///run/x.sock'])('refuses %j as a server', (address) => {
    expect(() => createUndiciTransport({ server: address, current: () => Promise.resolve({}) }, deps)).toThrow(
      TypeError,
    );
  });
});
