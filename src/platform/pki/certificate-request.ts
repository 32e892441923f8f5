/**
 * Making and checking certificate signing requests.
 *
 * Invariants: a request counts only if its own key signed it, the key is of a kind we issue for, and the text is small;
 * names asked for beyond the common name are ignored, because who one is, is decided by who accepted the member. The X.509
 * library is loaded by whoever checks requests: an agent only makes them, and it has to stay small.
 */
import { createPrivateKey, createPublicKey, webcrypto, type KeyObject } from 'node:crypto';
import type { Pkcs10CertificateRequest } from '@peculiar/x509';
import { encodeCsr } from './csr-encoder.ts';
import { sha256Hex } from './digest.ts';
import { decodeOnePem, encodePem } from './pem.ts';
import { PkiError } from './pki-error.ts';

export interface KeyAndCsr {
  /** PKCS #8 PEM; never leaves the host. */
  readonly keyPem: string;
  readonly csrPem: string;
}

export interface VerifiedCsr {
  readonly commonName: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeySpki: Uint8Array;
  /** SHA-256 of the SPKI, hex: the same for every request made from one key. */
  readonly publicKeyFingerprint: string;
}

const csrLabel = 'CERTIFICATE REQUEST';
const keyLabel = 'PRIVATE KEY';
const longestCsr = 16 * 1024;
const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const allowedCurves: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1']);

/** A P-256 key and a request for it. With `keyPem`, a request for that key instead of a new one. */
export async function createKeyAndCsr(request: {
  readonly commonName: string;
  readonly keyPem?: string;
}): Promise<KeyAndCsr> {
  const keys = request.keyPem === undefined ? await generateKeys() : await importKeys(request.keyPem);
  const keyPem = await exportKeyPem(keys.privateKey);
  return { keyPem, csrPem: encodePem(encodeCsr(request.commonName, createPrivateKey(keyPem)), csrLabel) };
}

/** SHA-256 of the public half of a private key, hex: the same as `verifyCsr` says of a request made from it. */
export function publicKeyFingerprintOf(keyPem: string): string {
  let key: KeyObject;
  try {
    key = createPublicKey(createPrivateKey(keyPem));
  } catch {
    // The library's message may describe the key.
    throw new PkiError('Malformed', 'private key: cannot be read');
  }
  return sha256Hex(key.export({ format: 'der', type: 'spki' }));
}

/** Throws PkiError unless the request is well-formed, at most 16 KiB, P-256 or P-384, and signed by its own key. */
export async function verifyCsr(csrPem: string): Promise<VerifiedCsr> {
  if (csrPem.length > longestCsr) {
    throw new PkiError('Malformed', `CSR of ${csrPem.length} characters, at most ${longestCsr} are allowed`);
  }
  const { csr, commonName, publicKeySpki } = await readCsr(decodeOnePem(csrPem, csrLabel, 'CSR'));
  requireAllowedKey(publicKeySpki);
  if (!(await signedByItself(csr))) throw new PkiError('BadSignature', 'CSR: not signed by the key that it asks for');
  return { commonName, publicKeySpki, publicKeyFingerprint: sha256Hex(publicKeySpki) };
}

/** Throws PkiError `UnsupportedKey` unless the key is on P-256 or P-384. */
export function requireAllowedKey(spki: Uint8Array): void {
  let curve: string | undefined;
  try {
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
    curve = key.asymmetricKeyDetails?.namedCurve;
  } catch {
    throw new PkiError('Malformed', 'public key: the DER cannot be read');
  }
  if (curve === undefined || !allowedCurves.has(curve)) {
    throw new PkiError(
      'UnsupportedKey',
      `public key: ${curve ?? 'not an elliptic curve'}; P-256 and P-384 are allowed`,
    );
  }
}

export async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
}

/** Both halves of a P-256 key in PKCS #8 PEM. Throws PkiError. */
export async function importKeys(keyPem: string): Promise<webcrypto.CryptoKeyPair> {
  const der = decodeOnePem(keyPem, keyLabel, 'private key');
  try {
    const privateKey = await webcrypto.subtle.importKey('pkcs8', der, keyAlgorithm, true, ['sign']);
    const publicDer = createPublicKey(createPrivateKey(keyPem)).export({ format: 'der', type: 'spki' });
    const publicKey = await webcrypto.subtle.importKey('spki', publicDer, keyAlgorithm, true, ['verify']);
    return { privateKey, publicKey };
  } catch {
    // The library's message may describe the key; what matters to the reader is which kind we take.
    throw new PkiError('UnsupportedKey', 'private key: not a P-256 key in PKCS #8');
  }
}

export async function exportKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  return encodePem(new Uint8Array(await webcrypto.subtle.exportKey('pkcs8', key)), keyLabel);
}

interface ReadCsr {
  readonly csr: Pkcs10CertificateRequest;
  readonly commonName: string;
  readonly publicKeySpki: Uint8Array;
}

/** The library reads parts only when asked for them, so that each may turn out to be malformed. */
async function readCsr(der: Uint8Array): Promise<ReadCsr> {
  const { x509 } = await import('./x509-library.ts');
  try {
    const csr = new x509.Pkcs10CertificateRequest(Uint8Array.from(der));
    const commonName = csr.subjectName.getField('CN')[0] ?? '';
    return { csr, commonName, publicKeySpki: new Uint8Array(csr.publicKey.rawData) };
  } catch {
    throw new PkiError('Malformed', 'CSR: the DER cannot be read');
  }
}

async function signedByItself(csr: Pkcs10CertificateRequest): Promise<boolean> {
  try {
    return await csr.verify();
  } catch {
    // An algorithm or encoding that cannot even be tried is not a valid signature.
    return false;
  }
}
