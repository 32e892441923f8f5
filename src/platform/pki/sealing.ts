/**
 * Sealing bytes to a receiver's X25519 public key, so that only the holder of the private key can open them: how tenants'
 * Secrets travel to a member.
 *
 * Form: version byte 1, ephemeral public key (32 bytes), AES-256-GCM ciphertext, tag (16 bytes). Key and nonce come from
 * HKDF-SHA-256 over the X25519 shared secret, salted with both public keys, so that a box opens under one key pair only; the
 * nonce may be derived because every box has its own ephemeral key. The first 33 bytes are authenticated too.
 * Invariants: errors say that a box does not open, never why in a way that helps to forge one; no key material in errors.
 * Leaves out who sealed it: the sender is authenticated by the session that carries the box.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { PkiError } from './pki-error.ts';

const VERSION = 1;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + KEY_BYTES;
const CONTEXT = 'lumbung sealed box 1';
/** What comes before the raw key in a DER SubjectPublicKeyInfo of X25519 (RFC 8410). */
const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');

export interface SealingKey {
  /** 32 raw bytes, for everybody. */
  readonly publicKey: Uint8Array;
  /** PKCS #8 PEM, to be kept in a Secret. */
  readonly privateKeyPem: string;
}

/** Opens what was sealed to its public key. */
export interface Sealer {
  /** 32 raw bytes. */
  readonly publicKey: Uint8Array;
  /** Throws PkiError: `Malformed` for what is no box, `BadSignature` for a box that was altered or sealed to another key. */
  open(sealed: Uint8Array): Uint8Array;
}

/** A new X25519 key pair. */
export function createSealingKey(): SealingKey {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  return {
    publicKey: rawPublicKey(publicKey),
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** A sealer over a key made by `createSealingKey`. Throws PkiError unless it is an X25519 private key in PEM. */
export function createSealer(privateKeyPem: string): Sealer {
  const privateKey = readPrivateKey(privateKeyPem);
  const publicKey = rawPublicKey(createPublicKey(privateKey));
  return { publicKey, open: (sealed) => open(sealed, privateKey, publicKey) };
}

/** Seals `plain` to a receiver's raw 32-byte public key. Throws PkiError for a key that is none. */
export function seal(plain: Uint8Array, receiver: Uint8Array): Uint8Array {
  const ephemeral = generateKeyPairSync('x25519');
  const ephemeralPublic = rawPublicKey(ephemeral.publicKey);
  const { key, nonce } = derive(ephemeral.privateKey, readPublicKey(receiver), [ephemeralPublic, receiver]);
  const header = Buffer.concat([Buffer.of(VERSION), ephemeralPublic]);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(header);
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return new Uint8Array(Buffer.concat([header, body, cipher.getAuthTag()]));
}

function open(sealed: Uint8Array, privateKey: KeyObject, publicKey: Uint8Array): Uint8Array {
  if (sealed.length < HEADER_BYTES + TAG_BYTES) {
    throw new PkiError(
      'Malformed',
      `sealed box: ${sealed.length} bytes, at least ${HEADER_BYTES + TAG_BYTES} are needed`,
    );
  }
  if (sealed[0] !== VERSION)
    throw new PkiError('Malformed', `sealed box: version ${sealed[0]}, only ${VERSION} is known`);
  const header = sealed.subarray(0, HEADER_BYTES);
  const ephemeralPublic = sealed.subarray(1, HEADER_BYTES);
  const { key, nonce } = derive(privateKey, readPublicKey(ephemeralPublic), [ephemeralPublic, publicKey]);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce);
  decipher.setAAD(header);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  try {
    const body = decipher.update(sealed.subarray(HEADER_BYTES, sealed.length - TAG_BYTES));
    return new Uint8Array(Buffer.concat([body, decipher.final()]));
  } catch {
    // OpenSSL knows no more than that the tag does not fit, and its own text names internals.
    throw new PkiError('BadSignature', 'sealed box: it was altered, or sealed to another key');
  }
}

function derive(
  own: KeyObject,
  other: KeyObject,
  publicKeys: readonly [ephemeral: Uint8Array, receiver: Uint8Array],
): { readonly key: Buffer; readonly nonce: Buffer } {
  const shared = sharedSecret(own, other);
  const bytes = Buffer.from(hkdfSync('sha256', shared, Buffer.concat(publicKeys), CONTEXT, KEY_BYTES + NONCE_BYTES));
  return { key: bytes.subarray(0, KEY_BYTES), nonce: bytes.subarray(KEY_BYTES) };
}

function sharedSecret(privateKey: KeyObject, publicKey: KeyObject): Buffer {
  try {
    return diffieHellman({ privateKey, publicKey });
  } catch {
    // The one way to fail with two X25519 keys: a point of low order, which gives no secret.
    throw new PkiError('UnsupportedKey', 'X25519 public key: it gives no shared secret');
  }
}

function readPublicKey(raw: Uint8Array): KeyObject {
  if (raw.length !== KEY_BYTES) {
    throw new PkiError('Malformed', `X25519 public key: ${raw.length} bytes, exactly ${KEY_BYTES} are allowed`);
  }
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' });
}

function readPrivateKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    // The parser's own text may quote the input.
    throw new PkiError('Malformed', 'sealing key: not a private key in PEM');
  }
  if (key.asymmetricKeyType !== 'x25519') {
    throw new PkiError('UnsupportedKey', `sealing key: ${String(key.asymmetricKeyType)}, only x25519 is allowed`);
  }
  return key;
}

function rawPublicKey(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ type: 'spki', format: 'der' }).subarray(SPKI_PREFIX.length));
}
