/** Must this job stay away from the member for now: a run of it may still live there, or the member has just refused it. */
import type { MemberFilter } from './member-filter.ts';

export const avoided: MemberFilter = ({ pending, member }) => {
  const reasons = pending.avoidMembers.filter((one) => one.member === member.name).map((one) => one.reason);
  if (reasons.includes('EarlierRun')) return { kind: 'AvoidedEarlierRun' };
  return reasons.length > 0 ? { kind: 'AvoidedAfterRefusal' } : undefined;
};
