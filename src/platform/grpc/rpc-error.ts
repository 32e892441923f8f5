/** RpcError: what a remote call failed with: signatures; the body follows. */
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
