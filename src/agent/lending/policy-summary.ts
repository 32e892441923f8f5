/**
 * What the hub may know of the owner's policy: enough to filter placements and to explain refusals. Leaves out windows
 * (they travel apart, with GPUs per edge) and everything about how guests must look.
 */
import type { PolicySummary } from '../../core/model/member.ts';
import type { PolicyState } from './admission.ts';
import { isoDate } from './calendar.ts';
import { policyOf } from './lending-policy-reader.ts';

const LONGEST_MESSAGE = 1024;

export function summarisePolicy(state: PolicyState): PolicySummary {
  const policy = policyOf(state);
  return {
    state: state.kind === 'Unreadable' ? 'Absent' : state.kind,
    message: policyMessage(state).slice(0, LONGEST_MESSAGE),
    ...(policy?.jurisdiction === undefined ? {} : { jurisdiction: policy.jurisdiction }),
    dataJurisdictions: policy?.dataJurisdictions ?? [],
    ...(policy?.tenants === undefined ? {} : { tenants: policy.tenants }),
    ...(policy?.imagePatterns === undefined ? {} : { imagePatterns: policy.imagePatterns }),
    requireDigest: policy?.requireDigest ?? false,
    logsAllowed: policy?.guestRules.logsAllowed ?? false,
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
      return `outside the owner's lending windows${state.opensAtMs === undefined ? '' : `; the next opens at ${utcMinute(state.opensAtMs)}`}`;
    case 'Lending':
      return 'the owner lends';
  }
}

/** `YYYY-MM-DDTHH:MMZ`. */
export function utcMinute(atMs: number): string {
  const minutes = Math.floor(atMs / 60_000);
  const ofDay = ((minutes % 1440) + 1440) % 1440;
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${isoDate((minutes - ofDay) / 1440)}T${two(Math.floor(ofDay / 60))}:${two(ofDay % 60)}Z`;
}
