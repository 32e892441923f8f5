/** Whose a namespace's jobs are in a pool: the tenant that lists it, else one of its own where the pool has a default. */
import { tenantName, type TenantName } from '../../core/model/ids.ts';
import type { PoolRules } from '../../core/model/pool.ts';

export interface TenantOfNamespace {
  readonly name: TenantName;
  readonly weight: number;
}

/** Undefined: the namespace may not use the pool. */
export function tenantOf(pool: PoolRules, namespace: string): TenantOfNamespace | undefined {
  const listed = pool.tenants.find((tenant) => tenant.namespaces.includes(namespace));
  if (listed !== undefined) return { name: listed.name, weight: listed.weight };
  if (pool.defaultTenantWeight === undefined) return undefined;
  return { name: tenantName(namespace), weight: pool.defaultTenantWeight };
}
