/**
 * A log session's own stream: chunks one way, the window the other way. The window counts bytes that the reader is ready
 * to take beyond what it granted before.
 */
import { err } from '../std/result.ts';
import { assertNever } from '../std/assert-never.ts';
import { FieldChecks, parseBytes, type WireResult } from './field-checks.ts';
import * as proto from './generated/lumbung/federation/v1/federation.ts';
import { decodeSessionId } from './log-request-codec.ts';
import type { LogAgentMessage, LogHubMessage } from './session-messages.ts';
import * as limits from './wire-limits.ts';
import { sentence } from './wire-values.ts';

const EMPTY = [{ path: '', message: 'is empty or of a kind that this version does not know' }] as const;

function agentToProto(message: LogAgentMessage): NonNullable<proto.ServeLogsRequest['message']> {
  switch (message.kind) {
    case 'open':
      return { $case: 'sessionId', value: message.sessionId };
    case 'chunk':
      return { $case: 'chunk', value: message.bytes };
    case 'end':
      return { $case: 'endMessage', value: sentence(message.message) };
    default:
      return assertNever(message, 'log message');
  }
}

export function encodeLogAgentMessage(message: LogAgentMessage): Uint8Array {
  return proto.ServeLogsRequest.encode({ message: agentToProto(message) }).finish();
}

export function decodeLogAgentMessage(bytes: Uint8Array): WireResult<LogAgentMessage> {
  const parsed = parseBytes((input) => proto.ServeLogsRequest.decode(input), bytes);
  if (!parsed.ok) return parsed;
  const { message } = parsed.value;
  if (message === undefined) return err(EMPTY);
  const checks = new FieldChecks();
  switch (message.$case) {
    case 'sessionId':
      return checks.finish({ kind: 'open', sessionId: decodeSessionId(checks, 'sessionId', message.value) });
    case 'chunk':
      return checks.finish({
        kind: 'chunk',
        bytes: checks.bytes('chunk', message.value, { max: limits.LOG_CHUNK_BYTES_MAX }),
      });
    case 'endMessage':
      return checks.finish({
        kind: 'end',
        message: checks.text('endMessage', message.value, { max: limits.MESSAGE_MAX }),
      });
    default:
      return assertNever(message, 'log message');
  }
}

export function encodeLogHubMessage(message: LogHubMessage): Uint8Array {
  const value: NonNullable<proto.ServeLogsResponse['message']> =
    message.kind === 'window' ? { $case: 'window', value: BigInt(message.bytes) } : { $case: 'closed', value: true };
  return proto.ServeLogsResponse.encode({ message: value }).finish();
}

export function decodeLogHubMessage(bytes: Uint8Array): WireResult<LogHubMessage> {
  const parsed = parseBytes((input) => proto.ServeLogsResponse.decode(input), bytes);
  if (!parsed.ok) return parsed;
  const { message } = parsed.value;
  if (message === undefined) return err(EMPTY);
  const checks = new FieldChecks();
  if (message.$case === 'closed') return checks.finish({ kind: 'closed' });
  return checks.finish({ kind: 'window', bytes: checks.whole('window', message.value) });
}
