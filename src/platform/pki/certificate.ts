/** Reading and checking certificates and bundles: signatures; the body follows. */
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
  readonly pem: string;
}

/** First certificate of a PEM text, or a DER. Throws PkiError `Malformed`. */
export declare function parseCertificate(certificate: string | Uint8Array): CertificateInfo;
/** Every certificate of a PEM bundle, in order. */
export declare function parseBundle(bundlePem: string): readonly CertificateInfo[];
/** Joins PEM texts with the newline that OpenSSL needs between them, each certificate once. */
export declare function joinBundles(...pems: readonly string[]): string;
/** Throws PkiError unless `certificate` was signed by an authority of the bundle and is valid at `nowMs`. */
export declare function verifyIssuedBy(
  certificate: string | Uint8Array,
  bundlePem: string,
  nowMs: number,
): CertificateInfo;
