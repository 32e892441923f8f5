import { describe, expect, it } from 'vitest';
import { fence, jobUid, memberName } from '../../../src/core/model/ids.ts';
import type { AdoptionInput } from '../../../src/core/run/adopt-run.ts';
import { adoptHigherFence, MAX_ADOPTED_FENCE_LEAP } from '../../../src/core/run/adopt-run.ts';
import { silenceEvent } from '../../../src/core/run/release.ts';
import { stepRun } from '../../../src/core/run/step-run.ts';
import { aHubRun, aLease, aRunReport, aSuccess, runTerms } from '../../support/core-builders.ts';

const report = aRunReport(runTerms({ fence: 7, member: 'member-b', onPartition: 'Fence' }), { phase: 'Running' });
const input: AdoptionInput = {
  jobUid: jobUid('job-1'),
  highestFence: fence(4),
  report,
  member: memberName('member-b'),
  firstReport: true,
  assumed: { lease: aLease(), maxRuntimeMs: 1, startTimeoutMs: 2, checkpointGraceMs: 3 },
};

describe('a hub restored from a backup', () => {
  it('raises its fence to the reported one and adopts the run', () => {
    const adoption = adoptHigherFence(input, 50);
    expect(adoption).toMatchObject({
      kind: 'adopted',
      highestFence: 7,
      run: {
        terms: { id: { jobUid: 'job-1', fence: 7 }, member: 'member-b', workers: 2, templateHash: 'hash-1' },
        placedAtMs: 50,
      },
    });
    expect(adoption).not.toHaveProperty('superseded');
  });

  it('never releases an adopted run by silence, for its frozen lease is lost', () => {
    const adoption = adoptHigherFence(input, 50);
    if (adoption.kind !== 'adopted') throw new Error(adoption.detail);
    const armed = { ...adoption.run, deadlineArmed: true };
    expect(silenceEvent(armed, { silentForMs: 1e12, health: 'Silent', guardActive: false })).toBeUndefined();
  });

  it('applies an outcome that the adopted run already has', () => {
    const ended = { ...report, phase: 'Ended', end: aSuccess() } as const;
    const adoption = adoptHigherFence({ ...input, report: ended }, 50);
    if (adoption.kind !== 'adopted') throw new Error(adoption.detail);
    const step = stepRun(adoption.run, { kind: 'reported', report: ended, member: input.member }, 51);
    expect(step).toEqual({ kind: 'ended', end: aSuccess() });
  });

  it('puts the run that its old status still shows into history', () => {
    const stale = aHubRun({ fence: 4 });
    expect(adoptHigherFence({ ...input, run: stale }, 50)).toMatchObject({
      superseded: { run: stale, end: { outcome: 'Stopped', cause: 'MemberLost' } },
    });
  });

  it.each([
    { why: 'not above the highest fence', over: { highestFence: fence(7) } },
    { why: 'of a member that was heard before without it', over: { firstReport: false } },
    { why: 'of another job', over: { jobUid: jobUid('job-2') } },
    {
      why: 'that is nonsense',
      over: { report: { ...report, id: { jobUid: jobUid('job-1'), fence: fence(5 + MAX_ADOPTED_FENCE_LEAP) } } },
    },
  ])('does not believe a fence $why', ({ over }) => {
    expect(adoptHigherFence({ ...input, ...over }, 50)).toMatchObject({ kind: 'refused' });
  });
});
