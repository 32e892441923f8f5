/** Does the member take anything new at this moment? A member that is cordoned, disconnected or behind the recovery barrier may do so later. */
import type { MemberFilter } from './member-filter.ts';

export const memberReady: MemberFilter = ({ member }) => {
  const { readiness, lastReportAgeMs } = member;
  if (readiness === 'Ready') return undefined;
  return { kind: 'MemberNotReady', readiness, ...(lastReportAgeMs === undefined ? {} : { lastReportAgeMs }) };
};
