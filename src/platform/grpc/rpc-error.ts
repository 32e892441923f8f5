/**
 * What a remote call failed with, and the numbers that gRPC uses for it.
 *
 * Invariants: callers branch on `code`; messages come from the server and are shown to people as they are.
 */
import { status } from '@grpc/grpc-js';
import type { RpcCode } from './message-stream.ts';

export class RpcError extends Error {
  readonly kind = 'RpcError';
  override readonly name = 'RpcError';
  readonly code: RpcCode;

  constructor(code: RpcCode, message: string) {
    super(message);
    this.code = code;
  }
}

export function isRpcError(error: unknown, code?: RpcCode): error is RpcError {
  return error instanceof RpcError && (code === undefined || error.code === code);
}

const numbers: Readonly<Record<RpcCode, number>> = {
  CANCELLED: status.CANCELLED,
  UNKNOWN: status.UNKNOWN,
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  NOT_FOUND: status.NOT_FOUND,
  ALREADY_EXISTS: status.ALREADY_EXISTS,
  PERMISSION_DENIED: status.PERMISSION_DENIED,
  RESOURCE_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  FAILED_PRECONDITION: status.FAILED_PRECONDITION,
  ABORTED: status.ABORTED,
  OUT_OF_RANGE: status.OUT_OF_RANGE,
  UNIMPLEMENTED: status.UNIMPLEMENTED,
  INTERNAL: status.INTERNAL,
  UNAVAILABLE: status.UNAVAILABLE,
  DATA_LOSS: status.DATA_LOSS,
  UNAUTHENTICATED: status.UNAUTHENTICATED,
};

const namesByNumber: ReadonlyMap<number, RpcCode> = new Map(
  Object.entries(numbers).map(([name, number]) => [number, name as RpcCode]),
);

/** The number on the wire. */
export function numberOfCode(code: RpcCode): number {
  return numbers[code];
}

/** The name of a number on the wire; unknown ones are `UNKNOWN`. */
export function codeOfNumber(number: number): RpcCode {
  return namesByNumber.get(number) ?? 'UNKNOWN';
}

/** An error of the gRPC library as RpcError. */
export function toRpcError(error: { readonly code?: unknown; readonly details?: unknown }): RpcError {
  const code = typeof error.code === 'number' ? codeOfNumber(error.code) : 'UNKNOWN';
  return new RpcError(code, typeof error.details === 'string' ? error.details : 'the call failed');
}
