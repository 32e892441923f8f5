/** Why a member could not join: the closed family. Messages say what to do next; no token or key is ever in them. */
export type EnrolmentFailure =
  /** No certificate and no token to get one. */
  | 'TokenMissing'
  /** Nothing says which hub to trust. */
  | 'PinMissing'
  /** The hub's authority is not the one that the invitation names. */
  | 'PinMismatch'
  /** The hub said no. */
  | 'Refused'
  /** What was issued is not for this key, name or cluster, or not by the trusted authority. */
  | 'WrongCertificate';

export class EnrolmentError extends Error {
  readonly kind = 'EnrolmentError';
  override readonly name = 'EnrolmentError';
  readonly why: EnrolmentFailure;

  constructor(why: EnrolmentFailure, message: string) {
    super(message);
    this.why = why;
  }
}

export function isEnrolmentError(error: unknown): error is EnrolmentError {
  return error instanceof EnrolmentError;
}
