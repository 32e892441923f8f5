/**
 * Passes one request to an aggregated API server: over TLS that the APIService's bundle vouches for, as the front proxy,
 * naming the user in headers. Bodies stream back as they come.
 */
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { KeyPair } from '../../../platform/pki/authority.ts';
import type { ApiAnswer, ApiCall } from '../rest/api-call.ts';
import { serviceUnavailable } from '../status-error.ts';

export interface Backend {
  readonly host: string;
  readonly port: number;
  /** `service.namespace.svc`: the name that its certificate must bear. */
  readonly serverName: string;
  /** PEM; undefined trusts nobody unless verification is off. */
  readonly caPem: string | undefined;
  readonly insecure: boolean;
}

/** Request headers that are not the client's to send on. */
const KEPT_BACK: ReadonlySet<string> = new Set([
  'authorization',
  'connection',
  'host',
  'content-length',
  'transfer-encoding',
  'upgrade',
]);
/** Answer headers that belong to the connection, not to the answer. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'date',
]);

function forwardedHeaders(call: ApiCall): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(call.headers)) {
    if (value === undefined || KEPT_BACK.has(name)) continue;
    if (name.startsWith('x-remote-') || name.startsWith('impersonate-')) continue;
    headers[name] = value;
  }
  headers['X-Remote-User'] = call.user.username;
  headers['X-Remote-Group'] = [...call.user.groups];
  for (const [key, values] of Object.entries(call.user.extra ?? {})) {
    headers[`X-Remote-Extra-${encodeURIComponent(key)}`] = [...values];
  }
  if (call.body.byteLength > 0) headers['content-length'] = String(call.body.byteLength);
  return headers;
}

function answerHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !HOP_BY_HOP.has(name)) kept[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return kept;
}

function pathWithQuery(call: ApiCall): string {
  const query = call.query.toString();
  return query === '' ? call.path : `${call.path}?${query}`;
}

function send(options: RequestOptions, body: Uint8Array): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(options, resolve);
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

/** One keep-alive agent per server; close it with the server. */
export function createProxyAgent(): Agent {
  return new Agent({ keepAlive: true, maxSockets: 64 });
}

export interface ProxyDeps {
  readonly agent: Agent;
  readonly frontProxy: KeyPair;
}

/** Throws 503 when the backend cannot be reached or is not who it should be. */
export async function proxyCall(deps: ProxyDeps, backend: Backend, call: ApiCall): Promise<ApiAnswer> {
  const options: RequestOptions = {
    agent: deps.agent,
    host: backend.host,
    port: backend.port,
    servername: backend.serverName,
    ...(backend.caPem === undefined ? {} : { ca: backend.caPem }),
    rejectUnauthorized: !backend.insecure,
    cert: deps.frontProxy.certificatePem,
    key: deps.frontProxy.keyPem,
    method: call.method,
    path: pathWithQuery(call),
    headers: forwardedHeaders(call),
    ...(call.signal === undefined ? {} : { signal: call.signal }),
  };
  try {
    const incoming = await send(options, call.body);
    return { status: incoming.statusCode ?? 502, headers: answerHeaders(incoming.headers), body: incoming };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw serviceUnavailable(`error trying to reach service: ${message}`);
  }
}
