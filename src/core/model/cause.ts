/**
 * Why a run ended or must end: the closed family, and what each means for retries. A cause travels over the wire, into
 * status.history and into metrics; the text beside it is for people and is never compared.
 */
export type Cause =
  // Worker's own doing.
  | 'Completed'
  | 'NonZeroExit'
  | 'OutOfMemory'
  // The run could never work as written.
  | 'ImageError'
  | 'AdmissionError'
  | 'TemplateRefused'
  | 'ReferenceNotFound'
  // The owner's word.
  | 'Reclaimed'
  | 'PolicyChanged'
  | 'PolicyRefused'
  | 'JurisdictionRefused'
  | 'GuestDeleted'
  // The pool's doing.
  | 'Preempted'
  | 'Drained'
  | 'MemberRevoked'
  | 'MemberLost'
  | 'LeaseExpired'
  | 'NodeLost'
  | 'StaleOffer'
  | 'GangNotStarted'
  | 'FencePassed'
  // The tenant's wish.
  | 'Suspended'
  | 'Deleted'
  | 'MaxRuntimeExceeded'
  // The agent cannot read what it was sent (newer hub).
  | 'Unsupported'
  // An orphan ended by the operator.
  | 'OrphanEnded';

/**
 * - `requeue`: the job waits again, keeps its age, consumes no retry.
 * - `retry`: the job waits again and consumes one of `retry.limit`.
 * - `succeed`, `fail`: the job is over.
 * - `hold`: neither; the job's spec says what next (suspended, deleted).
 */
export type CauseEffect = 'requeue' | 'retry' | 'succeed' | 'fail' | 'hold';

export const CAUSE_EFFECT: Readonly<Record<Cause, CauseEffect>> = {
  Completed: 'succeed',
  NonZeroExit: 'retry',
  OutOfMemory: 'retry',
  ImageError: 'fail',
  AdmissionError: 'fail',
  TemplateRefused: 'fail',
  ReferenceNotFound: 'fail',
  Reclaimed: 'requeue',
  PolicyChanged: 'requeue',
  PolicyRefused: 'requeue',
  JurisdictionRefused: 'requeue',
  GuestDeleted: 'requeue',
  Preempted: 'requeue',
  Drained: 'requeue',
  MemberRevoked: 'requeue',
  MemberLost: 'requeue',
  LeaseExpired: 'requeue',
  NodeLost: 'requeue',
  StaleOffer: 'requeue',
  GangNotStarted: 'requeue',
  FencePassed: 'requeue',
  Suspended: 'hold',
  Deleted: 'hold',
  MaxRuntimeExceeded: 'fail',
  Unsupported: 'requeue',
  OrphanEnded: 'requeue',
};

export const CAUSES = Object.keys(CAUSE_EFFECT) as readonly Cause[];

export function isCause(text: string): text is Cause {
  return Object.hasOwn(CAUSE_EFFECT, text);
}
