import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memberName, poolName } from '../../../src/core/model/ids.ts';
import type { PoolRules } from '../../../src/core/model/pool.ts';
import { assignMembers } from '../../../src/hub/state/pool-membership.ts';
import { aLease } from '../../support/core-builders.ts';

const aPool = (name: string, label: string): PoolRules => ({
  name: poolName(name),
  memberSelector: label === '' ? [] : [{ key: label, operator: 'Exists', values: [] }],
  vendors: [],
  gpuModels: [],
  gpuMinMemoryBytes: 0,
  tenants: [],
  defaultMaxRuntimeMs: 1,
  jurisdictions: [],
  lease: aLease(),
});

describe('members of pools', () => {
  it('counts a member that two pools select in neither', () => {
    const labels = { x: '1', y: '1' };
    const { byMember, byPool, conflictsByPool } = assignMembers(
      [aPool('p', 'x'), aPool('q', 'y')],
      [
        { name: memberName('both'), labels },
        { name: memberName('one'), labels: { x: '1' } },
        { name: memberName('none'), labels: {} },
      ],
    );
    expect(byMember.get(memberName('both'))).toEqual({ kind: 'conflict', pools: ['p', 'q'] });
    expect(byMember.get(memberName('none'))).toEqual({ kind: 'none' });
    expect(byPool.get(poolName('p'))).toEqual(['one']);
    expect(byPool.get(poolName('q'))).toEqual([]);
    expect(conflictsByPool.get(poolName('q'))).toEqual(['both']);
  });

  it('never counts a member twice and does not depend on order', () => {
    const member = fc.record({ name: fc.stringMatching(/^[a-f]$/), labels: fc.subarray(['x', 'y', 'z']) });
    fc.assert(
      fc.property(
        fc.uniqueArray(member, { selector: (one) => one.name }),
        fc.subarray(['x', 'y', 'z', '']),
        (members, selectors) => {
          const pools = selectors.map((label, i) => aPool(`p${i}`, label));
          const labelled = members.map(({ name, labels }) => ({
            name: memberName(name),
            labels: Object.fromEntries(labels.map((label) => [label, '1'])),
          }));
          const once = assignMembers(pools, labelled);
          const again = assignMembers(pools, [...labelled].reverse());
          expect([...again.byPool]).toEqual([...once.byPool]);
          const counted = [...once.byPool.values()].flat();
          expect(new Set(counted).size).toBe(counted.length);
        },
      ),
    );
  });
});
