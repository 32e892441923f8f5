/**
 * MemberCluster.status out of what is known of a member. Pure.
 *
 * Invariants: a member that reconnects within the time for silence flaps no condition; numbers are the member's own, taken
 * over as they are; what enrolment wrote is passed on until the member is connected.
 */
import { setConditions, type ConditionUpdate, type MemberConditionType } from '../../../api/v1alpha1/conditions.ts';
import type { MemberCluster, MemberClusterStatus } from '../../../api/v1alpha1/member-cluster.ts';
import type { GpuCounts } from '../../../core/model/member.ts';
import { formatBytes } from '../../../core/model/quantity.ts';
import { formatTimestamp } from '../../../platform/clock/timestamp.ts';
import { compareStrings } from '../../../std/ordering.ts';
import type { MemberEntry } from '../../state/member-record.ts';
import type { PoolAssignment } from '../../state/pool-membership.ts';

export interface MemberFacts {
  readonly cluster: MemberCluster;
  readonly entry: MemberEntry;
  readonly assignment: PoolAssignment;
  /** Live runs on the member, as the hub knows them. */
  readonly runs: number;
  readonly nowMs: number;
}

const GPU_STATES = ['total', 'owner', 'parked', 'idle', 'lent', 'unhealthy', 'unknown', 'offered'] as const;
type GpuSums = Readonly<Record<(typeof GPU_STATES)[number], number>>;

/** The whole status as it should stand now. */
export function memberStatus(facts: MemberFacts): MemberClusterStatus {
  const { cluster, entry, assignment, runs, nowMs } = facts;
  const { status: before = {}, spec } = cluster;
  const { report, session } = entry;
  const conditions = setConditions(before.conditions, conditionsOf(facts), formatTimestamp(nowMs));
  const { pendingRequest, pool: _pool, declaredLost: _lost, ...kept } = before;
  return {
    ...kept,
    ...(cluster.metadata.generation === undefined ? {} : { observedGeneration: cluster.metadata.generation }),
    conditions,
    ...(pendingRequest === undefined || session !== undefined ? {} : { pendingRequest }),
    ...(session === undefined ? {} : sessionFacts(entry)),
    ...(entry.highestEpoch === 0 ? {} : { epoch: entry.highestEpoch }),
    ...(entry.heardAtWallMs === undefined ? {} : { lastReportTime: formatTimestamp(entry.heardAtWallMs) }),
    ...(report === undefined ? {} : { clusterUid: before.clusterUid ?? report.clusterUid, ...gpuFacts(report.gpus) }),
    ...(assignment.kind === 'assigned' ? { pool: assignment.pool } : {}),
    ...(spec.declaredLost === undefined ? {} : { declaredLost: spec.declaredLost }),
    runs,
  };
}

function sessionFacts({ session }: MemberEntry): Partial<MemberClusterStatus> {
  if (session === undefined) return {};
  const { agentVersion, kubernetesVersion, certificateNotAfterMs, certificateFingerprint } = session;
  return {
    agentVersion: agentVersion.slice(0, 63),
    kubernetesVersion: kubernetesVersion.slice(0, 63),
    certificateNotAfter: formatTimestamp(certificateNotAfterMs),
    ...(/^[0-9a-f]{64}$/.test(certificateFingerprint) ? { certificateFingerprint } : {}),
  };
}

function gpuFacts(gpus: readonly GpuCounts[]): Pick<MemberClusterStatus, 'gpus' | 'gpuTotals'> {
  const byModel = new Map<string, { readonly vendor: string; readonly memory: string; sums: GpuSums }>();
  for (const gpu of gpus) {
    const known = byModel.get(gpu.gpuModel);
    const memory = formatBytes(gpu.gpuMemoryBytes);
    byModel.set(gpu.gpuModel, { vendor: gpu.vendor, memory, sums: addSums(known?.sums, gpu) });
  }
  const models = [...byModel].sort(([a], [b]) => compareStrings(a, b)).slice(0, 64);
  return {
    gpus: models.map(([model, { vendor, memory, sums }]) => ({ vendor, model, memory, ...sums })),
    gpuTotals: gpus.reduce<GpuSums>((sum, gpu) => addSums(sum, gpu), addSums(undefined, undefined)),
  };
}

/** State by state. */
function addSums(a: GpuSums | undefined, b: GpuSums | undefined): GpuSums {
  return Object.fromEntries(GPU_STATES.map((state) => [state, (a?.[state] ?? 0) + (b?.[state] ?? 0)])) as GpuSums;
}

type Update = ConditionUpdate<MemberConditionType>;

function conditionsOf(facts: MemberFacts): readonly Update[] {
  const connected = connection(facts);
  return [
    acceptance(facts.cluster),
    ...(connected === undefined ? [] : [connected]),
    ...health(facts, connected),
    poolOf(facts.assignment),
  ];
}

function acceptance({ spec, status }: MemberCluster): Update {
  const type = 'Accepted';
  if (spec.revoked)
    return {
      type,
      status: 'False',
      reason: 'Revoked',
      message: 'spec.revoked is true: its certificates and reports are rejected',
    };
  if (spec.accepted)
    return {
      type,
      status: 'True',
      reason: 'AcceptedByOperator',
      message: `accepted with jurisdiction ${spec.jurisdiction ?? 'unknown'}`,
    };
  if (status?.pendingRequest === undefined) {
    return { type, status: 'False', reason: 'WaitingForRequest', message: 'no agent has redeemed the invitation yet' };
  }
  return {
    type,
    status: 'False',
    reason: 'WaitingForAcceptance',
    message: 'an agent asks to join; accept it with spec.accepted',
  };
}

/** Undefined: too early to say; the condition stays as it is. */
function connection({ entry }: MemberFacts): Update | undefined {
  const type = 'Connected';
  if (entry.health === 'Silent') {
    const { reason, what } =
      entry.session === undefined
        ? { reason: 'StreamClosed', what: 'its stream is closed' }
        : { reason: 'ReportOverdue', what: 'its stream is open but brings no reports' };
    return { type, status: 'False', reason, message: `the member is silent: ${what}` };
  }
  if (entry.reportsHeard > 0 && entry.health === 'Connected') {
    return { type, status: 'True', reason: 'Reporting', message: 'its agent reports' };
  }
  if (entry.heardAt !== undefined) return undefined;
  return { type, status: 'False', reason: 'NeverReported', message: 'its agent has never reported' };
}

function health(facts: MemberFacts, connected: Update | undefined): readonly Update[] {
  const type = 'Healthy';
  const fault = faultOf(facts);
  if (fault !== undefined) return [{ type, status: 'False', ...fault }];
  if (connected === undefined) return [];
  return [{ type, status: connected.status, reason: connected.reason, message: connected.message }];
}

function faultOf({
  cluster,
  entry,
  assignment,
}: MemberFacts): { readonly reason: string; readonly message: string } | undefined {
  const { spec } = cluster;
  if (spec.revoked) return { reason: 'Revoked', message: 'the member is revoked' };
  if (spec.declaredLost !== undefined)
    return { reason: 'DeclaredLost', message: `declared lost: ${spec.declaredLost.reason}` };
  if (assignment.kind === 'conflict') return { reason: 'PoolConflict', message: conflictText(assignment.pools) };
  const stated = entry.report?.policy.jurisdiction;
  if (stated !== undefined && spec.jurisdiction !== undefined && stated !== spec.jurisdiction) {
    return {
      reason: 'JurisdictionMismatch',
      message: `its owner states jurisdiction ${stated}, accepted is ${spec.jurisdiction}`,
    };
  }
  return undefined;
}

function poolOf(assignment: PoolAssignment): Update {
  const type = 'PoolAssigned';
  switch (assignment.kind) {
    case 'assigned':
      return { type, status: 'True', reason: 'PoolAssigned', message: `belongs to pool ${assignment.pool}` };
    case 'conflict':
      return { type, status: 'False', reason: 'PoolConflict', message: conflictText(assignment.pools) };
    case 'none':
      return { type, status: 'False', reason: 'NoPool', message: 'no pool selects its labels' };
  }
}

function conflictText(pools: readonly string[]): string {
  const names =
    pools.length <= 10 ? pools.join(', ') : `${pools.slice(0, 10).join(', ')} and ${pools.length - 10} more`;
  return `pools ${names} select it; it counts in none of them`;
}
