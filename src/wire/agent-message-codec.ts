/**
 * What an agent sends in a session, to protobuf and back. One bad field refuses the message with every problem named; no
 * input makes the decoder throw.
 */
import { err } from '../std/result.ts';
import { assertNever } from '../std/assert-never.ts';
import { FieldChecks, parseBytes, type WireResult } from './field-checks.ts';
import * as proto from './generated/lumbung/federation/v1/federation.ts';
import { decodeLogRefusal, encodeLogRefusal } from './log-request-codec.ts';
import { decodeReport, encodeReport } from './report-codec.ts';
import type { AgentMessage, Hello } from './session-messages.ts';
import * as limits from './wire-limits.ts';
import { decodeUid } from './wire-values.ts';

const SEALING_KEY_BYTES = 32;

function encodeHello(hello: Hello): proto.Hello {
  return { ...hello, epoch: BigInt(hello.epoch) };
}

function decodeHello(checks: FieldChecks, raw: proto.Hello): Hello {
  const key = { min: SEALING_KEY_BYTES, max: SEALING_KEY_BYTES };
  return {
    protocolVersion: raw.protocolVersion,
    oldestProtocolVersion: raw.oldestProtocolVersion,
    clusterUid: decodeUid(checks, 'clusterUid', raw.clusterUid),
    epoch: checks.whole('epoch', raw.epoch),
    agentVersion: checks.text('agentVersion', raw.agentVersion, { max: limits.NAME_MAX }),
    kubernetesVersion: checks.text('kubernetesVersion', raw.kubernetesVersion, { max: limits.NAME_MAX }),
    sealingPublicKey: checks.bytes('sealingPublicKey', raw.sealingPublicKey, key),
  };
}

function toProto(message: AgentMessage): NonNullable<proto.ConnectRequest['message']> {
  switch (message.kind) {
    case 'hello':
      return { $case: 'hello', value: encodeHello(message.hello) };
    case 'report':
      return { $case: 'report', value: encodeReport(message) };
    case 'logRefusal':
      return { $case: 'logRefusal', value: encodeLogRefusal(message) };
    case 'pong':
      return { $case: 'pong', value: { nonce: BigInt(message.nonce) } };
    default:
      return assertNever(message, 'agent message');
  }
}

function fromProto(checks: FieldChecks, message: NonNullable<proto.ConnectRequest['message']>): AgentMessage {
  switch (message.$case) {
    case 'hello':
      return { kind: 'hello', hello: decodeHello(checks, message.value) };
    case 'report':
      return decodeReport(checks, message.value);
    case 'logRefusal':
      return decodeLogRefusal(checks, message.value);
    case 'pong':
      return { kind: 'pong', nonce: checks.whole('nonce', message.value.nonce) };
    default:
      return assertNever(message, 'agent message');
  }
}

export function encodeAgentMessage(message: AgentMessage): Uint8Array {
  return proto.ConnectRequest.encode({ message: toProto(message) }).finish();
}

/** A message of a kind that this hub does not know is a problem too: the agent speaks a version it was not promised. */
export function decodeAgentMessage(bytes: Uint8Array): WireResult<AgentMessage> {
  const parsed = parseBytes((input) => proto.ConnectRequest.decode(input), bytes);
  if (!parsed.ok) return parsed;
  const { message } = parsed.value;
  if (message === undefined)
    return err([{ path: '', message: 'is empty or of a kind that this version does not know' }]);
  const checks = new FieldChecks();
  return checks.finish(fromProto(checks, message));
}
