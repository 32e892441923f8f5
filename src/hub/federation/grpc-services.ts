/**
 * The two gRPC services of the hub: federation (mTLS) and enrolment (server-authenticated). Decides how a peer's
 * certificate becomes an identity and what a message that cannot be read leads to; what sessions mean is in session.ts.
 */
import { memberName } from '../../core/model/ids.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { GrpcService } from '../../platform/grpc/server.ts';
import { duplexHandler, unaryHandler, type CallContext } from '../../platform/grpc/handlers.ts';
import type { MessageStream } from '../../platform/grpc/message-stream.ts';
import { RpcError } from '../../platform/grpc/rpc-error.ts';
import { isPkiError } from '../../platform/pki/pki-error.ts';
import { memberOfCertificate } from '../../platform/pki/spiffe-id.ts';
import type { EnrolAnswer, EnrolRequest, RenewAnswer, RenewRequest } from '../../wire/enrolment-codec.ts';
import { describeProblems, type WireResult } from '../../wire/field-checks.ts';
import { ENROLMENT_SERVICE, FEDERATION_SERVICE } from '../../wire/services.ts';
import type { AgentMessage, HubMessage, LogAgentMessage, LogHubMessage } from '../../wire/session-messages.ts';
import { enrol, renewCertificate, type EnrolmentDeps } from './enrolment.ts';
import { createAttemptLimit } from './attempt-limit.ts';
import { serveSession, type SessionDeps, type SessionPeer } from './session.ts';

export interface GrpcServiceDeps {
  readonly session: SessionDeps;
  readonly enrolment: EnrolmentDeps;
  readonly trustDomain: string;
  readonly clock: Clock;
}

/** Everything after joining. */
export function federationService(deps: GrpcServiceDeps): GrpcService {
  const { metrics, logger } = deps.session;
  return {
    definition: FEDERATION_SERVICE,
    implementation: {
      connect: duplexHandler<WireResult<AgentMessage>, HubMessage>(async (raw, context) => {
        const peer = peerOf(context, deps);
        const stream = readable(raw, (problem) => {
          logger.warn('malformed message; session ends', { member: peer.id.member, problem });
          const message = `a message could not be read: ${problem}`;
          const goodbye = { kind: 'goodbye', reason: 'Malformed', message, retryAfterMs: 5_000 } as const;
          if (raw.send(goodbye, { lane: 'priority' })) metrics.refusals.inc({ reason: 'Malformed' });
          raw.close();
        });
        await serveSession(stream, peer, deps.session);
      }),
      renew: unaryHandler<WireResult<RenewRequest>, RenewAnswer>(async (request, context) => {
        const peer = peerOf(context, deps);
        if (!request.ok) throw new RpcError('INVALID_ARGUMENT', describeProblems(request.error));
        requireMembers(deps);
        const answer = await renewCertificate(peer.id, request.value.csrPem, deps.enrolment);
        if (answer.kind === 'Issued') return answer;
        throw new RpcError('PERMISSION_DENIED', answer.message);
      }),
      serveLogs: duplexHandler<WireResult<LogAgentMessage>, LogHubMessage>(async (raw, context) => {
        const peer = peerOf(context, deps);
        const stream = readable(raw, () => {
          metrics.refusals.inc({ reason: 'Malformed' });
          raw.close({ kind: 'failed', code: 'INVALID_ARGUMENT', message: 'a log message could not be read' });
        });
        await deps.session.logs.serve(stream, memberName(peer.id.member));
      }),
    },
  };
}

/** Joining. Attempts are limited per address, so that guessing tokens costs time. */
export function enrolmentService(deps: GrpcServiceDeps): GrpcService {
  const limit = createAttemptLimit({ clock: deps.clock, burst: 30, refillMs: 1_000 });
  return {
    definition: ENROLMENT_SERVICE,
    implementation: {
      enrol: unaryHandler<WireResult<EnrolRequest>, EnrolAnswer>(async (request, context) => {
        const { metrics } = deps.session;
        if (!limit.take(hostOf(context.address))) {
          metrics.enrolments.inc({ result: 'TooManyAttempts' });
          throw new RpcError('RESOURCE_EXHAUSTED', 'too many attempts from this address; wait a moment');
        }
        if (!request.ok) {
          metrics.enrolments.inc({ result: 'Malformed' });
          throw new RpcError('INVALID_ARGUMENT', describeProblems(request.error));
        }
        if (!deps.session.leadership.provablyLeading())
          throw new RpcError('UNAVAILABLE', 'this hub replica does not lead');
        requireMembers(deps);
        return enrol({ ...request.value, address: context.address }, deps.enrolment);
      }),
    },
  };
}

/** Before the first list every member looks unknown: that must not pass for a refusal. */
function requireMembers(deps: GrpcServiceDeps): void {
  if (!deps.enrolment.members.synced) throw new RpcError('UNAVAILABLE', 'this hub replica is still starting');
}

function peerOf(context: CallContext, deps: GrpcServiceDeps): SessionPeer {
  const certificate = context.peer;
  if (certificate === undefined) throw new RpcError('UNAUTHENTICATED', 'a client certificate is required');
  try {
    const id = memberOfCertificate(certificate, deps.trustDomain);
    return {
      id,
      certificateFingerprint: certificate.fingerprint,
      certificateNotAfterMs: certificate.notAfterMs,
      address: context.address,
    };
  } catch (error) {
    if (!isPkiError(error)) throw error;
    deps.session.metrics.refusals.inc({ reason: 'BadIdentity' });
    deps.session.logger.warn('certificate without a member identity', { address: context.address, why: error.why });
    throw new RpcError('UNAUTHENTICATED', error.message);
  }
}

/** The stream with its messages read; at the first that cannot be, `onMalformed` is called and the input ends. */
function readable<In, Out>(
  raw: MessageStream<WireResult<In>, Out>,
  onMalformed: (problem: string) => void,
): MessageStream<In, Out> {
  async function* messages(): AsyncGenerator<In> {
    for await (const message of raw.incoming) {
      if (!message.ok) {
        onMalformed(describeProblems(message.error));
        return;
      }
      yield message.value;
    }
  }
  return {
    send: (message, options) => raw.send(message, options),
    drained: () => raw.drained(),
    get queued() {
      return raw.queued;
    },
    incoming: messages(),
    close: (end) => {
      raw.close(end);
    },
    closed: raw.closed,
  };
}

/** The port changes with each connection; the host is what is limited. */
function hostOf(address: string): string {
  return address.slice(0, Math.max(0, address.lastIndexOf(':')));
}
