import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CAUSE_EFFECT, CAUSES } from '../../../src/core/model/cause.ts';
import { backoffMs, judge, MAX_BACKOFF_MS } from '../../../src/core/run/verdict.ts';
import { aFailure, aSuccess } from '../../support/core-builders.ts';

const facts = { retriesUsed: 0, retryLimit: 3, suspend: false, deleted: false };
const stopped = (cause: (typeof CAUSES)[number]) => aFailure({ outcome: 'Stopped', cause });

describe('a verdict', () => {
  it.each([
    { why: 'success', end: aSuccess(), facts, want: { kind: 'Succeeded' } },
    {
      why: 'success of a job being deleted',
      end: aSuccess(),
      facts: { ...facts, deleted: true },
      want: { kind: 'Succeeded' },
    },
    {
      why: 'success of a suspended job',
      end: aSuccess(),
      facts: { ...facts, suspend: true },
      want: { kind: 'Succeeded' },
    },
    { why: 'first failure', end: aFailure(), facts, want: { kind: 'Requeue', countsAsRetry: true, backoffMs: 10_000 } },
    {
      why: 'third failure',
      end: aFailure(),
      facts: { ...facts, retriesUsed: 2 },
      want: { kind: 'Requeue', countsAsRetry: true, backoffMs: 40_000 },
    },
    {
      why: 'one failure too many',
      end: aFailure(),
      facts: { ...facts, retriesUsed: 3 },
      want: { kind: 'Failed', reason: 'NonZeroExit', message: 'worker 0 exited 1 (3 of 3 retries used)' },
    },
    {
      why: 'failure where none is allowed',
      end: aFailure(),
      facts: { ...facts, retryLimit: 0 },
      want: { kind: 'Failed', reason: 'NonZeroExit', message: 'worker 0 exited 1 (no retries allowed)' },
    },
    {
      why: 'one failure too many of a suspended job',
      end: aFailure(),
      facts: { ...facts, retriesUsed: 3, suspend: true },
      want: { kind: 'Failed', reason: 'NonZeroExit', message: 'worker 0 exited 1 (3 of 3 retries used)' },
    },
    { why: 'failure while suspended', end: aFailure(), facts: { ...facts, suspend: true }, want: { kind: 'Hold' } },
    { why: 'failure while deleted', end: aFailure(), facts: { ...facts, deleted: true }, want: { kind: 'Hold' } },
    {
      why: 'image error',
      end: aFailure({ cause: 'ImageError', message: 'no such image' }),
      facts,
      want: { kind: 'Failed', reason: 'ImageError', message: 'no such image' },
    },
    { why: 'reclaim', end: stopped('Reclaimed'), facts, want: { kind: 'Requeue', countsAsRetry: false, backoffMs: 0 } },
    {
      why: 'reclaim with no retries left',
      end: stopped('Reclaimed'),
      facts: { ...facts, retriesUsed: 3 },
      want: { kind: 'Requeue', countsAsRetry: false, backoffMs: 0 },
    },
    {
      why: 'reclaim while suspended',
      end: stopped('Reclaimed'),
      facts: { ...facts, suspend: true },
      want: { kind: 'Hold' },
    },
    {
      why: 'stale offer',
      end: stopped('StaleOffer'),
      facts,
      want: { kind: 'Requeue', countsAsRetry: false, backoffMs: 500 },
    },
    {
      why: 'fifth stale offer',
      end: stopped('StaleOffer'),
      facts: { ...facts, sameCauseInARow: 4 },
      want: { kind: 'Requeue', countsAsRetry: false, backoffMs: 8_000 },
    },
    { why: 'suspended', end: stopped('Suspended'), facts: { ...facts, suspend: true }, want: { kind: 'Hold' } },
    {
      why: 'suspended, resumed meanwhile',
      end: stopped('Suspended'),
      facts,
      want: { kind: 'Requeue', countsAsRetry: false, backoffMs: 0 },
    },
    {
      why: 'completed without success, which cannot be',
      end: aFailure({ cause: 'Completed' }),
      facts,
      want: { kind: 'Requeue', countsAsRetry: true, backoffMs: 10_000 },
    },
  ] as const)('on $why is $want.kind', ({ end, facts: given, want }) => {
    expect(judge(end, given)).toEqual(want);
  });

  it('counts a retry exactly for the causes whose effect is retry', () => {
    for (const cause of CAUSES) {
      const verdict = judge(aFailure({ cause }), facts);
      const counts = verdict.kind === 'Requeue' && verdict.countsAsRetry;
      expect([cause, counts]).toEqual([cause, CAUSE_EFFECT[cause] === 'retry' || cause === 'Completed']);
    }
  });

  it('waits longer with every repetition, never more than six minutes', () => {
    fc.assert(
      fc.property(fc.nat(100_000), fc.nat(2_000), (base, n) => {
        expect(backoffMs(base, n + 1)).toBeGreaterThanOrEqual(backoffMs(base, n));
        expect(backoffMs(base, n)).toBeLessThanOrEqual(MAX_BACKOFF_MS);
      }),
    );
  });
});
