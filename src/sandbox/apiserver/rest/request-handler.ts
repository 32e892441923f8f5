/**
 * One request from authenticated user to answer: what it acts on, whether it may, who serves it, and the audit line.
 * Nothing thrown below leaves as anything but a Status.
 */
import type { Logger } from '../../../platform/log/logger.ts';
import { ApiError, internalError } from '../status-error.ts';
import { type ApiAnswer, type ApiCall, jsonAnswer } from './api-call.ts';
import { type RequestInfo, readRequest } from './request-info.ts';

/** What the server tells about each finished request (a watch is finished once it streams). */
export interface RequestRecord {
  readonly user: string;
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly status: number;
  readonly userAgent: string;
}

/** Serves some requests; `undefined` passes a request on. */
export type RequestStage = (call: ApiCall, info: RequestInfo) => ApiAnswer | Promise<ApiAnswer> | undefined;

export interface HandlerDeps {
  /** Throws Forbidden. */
  readonly authorize: (call: ApiCall, info: RequestInfo) => void;
  /** Tried in order. */
  readonly stages: readonly RequestStage[];
  readonly audit: (record: RequestRecord) => void;
  readonly logger: Logger | undefined;
}

function recordOf(call: ApiCall, info: RequestInfo, status: number): RequestRecord {
  const user = call.user.username;
  const userAgent = call.headers['user-agent'] ?? '';
  if (info.kind === 'plain') {
    return {
      user,
      verb: info.verb,
      group: '',
      resource: '',
      subresource: '',
      namespace: '',
      name: info.path,
      status,
      userAgent,
    };
  }
  const { verb, group, resource, subresource, namespace, name } = info;
  return { user, verb, group, resource, subresource, namespace, name, status, userAgent };
}

function failed(error: unknown, logger: Logger | undefined, info: RequestInfo): ApiAnswer {
  if (error instanceof ApiError) {
    const wait = error.details?.retryAfterSeconds;
    const headers: Record<string, string> = wait === undefined ? {} : { 'retry-after': String(wait) };
    return jsonAnswer(error.code, error.status(), headers);
  }
  const message = error instanceof Error ? error.message : String(error);
  logger?.error('request failed', { path: info.path, error: message });
  const answer = internalError(message);
  return jsonAnswer(answer.code, answer.status());
}

export type RequestHandler = (call: ApiCall) => Promise<ApiAnswer>;

export function createRequestHandler(deps: HandlerDeps): RequestHandler {
  const serve = (call: ApiCall, info: RequestInfo): ApiAnswer | Promise<ApiAnswer> => {
    deps.authorize(call, info);
    for (const stage of deps.stages) {
      const answer = stage(call, info);
      if (answer !== undefined) return answer;
    }
    throw new ApiError(404, 'NotFound', 'the server could not find the requested resource', {});
  };
  return async (call) => {
    const watching = call.query.get('watch');
    const info = readRequest(call.method, call.path, watching === 'true' || watching === '1');
    let answer: ApiAnswer;
    try {
      answer = await serve(call, info);
    } catch (error) {
      answer = failed(error, deps.logger, info);
    }
    deps.audit(recordOf(call, info, answer.status));
    return answer;
  };
}
