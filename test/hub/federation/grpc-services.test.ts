import { createHash } from 'node:crypto';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openAuthorityStore, type AuthorityStore } from '../../../src/hub/federation/authority-store.ts';
import {
  enrolmentService,
  federationService,
  type GrpcServiceDeps,
} from '../../../src/hub/federation/grpc-services.ts';
import { fence, jobUid } from '../../../src/core/model/ids.ts';
import { systemClock } from '../../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../../src/platform/clock/system-random.ts';
import { callUnary, dial, openDuplex } from '../../../src/platform/grpc/client.ts';
import type { MessageStream } from '../../../src/platform/grpc/message-stream.ts';
import { createGrpcServer, type GrpcServer } from '../../../src/platform/grpc/server.ts';
import type { KubeObject } from '../../../src/platform/kube/object.ts';
import { createAuthority, type Authority } from '../../../src/platform/pki/authority.ts';
import { createKeyAndCsr, verifyCsr } from '../../../src/platform/pki/certificate-request.ts';
import { parseCertificate } from '../../../src/platform/pki/certificate.ts';
import { formatMemberSpiffeId, memberOfCertificate } from '../../../src/platform/pki/spiffe-id.ts';
import type { WireResult } from '../../../src/wire/field-checks.ts';
import { EnrolmentClient, FederationClient } from '../../../src/wire/services.ts';
import type { AgentMessage, HubMessage, LogAgentMessage, LogHubMessage } from '../../../src/wire/session-messages.ts';
import { aNode } from '../../support/core-builders.ts';
import { eventually } from '../../support/eventually.ts';
import { memoryStore, type MemoryStore } from '../../support/memory-store.ts';
import { aHello, clusterA, fakeObjects, FederationRig, memberA, reporting } from './federation-rig.ts';

const clock = systemClock();
const hourMs = 3_600_000;
const trustDomain = 'lumbung.local';
const token = 'token-canary-grpc';

interface Identity {
  readonly certificatePem: string;
  readonly keyPem: string;
}

let authority: AuthorityStore;
let foreign: Authority;
let member: Identity;

async function identityFrom(
  issuer: Authority,
  over: { readonly spiffe?: string; readonly lifeMs?: number } = {},
): Promise<Identity> {
  const { keyPem, csrPem } = await createKeyAndCsr({ commonName: memberA });
  const { publicKeySpki } = await verifyCsr(csrPem);
  const id = { trustDomain, member: memberA, clusterUid: clusterA, jurisdiction: 'ID' };
  const certificatePem = await issuer.issueClientCertificate({
    publicKeySpki,
    commonName: memberA,
    spiffeUri: over.spiffe ?? formatMemberSpiffeId(id),
    validityMs: over.lifeMs ?? hourMs,
  });
  return { certificatePem, keyPem };
}

beforeAll(async () => {
  const { logger } = new FederationRig();
  authority = await openAuthorityStore({
    client: fakeObjects().client,
    namespace: 'lumbung-system',
    serverNames: { dnsNames: ['hub.example'], ipAddresses: ['127.0.0.1'] },
    clock,
    random: systemRandom(),
    logger,
  });
  authority.stop();
  foreign = await createAuthority({ commonName: 'foreign', validityMs: hourMs }, { clock, random: systemRandom() });
  member = await identityFrom(authority.authority);
});

let rig: FederationRig;
let members: MemoryStore<KubeObject>;
let servers: readonly GrpcServer[];
let closers: (() => void)[];

beforeEach(async () => {
  rig = new FederationRig(clock);
  members = memoryStore<KubeObject>();
  closers = [];
  const enrolment = {
    client: rig.kube.client,
    members,
    authority,
    trustDomain,
    certificateValidityMs: hourMs,
    clock,
    logger: rig.logger,
    metrics: rig.metrics,
  };
  const deps: GrpcServiceDeps = { session: rig.deps, enrolment, trustDomain, clock };
  const shared = { host: '127.0.0.1', port: 0, tls: authority.tls, clock, logger: rig.logger, stopGraceMs: 500 };
  servers = [
    createGrpcServer({
      ...shared,
      name: 'federation',
      clientCertificates: 'required',
      services: [federationService(deps)],
      maxReceiveBytes: 1_048_576,
    }),
    createGrpcServer({
      ...shared,
      name: 'enrolment',
      clientCertificates: 'none',
      services: [enrolmentService(deps)],
      maxReceiveBytes: 65_536,
    }),
  ];
  for (const server of servers) await server.start(new AbortController().signal);
});

afterEach(async () => {
  for (const close of closers) close();
  await Promise.all(servers.map((server) => server.stop()));
  expect(rig.logLines.join('\n')).not.toMatch(/PRIVATE|canary/);
});

function federationClient(identity?: Identity): FederationClient {
  const client = dial(FederationClient, {
    address: `127.0.0.1:${servers[0]?.port ?? 0}`,
    trustBundlePem: authority.trustBundle.join(''),
    ...(identity === undefined ? {} : { identity }),
  });
  closers.push(() => {
    client.close();
  });
  return client;
}

function enrolmentClient(): EnrolmentClient {
  const client = dial(EnrolmentClient, {
    address: `127.0.0.1:${servers[1]?.port ?? 0}`,
    trustBundlePem: authority.trustBundle.join(''),
  });
  closers.push(() => {
    client.close();
  });
  return client;
}

interface Connected {
  readonly stream: MessageStream<WireResult<HubMessage>, AgentMessage>;
  readonly heard: HubMessage[];
  said<K extends HubMessage['kind']>(kind: K): Promise<Extract<HubMessage, { kind: K }>>;
}

function connect(client: FederationClient): Connected {
  const stream = openDuplex<AgentMessage, WireResult<HubMessage>>((...args) => client.connect(...args));
  const heard: HubMessage[] = [];
  void (async () => {
    for await (const message of stream.incoming) if (message.ok) heard.push(message.value);
  })();
  const said = <K extends HubMessage['kind']>(kind: K): Promise<Extract<HubMessage, { kind: K }>> =>
    eventually(() => heard.find((message): message is Extract<HubMessage, { kind: K }> => message.kind === kind), {
      what: `the hub says ${kind}`,
    });
  return { stream, heard, said };
}

describe('the federation service', () => {
  it('holds a session over mTLS: hello, welcome, desired, report, lease ack', async () => {
    const agent = connect(federationClient(member));
    agent.stream.send({ kind: 'hello', hello: aHello() });
    expect((await agent.said('welcome')).welcome.term).toBe(7);
    await agent.said('desired');
    agent.stream.send(reporting({ offers: [aNode()] }));
    expect(await agent.said('reportAck')).toMatchObject({ epoch: 1, sequence: 1, inventoryKnown: true });
    expect(rig.fleet.sessions[0]?.facts.certificateFingerprint).toBe(
      parseCertificate(member.certificatePem).fingerprint,
    );
  });

  it.each([
    ['without a certificate', () => undefined],
    ['with a certificate of a foreign authority', () => identityFrom(foreign)],
  ])('lets nobody in %s', async (_what, identity) => {
    const agent = connect(federationClient(await identity()));
    agent.stream.send({ kind: 'hello', hello: aHello() });
    expect(await agent.stream.closed).toMatchObject({ kind: 'failed', code: 'UNAVAILABLE' });
    expect(rig.fleet.sessions).toEqual([]);
  });

  it.each([
    ['of another trust domain', `spiffe://elsewhere.example/member/${memberA}/cluster/${clusterA}/jurisdiction/ID`],
    ['that names no member', 'https://hub.example/'],
  ])('refuses and counts a certificate %s', async (_what, spiffe) => {
    const agent = connect(federationClient(await identityFrom(authority.authority, { spiffe })));
    expect(await agent.stream.closed).toMatchObject({ kind: 'failed', code: 'UNAUTHENTICATED' });
    expect(await rig.refused('BadIdentity')).toBe(1);
  });

  it.each([
    ['another member', `spiffe://${trustDomain}/member/member-b/cluster/${clusterA}/jurisdiction/ID`],
    ['another cluster', `spiffe://${trustDomain}/member/${memberA}/cluster/cluster-b/jurisdiction/ID`],
    ['another jurisdiction', `spiffe://${trustDomain}/member/${memberA}/cluster/${clusterA}/jurisdiction/SG`],
  ])('says goodbye to a certificate of %s', async (_what, spiffe) => {
    const agent = connect(federationClient(await identityFrom(authority.authority, { spiffe })));
    expect((await agent.said('goodbye')).reason).toBe('NotAccepted');
    expect(await agent.stream.closed).toEqual({ kind: 'ended' });
  });

  it('does not let in an expired certificate', async () => {
    const { certificatePem, keyPem } = await identityFrom(authority.authority, { lifeMs: 1 });
    const agent = connect(federationClient({ certificatePem, keyPem }));
    expect(await agent.stream.closed).toMatchObject({ kind: 'failed', code: 'UNAVAILABLE' });
  });

  it('says why when bytes cannot be read, counts it once, and takes nothing after them', async () => {
    const client = federationClient(member);
    const raw = openDuplex<Buffer, WireResult<HubMessage>>((metadata, options) =>
      client.makeBidiStreamRequest(
        '/lumbung.federation.v1.FederationService/Connect',
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => ({ ok: true, value: bytes }) as never,
        metadata,
        options,
      ),
    );
    raw.send(Buffer.from([0xff, 0xff, 0xff, 0x01, 0x02]));
    expect(await raw.closed).toEqual({ kind: 'ended' });
    expect(await rig.refused('Malformed')).toBe(1);
    expect(rig.logLines.join('\n')).toContain('malformed message');
    expect(rig.fleet.sessions).toEqual([]);
  });

  it('ends an established session at the first message that cannot be read', async () => {
    const agent = connect(federationClient(member));
    agent.stream.send({ kind: 'hello', hello: aHello() });
    await agent.said('welcome');
    agent.stream.send(reporting({ offers: [aNode({ name: '' })] }));
    expect(await agent.said('goodbye')).toMatchObject({
      reason: 'Malformed',
      message: expect.stringContaining('offers') as string,
    });
    await agent.stream.closed;
    await eventually(() => rig.sessions.get(memberA) === undefined, { what: 'the session is over' });
    expect(await rig.refused('Malformed')).toBe(1);
    expect(rig.fleet.reports).toEqual([]);
  });

  it('refuses a message above the limit before it is decoded', async () => {
    const agent = connect(federationClient(member));
    agent.stream.send({ kind: 'hello', hello: aHello() });
    await agent.said('welcome');
    const labels = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`key-${at}`, 'x'.repeat(60)]));
    const offers = Array.from({ length: 20 }, (_, at) => aNode({ name: `node-${at}`, labels }));
    agent.stream.send(reporting({ offers }));
    expect(await agent.stream.closed).toMatchObject({ kind: 'failed', code: 'RESOURCE_EXHAUSTED' });
    await eventually(() => rig.sessions.get(memberA) === undefined, { what: 'the session is over' });
    expect(rig.fleet.reports).toEqual([]);
  });

  it('ends an open stream when the member is revoked', async () => {
    const agent = connect(federationClient(member));
    agent.stream.send({ kind: 'hello', hello: aHello() });
    await agent.said('welcome');
    rig.sessions.get(memberA)?.end('Revoked', 'member-a was revoked', 60_000);
    expect((await agent.said('goodbye')).reason).toBe('Revoked');
    expect(await agent.stream.closed).toEqual({ kind: 'ended' });
  });

  it('carries a log on a stream of its own', async () => {
    const client = federationClient(member);
    const agent = connect(client);
    agent.stream.send({ kind: 'hello', hello: aHello() });
    await agent.said('welcome');
    const wanted = {
      member: memberA,
      run: { jobUid: jobUid('job-1'), fence: fence(1) },
      worker: 0,
      container: '',
      follow: false,
      timestamps: false,
      user: 'budi',
    };
    const opening = rig.logs.open(wanted, new AbortController().signal);
    const { request } = await agent.said('logRequest');
    const logs = openDuplex<LogAgentMessage, WireResult<LogHubMessage>>((...args) => client.serveLogs(...args));
    logs.send({ kind: 'open', sessionId: request.sessionId });
    for (let at = 0; at < 3; at += 1) logs.send({ kind: 'chunk', bytes: Buffer.from(`line ${at}\n`) });
    logs.send({ kind: 'end', message: '' });
    const opened = await opening;
    if (!opened.ok) return expect.unreachable(opened.error.kind);
    let text = '';
    for await (const bytes of opened.value) text += Buffer.from(bytes).toString();
    expect(text).toBe('line 0\nline 1\nline 2\n');
    expect(await logs.closed).toEqual({ kind: 'ended' });
  });
});

describe('renewing over the wire', () => {
  const accepted = (): void => {
    members.put({
      apiVersion: 'lumbung.dev/v1alpha1',
      kind: 'MemberCluster',
      metadata: { name: memberA, resourceVersion: '1' },
      spec: { accepted: true, jurisdiction: 'ID' },
      status: { clusterUid: clusterA },
    } as KubeObject);
  };

  it('issues to the holder of a valid certificate, without touching an open stream', async () => {
    accepted();
    const client = federationClient(member);
    const agent = connect(client);
    agent.stream.send({ kind: 'hello', hello: aHello() });
    await agent.said('welcome');
    const { csrPem, keyPem } = await createKeyAndCsr({ commonName: memberA });
    const answer = await callUnary(client.renew.bind(client), { csrPem });
    if (!answer.ok) return expect.unreachable('the answer cannot be read');
    const renewed = parseCertificate(answer.value.certificatePem);
    expect(memberOfCertificate(renewed, trustDomain)).toMatchObject({ member: memberA, clusterUid: clusterA });
    agent.stream.send(reporting());
    await agent.said('reportAck');
    const next = connect(federationClient({ certificatePem: answer.value.certificatePem, keyPem }));
    next.stream.send({ kind: 'hello', hello: aHello({ epoch: 2 }) });
    await next.said('welcome');
    expect((await agent.said('goodbye')).reason).toBe('Superseded');
  });

  it.each([
    ['a member that is gone', () => undefined, 'PERMISSION_DENIED'],
    ['everybody while the members are not known yet', accepted, 'UNAVAILABLE'],
  ])('refuses %s', async (_what, arrange, code) => {
    arrange();
    if (code === 'UNAVAILABLE') Object.defineProperty(members, 'synced', { value: false });
    const client = federationClient(member);
    const { csrPem } = await createKeyAndCsr({ commonName: memberA });
    await expect(callUnary(client.renew.bind(client), { csrPem })).rejects.toMatchObject({ code });
  });

  it('refuses what is no request, naming the field', async () => {
    accepted();
    const client = federationClient(member);
    const failing = callUnary(client.renew.bind(client), { csrPem: 'nonsense' });
    await expect(failing).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('csr') as string,
    });
  });
});

describe('the enrolment service', () => {
  const request = async (): Promise<Parameters<EnrolmentClient['enrol']>[0]> => ({
    protocolVersion: 1,
    member: memberA,
    token,
    csrPem: (await createKeyAndCsr({ commonName: memberA })).csrPem,
    clusterUid: clusterA,
    agentVersion: '1.0.0',
    jurisdiction: '',
  });

  const invited = (): void => {
    members.put({
      apiVersion: 'lumbung.dev/v1alpha1',
      kind: 'MemberCluster',
      metadata: { name: memberA, resourceVersion: '1' },
      spec: {
        accepted: true,
        jurisdiction: 'ID',
        invite: {
          tokenSha256: createHash('sha256').update(token).digest('hex'),
          expiresAt: new Date(Date.now() + hourMs).toISOString(),
        },
      },
    } as KubeObject);
  };

  it('answers over TLS without a client certificate', async () => {
    const client = enrolmentClient();
    const answer = await callUnary(client.enrol.bind(client), await request());
    expect(answer).toMatchObject({ ok: true, value: { kind: 'Refused' } });
  });

  it('sends who asks a replica that does not lead elsewhere, and a fresh one later', async () => {
    invited();
    const client = enrolmentClient();
    rig.leadership.provably = false;
    await expect(callUnary(client.enrol.bind(client), await request())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    rig.leadership.provably = true;
    Object.defineProperty(members, 'synced', { value: false });
    await expect(callUnary(client.enrol.bind(client), await request())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('names the field of a malformed request and repeats nothing of the token', async () => {
    const client = enrolmentClient();
    const failing = callUnary(client.enrol.bind(client), {
      ...(await request()),
      clusterUid: '',
      token: token.repeat(40),
    });
    const error = await failing.then(
      () => expect.unreachable('it was taken'),
      (reason: unknown) => reason as { readonly code: string; readonly message: string },
    );
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(error.message).toContain('token');
    expect(error.message).not.toContain('canary');
  });

  it('makes guessing tokens slow: a burst from one address, then refusals', async () => {
    const client = enrolmentClient();
    const asked = await request();
    const codes = await Promise.all(
      Array.from({ length: 40 }, () =>
        callUnary(client.enrol.bind(client), asked).then(
          () => 'answered',
          (error: unknown) => (error as { readonly code: string }).code,
        ),
      ),
    );
    const refused = codes.filter((code) => code === 'RESOURCE_EXHAUSTED').length;
    expect(refused).toBeGreaterThanOrEqual(5);
    expect(codes.filter((code) => code === 'answered').length).toBeGreaterThanOrEqual(30);
    expect(await rig.metric('lumbung_enrolments_total', '{result="TooManyAttempts"}')).toBe(refused);
  });
});
