/**
 * The Kubernetes transport port without a network: requests go straight to the handler, answers come back as bytes.
 * After `close`, or once the server stopped, requests fail as a refused connection would.
 */
import type { KubeRequest, KubeResponse, KubeTransport } from '../../../platform/kube/transport.ts';
import type { UserInfo } from '../authn/user-info.ts';
import { type ApiAnswer, type ApiCall, jsonAnswer } from '../rest/api-call.ts';
import { ApiError } from '../status-error.ts';
import type { RequestHandler } from '../rest/request-handler.ts';

export interface InProcessDeps {
  readonly handler: RequestHandler;
  /** Who a request comes from; throws Unauthorized. */
  readonly identify: (headers: ApiCall['headers']) => UserInfo;
  readonly isOpen: () => boolean;
}

const EMPTY = new Uint8Array();
const EMPTY_QUERY = new URLSearchParams();

function bytesOf(body: KubeRequest['body']): Uint8Array {
  if (body === undefined) return EMPTY;
  return typeof body === 'string' ? Buffer.from(body) : body;
}

/** Splits a path from its query. */
export function splitPath(target: string): { readonly path: string; readonly query: URLSearchParams } {
  const at = target.indexOf('?');
  if (at < 0) return { path: target, query: EMPTY_QUERY };
  return { path: target.slice(0, at), query: new URLSearchParams(target.slice(at + 1)) };
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  await Promise.resolve();
  yield bytes;
}

/** A caller that cannot be identified gets an answer, not an exception, as over the network. */
async function answer(deps: InProcessDeps, call: Omit<ApiCall, 'user'>): Promise<ApiAnswer> {
  let user: UserInfo;
  try {
    user = deps.identify(call.headers);
  } catch (error) {
    if (error instanceof ApiError) return jsonAnswer(error.code, error.status());
    throw error;
  }
  return deps.handler({ ...call, user });
}

export function createInProcessTransport(deps: InProcessDeps): KubeTransport {
  let closed = false;
  return {
    async request(request: KubeRequest): Promise<KubeResponse> {
      if (closed || !deps.isOpen()) throw new Error('connection refused: the server is not running');
      request.signal?.throwIfAborted();
      const { path, query } = splitPath(request.path);
      const { method, headers: sent, signal } = request;
      const call = { method, path, query, headers: sent, body: bytesOf(request.body), signal };
      const { status, headers, body } = await answer(deps, call);
      return { status, headers, body: body instanceof Uint8Array ? once(body) : body };
    },
    close(): Promise<void> {
      closed = true;
      return Promise.resolve();
    },
  };
}
