/** A pool's rules as the scheduler sees them. */
import type { GpuModel, Jurisdiction, PoolName, TenantName } from './ids.ts';
import type { LabelRequirement } from './job.ts';
import type { LeaseTerms } from './run.ts';

export interface TenantRules {
  readonly name: TenantName;
  /** Hub namespaces of the tenant, exact names. */
  readonly namespaces: readonly string[];
  /** Positive integer. */
  readonly weight: number;
}

export interface PoolRules {
  readonly name: PoolName;
  readonly memberSelector: readonly LabelRequirement[];
  /** Empty = any. */
  readonly vendors: readonly string[];
  readonly gpuModels: readonly GpuModel[];
  readonly gpuMinMemoryBytes: number;
  readonly tenants: readonly TenantRules[];
  /** Namespaces that no tenant lists form one tenant each, named after the namespace. Absent = they are not allowed. */
  readonly defaultTenantWeight?: number;
  readonly defaultMaxRuntimeMs: number;
  /** Empty = anywhere. */
  readonly jurisdictions: readonly Jurisdiction[];
  readonly lease: LeaseTerms;
}
