/**
 * Reading certificates and bundles, and checking who issued them.
 *
 * Invariants: names come from the parsed extension, never from a printed form; fingerprints are SHA-256 in lower-case hex; a
 * certificate counts as issued by an authority only if the signature, the names and the validity of both hold. Leaves out
 * revocation, which is the hub's list.
 */
import { X509Certificate } from 'node:crypto';
import { readCertificateFields } from './certificate-fields.ts';
import { sha256Hex } from './digest.ts';
import { decodePem, encodePem } from './pem.ts';
import { PkiError } from './pki-error.ts';

export interface CertificateInfo {
  readonly commonName: string;
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Lower-case hex. */
  readonly serial: string;
  /** SHA-256 of the DER, 64 lower-case hex digits. */
  readonly fingerprint: string;
  /** SHA-256 of the SubjectPublicKeyInfo, 64 lower-case hex digits. */
  readonly publicKeyFingerprint: string;
  readonly isAuthority: boolean;
  /** This certificate alone, with a trailing newline. */
  readonly pem: string;
}

const label = 'CERTIFICATE';

/** First certificate of a PEM text, or a DER. Throws PkiError `Malformed`. */
export function parseCertificate(certificate: string | Uint8Array): CertificateInfo {
  return infoOf(derOf(certificate));
}

/** Every certificate of a PEM bundle, in order. Throws PkiError `Malformed` if there is none. */
export function parseBundle(bundlePem: string): readonly CertificateInfo[] {
  const ders = decodePem(bundlePem, label);
  if (ders.length === 0) throw new PkiError('Malformed', 'trust bundle: no PEM block CERTIFICATE');
  return ders.map(infoOf);
}

/** Joins PEM texts with the newline that OpenSSL needs between them, each certificate once, first mention first. */
export function joinBundles(...pems: readonly string[]): string {
  const blocks = new Set<string>();
  for (const pem of pems) for (const der of decodePem(pem, label)) blocks.add(encodePem(der, label));
  return [...blocks].join('');
}

/**
 * The parsed certificate, if an authority of the bundle signed it and both are valid at `nowMs`. Throws PkiError
 * `UnknownAuthority` or `OutsideValidity`.
 */
export function verifyIssuedBy(certificate: string | Uint8Array, bundlePem: string, nowMs: number): CertificateInfo {
  const der = derOf(certificate);
  const info = infoOf(der);
  const leaf = new X509Certificate(der);
  const issuer = parseBundle(bundlePem).find((authority) => isIssuer(authority, leaf));
  if (issuer === undefined) {
    throw new PkiError(
      'UnknownAuthority',
      `certificate ${info.commonName}: not issued by an authority of the trust bundle`,
    );
  }
  requireValid(info, nowMs);
  requireValid(issuer, nowMs);
  return info;
}

/** Whether `authority` is a CA that named and signed `leaf`. */
export function isIssuer(authority: CertificateInfo, leaf: X509Certificate): boolean {
  if (!authority.isAuthority) return false;
  const issuer = new X509Certificate(authority.pem);
  return leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey);
}

/** Throws PkiError `OutsideValidity` unless `nowMs` lies within the certificate's validity. */
export function requireValid(info: CertificateInfo, nowMs: number): void {
  if (nowMs >= info.notBeforeMs && nowMs <= info.notAfterMs) return;
  const when =
    nowMs < info.notBeforeMs ? `not valid before ${isoOf(info.notBeforeMs)}` : `expired ${isoOf(info.notAfterMs)}`;
  throw new PkiError('OutsideValidity', `certificate ${info.commonName}: ${when}`);
}

function derOf(certificate: string | Uint8Array): Uint8Array {
  if (typeof certificate !== 'string') return certificate;
  const [der] = decodePem(certificate, label);
  if (der === undefined) throw new PkiError('Malformed', 'certificate: no PEM block CERTIFICATE');
  return der;
}

function infoOf(der: Uint8Array): CertificateInfo {
  try {
    const certificate = new X509Certificate(der);
    return {
      ...readCertificateFields(der),
      fingerprint: sha256Hex(der),
      publicKeyFingerprint: sha256Hex(certificate.publicKey.export({ format: 'der', type: 'spki' })),
      isAuthority: certificate.ca,
      pem: encodePem(der, label),
    };
  } catch {
    // Neither OpenSSL's nor our own reader's words help whoever handed this in.
    throw new PkiError('Malformed', 'certificate: the DER cannot be read');
  }
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
