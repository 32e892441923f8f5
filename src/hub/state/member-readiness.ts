/** Why a member takes nothing new, as one word for the scheduler and for explanations. Pure. */
import type { MemberReadiness } from '../../core/scheduling/snapshot.ts';
import { clusterOf, type MemberEntry } from './member-record.ts';
import type { PoolAssignment } from './pool-membership.ts';

/** The first that holds, from the operator's word down to what was heard. */
export function readinessOf(entry: MemberEntry, assignment: PoolAssignment): MemberReadiness {
  const cluster = clusterOf(entry);
  if (cluster === undefined) return 'NotAccepted';
  const { spec, metadata } = cluster;
  if (spec.revoked) return 'Revoked';
  if (spec.declaredLost !== undefined) return 'DeclaredLost';
  if (!spec.accepted) return 'NotAccepted';
  if (assignment.kind === 'conflict') return 'PoolConflict';
  if (spec.cordoned || metadata.deletionTimestamp !== undefined) return 'Cordoned';
  if (entry.report === undefined) return 'NeverReported';
  if (entry.session === undefined || entry.health === 'Silent') return 'Disconnected';
  return 'Ready';
}
