import { describe, expect, it } from 'vitest';
import {
  findCondition,
  isConditionTrue,
  setCondition,
  setConditions,
  type ApiCondition,
} from '../../../src/api/v1alpha1/conditions.ts';

const EARLY = '2026-11-23T08:00:00Z';
const LATE = '2026-11-23T09:00:00Z';
const placed: ApiCondition = {
  type: 'Placed',
  status: 'True',
  reason: 'Placed',
  message: 'on jakarta',
  lastTransitionTime: EARLY,
};

describe('setCondition', () => {
  it('adds a condition with the time given', () => {
    expect(
      setCondition(undefined, { type: 'Placed', status: 'True', reason: 'Placed', message: 'on jakarta' }, EARLY),
    ).toEqual([placed]);
  });

  it('keeps the transition time while the status stays', () => {
    const next = setCondition(
      [placed],
      { type: 'Placed', status: 'True', reason: 'Placed', message: 'on singapore' },
      LATE,
    );
    expect(next).toEqual([{ ...placed, message: 'on singapore' }]);
  });

  it('moves the transition time with the status', () => {
    const next = setCondition([placed], { type: 'Placed', status: 'False', reason: 'NotPlaced', message: '' }, LATE);
    expect(next[0]).toMatchObject({ status: 'False', lastTransitionTime: LATE });
  });

  it('returns the same array when nothing changed, so that no write follows', () => {
    const before = [placed];
    expect(
      setCondition(before, { type: 'Placed', status: 'True', reason: 'Placed', message: 'on jakarta' }, LATE),
    ).toBe(before);
  });

  it('notices a new observed generation', () => {
    const before = [{ ...placed, observedGeneration: 1 }];
    const next = setCondition(
      before,
      { type: 'Placed', status: 'True', reason: 'Placed', message: 'on jakarta', observedGeneration: 2 },
      LATE,
    );
    expect(next).toEqual([{ ...placed, observedGeneration: 2 }]);
  });

  it('leaves other conditions and their order alone', () => {
    const valid: ApiCondition = {
      type: 'Valid',
      status: 'True',
      reason: 'Accepted',
      message: '',
      lastTransitionTime: EARLY,
    };
    const next = setCondition(
      [valid, placed],
      { type: 'Valid', status: 'False', reason: 'InvalidSpec', message: 'x' },
      LATE,
    );
    expect(next.map(({ type }) => type)).toEqual(['Valid', 'Placed']);
    expect(next[1]).toBe(placed);
  });
});

describe('setConditions', () => {
  it('applies updates in order and keeps the array when none changes anything', () => {
    const before = [placed];
    expect(
      setConditions(before, [{ type: 'Placed', status: 'True', reason: 'Placed', message: 'on jakarta' }], LATE),
    ).toBe(before);
    const next = setConditions(
      before,
      [
        { type: 'Running', status: 'True', reason: 'AllWorkersRunning', message: '' },
        { type: 'Running', status: 'False', reason: 'NotRunning', message: '' },
      ],
      LATE,
    );
    expect(isConditionTrue(next, 'Running')).toBe(false);
    expect(findCondition(next, 'Running')?.reason).toBe('NotRunning');
  });
});

describe('isConditionTrue', () => {
  it('is false for what is absent or Unknown', () => {
    expect(isConditionTrue(undefined, 'Placed')).toBe(false);
    expect(isConditionTrue([{ ...placed, status: 'Unknown' }], 'Placed')).toBe(false);
    expect(isConditionTrue([placed], 'Placed')).toBe(true);
  });
});
