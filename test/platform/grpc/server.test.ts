import { connect, type SecureVersion } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../../src/platform/clock/system-random.ts';
import { callUnary, dial, openDuplex, openServerStream, type DialOptions } from '../../../src/platform/grpc/client.ts';
import {
  duplexHandler,
  serverStreamHandler,
  unaryHandler,
  type CallContext,
  type MethodHandler,
} from '../../../src/platform/grpc/handlers.ts';
import type { MessageStream } from '../../../src/platform/grpc/message-stream.ts';
import { RpcError } from '../../../src/platform/grpc/rpc-error.ts';
import { createGrpcServer, type GrpcServer, type GrpcServerOptions } from '../../../src/platform/grpc/server.ts';
import { createReloadableTls, type ReloadableTls } from '../../../src/platform/grpc/tls-material.ts';
import { fetchTrustBundle } from '../../../src/platform/grpc/trust-bootstrap.ts';
import { createSinkLogger, silentLogger } from '../../../src/platform/log/logger.ts';
import { createAuthority, type Authority } from '../../../src/platform/pki/authority.ts';
import { createKeyAndCsr, verifyCsr } from '../../../src/platform/pki/certificate-request.ts';
import { joinBundles } from '../../../src/platform/pki/certificate.ts';
import { eventually } from '../kube/eventually.ts';
import { echoDefinition, EchoClient } from './echo-service.ts';

const hourMs = 3_600_000;
const clock = systemClock();
const deps = { clock, random: systemRandom() };
let hub: Authority;
let other: Authority;
const cleanups: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  hub = await createAuthority({ commonName: 'hub', validityMs: hourMs }, deps);
  other = await createAuthority({ commonName: 'other', validityMs: hourMs }, deps);
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serverTls(authority: Authority = hub, trust = hub.certificatePem): Promise<ReloadableTls> {
  const pair = await authority.issueServerCertificate({
    commonName: 'hub',
    dnsNames: ['hub.example'],
    ipAddresses: ['127.0.0.1'],
    validityMs: hourMs,
  });
  return createReloadableTls({ ...pair, trustBundlePem: trust });
}

async function identity(authority: Authority, member = 'north', validityMs = hourMs) {
  const made = await createKeyAndCsr({ commonName: member });
  const csr = await verifyCsr(made.csrPem);
  const spiffeUri = `spiffe://hub.example/member/${member}/cluster/u/jurisdiction/ID`;
  const certificatePem = await authority.issueClientCertificate({ ...csr, spiffeUri, validityMs });
  return { certificatePem, keyPem: made.keyPem };
}

const echo: Readonly<Record<string, MethodHandler>> = {
  ask: unaryHandler<string, string>((request, context) => {
    if (request === 'who') return Promise.resolve(context.peer?.uris[0] ?? 'nobody');
    if (request === 'refuse') throw new RpcError('FAILED_PRECONDITION', 'not now');
    if (request === 'panic') throw new Error('secret detail');
    return Promise.resolve(request.toUpperCase());
  }),
  talk: duplexHandler<string, string>(async (stream) => {
    for await (const message of stream.incoming) stream.send(`echo ${message}`);
  }),
  count: serverStreamHandler<string, string>(async (request, write) => {
    for (let i = 0; i < Number(request); i += 1) await write(String(i));
  }),
};

async function aServer(options: Partial<GrpcServerOptions> & { tls: ReloadableTls }): Promise<GrpcServer> {
  const server = createGrpcServer({
    name: 'test',
    host: '127.0.0.1',
    port: 0,
    clientCertificates: 'required',
    services: [{ definition: echoDefinition, implementation: echo }],
    clock,
    logger: silentLogger(),
    stopGraceMs: 200,
    ...options,
  });
  await server.start(new AbortController().signal);
  cleanups.push(() => server.stop());
  return server;
}

async function aClient(server: GrpcServer, options: Partial<DialOptions> = {}): Promise<EchoClient> {
  const client = dial(EchoClient, {
    address: `127.0.0.1:${server.port}`,
    trustBundlePem: hub.certificatePem,
    identity: await identity(hub),
    ...options,
  });
  cleanups.push(() => {
    client.close();
  });
  return client;
}

async function ask(client: EchoClient, text: string): Promise<string> {
  return callUnary(client.ask.bind(client), text, { timeoutMs: 3_000 }).catch(
    (error: unknown) => (error as RpcError).code,
  );
}

function talk(client: EchoClient, signal?: AbortSignal): MessageStream<string, string> {
  return openDuplex(client.talk.bind(client), signal === undefined ? {} : { signal });
}

async function firstOf(stream: MessageStream<string, string>): Promise<string | undefined> {
  const step = await stream.incoming[Symbol.asyncIterator]().next();
  return step.done === true ? undefined : step.value;
}

describe('mutual TLS', () => {
  it('shows the handler the identity in the certificate', async () => {
    const server = await aServer({ tls: await serverTls() });
    const client = await aClient(server);
    expect(await ask(client, 'who')).toBe('spiffe://hub.example/member/north/cluster/u/jurisdiction/ID');
  });

  it('refuses clients without a certificate, with a foreign one, and with an expired one', async () => {
    const server = await aServer({ tls: await serverTls() });
    const { identity: _none, ...withoutIdentity } = {
      address: `127.0.0.1:${server.port}`,
      trustBundlePem: hub.certificatePem,
      identity: 0,
    };
    const bare = dial(EchoClient, withoutIdentity);
    cleanups.push(() => {
      bare.close();
    });
    expect(await ask(bare, 'hi')).toBe('UNAVAILABLE');
    const foreign = await aClient(server, { identity: await identity(other) });
    expect(await ask(foreign, 'hi')).toBe('UNAVAILABLE');
    const past = await createAuthority(
      { commonName: 'past', validityMs: 1 },
      { ...deps, clock: { nowMs: () => Date.now() - hourMs } },
    );
    const relaxed = await aServer({ tls: await serverTls(hub, joinBundles(hub.certificatePem, past.certificatePem)) });
    const expired = await aClient(relaxed, { identity: await identity(past) });
    expect(await ask(expired, 'hi')).toBe('UNAVAILABLE');
  });

  it('refuses a server that the bundle does not vouch for, or that has another name', async () => {
    const impostor = await aServer({ tls: await serverTls(other) });
    expect(await ask(await aClient(impostor), 'hi')).toBe('UNAVAILABLE');
    const server = await aServer({ tls: await serverTls() });
    expect(await ask(await aClient(server, { serverName: 'elsewhere.example' }), 'hi')).toBe('UNAVAILABLE');
    expect(await ask(await aClient(server, { serverName: 'hub.example' }), 'hi')).toBe('HI');
    expect(await ask(await aClient(server), 'hi')).toBe('HI');
  });

  it('asks for no certificate where none is wanted, and tells the handler so', async () => {
    const server = await aServer({ tls: await serverTls(), clientCertificates: 'none' });
    const client = dial(EchoClient, { address: `127.0.0.1:${server.port}`, trustBundlePem: hub.certificatePem });
    cleanups.push(() => {
      client.close();
    });
    expect(await ask(client, 'who')).toBe('nobody');
  });

  it.each<{ version: SecureVersion; works: boolean }>([
    { version: 'TLSv1.2', works: false },
    { version: 'TLSv1.3', works: true },
  ])('speaks $version: $works', async ({ version, works }) => {
    const server = await aServer({ tls: await serverTls(), clientCertificates: 'none' });
    const protocol = await new Promise((resolve) => {
      const socket = connect({
        host: '127.0.0.1',
        port: server.port,
        ca: hub.certificatePem,
        maxVersion: version,
        minVersion: version,
        ALPNProtocols: ['h2'],
      });
      socket.once('secureConnect', () => {
        resolve(socket.getProtocol());
        socket.destroy();
      });
      socket.once('error', () => {
        resolve('refused');
      });
    });
    expect(protocol).toBe(works ? version : 'refused');
  });
});

describe('rotation', () => {
  it('uses new certificates and bundles for new connections while open streams go on', async () => {
    const tls = await serverTls();
    const server = await aServer({ tls });
    const early = talk(await aClient(server));
    early.send('one');
    const messages = early.incoming[Symbol.asyncIterator]();
    expect((await messages.next()).value).toBe('echo one');
    // The new authority joins the bundle and issues the new server certificate.
    const next = await other.issueServerCertificate({
      commonName: 'hub',
      ipAddresses: ['127.0.0.1'],
      validityMs: hourMs,
    });
    const both = joinBundles(hub.certificatePem, other.certificatePem);
    tls.update({ ...next, trustBundlePem: both });
    early.send('two');
    expect((await messages.next()).value).toBe('echo two');
    const renewed = await aClient(server, { identity: await identity(other, 'south'), trustBundlePem: both });
    expect(await ask(renewed, 'who')).toContain('/member/south/');
    const outdated = await aClient(server);
    expect(await ask(outdated, 'hi')).toBe('UNAVAILABLE');
    // The old authority leaves: its clients cannot come back, the open stream still lives.
    tls.update({ ...next, trustBundlePem: other.certificatePem });
    expect(await ask(await aClient(server, { trustBundlePem: both }), 'hi')).toBe('UNAVAILABLE');
    early.send('three');
    expect((await messages.next()).value).toBe('echo three');
    early.close();
    expect(await early.closed).toEqual({ kind: 'ended' });
  });

  it('keeps the old material when the new one does not fit together', async () => {
    const tls = await serverTls();
    const server = await aServer({ tls });
    const wrong = await hub.issueServerCertificate({ commonName: 'x', validityMs: hourMs });
    expect(() => {
      tls.update({ ...tls.current(), keyPem: wrong.keyPem });
    }).toThrow(expect.objectContaining({ why: 'Malformed' }));
    expect(await ask(await aClient(server), 'hi')).toBe('HI');
  });
});

describe('calls', () => {
  it('answers refusals with their code and hides what was not meant for the peer', async () => {
    const logged: string[] = [];
    const logger = createSinkLogger('error', (_level, message, fields) =>
      logged.push(`${message} ${JSON.stringify(fields)}`),
    );
    const client = await aClient(await aServer({ tls: await serverTls(), logger }));
    const refused = await callUnary(client.ask.bind(client), 'refuse').catch((error: unknown) => error);
    expect(refused).toMatchObject({ kind: 'RpcError', code: 'FAILED_PRECONDITION', message: 'not now' });
    const hidden = await callUnary(client.ask.bind(client), 'panic').catch((error: unknown) => error);
    expect(hidden).toMatchObject({ code: 'INTERNAL', message: 'internal error' });
    expect(logged.join()).toContain('secret detail');
  });

  it('refuses a message above the limit before a handler sees it', async () => {
    const server = await aServer({ tls: await serverTls(), maxReceiveBytes: 1_000 });
    const client = await aClient(server);
    expect(await ask(client, 'x'.repeat(900))).toBe('X'.repeat(900));
    expect(await ask(client, 'x'.repeat(2_000))).toBe('RESOURCE_EXHAUSTED');
    const stream = talk(client);
    stream.send('x'.repeat(2_000));
    expect(await stream.closed).toMatchObject({ kind: 'failed', code: 'RESOURCE_EXHAUSTED' });
    const small = await aClient(server, { maxReceiveBytes: 100 });
    expect(await ask(small, 'x'.repeat(500))).toBe('RESOURCE_EXHAUSTED');
  });

  it.each([0, -1, 1.5, 64 * 1024 * 1024 + 1])('does not take %s bytes for a limit', async (maxReceiveBytes) => {
    const tls = await serverTls();
    expect(() =>
      createGrpcServer({
        name: 'x',
        host: '127.0.0.1',
        port: 0,
        tls,
        clientCertificates: 'none',
        services: [],
        clock,
        logger: silentLogger(),
        maxReceiveBytes,
      }),
    ).toThrow(/maxReceiveBytes/);
  });

  it('refuses a service with a method that is missing or of another kind', async () => {
    const tls = await serverTls();
    const make = (implementation: Readonly<Record<string, MethodHandler>>) => () =>
      createGrpcServer({
        name: 'x',
        host: '127.0.0.1',
        port: 0,
        tls,
        clientCertificates: 'none',
        services: [{ definition: echoDefinition, implementation }],
        clock,
        logger: silentLogger(),
      });
    expect(make({})).toThrow('/test.Echo/Ask is not implemented');
    expect(make({ ...echo, talk: echo['ask']! })).toThrow('/test.Echo/Talk cannot be served by a unary handler');
  });

  it('streams from the server with back-pressure, and cancels when the reader stops', async () => {
    let signal: AbortSignal | undefined;
    let written = 0;
    const server = await aServer({
      tls: await serverTls(),
      services: [
        {
          definition: echoDefinition,
          implementation: {
            ...echo,
            count: serverStreamHandler<string, string>(async (request, write, context) => {
              signal = context.signal;
              for (let i = 0; i < Number(request); i += 1) {
                await write(String(i).padEnd(10_000));
                written += 1;
              }
            }),
          },
        },
      ],
    });
    const client = await aClient(server);
    const all: string[] = [];
    for await (const message of openServerStream(client.count.bind(client), '50')) all.push(message.trim());
    expect(all).toHaveLength(50);
    written = 0;
    for await (const message of openServerStream(client.count.bind(client), '100000'))
      if (message.trim() === '3') break;
    await eventually(() => {
      expect(signal?.aborted).toBe(true);
    });
    expect(written).toBeLessThan(5_000);
    const failing = openServerStream(client.count.bind(client), 'x', { signal: AbortSignal.abort() });
    await expect(failing.next()).rejects.toMatchObject({ kind: 'RpcError', code: 'CANCELLED' });
  });

  it('ends a unary call by its deadline and by its signal', async () => {
    const server = await aServer({
      tls: await serverTls(),
      services: [
        {
          definition: echoDefinition,
          implementation: { ...echo, ask: unaryHandler(() => new Promise<string>(() => undefined)) },
        },
      ],
    });
    const client = await aClient(server);
    const late = callUnary(client.ask.bind(client), 'x', { timeoutMs: 100 });
    await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    const controller = new AbortController();
    const given = callUnary(client.ask.bind(client), 'x', { signal: controller.signal });
    controller.abort();
    await expect(given).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('duplex streams', () => {
  async function withHandler(
    handle: (stream: MessageStream<string, string>, context: CallContext) => Promise<void>,
    options: Partial<GrpcServerOptions> = {},
  ) {
    const server = await aServer({
      tls: await serverTls(),
      services: [{ definition: echoDefinition, implementation: { ...echo, talk: duplexHandler(handle) } }],
      ...options,
    });
    return { server, client: await aClient(server) };
  }

  it('keep memory bounded towards a slow peer: the latest of each key wins, priority overtakes', async () => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const seen: string[] = [];
    const { client } = await withHandler(async (stream) => {
      await gate;
      for await (const message of stream.incoming) seen.push(message.slice(0, 12).trim());
    });
    const stream = talk(client);
    const big = ' '.repeat(200_000);
    // Enough to fill every window between here and the handler.
    for (let i = 0; i < 100; i += 1) stream.send(`fill-${i}${big}`);
    for (let i = 0; i < 10_000; i += 1) stream.send(`report-${i}`, { key: 'report' });
    expect(stream.queued).toBeLessThanOrEqual(101);
    stream.send('ack', { lane: 'priority' });
    release();
    await stream.drained();
    stream.close();
    expect(await stream.closed).toEqual({ kind: 'ended' });
    expect(seen.filter((message) => message.startsWith('report'))).toEqual(['report-9999']);
    expect(seen.indexOf('ack')).toBeLessThan(seen.indexOf('fill-99'));
    expect(seen.filter((message) => message.startsWith('fill'))).toHaveLength(100);
  });

  it('hold the peer back when their reader is slow', async () => {
    let sent = 0;
    const { client } = await withHandler(async (stream, context) => {
      while (!context.signal.aborted && sent < 2_000) {
        stream.send('x'.repeat(20_000));
        sent += 1;
        await stream.drained();
      }
    });
    const controller = new AbortController();
    const stream = talk(client, controller.signal);
    const reader = stream.incoming[Symbol.asyncIterator]();
    await reader.next();
    let before = -1;
    await eventually(() => {
      const settled = before === sent;
      before = sent;
      return settled;
    });
    expect(sent).toBeLessThan(1_000);
    controller.abort();
    expect(await stream.closed).toMatchObject({ code: 'CANCELLED' });
  });

  it('tell the handler when the client is gone, and the client when the handler fails', async () => {
    const ends: unknown[] = [];
    let signal: AbortSignal | undefined;
    const { client } = await withHandler(async (stream, context) => {
      signal = context.signal;
      for await (const message of stream.incoming) {
        if (message === 'fail') throw new RpcError('PERMISSION_DENIED', 'revoked');
        if (message === 'close') stream.close({ kind: 'failed', code: 'ABORTED', message: 'lower epoch' });
      }
      ends.push(await stream.closed);
    });
    const failing = talk(client);
    failing.send('fail');
    expect(await failing.closed).toEqual({ kind: 'failed', code: 'PERMISSION_DENIED', message: 'revoked' });
    expect(failing.send('more')).toBe(false);
    const closing = talk(client);
    closing.send('close');
    expect(await closing.closed).toEqual({ kind: 'failed', code: 'ABORTED', message: 'lower epoch' });
    ends.length = 0;
    const controller = new AbortController();
    const gone = talk(client, controller.signal);
    gone.send('hello');
    await eventually(() => {
      expect(signal?.aborted).toBe(false);
    });
    controller.abort();
    await eventually(() => {
      expect(ends).toEqual([{ kind: 'failed', code: 'CANCELLED', message: 'the peer is gone' }]);
    });
    expect(signal?.aborted).toBe(true);
  });

  it('say why they ended when nobody listens at the address', async () => {
    const client = dial(EchoClient, { address: '127.0.0.1:1', trustBundlePem: hub.certificatePem });
    cleanups.push(() => {
      client.close();
    });
    const stream = talk(client);
    stream.send('hello');
    expect(await stream.closed).toMatchObject({ kind: 'failed', code: 'UNAVAILABLE' });
    expect(await firstOf(stream)).toBeUndefined();
  });

  it('end with UNAVAILABLE when the server stops, also when the handler does not care', async () => {
    const { server, client } = await withHandler(() => new Promise(() => undefined));
    const stream = talk(client);
    stream.send('hello');
    await eventually(() => stream.queued === 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const startMs = performance.now();
    await server.stop();
    expect(performance.now() - startMs).toBeLessThan(2_000);
    expect(await stream.closed).toMatchObject({ kind: 'failed', code: 'UNAVAILABLE' });
  });

  it('deliver what was sent before closing', async () => {
    const { client } = await withHandler(async (stream) => {
      for (let i = 0; i < 100; i += 1) stream.send(String(i));
      stream.send('goodbye', { lane: 'priority' });
      stream.close();
      await stream.closed;
    });
    const stream = talk(client);
    const seen: string[] = [];
    for await (const message of stream.incoming) seen.push(message);
    expect(seen).toHaveLength(101);
    expect(await stream.closed).toEqual({ kind: 'ended' });
  });
});

describe('fetchTrustBundle', () => {
  it('learns the authority by its fingerprint, however it is spelt', async () => {
    const server = await aServer({ tls: await serverTls(), clientCertificates: 'none' });
    const address = `127.0.0.1:${server.port}`;
    const spelt = hub.fingerprint.toUpperCase().replace(/(..)(?=.)/g, '$1:');
    const bundle = await fetchTrustBundle({ address, caFingerprint: spelt, clock });
    expect(bundle).toBe(hub.certificatePem);
    const client = dial(EchoClient, { address, trustBundlePem: bundle });
    cleanups.push(() => {
      client.close();
    });
    expect(await ask(client, 'hi')).toBe('HI');
  });

  it('refuses another authority, and one that is shown but did not sign', async () => {
    const server = await aServer({ tls: await serverTls(), clientCertificates: 'none' });
    const address = `127.0.0.1:${server.port}`;
    await expect(fetchTrustBundle({ address, caFingerprint: other.fingerprint, clock })).rejects.toMatchObject({
      why: 'FingerprintMismatch',
    });
    const pair = await other.issueServerCertificate({
      commonName: 'hub',
      ipAddresses: ['127.0.0.1'],
      validityMs: hourMs,
    });
    const decoy = await aServer({
      clientCertificates: 'none',
      tls: createReloadableTls({
        ...pair,
        certificatePem: joinBundles(pair.certificatePem, hub.certificatePem),
        trustBundlePem: hub.certificatePem,
      }),
    });
    await expect(
      fetchTrustBundle({ address: `127.0.0.1:${decoy.port}`, caFingerprint: hub.fingerprint, clock }),
    ).rejects.toMatchObject({
      kind: 'PkiError',
      why: expect.stringMatching(/FingerprintMismatch|UnknownAuthority/) as string,
    });
  });

  it.each([
    { name: 'nobody there', address: '127.0.0.1:1', caFingerprint: 'a'.repeat(64), want: { code: 'UNAVAILABLE' } },
    { name: 'a fingerprint that is none', address: '127.0.0.1:1', caFingerprint: 'abc', want: { why: 'Malformed' } },
  ])('says what is wrong: $name', async ({ address, caFingerprint, want }) => {
    await expect(fetchTrustBundle({ address, caFingerprint, clock })).rejects.toMatchObject(want);
  });

  it('gives up when its signal aborts', async () => {
    const call = fetchTrustBundle({
      address: '127.0.0.1:1',
      caFingerprint: 'a'.repeat(64),
      clock,
      signal: AbortSignal.abort(),
    });
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
