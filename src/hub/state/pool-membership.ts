/**
 * Which members belong to which pool. A member that two pools select is in conflict and counts in neither, whatever order
 * they were made in. Pure; leaves out whether a member is ready.
 */
import type { MemberName, PoolName } from '../../core/model/ids.ts';
import type { PoolRules } from '../../core/model/pool.ts';
import { meetsAll } from '../../core/model/selectors.ts';
import { compareStrings } from '../../std/ordering.ts';

export type PoolAssignment =
  | { readonly kind: 'none' }
  | { readonly kind: 'assigned'; readonly pool: PoolName }
  /** Sorted. */
  | { readonly kind: 'conflict'; readonly pools: readonly PoolName[] };

export interface PoolMembership {
  readonly byMember: ReadonlyMap<MemberName, PoolAssignment>;
  /** Members that count, sorted; every pool has an entry. */
  readonly byPool: ReadonlyMap<PoolName, readonly MemberName[]>;
  /** Members that a pool selects but that conflict, sorted. */
  readonly conflictsByPool: ReadonlyMap<PoolName, readonly MemberName[]>;
}

export interface LabelledMember {
  readonly name: MemberName;
  readonly labels: Readonly<Record<string, string>>;
}

export function assignMembers(pools: readonly PoolRules[], members: readonly LabelledMember[]): PoolMembership {
  const byMember = new Map<MemberName, PoolAssignment>();
  const byPool = new Map<PoolName, MemberName[]>(pools.map((pool) => [pool.name, []]));
  const conflictsByPool = new Map<PoolName, MemberName[]>(pools.map((pool) => [pool.name, []]));
  for (const member of [...members].sort((a, b) => compareStrings(a.name, b.name))) {
    const selecting = pools.filter((pool) => meetsAll(member.labels, pool.memberSelector)).map((pool) => pool.name);
    const [only] = selecting;
    if (only === undefined) byMember.set(member.name, { kind: 'none' });
    else if (selecting.length === 1) {
      byMember.set(member.name, { kind: 'assigned', pool: only });
      byPool.get(only)?.push(member.name);
    } else {
      byMember.set(member.name, { kind: 'conflict', pools: selecting.sort(compareStrings) });
      for (const pool of selecting) conflictsByPool.get(pool)?.push(member.name);
    }
  }
  return { byMember, byPool, conflictsByPool };
}
