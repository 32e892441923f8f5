/**
 * Reading what a server sent: whole JSON bodies, and refusals as KubeError.
 *
 * Invariants: every body is read to its end or returned, so that no connection stays busy; a text that is no Status still
 * becomes a KubeError with a short message.
 */
import { KubeError, KubeUnreachable, reasonForStatus, type StatusDetails } from './kube-error.ts';
import type { KubeResponse } from './transport.ts';

const longestErrorBody = 256 * 1024;
const longestMessage = 1_024;

/** The whole body as text. */
export async function readText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** Parsed JSON, or KubeUnreachable `Protocol`. An empty body is undefined. */
export function parseJson(text: string, what: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The parser's own words quote the body, which may be anything; the length says enough.
    throw new KubeUnreachable('Protocol', `${what}: the answer of ${text.length} characters is not JSON`);
  }
}

/** Throws KubeError for 400 and above, KubeUnreachable for redirects; returns for success. Consumes the body if it throws. */
export async function refuseFailure(response: KubeResponse, what: string): Promise<void> {
  if (response.status < 300) return;
  const text = await readAtMost(response.body, longestErrorBody);
  if (response.status < 400)
    throw new KubeUnreachable('Protocol', `${what}: answered with a redirect (${response.status})`);
  throw errorFromAnswer(response.status, response.headers, text);
}

async function readAtMost(body: AsyncIterable<Uint8Array>, limitBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    length += chunk.byteLength;
    if (length > limitBytes) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** KubeError from an HTTP answer: a metav1.Status if the body is one, else the text cut short. */
export function errorFromAnswer(
  httpStatus: number,
  headers: Readonly<Record<string, string>>,
  text: string,
): KubeError {
  const body = statusBody(text);
  const retryAfterSeconds = retryAfter(headers['retry-after']) ?? body.details?.retryAfterSeconds;
  const message = body.message ?? (text === '' ? `HTTP ${httpStatus}` : `HTTP ${httpStatus}: ${text.trim()}`);
  return new KubeError({
    status: httpStatus,
    reason: body.reason ?? reasonForStatus(httpStatus),
    message: message.slice(0, longestMessage),
    ...(body.details === undefined ? {} : { details: body.details }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}

interface StatusBody {
  readonly reason?: string;
  readonly message?: string;
  readonly details?: StatusDetails;
}

function statusBody(text: string): StatusBody {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // Proxies answer in HTML or plain text: then there is no Status to read.
    return {};
  }
  if (typeof parsed !== 'object' || parsed === null) return {};
  const { kind, reason, message, details } = parsed as Record<string, unknown>;
  if (kind !== 'Status') return {};
  return {
    ...(typeof reason === 'string' && reason !== '' ? { reason } : {}),
    ...(typeof message === 'string' && message !== '' ? { message } : {}),
    ...(typeof details === 'object' && details !== null ? { details } : {}),
  };
}

/** Whole seconds; the HTTP-date form is not used by API servers and is ignored. */
function retryAfter(header: string | undefined): number | undefined {
  if (header === undefined || !/^\d{1,6}$/.test(header.trim())) return undefined;
  return Number(header);
}
