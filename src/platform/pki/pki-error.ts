/** The closed family of certificate and identity failures. Messages name what was wrong, never key material. */
export type PkiFailure =
  /** Not PEM, not DER, too big, or not of the announced sort. */
  | 'Malformed'
  /** A signature does not belong to the content or key. */
  | 'BadSignature'
  /** A key type or curve that we do not accept. */
  | 'UnsupportedKey'
  /** Not issued by any authority of the bundle. */
  | 'UnknownAuthority'
  /** Not valid yet, or no longer. */
  | 'OutsideValidity'
  /** The identity inside is missing, double or not of our form. */
  | 'BadIdentity'
  /** The presented chain does not contain the pinned fingerprint. */
  | 'FingerprintMismatch';

export class PkiError extends Error {
  readonly kind = 'PkiError';
  override readonly name = 'PkiError';
  readonly why: PkiFailure;

  constructor(why: PkiFailure, message: string) {
    super(message);
    this.why = why;
  }
}

export function isPkiError(error: unknown): error is PkiError {
  return error instanceof PkiError;
}
