/** Does the owner lend to this tenant? No list = to every tenant. */
import type { MemberFilter } from './member-filter.ts';

export const tenantLentTo: MemberFilter = ({ pending: { tenant }, member }) => {
  const { tenants } = member.policy;
  return tenants === undefined || tenants.includes(tenant) ? undefined : { kind: 'TenantNotLentTo', tenant };
};
