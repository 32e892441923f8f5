/**
 * The HTTPS end: reads requests, learns the user from a verified client certificate, and writes answers with back
 * pressure. Certificates of other authorities count as none.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { Logger } from '../../../platform/log/logger.ts';
import type { KeyPair } from '../../../platform/pki/authority.ts';
import type { UserInfo } from '../authn/user-info.ts';
import type { ApiAnswer, ApiCall } from '../rest/api-call.ts';
import { jsonAnswer } from '../rest/api-call.ts';
import type { RequestHandler } from '../rest/request-handler.ts';
import { ApiError, tooLarge } from '../status-error.ts';
import { splitPath } from './in-process-transport.ts';

const BODY_LIMIT_BYTES = 3 * 1024 * 1024;

export interface HttpsListenerOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly certificate: KeyPair;
  /** Authority of client certificates. */
  readonly clientCaPem: string;
  readonly handler: RequestHandler;
  /** Throws Unauthorized. */
  readonly identify: (headers: ApiCall['headers'], certified: UserInfo | undefined) => UserInfo;
  readonly logger: Logger | undefined;
}

export interface HttpsListener {
  readonly port: number;
  close(): Promise<void>;
}

function organizations(certificate: DetailedPeerCertificate): readonly string[] {
  const given: unknown = certificate.subject.O;
  if (Array.isArray(given)) return given.filter((name): name is string => typeof name === 'string');
  return typeof given === 'string' ? [given] : [];
}

const certifiedUsers = new WeakMap<TLSSocket, UserInfo>();

/** CN is the user, each O a group. */
function certifiedUser(socket: TLSSocket): UserInfo | undefined {
  if (!socket.authorized) return undefined;
  let user = certifiedUsers.get(socket);
  if (user === undefined) {
    const certificate = socket.getPeerCertificate(true);
    const name: unknown = certificate.subject.CN;
    if (typeof name !== 'string') return undefined;
    user = { username: name, groups: [...organizations(certificate), 'system:authenticated'] };
    certifiedUsers.set(socket, user);
  }
  return user;
}

async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_LIMIT_BYTES) throw tooLarge(BODY_LIMIT_BYTES);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks);
}

function headersOf(request: IncomingMessage): Record<string, string | undefined> {
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}

async function stream(response: ServerResponse, body: AsyncIterable<Uint8Array>, gone: AbortSignal): Promise<void> {
  response.flushHeaders();
  for await (const chunk of body) {
    if (gone.aborted) break;
    if (response.write(chunk)) continue;
    await once(response, 'drain', { signal: gone });
  }
  response.end();
}

async function send(response: ServerResponse, answer: ApiAnswer, gone: AbortSignal): Promise<void> {
  response.statusCode = answer.status;
  for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
  if (answer.body instanceof Uint8Array) {
    response.setHeader('content-length', answer.body.byteLength);
    response.end(answer.body);
  } else await stream(response, answer.body, gone);
}

async function answerTo(
  options: HttpsListenerOptions,
  request: IncomingMessage,
  signal: AbortSignal,
): Promise<ApiAnswer> {
  try {
    const headers = headersOf(request);
    const { socket } = request;
    const user = options.identify(headers, socket instanceof TLSSocket ? certifiedUser(socket) : undefined);
    const { path, query } = splitPath(request.url ?? '/');
    const body = await readBody(request);
    return await options.handler({ method: request.method ?? 'GET', path, query, headers, body, user, signal });
  } catch (error) {
    if (error instanceof ApiError) return jsonAnswer(error.code, error.status());
    throw error;
  }
}

async function serve(options: HttpsListenerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  // Not the request's `close`: that comes as soon as its body was read.
  response.once('close', () => {
    gone.abort();
  });
  try {
    await send(response, await answerTo(options, request, gone.signal), gone.signal);
  } catch (error) {
    if (!gone.signal.aborted) {
      options.logger?.warn('connection broke', { error: error instanceof Error ? error.message : String(error) });
    }
    response.destroy();
  }
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

/** Listens; rejects when the port is taken. */
export async function listenHttps(options: HttpsListenerOptions): Promise<HttpsListener> {
  const server = createServer(
    {
      cert: options.certificate.certificatePem,
      key: options.certificate.keyPem,
      ca: [options.clientCaPem],
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
    },
    (request, response) => {
      void serve(options, request, response);
    },
  );
  server.on('tlsClientError', (error) => {
    options.logger?.debug('TLS handshake failed', { error: error.message });
  });
  server.keepAliveTimeout = 120_000;
  server.requestTimeout = 0;
  server.listen(options.port, options.host);
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, close: () => close(server) };
}
