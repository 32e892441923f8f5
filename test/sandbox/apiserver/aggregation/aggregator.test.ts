import { createServer, type Server } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../../../src/platform/clock/system-random.ts';
import { createAuthority } from '../../../../src/platform/pki/authority.ts';
import { type ApiServer, createApiServer } from '../../../../src/sandbox/apiserver/api-server.ts';
import { contractClient, type ContractClient } from '../../../contract/contract-client.ts';
import { eventually } from '../../../support/eventually.ts';

let server: ApiServer;
let admin: ContractClient;
let backend: Server;
let caBundle: string;
const seen: { user: string; groups: string[]; authorized: boolean; authorization: string | undefined; path: string }[] =
  [];

async function startBackend(): Promise<void> {
  const deps = { clock: systemClock(), random: systemRandom() };
  const authority = await createAuthority({ commonName: 'backend', validityMs: 60_000 }, deps);
  const certificate = await authority.issueServerCertificate({
    commonName: 'backend',
    dnsNames: ['hub.pool.svc'],
    validityMs: 60_000,
  });
  caBundle = Buffer.from(authority.certificatePem).toString('base64');
  const config = await admin.get('/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication');
  backend = createServer(
    {
      cert: certificate.certificatePem,
      key: certificate.keyPem,
      ca: config.body.data['requestheader-client-ca-file'],
      requestCert: true,
      rejectUnauthorized: false,
    },
    (request, response) => {
      const { headers } = request;
      const groups = request.rawHeaders.filter((_, i, all) => all[i - 1]?.toLowerCase() === 'x-remote-group');
      seen.push({
        user: String(headers['x-remote-user']),
        groups,
        authorized: request.socket instanceof TLSSocket && request.socket.authorized,
        authorization: headers.authorization,
        path: request.url ?? '',
      });
      if (request.url === '/apis/sub.example.com/v1') {
        response.setHeader('content-type', 'application/json');
        response.end(
          JSON.stringify({
            kind: 'APIResourceList',
            groupVersion: 'sub.example.com/v1',
            resources: [{ name: 'things', kind: 'Thing', namespaced: true, verbs: ['get'] }],
          }),
        );
        return;
      }
      response.write('first\n');
      setTimeout(() => response.end('second\n'), 20);
    },
  );
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');
}

beforeAll(async () => {
  server = createApiServer({ clock: systemClock(), random: systemRandom() });
  admin = contractClient(server.transport());
  await server.listen();
  await startBackend();
  await admin.post('/api/v1/namespaces', { metadata: { name: 'pool' } });
});

afterAll(async () => {
  await server.stop();
  backend.closeAllConnections();
  backend.close();
});

const REGISTRATIONS = '/apis/apiregistration.k8s.io/v1/apiservices';

describe('aggregated APIs', () => {
  it('pass requests on as the front proxy, name the user, and stream the answer', async () => {
    const registration = {
      metadata: { name: 'v1.sub.example.com' },
      spec: {
        group: 'sub.example.com',
        version: 'v1',
        groupPriorityMinimum: 1000,
        versionPriority: 15,
        service: { namespace: 'pool', name: 'hub', port: (backend.address() as AddressInfo).port },
        caBundle,
      },
    };
    expect((await admin.post(REGISTRATIONS, registration)).status).toBe(201);
    expect((await admin.get('/apis/sub.example.com/v1/namespaces/default/things/x/log')).status).toBe(503);
    const service = { metadata: { name: 'hub' }, spec: { type: 'ExternalName', externalName: '127.0.0.1' } };
    await admin.post('/api/v1/namespaces/pool/services', service);
    await eventually(
      async () => (await admin.get(`${REGISTRATIONS}/v1.sub.example.com`)).body.status.conditions[0]?.status === 'True',
      { what: 'the API is available' },
    );
    server.addToken('secret-token', { user: 'ann', groups: ['team', 'system:masters'] });
    const path = '/apis/sub.example.com/v1/namespaces/default/things/x/log?follow=true';
    const answer = await admin.call('GET', path, {
      headers: { authorization: 'Bearer secret-token', 'x-remote-user': 'mallory' },
    });
    expect(answer.body).toBe('first\nsecond\n');
    expect(seen.at(-1)).toEqual({
      user: 'ann',
      groups: ['team', 'system:masters', 'system:authenticated'],
      authorized: true,
      authorization: undefined,
      path,
    });
  });

  it('appear in discovery', async () => {
    const groups = (await admin.get('/apis')).body.groups.map(({ name }) => name);
    expect(groups).toContain('sub.example.com');
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
    const item = (await admin.get('/apis', accept)).body.items.find(
      ({ metadata }) => metadata.name === 'sub.example.com',
    );
    expect(item).toMatchObject({
      versions: [{ version: 'v1', freshness: 'Current', resources: [{ resource: 'things' }] }],
    });
    expect((await admin.get('/apis/sub.example.com/v1')).body.resources).toHaveLength(1);
  });

  it('are authorized here first', async () => {
    const nobody = contractClient(server.transport({ user: 'nobody', groups: [] }));
    const before = seen.length;
    const { status, body } = await nobody.get('/apis/sub.example.com/v1/namespaces/default/things/x/log');
    expect(status).toBe(403);
    expect(body.message).toContain('cannot get resource "things/log" in API group "sub.example.com"');
    expect(seen).toHaveLength(before);
  });

  it('are not trusted when their certificate is another one’s', async () => {
    const foreign = await createAuthority(
      { commonName: 'other', validityMs: 60_000 },
      { clock: systemClock(), random: systemRandom() },
    );
    const spec = { caBundle: Buffer.from(foreign.certificatePem).toString('base64') };
    await admin.patch(`${REGISTRATIONS}/v1.sub.example.com`, { spec }, 'application/merge-patch+json');
    const { status, body } = await admin.get('/apis/sub.example.com/v1/namespaces/default/things/x/log');
    expect(status).toBe(503);
    expect(body.message).toContain('error trying to reach service');
    await eventually(
      async () =>
        (await admin.get(`${REGISTRATIONS}/v1.sub.example.com`)).body.status.conditions[0]?.status === 'False',
      { what: 'the API is no longer available' },
    );
    await admin.delete(`${REGISTRATIONS}/v1.sub.example.com`);
    expect((await admin.get('/apis/sub.example.com/v1')).status).toBe(404);
  });
});
