/** Do the labels of the MemberCluster satisfy the job's member selector? */
import { firstUnmet } from '../../model/selectors.ts';
import type { MemberFilter } from './member-filter.ts';

export const memberSelector: MemberFilter = ({ pending: { job }, member }) => {
  const unmet = firstUnmet(member.labels, job.memberSelector);
  return unmet === undefined ? undefined : { kind: 'MemberSelectorMismatch', key: unmet.key };
};
