import { request as httpsRequest } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { systemClock } from '../../../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../../../src/platform/clock/system-random.ts';
import { type ApiServer, createApiServer } from '../../../../src/sandbox/apiserver/api-server.ts';
import { createClusterPki } from '../../../../src/sandbox/apiserver/transport/cluster-pki.ts';
import type { Listening } from '../../../../src/sandbox/apiserver/transport/listening.ts';

let server: ApiServer;
let listening: Listening;

beforeAll(async () => {
  server = createApiServer({ clock: systemClock(), random: systemRandom() });
  listening = await server.listen();
});

afterAll(() => server.stop());

interface Credentials {
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
}

function call(path: string, credentials: Credentials, body?: Buffer): Promise<{ status: number; text: string }> {
  const { cert, key, token } = credentials;
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(
      `${listening.url}${path}`,
      {
        ca: listening.caPem,
        ...(cert === undefined ? {} : { cert, key }),
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          'content-type': 'application/json',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

async function certified(user: string, groups: readonly string[]): Promise<Credentials> {
  const config = parse(await listening.kubeconfig({ user, groups })) as { users: { user: Record<string, string> }[] };
  const decode = (field: string): string => Buffer.from(config.users[0]?.user[field] ?? '', 'base64').toString();
  return { cert: decode('client-certificate-data'), key: decode('client-key-data') };
}

describe('over HTTPS', () => {
  it('knows users by certificate: CN the name, each O a group', async () => {
    const admin = await certified('root', ['ops', 'system:masters']);
    const { status, text } = await call('/apis/authentication.k8s.io/v1/selfsubjectreviews', admin, Buffer.from('{}'));
    expect(status).toBe(201);
    expect(JSON.parse(text)).toMatchObject({
      status: { userInfo: { username: 'root', groups: ['ops', 'system:masters', 'system:authenticated'] } },
    });
  });

  it('takes a certificate of another authority for none', async () => {
    const foreign = await createClusterPki({ clock: systemClock(), random: systemRandom() });
    const { certificatePem, keyPem } = await foreign.userCertificate('root', ['system:masters']);
    const { status, text } = await call('/api/v1/pods', { cert: certificatePem, key: keyPem });
    expect(status).toBe(403);
    expect(text).toContain('User \\"system:anonymous\\"');
  });

  it('lets strangers see the version and nothing more, and refuses wrong tokens', async () => {
    expect((await call('/version', {})).status).toBe(200);
    expect((await call('/api/v1/pods', {})).status).toBe(403);
    const wrong = await call('/version', { token: 'wrong' });
    expect(wrong.status).toBe(401);
    expect(wrong.text).not.toContain('wrong');
  });

  it('refuses bodies above the limit', async () => {
    const admin = await certified('root', ['system:masters']);
    const { status } = await call('/api/v1/namespaces/default/configmaps', admin, Buffer.alloc(4 * 1024 * 1024, 'x'));
    expect(status).toBe(413);
  });

  it('answers malformed JSON with a Status', async () => {
    const admin = await certified('root', ['system:masters']);
    const { status, text } = await call('/api/v1/namespaces/default/configmaps', admin, Buffer.from('{"a":'));
    expect(status).toBe(400);
    expect(JSON.parse(text)).toMatchObject({ kind: 'Status', reason: 'BadRequest' });
  });
});
