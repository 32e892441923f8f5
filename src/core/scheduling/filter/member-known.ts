/** Is there anything to ask? Members that are not accepted, not heard yet, lost, revoked or in two pools have no facts that count. */
import type { MemberReadiness } from '../snapshot.ts';
import type { MemberFilter } from './member-filter.ts';

const WITHOUT_FACTS: ReadonlySet<MemberReadiness> = new Set<MemberReadiness>([
  'NotAccepted',
  'Revoked',
  'DeclaredLost',
  'NeverReported',
  'PoolConflict',
]);

export function hasNoFacts(readiness: MemberReadiness): boolean {
  return WITHOUT_FACTS.has(readiness);
}

export const memberKnown: MemberFilter = ({ member }) =>
  hasNoFacts(member.readiness) ? { kind: 'MemberNotReady', readiness: member.readiness } : undefined;
