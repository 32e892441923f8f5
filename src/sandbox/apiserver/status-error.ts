/**
 * The failures that a client can see, as metav1.Status. One closed family: everything the server refuses is an `ApiError`;
 * texts follow the real server's, because people and tools have learnt to read them.
 */
import type { JsonObject } from './json-value.ts';

export interface StatusCause extends JsonObject {
  reason?: string;
  message?: string;
  field?: string;
}

export interface StatusDetails extends JsonObject {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

/** Group and plural name, as errors spell it: `jobs.batch`, `pods`. */
export interface GroupResource {
  readonly group: string;
  readonly plural: string;
}

export function resourceText(resource: GroupResource): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
}

export class ApiError extends Error {
  readonly kind = 'ApiError';
  readonly code: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;

  constructor(code: number, reason: string, message: string, details?: StatusDetails) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  status(): JsonObject {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      ...(this.reason === '' ? {} : { reason: this.reason }),
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    };
  }
}

function details(resource: GroupResource, name?: string): StatusDetails {
  return {
    ...(name === undefined || name === '' ? {} : { name }),
    ...(resource.group === '' ? {} : { group: resource.group }),
    kind: resource.plural,
  };
}

export function notFound(resource: GroupResource, name: string): ApiError {
  return new ApiError(404, 'NotFound', `${resourceText(resource)} "${name}" not found`, details(resource, name));
}

export function noSuchPath(): ApiError {
  return new ApiError(404, 'NotFound', 'the server could not find the requested resource', {});
}

export function alreadyExists(resource: GroupResource, name: string): ApiError {
  const text = `${resourceText(resource)} "${name}" already exists`;
  return new ApiError(409, 'AlreadyExists', text, details(resource, name));
}

export function conflict(resource: GroupResource, name: string, why: string, causes?: StatusCause[]): ApiError {
  const text = `Operation cannot be fulfilled on ${resourceText(resource)} "${name}": ${why}`;
  return new ApiError(409, 'Conflict', text, {
    ...details(resource, name),
    ...(causes === undefined ? {} : { causes }),
  });
}

export const STALE_OBJECT =
  'the object has been modified; please apply your changes to the latest version and try again';

export function applyConflict(message: string, causes: StatusCause[]): ApiError {
  return new ApiError(409, 'Conflict', message, { causes });
}

export function forbidden(resource: GroupResource, name: string, why: string, causes?: StatusCause[]): ApiError {
  const target = name === '' ? resourceText(resource) : `${resourceText(resource)} "${name}"`;
  const info = { ...details(resource, name), ...(causes === undefined ? {} : { causes }) };
  return new ApiError(403, 'Forbidden', `${target} is forbidden: ${why}`, info);
}

export function unauthorized(): ApiError {
  return new ApiError(401, 'Unauthorized', 'Unauthorized');
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, 'BadRequest', message);
}

export function methodNotAllowed(): ApiError {
  return new ApiError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
}

export function unsupportedMediaType(given: string, allowed: readonly string[]): ApiError {
  const text = `the body of the request was in an unknown format - accepted media types include: ${allowed.join(', ')}`;
  return new ApiError(415, 'UnsupportedMediaType', given === '' ? text : `${text} (got ${given})`, {});
}

export function notAcceptable(allowed: readonly string[]): ApiError {
  const text = `only the following media types are accepted: ${allowed.join(', ')}`;
  return new ApiError(406, 'NotAcceptable', text, {});
}

export function tooLarge(limitBytes: number): ApiError {
  return new ApiError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${limitBytes}`);
}

/** Watch history or continue token too old; `410 Gone`. */
export function expired(message: string): ApiError {
  return new ApiError(410, 'Expired', message);
}

export function tooManyRequests(message: string, causes: StatusCause[]): ApiError {
  return new ApiError(429, 'TooManyRequests', message, { causes });
}

export function internalError(message: string): ApiError {
  return new ApiError(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] });
}

export function serviceUnavailable(message: string): ApiError {
  return new ApiError(503, 'ServiceUnavailable', message);
}
