/**
 * What a hub sends in a session, to protobuf and back. One bad field refuses the message with every problem named, except
 * that an unreadable order is set apart by itself; no input makes the decoder throw.
 */
import { err } from '../std/result.ts';
import { assertNever } from '../std/assert-never.ts';
import { decodeDesired, encodeDesired } from './desired-codec.ts';
import { FieldChecks, parseBytes, type WireResult } from './field-checks.ts';
import * as proto from './generated/lumbung/federation/v1/federation.ts';
import { decodeLogRequest, encodeLogRequest } from './log-request-codec.ts';
import type { GoodbyeReason, HubMessage, Welcome } from './session-messages.ts';
import * as limits from './wire-limits.ts';
import { decodeTrustBundle, enumTable, sentence } from './wire-values.ts';

type GoodbyeMessage = Extract<HubMessage, { kind: 'goodbye' }>;

const goodbyeReasons = enumTable<GoodbyeReason, proto.GoodbyeReason>({
  NotLeader: proto.GoodbyeReason.GOODBYE_REASON_NOT_LEADER,
  Superseded: proto.GoodbyeReason.GOODBYE_REASON_SUPERSEDED,
  Revoked: proto.GoodbyeReason.GOODBYE_REASON_REVOKED,
  UnsupportedVersion: proto.GoodbyeReason.GOODBYE_REASON_UNSUPPORTED_VERSION,
  Malformed: proto.GoodbyeReason.GOODBYE_REASON_MALFORMED,
  Draining: proto.GoodbyeReason.GOODBYE_REASON_DRAINING,
  NotAccepted: proto.GoodbyeReason.GOODBYE_REASON_NOT_ACCEPTED,
  DeclaredLost: proto.GoodbyeReason.GOODBYE_REASON_DECLARED_LOST,
});

function decodeWelcome(checks: FieldChecks, raw: proto.Welcome): Welcome {
  return {
    protocolVersion: raw.protocolVersion,
    hubVersion: checks.text('hubVersion', raw.hubVersion, { max: limits.NAME_MAX }),
    incarnation: checks.text('incarnation', raw.incarnation, { min: 1, max: limits.NAME_MAX }),
    term: checks.whole('term', raw.term),
    reportIntervalMs: checks.whole('reportIntervalMs', raw.reportIntervalMs, { min: 1, max: limits.DAY_MS }),
  };
}

function decodeGoodbye(checks: FieldChecks, raw: proto.Goodbye): GoodbyeMessage {
  const reason = goodbyeReasons.decode(raw.reason);
  const message = checks.text('message', raw.message, { max: limits.MESSAGE_MAX });
  return {
    kind: 'goodbye',
    // A reason of a newer hub: come back later is the only safe reading; nothing may be ended for a word not understood.
    reason: reason ?? 'Draining',
    message: reason === undefined ? `reason ${raw.reason} is not known to this agent: ${message}` : message,
    retryAfterMs: raw.retryAfterMs,
  };
}

function toProto(message: HubMessage): NonNullable<proto.ConnectResponse['message']> {
  switch (message.kind) {
    case 'welcome':
      return { $case: 'welcome', value: { ...message.welcome, term: BigInt(message.welcome.term) } };
    case 'desired':
      return { $case: 'desired', value: encodeDesired(message.desired) };
    case 'reportAck': {
      const { epoch, sequence, inventoryKnown } = message;
      return { $case: 'reportAck', value: { epoch: BigInt(epoch), sequence: BigInt(sequence), inventoryKnown } };
    }
    case 'logRequest':
      return { $case: 'logRequest', value: encodeLogRequest(message.request) };
    case 'goodbye': {
      const { reason, retryAfterMs } = message;
      return {
        $case: 'goodbye',
        value: { reason: goodbyeReasons.encode(reason), message: sentence(message.message), retryAfterMs },
      };
    }
    case 'ping':
      return { $case: 'ping', value: { nonce: BigInt(message.nonce) } };
    case 'trustUpdate':
      return { $case: 'trustUpdate', value: { trustBundle: [...message.trustBundle] } };
    default:
      return assertNever(message, 'hub message');
  }
}

function fromProto(checks: FieldChecks, message: NonNullable<proto.ConnectResponse['message']>): HubMessage {
  switch (message.$case) {
    case 'welcome':
      return { kind: 'welcome', welcome: decodeWelcome(checks, message.value) };
    case 'desired':
      return decodeDesired(checks, message.value);
    case 'reportAck':
      return {
        kind: 'reportAck',
        epoch: checks.whole('epoch', message.value.epoch),
        sequence: checks.whole('sequence', message.value.sequence),
        inventoryKnown: message.value.inventoryKnown,
      };
    case 'logRequest':
      return { kind: 'logRequest', request: decodeLogRequest(checks, message.value) };
    case 'goodbye':
      return decodeGoodbye(checks, message.value);
    case 'ping':
      return { kind: 'ping', nonce: checks.whole('nonce', message.value.nonce) };
    case 'trustUpdate':
      return { kind: 'trustUpdate', trustBundle: decodeTrustBundle(checks, 'trustBundle', message.value.trustBundle) };
    default:
      return assertNever(message, 'hub message');
  }
}

export function encodeHubMessage(message: HubMessage): Uint8Array {
  return proto.ConnectResponse.encode({ message: toProto(message) }).finish();
}

/** A message of a kind that this agent does not know is a problem too: the hub speaks a version it was not promised. */
export function decodeHubMessage(bytes: Uint8Array): WireResult<HubMessage> {
  const parsed = parseBytes((input) => proto.ConnectResponse.decode(input), bytes);
  if (!parsed.ok) return parsed;
  const { message } = parsed.value;
  if (message === undefined)
    return err([{ path: '', message: 'is empty or of a kind that this version does not know' }]);
  const checks = new FieldChecks();
  return checks.finish(fromProto(checks, message));
}
