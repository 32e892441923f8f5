/**
 * The shape of a filter over one member, and what it may look at. Each file beside this one is one fact. A filter returns the
 * typed reason for a refusal, with its numbers, or undefined to let the member through.
 */
import type { PoolRules } from '../../model/pool.ts';
import type { MemberRefusalReason } from '../reason.ts';
import type { MemberSnapshot, PendingJob } from '../snapshot.ts';

export interface MemberQuestion {
  readonly pending: PendingJob;
  readonly rules: PoolRules;
  readonly member: MemberSnapshot;
}

export type MemberFilter = (question: MemberQuestion) => MemberRefusalReason | undefined;
