/** The shape of a filter over the nodes of one member: which nodes it keeps, and what to say when it keeps none. */
import type { JobSpec } from '../../model/job.ts';
import type { NodeOffer } from '../../model/member.ts';
import type { PoolRules } from '../../model/pool.ts';
import type { MemberRefusalReason } from '../reason.ts';

/** What decides whether a node may hold a worker, capacity apart. */
export interface NodeQuestion {
  readonly job: JobSpec;
  readonly rules: PoolRules;
}

export interface NodeFilter {
  keeps(question: NodeQuestion, node: NodeOffer): boolean;
  /** `nodes` = those that came in, sorted by name; `keeps` was false for all of them. */
  refusal(question: NodeQuestion, nodes: readonly NodeOffer[]): MemberRefusalReason;
}
