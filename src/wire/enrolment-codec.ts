/**
 * Joining and renewing, to protobuf and back. The token is checked for shape only and never repeated in a problem.
 */
import { err } from '../std/result.ts';
import { FieldChecks, parseBytes, type WireResult } from './field-checks.ts';
import * as proto from './generated/lumbung/federation/v1/federation.ts';
import * as limits from './wire-limits.ts';
import {
  decodeJurisdiction,
  decodeLabelName,
  decodePem,
  decodeTrustBundle,
  decodeUid,
  sentence,
} from './wire-values.ts';

/** An agent that wants to join, by token. */
export interface EnrolRequest {
  readonly protocolVersion: number;
  readonly member: string;
  readonly token: string;
  readonly csrPem: string;
  readonly clusterUid: string;
  readonly agentVersion: string;
  /** ISO 3166-1 alpha-2, as the owner states it; empty = not stated. */
  readonly jurisdiction: string;
}

export type EnrolAnswer =
  | { readonly kind: 'Issued'; readonly certificatePem: string; readonly trustBundle: readonly string[] }
  | { readonly kind: 'Pending'; readonly message: string; readonly retryAfterSeconds: number }
  | { readonly kind: 'Refused'; readonly message: string };

export interface RenewRequest {
  readonly csrPem: string;
}

/** A renewal that the hub refuses is an error of the call, not an answer. */
export interface RenewAnswer {
  readonly certificatePem: string;
  readonly trustBundle: readonly string[];
}

export function encodeEnrolRequest(request: EnrolRequest): Uint8Array {
  return proto.EnrolRequest.encode({
    protocolVersion: request.protocolVersion,
    memberName: request.member,
    token: request.token,
    csr: request.csrPem,
    clusterUid: request.clusterUid,
    agentVersion: request.agentVersion,
    jurisdiction: request.jurisdiction,
  }).finish();
}

export function decodeEnrolRequest(bytes: Uint8Array): WireResult<EnrolRequest> {
  const parsed = parseBytes((input) => proto.EnrolRequest.decode(input), bytes);
  if (!parsed.ok) return parsed;
  const raw = parsed.value;
  const checks = new FieldChecks();
  return checks.finish({
    protocolVersion: raw.protocolVersion,
    member: decodeLabelName(checks, 'memberName', raw.memberName),
    token: checks.text('token', raw.token, { min: 1, max: limits.TOKEN_MAX }),
    csrPem: decodePem(checks, 'csr', raw.csr, 'CERTIFICATE REQUEST'),
    clusterUid: decodeUid(checks, 'clusterUid', raw.clusterUid),
    agentVersion: checks.text('agentVersion', raw.agentVersion, { max: limits.NAME_MAX }),
    jurisdiction: raw.jurisdiction === '' ? '' : decodeJurisdiction(checks, 'jurisdiction', raw.jurisdiction),
  });
}

const NO_ANSWER: proto.EnrolResponse = {
  state: proto.EnrolState.ENROL_STATE_UNSPECIFIED,
  message: '',
  certificate: '',
  trustBundle: [],
  retryAfterSeconds: 0,
};

function answerToProto(answer: EnrolAnswer): proto.EnrolResponse {
  switch (answer.kind) {
    case 'Issued':
      return {
        ...NO_ANSWER,
        state: proto.EnrolState.ENROL_STATE_ISSUED,
        certificate: answer.certificatePem,
        trustBundle: [...answer.trustBundle],
      };
    case 'Pending': {
      const { message, retryAfterSeconds } = answer;
      return {
        ...NO_ANSWER,
        state: proto.EnrolState.ENROL_STATE_PENDING,
        message: sentence(message),
        retryAfterSeconds,
      };
    }
    case 'Refused':
      return { ...NO_ANSWER, state: proto.EnrolState.ENROL_STATE_REFUSED, message: sentence(answer.message) };
  }
}

export function encodeEnrolAnswer(answer: EnrolAnswer): Uint8Array {
  return proto.EnrolResponse.encode(answerToProto(answer)).finish();
}

export function decodeEnrolAnswer(bytes: Uint8Array): WireResult<EnrolAnswer> {
  const parsed = parseBytes((input) => proto.EnrolResponse.decode(input), bytes);
  if (!parsed.ok) return parsed;
  const raw = parsed.value;
  const checks = new FieldChecks();
  const message = checks.text('message', raw.message, { max: limits.MESSAGE_MAX });
  switch (raw.state) {
    case proto.EnrolState.ENROL_STATE_ISSUED:
      return checks.finish({
        kind: 'Issued',
        certificatePem: decodePem(checks, 'certificate', raw.certificate, 'CERTIFICATE'),
        trustBundle: decodeTrustBundle(checks, 'trustBundle', raw.trustBundle),
      });
    case proto.EnrolState.ENROL_STATE_PENDING:
      return checks.finish({ kind: 'Pending', message, retryAfterSeconds: raw.retryAfterSeconds });
    case proto.EnrolState.ENROL_STATE_REFUSED:
      return checks.finish({ kind: 'Refused', message });
    case proto.EnrolState.ENROL_STATE_UNSPECIFIED:
    case proto.EnrolState.UNRECOGNIZED:
    default:
      return err([{ path: 'state', message: `${raw.state} is not known to this version` }]);
  }
}

export function encodeRenewRequest(request: RenewRequest): Uint8Array {
  return proto.RenewRequest.encode({ csr: request.csrPem }).finish();
}

export function decodeRenewRequest(bytes: Uint8Array): WireResult<RenewRequest> {
  const parsed = parseBytes((input) => proto.RenewRequest.decode(input), bytes);
  if (!parsed.ok) return parsed;
  const checks = new FieldChecks();
  return checks.finish({ csrPem: decodePem(checks, 'csr', parsed.value.csr, 'CERTIFICATE REQUEST') });
}

export function encodeRenewAnswer(answer: RenewAnswer): Uint8Array {
  return proto.RenewResponse.encode({
    certificate: answer.certificatePem,
    trustBundle: [...answer.trustBundle],
  }).finish();
}

export function decodeRenewAnswer(bytes: Uint8Array): WireResult<RenewAnswer> {
  const parsed = parseBytes((input) => proto.RenewResponse.decode(input), bytes);
  if (!parsed.ok) return parsed;
  const checks = new FieldChecks();
  return checks.finish({
    certificatePem: decodePem(checks, 'certificate', parsed.value.certificate, 'CERTIFICATE'),
    trustBundle: decodeTrustBundle(checks, 'trustBundle', parsed.value.trustBundle),
  });
}
