/** A request for a worker's log, and the agent's refusal of one, inside the session. */
import type { FieldChecks } from './field-checks.ts';
import * as proto from './generated/lumbung/federation/v1/federation.ts';
import type { AgentMessage, LogRefusalReason, LogRequest } from './session-messages.ts';
import * as limits from './wire-limits.ts';
import { decodeRunId, encodeRunId, enumTable, sentence } from './wire-values.ts';

type LogRefusalMessage = Extract<AgentMessage, { kind: 'logRefusal' }>;

const reasons = enumTable<LogRefusalReason, proto.LogRefusalReason>({
  ForbiddenByOwner: proto.LogRefusalReason.LOG_REFUSAL_REASON_FORBIDDEN_BY_OWNER,
  NotFound: proto.LogRefusalReason.LOG_REFUSAL_REASON_NOT_FOUND,
  Expired: proto.LogRefusalReason.LOG_REFUSAL_REASON_EXPIRED,
  NotStarted: proto.LogRefusalReason.LOG_REFUSAL_REASON_NOT_STARTED,
  TooManySessions: proto.LogRefusalReason.LOG_REFUSAL_REASON_TOO_MANY_SESSIONS,
});

export function decodeSessionId(checks: FieldChecks, path: string, value: string): string {
  return checks.matching(path, value, {
    pattern: /^[A-Za-z0-9_-]+$/,
    max: limits.SESSION_ID_MAX,
    allowed: 'letters, digits, "_" and "-"',
  });
}

export function encodeLogRequest(request: LogRequest): proto.LogRequest {
  return {
    sessionId: request.sessionId,
    run: encodeRunId(request.run),
    worker: request.worker,
    container: request.container,
    follow: request.follow,
    tailLines: request.tailLines ?? 0,
    timestamps: request.timestamps,
    user: request.user,
    sinceSeconds: request.sinceSeconds ?? 0,
  };
}

export function decodeLogRequest(checks: FieldChecks, raw: proto.LogRequest): LogRequest {
  return {
    sessionId: decodeSessionId(checks, 'sessionId', raw.sessionId),
    run: decodeRunId(checks, 'run', raw.run),
    worker: checks.whole('worker', raw.worker, { max: limits.WORKERS_MAX - 1 }),
    container: checks.text('container', raw.container, { max: 63 }),
    follow: raw.follow,
    ...(raw.tailLines === 0 ? {} : { tailLines: raw.tailLines }),
    ...(raw.sinceSeconds === 0 ? {} : { sinceSeconds: raw.sinceSeconds }),
    timestamps: raw.timestamps,
    user: checks.text('user', raw.user, { max: 1024 }),
  };
}

export function encodeLogRefusal(refusal: LogRefusalMessage): proto.LogRefusal {
  return { sessionId: refusal.sessionId, reason: reasons.encode(refusal.reason), message: sentence(refusal.message) };
}

export function decodeLogRefusal(checks: FieldChecks, raw: proto.LogRefusal): LogRefusalMessage {
  const reason = reasons.decode(raw.reason);
  const message = checks.text('message', raw.message, { max: limits.MESSAGE_MAX });
  return {
    kind: 'logRefusal',
    sessionId: decodeSessionId(checks, 'sessionId', raw.sessionId),
    // A reason of a newer agent: the log is not to be had, whatever the name.
    reason: reason ?? 'NotFound',
    message: reason === undefined ? `reason ${raw.reason} is not known to this hub: ${message}` : message,
  };
}
