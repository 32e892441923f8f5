import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countIndexes, readJob } from '../../../src/agent/runs/read-job.ts';

const nowWallMs = Date.parse('2026-01-01T00:01:00Z');
const started = { startTime: '2026-01-01T00:00:50Z' };

describe('reading a Job', () => {
  it.each(['Complete', 'Failed', 'FailureTarget', 'SuccessCriteriaMet'])(
    'is finished with condition %s, once it is true',
    (type) => {
      const job = (status: 'True' | 'False') => ({
        metadata: {},
        status: { conditions: [{ type, status, reason: 'R' }] },
      });
      expect(readJob(job('True'), { nowWallMs }).finished).toBe(true);
      expect(readJob(job('False'), { nowWallMs }).finished).toBe(false);
    },
  );

  it('counts from its own first sight where it had one, else by the wall clocks', () => {
    expect(readJob({ metadata: {}, status: started }, { nowWallMs, sinceSeenStartMs: 9_000 }).sinceStartMs).toBe(9_000);
    expect(readJob({ metadata: {}, status: started }, { nowWallMs }).sinceStartMs).toBe(10_000);
    expect(readJob({ metadata: {}, status: started }, { nowWallMs: 0 }).sinceStartMs).toBe(0);
    expect(readJob({ metadata: {} }, { nowWallMs })).not.toHaveProperty('sinceStartMs');
  });

  it('reads deadline, deletion and failure', () => {
    const job = {
      metadata: { deletionTimestamp: '2026-01-01T00:00:59Z' },
      spec: { activeDeadlineSeconds: 7 },
      status: {
        conditions: [{ type: 'FailureTarget', status: 'True' as const, reason: 'DeadlineExceeded' }],
        completedIndexes: '0,2-3',
      },
    };
    expect(readJob(job, { nowWallMs })).toEqual({
      finished: true,
      completed: 3,
      deleting: true,
      deadlineSeconds: 7,
      failedReason: 'DeadlineExceeded',
    });
  });

  it.each([
    ['', 0],
    ['4', 1],
    ['0-9', 10],
    ['0,2-5,9', 6],
    ['1-', 0],
    ['a', 0],
    ['5-1', 0],
  ])('counts the indexes of %j as %i', (text, count) => {
    expect(countIndexes(text)).toBe(count);
  });

  it('counts every set of indexes as Kubernetes writes it', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(200)), (indexes) => {
        const sorted = [...indexes].sort((a, b) => a - b);
        const ranges: [number, number][] = [];
        for (const index of sorted) {
          const last = ranges.at(-1);
          if (last?.[1] === index - 1) last[1] = index;
          else ranges.push([index, index]);
        }
        const text = ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
        expect(countIndexes(text)).toBe(indexes.length);
      }),
    );
  });
});
