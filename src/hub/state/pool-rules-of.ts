/** A GpuPool's spec compiled into the rules that core reads. Amounts become bytes and milliseconds; names become identities. */
import { parseDurationSeconds } from '../../api/schema/duration.ts';
import type { FieldProblem } from '../../api/schema/kind.ts';
import type { GpuPool, GpuPoolSpec } from '../../api/v1alpha1/gpu-pool.ts';
import { canonicalGpuModel } from '../../core/model/gpu.ts';
import { jurisdiction, poolName, tenantName } from '../../core/model/ids.ts';
import type { PoolRules } from '../../core/model/pool.ts';
import { quantityToUnits } from '../../core/model/quantity.ts';
import type { LeaseTerms } from '../../core/model/run.ts';
import { requirementsOf } from '../../core/model/selectors.ts';
import { leaseTermsValid } from '../../core/run/lease.ts';
import { err, ok, type Result } from '../../std/result.ts';

export function poolRulesOf(pool: GpuPool): Result<PoolRules, readonly FieldProblem[]> {
  const { spec } = pool;
  const problems: FieldProblem[] = [];
  const memory = quantityToUnits(spec.gpus.minMemory ?? 0);
  if (!memory.ok) problems.push({ path: 'spec.gpus.minMemory', message: memory.error.message });
  const lease = leaseTermsOf(spec);
  if (!leaseTermsValid(lease)) {
    const message = 'must be at least duration x (1 + 2 x maxClockDriftPercent / 100) + terminationGrace + margin';
    problems.push({ path: 'spec.lease.replaceAfter', message });
  }
  if (problems.length > 0 || !memory.ok) return err(problems);
  return ok({
    name: poolName(pool.metadata.name ?? ''),
    memberSelector: requirementsOf(spec.memberSelector),
    vendors: spec.gpus.vendors ?? [],
    gpuModels: (spec.gpus.models ?? []).map(canonicalGpuModel),
    gpuMinMemoryBytes: memory.value,
    tenants: spec.tenants.map((tenant) => ({ ...tenant, name: tenantName(tenant.name) })),
    ...(spec.defaultTenant === undefined ? {} : { defaultTenantWeight: spec.defaultTenant.weight }),
    defaultMaxRuntimeMs: durationMs(spec.queueing.defaultMaxRuntime),
    jurisdictions: (spec.residency?.jurisdictions ?? []).map(jurisdiction),
    lease,
  });
}

function leaseTermsOf(spec: GpuPoolSpec): LeaseTerms {
  return {
    durationMs: durationMs(spec.lease.duration),
    terminationGraceMs: durationMs(spec.lease.terminationGrace),
    marginMs: durationMs(spec.lease.margin),
    maxClockDriftPercent: spec.lease.maxClockDriftPercent,
    replaceAfterMs: durationMs(spec.lease.replaceAfter),
  };
}

/** Milliseconds of a duration that the schema has checked. */
export function durationMs(text: string): number {
  return (parseDurationSeconds(text) ?? 0) * 1000;
}
