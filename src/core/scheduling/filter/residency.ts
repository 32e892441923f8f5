/**
 * Residency, the hardest rule: the member's certified jurisdiction must be allowed by the job and by the pool, must be what the
 * owner states, and the owner must take data of a jurisdiction that the job allows. The agent checks the same again.
 *
 * A member without a certified jurisdiction satisfies no rule that names one. A job that names none does not satisfy an owner
 * who takes data of certain jurisdictions only: whose data it brings is not known.
 */
import type { Jurisdiction } from '../../model/ids.ts';
import type { MemberRefusalReason } from '../reason.ts';
import type { MemberFilter } from './member-filter.ts';

export const residency: MemberFilter = ({ pending: { job }, rules, member }) => {
  const certified = member.jurisdiction;
  const refuse = (allowed: readonly Jurisdiction[], by: 'Job' | 'Pool' | 'Owner'): MemberRefusalReason => ({
    kind: 'ResidencyForbids',
    memberJurisdiction: certified ?? '',
    allowed,
    by,
  });
  if (!allows(job.jurisdictions, certified)) return refuse(job.jurisdictions, 'Job');
  if (!allows(rules.jurisdictions, certified)) return refuse(rules.jurisdictions, 'Pool');
  const stated = member.policy.jurisdiction;
  if (stated !== undefined && certified !== undefined && stated !== certified) return refuse([stated], 'Owner');
  const taken = member.policy.dataJurisdictions;
  if (taken.length > 0 && !job.jurisdictions.some((one) => taken.includes(one))) return refuse(taken, 'Owner');
  return undefined;
};

function allows(allowed: readonly Jurisdiction[], certified: Jurisdiction | undefined): boolean {
  return allowed.length === 0 || (certified !== undefined && allowed.includes(certified));
}
