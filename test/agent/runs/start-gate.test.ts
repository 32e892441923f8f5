import { describe, expect, it } from 'vitest';
import { graceSecondsOf } from '../../../src/agent/runs/start-gate.ts';
import { anOrder } from '../../support/agent-builders.ts';

describe('the grace of a guest', () => {
  it.each([
    ['what the job asks for', anOrder(), 60_000, 30],
    ['no more than the owner allows', anOrder(), 7_500, 7],
    ['never a forced deletion', anOrder(), 0, 1],
    [
      'for Fence no more than the bound of the hub counts with',
      { ...anOrder(), onPartition: 'Fence' } as const,
      60_000,
      5,
    ],
  ])('is %s', (_what, order, maxGraceMs, wanted) => {
    expect(graceSecondsOf(order, maxGraceMs)).toBe(wanted);
  });
});
