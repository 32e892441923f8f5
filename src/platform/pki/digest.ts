/** SHA-256 and the comparison of digests that takes the same time whatever differs. */
import { createHash, timingSafeEqual } from 'node:crypto';

/** 64 lower-case hex digits. */
export function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Constant-time for equal lengths; false for others. */
export function equalHex(a: string, b: string): boolean {
  const left = Buffer.from(a.toLowerCase());
  const right = Buffer.from(b.toLowerCase());
  return left.byteLength === right.byteLength && timingSafeEqual(left, right);
}
