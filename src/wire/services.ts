/**
 * The gRPC services in decoded terms: what a server adds and a client dials. Bytes become domain messages here, and what
 * cannot be read becomes a typed problem in the stream instead of a broken stream, so that the reader can say goodbye with
 * a reason. Paths come from the generated definitions.
 */
import { makeGenericClientConstructor } from '@grpc/grpc-js';
import type {
  CallOptions,
  ChannelCredentials,
  Client,
  ClientDuplexStream,
  ClientOptions,
  ClientUnaryCall,
  Metadata,
  MethodDefinition,
  ServiceError,
} from '@grpc/grpc-js';
import { decodeAgentMessage, encodeAgentMessage } from './agent-message-codec.ts';
import * as enrolment from './enrolment-codec.ts';
import type { WireResult } from './field-checks.ts';
import { EnrolmentServiceService, FederationServiceService } from './generated/lumbung/federation/v1/federation.ts';
import { decodeHubMessage, encodeHubMessage } from './hub-message-codec.ts';
import {
  decodeLogAgentMessage,
  decodeLogHubMessage,
  encodeLogAgentMessage,
  encodeLogHubMessage,
} from './log-stream-codec.ts';
import type { AgentMessage, HubMessage, LogAgentMessage, LogHubMessage } from './session-messages.ts';

/** What one side writes as itself and the other side reads as a result. */
interface Method<Req, Res> {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (value: Req) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => WireResult<Req>;
  readonly responseSerialize: (value: Res) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => WireResult<Res>;
}

interface Codec<T> {
  readonly encode: (value: T) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => WireResult<T>;
}

type Shape = Pick<MethodDefinition<unknown, unknown>, 'path' | 'requestStream' | 'responseStream'>;

/** A view of the bytes, not a copy. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function method<Req, Res>(shape: Shape, request: Codec<Req>, response: Codec<Res>): Method<Req, Res> {
  return {
    path: shape.path,
    requestStream: shape.requestStream,
    responseStream: shape.responseStream,
    requestSerialize: (value) => asBuffer(request.encode(value)),
    requestDeserialize: (bytes) => request.decode(bytes),
    responseSerialize: (value) => asBuffer(response.encode(value)),
    responseDeserialize: (bytes) => response.decode(bytes),
  };
}

export const ENROLMENT_SERVICE = {
  enrol: method<enrolment.EnrolRequest, enrolment.EnrolAnswer>(
    EnrolmentServiceService.enrol,
    { encode: enrolment.encodeEnrolRequest, decode: enrolment.decodeEnrolRequest },
    { encode: enrolment.encodeEnrolAnswer, decode: enrolment.decodeEnrolAnswer },
  ),
} as const;

export const FEDERATION_SERVICE = {
  connect: method<AgentMessage, HubMessage>(
    FederationServiceService.connect,
    { encode: encodeAgentMessage, decode: decodeAgentMessage },
    { encode: encodeHubMessage, decode: decodeHubMessage },
  ),
  renew: method<enrolment.RenewRequest, enrolment.RenewAnswer>(
    FederationServiceService.renew,
    { encode: enrolment.encodeRenewRequest, decode: enrolment.decodeRenewRequest },
    { encode: enrolment.encodeRenewAnswer, decode: enrolment.decodeRenewAnswer },
  ),
  serveLogs: method<LogAgentMessage, LogHubMessage>(
    FederationServiceService.serveLogs,
    { encode: encodeLogAgentMessage, decode: decodeLogAgentMessage },
    { encode: encodeLogHubMessage, decode: decodeLogHubMessage },
  ),
} as const;

type UnaryCall<Req, Res> = (
  request: Req,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: WireResult<Res>) => void,
) => ClientUnaryCall;

type DuplexCall<Out, In> = (
  metadata: Metadata,
  options: Partial<CallOptions>,
) => ClientDuplexStream<Out, WireResult<In>>;

export interface EnrolmentClient extends Client {
  readonly enrol: UnaryCall<enrolment.EnrolRequest, enrolment.EnrolAnswer>;
}

export interface FederationClient extends Client {
  readonly connect: DuplexCall<AgentMessage, HubMessage>;
  readonly renew: UnaryCall<enrolment.RenewRequest, enrolment.RenewAnswer>;
  readonly serveLogs: DuplexCall<LogAgentMessage, LogHubMessage>;
}

type ClientOf<C extends Client> = new (
  address: string,
  credentials: ChannelCredentials,
  options?: Partial<ClientOptions>,
) => C;

// The library types a generic client as an index of calls; the methods above are exactly those of the definition.
export const EnrolmentClient = makeGenericClientConstructor(
  ENROLMENT_SERVICE,
  'lumbung.federation.v1.EnrolmentService',
) as unknown as ClientOf<EnrolmentClient>;
export const FederationClient = makeGenericClientConstructor(
  FEDERATION_SERVICE,
  'lumbung.federation.v1.FederationService',
) as unknown as ClientOf<FederationClient>;
