/**
 * The closed family of what can go wrong when calling a cluster: an answer of 400 and above, or no usable answer.
 *
 * Invariants: callers branch on `kind`, `status`, `reason` and `why`, never on text; nothing of the request (tokens,
 * headers, bodies) is kept in an error. Leaves out retrying (retry-rule.ts).
 */

/** As in a metav1.Status `details.causes`. */
export interface StatusCause {
  readonly reason?: string;
  readonly message?: string;
  readonly field?: string;
}

/** As in a metav1.Status `details`. */
export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

export interface KubeErrorFields {
  /** HTTP status, 400 to 599. */
  readonly status: number;
  /** metav1 StatusReason, e.g. `NotFound`; derived from the HTTP status if the server named none. */
  readonly reason: string;
  /** The server's own sentence. */
  readonly message: string;
  readonly details?: StatusDetails;
  readonly retryAfterSeconds?: number;
}

/** The server answered, and the answer was no. */
export class KubeError extends Error {
  readonly kind = 'KubeError';
  override readonly name = 'KubeError';
  readonly status: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(fields: KubeErrorFields) {
    super(fields.message);
    this.status = fields.status;
    this.reason = fields.reason;
    this.details = fields.details;
    this.retryAfterSeconds = fields.retryAfterSeconds;
  }
}

/**
 * Why no usable answer arrived. `Connection`: refused, reset, name not found, TLS refused. `Timeout`: the call's own
 * deadline. `Aborted`: the caller's signal. `Closed`: the client was closed. `Protocol`: bytes that are no Kubernetes answer.
 */
export type UnreachableWhy = 'Connection' | 'Timeout' | 'Aborted' | 'Closed' | 'Protocol';

/** No usable answer arrived; whether the server acted on the request is unknown. */
export class KubeUnreachable extends Error {
  readonly kind = 'KubeUnreachable';
  override readonly name = 'KubeUnreachable';
  readonly why: UnreachableWhy;
  /** The operating system's or TLS library's code, e.g. `ECONNREFUSED`, where there is one. */
  readonly code: string | undefined;

  constructor(why: UnreachableWhy, message: string, code?: string) {
    super(message);
    this.why = why;
    this.code = code;
  }
}

export function isKubeError(error: unknown): error is KubeError {
  return error instanceof KubeError;
}

export function isUnreachable(error: unknown): error is KubeUnreachable {
  return error instanceof KubeUnreachable;
}

/** 404. */
export function isNotFound(error: unknown): error is KubeError {
  return isKubeError(error) && error.status === 404;
}

/** 409 for a stale resourceVersion or a field owned by another; not for a taken name. */
export function isConflict(error: unknown): error is KubeError {
  return isKubeError(error) && error.status === 409 && error.reason !== 'AlreadyExists';
}

/** 409 for a taken name. */
export function isAlreadyExists(error: unknown): error is KubeError {
  return isKubeError(error) && error.status === 409 && error.reason === 'AlreadyExists';
}

/** 410: the resourceVersion or continue token is too old. */
export function isGone(error: unknown): error is KubeError {
  return isKubeError(error) && error.status === 410;
}

/** 422: validation, or a failed `test` of a JSON patch. */
export function isInvalid(error: unknown): error is KubeError {
  return isKubeError(error) && error.status === 422;
}

/** 403: authorization or admission said no. */
export function isForbidden(error: unknown): error is KubeError {
  return isKubeError(error) && error.status === 403;
}

/** 401: who we are was not accepted. */
export function isUnauthorized(error: unknown): error is KubeError {
  return isKubeError(error) && error.status === 401;
}

const reasonByStatus: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  406: 'NotAcceptable',
  409: 'Conflict',
  410: 'Expired',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

/** The StatusReason that goes with an HTTP status when the body names none. */
export function reasonForStatus(status: number): string {
  return reasonByStatus[status] ?? 'Unknown';
}
