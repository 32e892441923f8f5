/** A small hub of real gRPC and real certificates for the agent's tests: joining and one federation service, by hand. */
import { systemClock } from '../../src/platform/clock/system-clock.ts';
import { systemRandom } from '../../src/platform/clock/system-random.ts';
import { duplexHandler, unaryHandler } from '../../src/platform/grpc/handlers.ts';
import type { MessageStream } from '../../src/platform/grpc/message-stream.ts';
import { RpcError } from '../../src/platform/grpc/rpc-error.ts';
import { createGrpcServer, type GrpcServer } from '../../src/platform/grpc/server.ts';
import { createReloadableTls } from '../../src/platform/grpc/tls-material.ts';
import { silentLogger } from '../../src/platform/log/logger.ts';
import { createAuthority, type Authority } from '../../src/platform/pki/authority.ts';
import { verifyCsr } from '../../src/platform/pki/certificate-request.ts';
import { formatMemberSpiffeId, type MemberSpiffeId } from '../../src/platform/pki/spiffe-id.ts';
import type { EnrolAnswer, EnrolRequest, RenewAnswer, RenewRequest } from '../../src/wire/enrolment-codec.ts';
import type { WireResult } from '../../src/wire/field-checks.ts';
import { ENROLMENT_SERVICE, FEDERATION_SERVICE } from '../../src/wire/services.ts';
import type { AgentMessage, HubMessage, LogAgentMessage, LogHubMessage } from '../../src/wire/session-messages.ts';

export const HUB_MEMBER: MemberSpiffeId = {
  trustDomain: 'lumbung.dev',
  member: 'member-a',
  clusterUid: 'cluster-1',
  jurisdiction: 'ID',
};

export interface EnrolmentHub {
  readonly authority: Authority;
  readonly enrolmentAddress: string;
  readonly federationAddress: string;
  readonly requests: EnrolRequest[];
  readonly renewals: RenewRequest[];
  readonly sessions: MessageStream<WireResult<AgentMessage>, HubMessage>[];
  readonly logStreams: MessageStream<WireResult<LogAgentMessage>, LogHubMessage>[];
  /** What the hub answers; default: issues at once. */
  answer: (request: EnrolRequest, nth: number) => Promise<EnrolAnswer>;
  renewAnswer: (request: RenewRequest) => Promise<RenewAnswer>;
  issue(csrPem: string, overrides?: Partial<MemberSpiffeId>, validityMs?: number): Promise<string>;
  stop(): Promise<void>;
}

export async function anEnrolmentHub(options: { readonly authority?: Authority } = {}): Promise<EnrolmentHub> {
  const clock = systemClock();
  const deps = { clock, random: systemRandom() };
  const authority =
    options.authority ?? (await createAuthority({ commonName: 'test hub', validityMs: 3_600_000 }, deps));
  const server = await authority.issueServerCertificate({
    commonName: 'hub',
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
    validityMs: 3_600_000,
  });
  const tls = createReloadableTls({ ...server, trustBundlePem: authority.certificatePem });
  const issue: EnrolmentHub['issue'] = async (csrPem, overrides = {}, validityMs = 600_000) => {
    const csr = await verifyCsr(csrPem);
    const id = { ...HUB_MEMBER, ...overrides };
    return authority.issueClientCertificate({
      publicKeySpki: csr.publicKeySpki,
      commonName: id.member,
      spiffeUri: formatMemberSpiffeId(id),
      validityMs,
    });
  };
  const hub = {
    authority,
    requests: [] as EnrolRequest[],
    renewals: [] as RenewRequest[],
    sessions: [] as EnrolmentHub['sessions'],
    logStreams: [] as EnrolmentHub['logStreams'],
    answer: async (request: EnrolRequest): Promise<EnrolAnswer> => ({
      kind: 'Issued',
      certificatePem: await issue(request.csrPem),
      trustBundle: [authority.certificatePem],
    }),
    renewAnswer: async (request: RenewRequest): Promise<RenewAnswer> => ({
      certificatePem: await issue(request.csrPem),
      trustBundle: [authority.certificatePem],
    }),
    issue,
  };
  const common = { host: '127.0.0.1', port: 0, tls, clock, logger: silentLogger(), stopGraceMs: 200 };
  const enrolment = createGrpcServer({
    ...common,
    name: 'enrolment',
    clientCertificates: 'none',
    services: [
      {
        definition: ENROLMENT_SERVICE,
        implementation: {
          enrol: unaryHandler<WireResult<EnrolRequest>, EnrolAnswer>((request) => {
            if (!request.ok) throw new RpcError('INVALID_ARGUMENT', 'cannot be read');
            hub.requests.push(request.value);
            return facade.answer(request.value, hub.requests.length);
          }),
        },
      },
    ],
  });
  const federation = createGrpcServer({
    ...common,
    name: 'federation',
    clientCertificates: 'required',
    services: [
      {
        definition: FEDERATION_SERVICE,
        implementation: {
          connect: duplexHandler<WireResult<AgentMessage>, HubMessage>(async (stream) => {
            hub.sessions.push(stream);
            await stream.closed;
          }),
          renew: unaryHandler<WireResult<RenewRequest>, RenewAnswer>((request) => {
            if (!request.ok) throw new RpcError('INVALID_ARGUMENT', 'cannot be read');
            hub.renewals.push(request.value);
            return facade.renewAnswer(request.value);
          }),
          serveLogs: duplexHandler<WireResult<LogAgentMessage>, LogHubMessage>(async (stream) => {
            hub.logStreams.push(stream);
            await stream.closed;
          }),
        },
      },
    ],
  });
  const { signal } = new AbortController();
  await Promise.all([enrolment.start(signal), federation.start(signal)]);
  const addressOf = (one: GrpcServer): string => `127.0.0.1:${one.port}`;
  const facade: EnrolmentHub = {
    ...hub,
    enrolmentAddress: addressOf(enrolment),
    federationAddress: addressOf(federation),
    stop: async () => {
      await Promise.all([enrolment.stop(), federation.stop()]);
    },
  };
  return facade;
}
