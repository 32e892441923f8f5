import { request as httpsRequest, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  createAggregatedServer,
  type AggregatedAnswer,
  type AggregatedRequest,
  type AggregatedServer,
} from '../../../src/platform/kube/aggregated-server.ts';
import { systemClock } from '../../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../../src/platform/clock/system-random.ts';
import { createReloadableTls, type ReloadableTls } from '../../../src/platform/grpc/tls-material.ts';
import { createSinkLogger } from '../../../src/platform/log/logger.ts';
import { createAuthority, type Authority, type KeyPair } from '../../../src/platform/pki/authority.ts';
import { createKeyAndCsr, verifyCsr } from '../../../src/platform/pki/certificate-request.ts';
import { eventually } from '../../support/eventually.ts';

const hourMs = 3_600_000;
const deps = { clock: systemClock(), random: systemRandom() };

let hub: Authority;
let frontProxy: Authority;
let proxy: KeyPair;

async function clientOf(authority: Authority, commonName: string): Promise<KeyPair> {
  const { keyPem, csrPem } = await createKeyAndCsr({ commonName });
  const { publicKeySpki } = await verifyCsr(csrPem);
  const certificatePem = await authority.issueClientCertificate({ publicKeySpki, commonName, validityMs: hourMs });
  return { certificatePem, keyPem };
}

async function serverMaterial(): Promise<{ certificatePem: string; keyPem: string; trustBundlePem: string }> {
  const pair = await hub.issueServerCertificate({ commonName: 'hub', ipAddresses: ['127.0.0.1'], validityMs: hourMs });
  return { ...pair, trustBundlePem: hub.certificatePem };
}

beforeAll(async () => {
  hub = await createAuthority({ commonName: 'hub', validityMs: hourMs }, deps);
  frontProxy = await createAuthority({ commonName: 'front-proxy', validityMs: hourMs }, deps);
  proxy = await clientOf(frontProxy, 'front-proxy-client');
});

let tls: ReloadableTls;
let server: AggregatedServer;
let seen: AggregatedRequest[];
let logLines: string[];
let handle: (request: AggregatedRequest) => Promise<AggregatedAnswer>;

async function startServer(allowedNames: readonly string[] = ['front-proxy-client']): Promise<void> {
  server = createAggregatedServer({
    host: '127.0.0.1',
    port: 0,
    tls,
    requestHeader: {
      clientCaPem: frontProxy.certificatePem,
      allowedNames,
      usernameHeaders: ['X-Remote-User'],
      groupHeaders: ['X-Remote-Group'],
    },
    handle: (request) => {
      seen.push(request);
      return handle(request);
    },
    logger: createSinkLogger('debug', (level, message, fields) =>
      logLines.push(JSON.stringify({ level, message, fields })),
    ),
  });
  await server.start(new AbortController().signal);
}

beforeEach(async () => {
  tls = createReloadableTls(await serverMaterial());
  seen = [];
  logLines = [];
  handle = () => Promise.resolve({ status: 200, contentType: 'application/json', body: '{"a":1}' });
});

afterEach(async () => {
  await server.stop();
});

interface Answered {
  readonly status: number;
  readonly body: string;
  /** False when the connection broke before the body's end. */
  readonly complete: boolean;
  readonly response: IncomingMessage;
}

const asUser = { 'X-Remote-User': 'budi', 'X-Remote-Group': ['researchers', 'system:authenticated'] };

function begin(identity: KeyPair | undefined, options: RequestOptions = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest({
      host: '127.0.0.1',
      port: server.port,
      path: '/apis/x',
      ca: hub.certificatePem,
      agent: false,
      ...(identity === undefined ? {} : { cert: identity.certificatePem, key: identity.keyPem }),
      ...options,
    });
    request.on('response', resolve);
    request.on('error', reject);
    request.end();
  });
}

async function ask(identity: KeyPair | undefined, options: RequestOptions = {}): Promise<Answered> {
  const response = await begin(identity, options);
  const chunks: Buffer[] = [];
  response.on('data', (chunk: Buffer) => chunks.push(chunk));
  response.on('error', () => undefined);
  await new Promise((resolve) => response.on('close', resolve));
  return {
    status: response.statusCode ?? 0,
    body: Buffer.concat(chunks).toString(),
    complete: response.complete,
    response,
  };
}

describe('who is asking', () => {
  it("is the user that the cluster's API server names, with all groups", async () => {
    await startServer();
    const answer = await ask(proxy, { path: '/apis/x/log?worker=3&worker=4', headers: asUser });
    expect(answer).toMatchObject({ status: 200, body: '{"a":1}', complete: true });
    expect(seen).toMatchObject([
      { user: 'budi', groups: ['researchers', 'system:authenticated'], method: 'GET', path: '/apis/x/log' },
    ]);
    expect(seen[0]?.query.getAll('worker')).toEqual(['3', '4']);
  });

  it.each([
    ['no client certificate', () => undefined, asUser],
    ['a certificate of another authority', () => clientOf(hub, 'front-proxy-client'), asUser],
    ['a common name that is not allowed', () => clientOf(frontProxy, 'somebody'), asUser],
    ['no user', () => proxy, { 'X-Remote-Group': 'system:masters' }],
  ])('is nobody with %s: 401', async (_what, identity, headers) => {
    await startServer();
    const answer = await ask(await identity(), { headers });
    expect(answer.status).toBe(401);
    expect(JSON.parse(answer.body)).toMatchObject({ kind: 'Status', reason: 'Unauthorized', code: 401 });
    expect(seen).toEqual([]);
  });

  it('may have any common name where none is listed, but not any authority', async () => {
    await startServer([]);
    expect((await ask(await clientOf(frontProxy, 'somebody'), { headers: asUser })).status).toBe(200);
    expect((await ask(await clientOf(hub, 'somebody'), { headers: asUser })).status).toBe(401);
  });

  it('does not matter for /healthz', async () => {
    await startServer();
    expect(await ask(undefined, { path: '/healthz' })).toMatchObject({ status: 200, body: 'ok' });
  });
});

describe('answers', () => {
  it('are 500 without a word of what went wrong, which is in the log', async () => {
    await startServer();
    handle = () => Promise.reject(new Error('inner detail'));
    const answer = await ask(proxy, { headers: asUser });
    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.body)).toMatchObject({ kind: 'Status', reason: 'InternalError' });
    expect(answer.body).not.toContain('inner detail');
    expect(logLines.join('\n')).toContain('inner detail');
  });

  it('stream as they are made', async () => {
    await startServer();
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    handle = () =>
      Promise.resolve({
        status: 200,
        contentType: 'text/plain',
        body: (async function* () {
          yield Buffer.from('first');
          await held;
          yield Buffer.from('second');
        })(),
      });
    const response = await begin(proxy, { headers: asUser });
    const [first] = await new Promise<Buffer[]>((resolve) =>
      response.once('data', (...data: Buffer[]) => {
        resolve(data);
      }),
    );
    expect(first?.toString()).toBe('first');
    release();
    const rest: Buffer[] = [];
    for await (const chunk of response) rest.push(chunk as Buffer);
    expect(Buffer.concat(rest).toString()).toBe('second');
  });

  it('that break off half-way break the connection instead of looking whole', async () => {
    await startServer();
    handle = () =>
      Promise.resolve({
        status: 200,
        contentType: 'text/plain',
        body: (async function* () {
          yield Buffer.from('half');
          await new Promise((resolve) => setTimeout(resolve, 20));
          throw new Error('the member is gone');
        })(),
      });
    const answer = await ask(proxy, { headers: asUser });
    expect(answer).toMatchObject({ status: 200, body: 'half', complete: false });
    expect(logLines.join('\n')).toContain('the member is gone');
  });

  it('wait for a slow reader, and leave no listener behind for each wait', async () => {
    await startServer();
    const warnings: string[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning.name);
    process.on('warning', onWarning);
    let made = 0;
    const total = 400;
    handle = () =>
      Promise.resolve({
        status: 200,
        contentType: 'text/plain',
        body: (async function* () {
          for (made = 0; made < total; made += 1) {
            await Promise.resolve();
            yield Buffer.alloc(65_536);
          }
        })(),
      });
    const response = await begin(proxy, { headers: asUser });
    response.pause();
    const stalled = await eventually(
      async () => {
        const before = made;
        await new Promise((resolve) => setTimeout(resolve, 100));
        return made === before && made > 0 ? made : undefined;
      },
      { what: 'the source is held back' },
    );
    expect(stalled).toBeLessThan(total);
    let bytes = 0;
    for await (const chunk of response) bytes += (chunk as Buffer).byteLength;
    expect(bytes).toBe(total * 65_536);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });

  it('tell their source when the reader leaves, even while it has nothing to send', async () => {
    await startServer();
    let left = false;
    handle = ({ signal }) =>
      Promise.resolve({
        status: 200,
        contentType: 'text/plain',
        body: (async function* () {
          yield Buffer.from('x');
          await new Promise<void>((resolve) => {
            signal.addEventListener(
              'abort',
              () => {
                resolve();
              },
              { once: true },
            );
          });
          left = true;
        })(),
      });
    const response = await begin(proxy, { headers: asUser });
    response.destroy();
    await eventually(() => left, { what: 'the source hears that the reader left' });
  });
});

describe('the server', () => {
  it('serves a renewed certificate without a restart', async () => {
    await startServer();
    const presented = async (): Promise<string> => {
      const response = await begin(undefined, { path: '/healthz' });
      if (!(response.socket instanceof TLSSocket)) return expect.unreachable('no TLS');
      const { serialNumber } = response.socket.getPeerCertificate();
      response.resume();
      return serialNumber;
    };
    const before = await presented();
    tls.update(await serverMaterial());
    expect(await presented()).not.toBe(before);
    expect((await ask(proxy, { headers: asUser })).status).toBe(200);
  });

  it('ends open answers when it stops, and can be stopped twice', async () => {
    await startServer();
    handle = ({ signal }) =>
      Promise.resolve({
        status: 200,
        contentType: 'text/plain',
        body: (async function* () {
          yield Buffer.from('x');
          await new Promise<void>((resolve) => {
            signal.addEventListener(
              'abort',
              () => {
                resolve();
              },
              { once: true },
            );
          });
        })(),
      });
    const answer = ask(proxy, { headers: asUser });
    await eventually(() => seen.length === 1, { what: 'the request is there' });
    await server.stop();
    expect((await answer.catch(() => ({ complete: false }))).complete).toBe(false);
    await server.stop();
  });

  it('stops when its signal aborts', async () => {
    const controller = new AbortController();
    await startServer();
    await server.stop();
    await server.start(controller.signal);
    const { port } = server;
    controller.abort();
    await eventually(
      () =>
        begin(undefined, { path: '/healthz', port }).then(
          (r) => (r.resume(), false),
          () => true,
        ),
      {
        what: 'nobody listens any more',
      },
    );
  });

  it('says why it cannot listen', async () => {
    await startServer();
    const second = createAggregatedServer({
      host: '127.0.0.1',
      port: server.port,
      tls,
      requestHeader: {
        clientCaPem: frontProxy.certificatePem,
        allowedNames: [],
        usernameHeaders: [],
        groupHeaders: [],
      },
      handle,
      logger: createSinkLogger('error', () => undefined),
    });
    await expect(second.start(new AbortController().signal)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await second.stop();
  });
});
