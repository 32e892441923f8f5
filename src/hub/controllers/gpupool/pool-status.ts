/** GpuPool.status out of hub state: members, GPUs, queue and tenants of one pool. Pure over what it is given. */
import { setConditions, type ConditionUpdate, type PoolConditionType } from '../../../api/v1alpha1/conditions.ts';
import type { GpuPoolStatus } from '../../../api/v1alpha1/gpu-pool.ts';
import type { GpuCounts } from '../../../core/model/member.ts';
import type { PoolRules } from '../../../core/model/pool.ts';
import { formatTimestamp } from '../../../platform/clock/timestamp.ts';
import { compareStrings } from '../../../std/ordering.ts';
import type { PoolRecord } from '../../state/pool-record.ts';
import { problemText } from '../../state/status-of-job.ts';

export interface PoolTenantFacts {
  readonly weight: number;
  pending: number;
  running: number;
  gpus: number;
}

export interface PoolFacts {
  readonly record: PoolRecord;
  readonly before: GpuPoolStatus;
  readonly members: number;
  readonly readyMembers: number;
  readonly conflicts: readonly string[];
  readonly gpus: readonly GpuCounts[];
  readonly tenants: ReadonlyMap<string, PoolTenantFacts>;
  /** Why the mass-expiry guard is active. */
  readonly guard: string | undefined;
  readonly nowMs: number;
}

const TENANTS_SHOWN = 64;
const STATES = ['total', 'owner', 'parked', 'idle', 'lent', 'unhealthy', 'unknown', 'offered'] as const;

export function poolStatus(facts: PoolFacts): GpuPoolStatus {
  const { record, before } = facts;
  const conditions = setConditions(before.conditions, conditionsOf(facts), formatTimestamp(facts.nowMs));
  const tenants = [...facts.tenants].sort(([a], [b]) => compareStrings(a, b));
  const sum = (field: 'pending' | 'running'): number => tenants.reduce((total, [, tenant]) => total + tenant[field], 0);
  return {
    observedGeneration: record.generation,
    conditions,
    members: facts.members,
    gpus: sumOf(facts.gpus),
    queue: { pending: sum('pending'), running: sum('running') },
    tenants: tenants.slice(0, TENANTS_SHOWN).map(([name, tenant]) => ({ name, ...tenant })),
  };
}

function sumOf(gpus: readonly GpuCounts[]): NonNullable<GpuPoolStatus['gpus']> {
  const entries = STATES.map((state) => [state, gpus.reduce((total, gpu) => total + gpu[state], 0)]);
  return Object.fromEntries(entries) as NonNullable<GpuPoolStatus['gpus']>;
}

/** Does this kind of GPU belong to the pool? */
export function belongsTo(rules: PoolRules, gpu: GpuCounts): boolean {
  if (rules.vendors.length > 0 && !rules.vendors.includes(gpu.vendor)) return false;
  if (rules.gpuModels.length > 0 && !rules.gpuModels.includes(gpu.gpuModel)) return false;
  return gpu.gpuMemoryBytes >= rules.gpuMinMemoryBytes;
}

type Update = ConditionUpdate<PoolConditionType>;

function conditionsOf(facts: PoolFacts): readonly Update[] {
  const guard: Update =
    facts.guard === undefined
      ? {
          type: 'MassExpiryGuard',
          status: 'False',
          reason: 'GuardInactive',
          message: 'runs of silent members are placed again in their time',
        }
      : {
          type: 'MassExpiryGuard',
          status: 'True',
          reason: 'GuardActive',
          message: 'no run is placed again because its member is silent',
        };
  return [readiness(facts), conflict(facts), guard];
}

function readiness({ record, members, readyMembers }: PoolFacts): Update {
  const type = 'Ready';
  if (record.reading.kind === 'invalid') {
    return { type, status: 'False', reason: 'InvalidSpec', message: problemText(record.reading.problems) };
  }
  if (members === 0)
    return {
      type,
      status: 'False',
      reason: 'NoMembers',
      message: 'no accepted member is selected by spec.memberSelector',
    };
  if (readyMembers === 0)
    return { type, status: 'False', reason: 'NoMembers', message: `none of ${members} members takes work now` };
  return { type, status: 'True', reason: 'MembersReady', message: 'members take work' };
}

function conflict({ conflicts }: PoolFacts): Update {
  const type = 'MembersConflict';
  if (conflicts.length === 0)
    return { type, status: 'False', reason: 'NoConflict', message: 'no member is selected by two pools' };
  const names =
    conflicts.length <= 10
      ? conflicts.join(', ')
      : `${conflicts.slice(0, 10).join(', ')} and ${conflicts.length - 10} more`;
  return {
    type,
    status: 'True',
    reason: 'PoolConflict',
    message: `also selected by other pools, and counted in none: ${names}`,
  };
}
