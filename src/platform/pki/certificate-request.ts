/** Making and checking certificate signing requests: signatures; the body follows. */
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

/** A P-256 key and a request for it. With `keyPem`, a request for that key instead of a new one. */
export declare function createKeyAndCsr(request: {
  readonly commonName: string;
  readonly keyPem?: string;
}): Promise<KeyAndCsr>;
/** Throws PkiError unless the request is well-formed, at most 16 KiB, P-256 or P-384, and signed by its own key. */
export declare function verifyCsr(csrPem: string): Promise<VerifiedCsr>;
