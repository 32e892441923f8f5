/**
 * What the hub may know of the owner's policy: enough to filter placements and to explain refusals. Leaves out windows
 * (they travel apart, with GPUs per edge) and everything about how guests must look.
 */
import type { PolicySummary } from '../../core/model/member.ts';
import { formatTimestamp } from '../../platform/clock/timestamp.ts';
import type { PolicyState } from './admission.ts';
import { policyOf } from './lending-policy-reader.ts';

const LONGEST_MESSAGE = 1024;

export function summarisePolicy(state: PolicyState): PolicySummary {
  const policy = policyOf(state);
  const where = {
    state: state.kind === 'Unreadable' ? ('Absent' as const) : state.kind,
    message: policyMessage(state).slice(0, LONGEST_MESSAGE),
  };
  if (policy === undefined) return { ...where, dataJurisdictions: [], requireDigest: false, logsAllowed: false };
  const { jurisdiction, tenants, imagePatterns, dataJurisdictions, requireDigest, guestRules } = policy;
  return {
    ...where,
    ...(jurisdiction === undefined ? {} : { jurisdiction }),
    dataJurisdictions,
    ...(tenants === undefined ? {} : { tenants }),
    ...(imagePatterns === undefined ? {} : { imagePatterns }),
    requireDigest,
    logsAllowed: guestRules.logsAllowed,
  };
}

/** One sentence on where the policy stands, for hub and status alike. */
export function policyMessage(state: PolicyState): string {
  switch (state.kind) {
    case 'Absent':
    case 'Unreadable':
    case 'Invalid':
      return state.message;
    case 'Paused':
      return 'the owner has paused lending';
    case 'OutsideWindow':
      return `outside the owner's lending windows${state.opensAtMs === undefined ? '' : `; the next opens at ${formatTimestamp(state.opensAtMs)}`}`;
    case 'Lending':
      return 'the owner lends';
  }
}
