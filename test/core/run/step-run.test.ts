import { describe, expect, it } from 'vitest';
import type { HubRun, HubRunEvent } from '../../../src/core/run/hub-run.ts';
import { stepRun } from '../../../src/core/run/step-run.ts';
import { memberName } from '../../../src/core/model/ids.ts';
import type { RunReport } from '../../../src/core/model/run.ts';
import { aFailure, aHubRun, aRunReport, aSuccess, runTerms } from '../../support/core-builders.ts';

const reported = (run: HubRun, over: Partial<RunReport> = {}): HubRunEvent => ({
  kind: 'reported',
  report: aRunReport(run.terms, over),
});
const suspend = { cause: 'Suspended', message: 'spec.suspend is true', requestedAtMs: 5 } as const;

describe('a live report', () => {
  it('changes nothing while workers are still starting', () => {
    expect(stepRun(aHubRun(), reported(aHubRun()), 10)).toEqual({ kind: 'unchanged' });
  });

  it('marks the start once, with the deadline in the same write', () => {
    const run = aHubRun();
    const step = stepRun(run, reported(run, { phase: 'Running', deadlineArmed: true }), 10);
    expect(step).toEqual({
      kind: 'advanced',
      run: { ...run, startedAtMs: 10, deadlineArmed: true },
      why: 'AllWorkersRunning',
    });
    if (step.kind !== 'advanced') return;
    expect(stepRun(step.run, reported(run, { phase: 'Running', deadlineArmed: true }), 20)).toEqual({
      kind: 'unchanged',
    });
  });

  it('marks the start even if the running phase itself was never seen', () => {
    const run = aHubRun();
    expect(stepRun(run, reported(run, { phase: 'Stopping', allRunningAtMs: 7 }), 10)).toMatchObject({
      kind: 'advanced',
      run: { startedAtMs: 10 },
    });
  });

  it('is worth a write of its own for the deadline only where the deadline releases the fence', () => {
    const keep = aHubRun();
    expect(stepRun(keep, reported(keep, { deadlineArmed: true }), 10)).toEqual({ kind: 'unchanged' });
    const fenced = aHubRun({ onPartition: 'Fence' });
    expect(stepRun(fenced, reported(fenced, { deadlineArmed: true }), 10)).toMatchObject({
      kind: 'advanced',
      run: { deadlineArmed: true },
      why: 'DeadlineArmed',
    });
  });

  it('never takes back what was seen', () => {
    const run = aHubRun({ onPartition: 'Fence' }, { startedAtMs: 5, deadlineArmed: true });
    expect(stepRun(run, reported(run, { phase: 'Unknown' }), 10)).toEqual({ kind: 'unchanged' });
  });
});

describe('an end', () => {
  it('is passed on as the member judged it', () => {
    const run = aHubRun();
    expect(stepRun(run, reported(run, { phase: 'Ended', end: aFailure() }), 10)).toEqual({
      kind: 'ended',
      end: aFailure(),
    });
  });

  it('is a success even if a cancel was requested meanwhile', () => {
    const run = aHubRun({}, { cancel: suspend });
    expect(stepRun(run, reported(run, { phase: 'Ended', end: aSuccess() }), 10)).toEqual({
      kind: 'ended',
      end: aSuccess(),
    });
  });

  it('of workers that exit non-zero while being stopped is the stop, not a failure', () => {
    const run = aHubRun({}, { cancel: suspend });
    const step = stepRun(run, reported(run, { phase: 'Ended', end: aFailure() }), 10);
    expect(step).toMatchObject({ kind: 'ended', end: { outcome: 'Stopped', cause: 'Suspended' } });
  });

  it('that could never have worked stays what it is under a cancel', () => {
    const run = aHubRun({}, { cancel: suspend });
    const end = aFailure({ cause: 'ImageError' });
    expect(stepRun(run, reported(run, { phase: 'Ended', end }), 10)).toEqual({ kind: 'ended', end });
  });
});

describe('a cancel', () => {
  it('is kept, and only the first', () => {
    const run = aHubRun();
    const step = stepRun(run, { kind: 'cancelRequested', cancel: suspend }, 10);
    expect(step).toEqual({ kind: 'advanced', run: { ...run, cancel: suspend }, why: 'Suspended' });
    if (step.kind !== 'advanced') return;
    const later = { ...suspend, cause: 'Drained' } as const;
    expect(stepRun(step.run, { kind: 'cancelRequested', cancel: later }, 20)).toEqual({ kind: 'unchanged' });
  });
});

describe('silence', () => {
  const fenced = aHubRun({ onPartition: 'Fence' }, { deadlineArmed: true });

  it('past the bound ends a fenced run whose deadline counts', () => {
    expect(stepRun(fenced, { kind: 'fenceBoundPassed', silentForMs: 2_640_000 }, 10)).toMatchObject({
      kind: 'ended',
      end: { outcome: 'Stopped', cause: 'FencePassed', everStarted: true, endedAtMs: 10 },
    });
  });

  it('keeps the reason for which the run had to end anyway', () => {
    const run = { ...fenced, cancel: suspend };
    expect(stepRun(run, { kind: 'fenceBoundPassed', silentForMs: 2_640_000 }, 10)).toMatchObject({
      kind: 'ended',
      end: { cause: 'Suspended' },
    });
  });

  it.each([
    { why: 'before the bound', run: fenced, event: { kind: 'fenceBoundPassed', silentForMs: 2_639_999 } },
    {
      why: 'under KeepAndWait',
      run: aHubRun({}, { deadlineArmed: true }),
      event: { kind: 'fenceBoundPassed', silentForMs: 1e9 },
    },
    {
      why: 'of a run never seen to start',
      run: aHubRun({ onPartition: 'Fence' }),
      event: { kind: 'fenceBoundPassed', silentForMs: 1e9 },
    },
    {
      why: 'under AllowDuplicate, by the bound',
      run: aHubRun({ onPartition: 'AllowDuplicate' }, { deadlineArmed: true }),
      event: { kind: 'fenceBoundPassed', silentForMs: 1e9 },
    },
    {
      why: 'as a duplicate of a run that allows none',
      run: fenced,
      event: { kind: 'duplicateAllowed', silentForMs: 1e9 },
    },
  ] as const)('releases nothing $why', ({ run, event }) => {
    expect(stepRun(run, event, 10).kind).toBe('illegal');
  });

  it('lets a job that allows duplicates go at once, as a lost run', () => {
    const run = aHubRun({ onPartition: 'AllowDuplicate' });
    expect(stepRun(run, { kind: 'duplicateAllowed', silentForMs: 15_000 }, 10)).toMatchObject({
      kind: 'ended',
      end: { cause: 'MemberLost', outcome: 'Stopped' },
    });
  });

  it("is overruled by an admin's word", () => {
    expect(stepRun(aHubRun(), { kind: 'declaredLost', reason: 'flooded' }, 10)).toMatchObject({
      kind: 'ended',
      end: { cause: 'MemberLost', message: 'member member-a was declared lost: flooded' },
    });
  });
});

describe('a contradiction', () => {
  const run = aHubRun();
  const other = runTerms({ fence: 2 });
  it.each<[string, HubRunEvent]>([
    ['another fence', { kind: 'reported', report: aRunReport(other) }],
    ['another job', { kind: 'reported', report: aRunReport(runTerms({ uid: 'job-2' })) }],
    ['another template', reported(run, { templateHash: 'hash-2' })],
    ['another member', { kind: 'reported', report: aRunReport(run.terms), member: memberName('member-b') }],
    ['an end in a live phase', reported(run, { phase: 'Running', end: aSuccess() })],
    ['an ended phase without an end', reported(run, { phase: 'Ended' })],
    ['a success that never started', reported(run, { phase: 'Ended', end: aSuccess({ everStarted: false }) })],
    [
      'a success with a failed worker',
      reported(run, { phase: 'Ended', end: aSuccess({ exits: [{ index: 1, exitCode: 137, reason: 'Error' }] }) }),
    ],
    ['a success by another cause', reported(run, { phase: 'Ended', end: aSuccess({ cause: 'Reclaimed' }) })],
    ['a failure called completed', reported(run, { phase: 'Ended', end: aFailure({ cause: 'Completed' }) })],
  ])('by %s is counted, never applied', (_why, event) => {
    expect(stepRun(run, event, 10)).toMatchObject({ kind: 'illegal' });
  });

  it('is not seen in a refusal that repeats nothing of the terms', () => {
    const end = aFailure({ outcome: 'Refused', cause: 'Unsupported', everStarted: false });
    expect(stepRun(run, reported(run, { phase: 'Ended', end, templateHash: '' }), 10)).toEqual({ kind: 'ended', end });
  });

  it('is not seen when the right member is named', () => {
    const event: HubRunEvent = { kind: 'reported', report: aRunReport(run.terms), member: memberName('member-a') };
    expect(stepRun(run, event, 10)).toEqual({ kind: 'unchanged' });
  });
});
