import { describe, expect, it } from 'vitest';
import type { BarrierObservation } from '../../../src/core/membership/recovery-barrier.ts';
import {
  barrierAtLeaderStart,
  barrierBlocks,
  LIFTED_BARRIER,
  stepBarrier,
} from '../../../src/core/membership/recovery-barrier.ts';
import { memberName, poolName } from '../../../src/core/model/ids.ts';

const [a, b] = [memberName('member-a'), memberName('member-b')];
const pool = poolName('pool');
const old = { createdUnderThisLeader: false, pool, onPartition: 'KeepAndWait' } as const;
const poolOf = () => pool;
const started = barrierAtLeaderStart([b, a], { continuityGapMs: 30_000 });
const see = (...members: BarrierObservation['members']): BarrierObservation => ({ members, boundMs: 1_000 });
const heard = (member: typeof a) => ({ member, heard: true, silentForMs: 0 });
const silent = (member: typeof a, silentForMs: number) => ({ member, heard: false, silentForMs });

describe('the recovery barrier', () => {
  it.each([
    { why: 'the predecessor renewed a moment ago', gap: 29_000, want: [] },
    { why: 'the predecessor renewed long ago, as in a restored backup', gap: 31_000, want: [a, b] },
    { why: 'the renewal lies in the future', gap: -5, want: [a, b] },
  ])('waits for $want when $why', ({ gap, want }) => {
    const state = barrierAtLeaderStart([a, b], { sincePredecessorMs: gap, continuityGapMs: 30_000 });
    expect(state.awaiting).toEqual(want);
    expect(state.continuous).toBe(want.length === 0);
  });

  it('holds every older job until all members are heard or silent past the bound', () => {
    expect(barrierBlocks(started, old, poolOf)).toBe(a);
    const half = stepBarrier(started, see(heard(a), silent(b, 999)));
    expect(barrierBlocks(half, old, poolOf)).toBe(b);
    expect(barrierBlocks(stepBarrier(half, see(heard(a), heard(b))), old, poolOf)).toBeUndefined();
    expect(barrierBlocks(stepBarrier(half, see(heard(a), silent(b, 1_000))), old, poolOf)).toBeUndefined();
  });

  it('never holds a job of this leader, nor one that allows duplicates', () => {
    expect(barrierBlocks(started, { ...old, createdUnderThisLeader: true }, poolOf)).toBeUndefined();
    expect(barrierBlocks(started, { ...old, onPartition: 'AllowDuplicate' }, poolOf)).toBeUndefined();
  });

  it('lets go of members that are lost or removed', () => {
    expect(barrierBlocks(stepBarrier(started, see(heard(a))), old, poolOf)).toBeUndefined();
  });

  it('of a hub known to be restored keeps jobs from what may still run on a silent member', () => {
    const restored = stepBarrier(started, { ...see(heard(a), silent(b, 1_000)), restored: true });
    expect(barrierBlocks(restored, old, poolOf)).toBe(b);
    expect(barrierBlocks(restored, { ...old, onPartition: 'Fence' }, poolOf)).toBeUndefined();
    expect(barrierBlocks(restored, old, () => poolName('another'))).toBeUndefined();
    expect(barrierBlocks(stepBarrier(restored, see(heard(a), heard(b))), old, poolOf)).toBeUndefined();
  });

  it('stays lifted once it is', () => {
    expect(stepBarrier(LIFTED_BARRIER, see(silent(a, 0)))).toEqual(LIFTED_BARRIER);
  });
});
