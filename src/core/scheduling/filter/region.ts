/** Is the member in a region that the job allows? No regions = anywhere. */
import type { MemberFilter } from './member-filter.ts';

export const region: MemberFilter = ({ pending: { job }, member }) => {
  if (job.regions.length === 0 || job.regions.includes(member.region)) return undefined;
  return { kind: 'RegionMismatch', memberRegion: member.region, allowed: job.regions };
};
