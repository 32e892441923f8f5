/**
 * PKCS #10 (RFC 2986) in DER, as far as we need it: one common name, one P-256 key, no attributes, ECDSA with SHA-256.
 *
 * Written out so that an agent makes its request without the X.509 library, which costs a tenth of its memory. Everything
 * made here is read back by that library in tests.
 */
import { createPublicKey, sign, type KeyObject } from 'node:crypto';

const TAG = { integer: 0x02, bitString: 0x03, utf8String: 0x0c, sequence: 0x30, set: 0x31, attributes: 0xa0 } as const;
/** 2.5.4.3 */
const COMMON_NAME = Buffer.from('0603550403', 'hex');
/** 1.2.840.10045.4.3.2 */
const ECDSA_WITH_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex');
const LONGEST_COMMON_NAME = 64;

/** The request, signed by `privateKey`. Throws RangeError for a common name of no or more than 64 characters (RFC 5280). */
export function encodeCsr(commonName: string, privateKey: KeyObject): Uint8Array {
  if (commonName.length === 0 || commonName.length > LONGEST_COMMON_NAME) {
    throw new RangeError(`commonName: ${commonName.length} characters, 1 to ${LONGEST_COMMON_NAME} are allowed`);
  }
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const attribute = tlv(TAG.sequence, COMMON_NAME, tlv(TAG.utf8String, Buffer.from(commonName, 'utf8')));
  const subject = tlv(TAG.sequence, tlv(TAG.set, attribute));
  const version = tlv(TAG.integer, Buffer.of(0));
  const info = tlv(TAG.sequence, version, subject, spki, tlv(TAG.attributes));
  const signature = sign('sha256', info, { key: privateKey, dsaEncoding: 'der' });
  // A bit string says first how many bits of its last byte are unused.
  const signatureBits = tlv(TAG.bitString, Buffer.of(0), signature);
  return new Uint8Array(tlv(TAG.sequence, info, tlv(TAG.sequence, ECDSA_WITH_SHA256), signatureBits));
}

function tlv(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(tag), derLength(body.length), body]);
}

function derLength(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  const bytes = length < 0x100 ? [length] : [length >> 8, length & 0xff];
  return Buffer.of(0x80 | bytes.length, ...bytes);
}
