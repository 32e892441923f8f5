import { describe, expect, it } from 'vitest';
import { fence, memberName } from '../../../src/core/model/ids.ts';
import { standingOf } from '../../../src/core/run/report-standing.ts';
import { aHubRun, aRunReport, aSuccess, runTerms } from '../../support/core-builders.ts';

const [a, b] = [memberName('member-a'), memberName('member-b')];
const known = {
  run: aHubRun({ fence: 3 }),
  highestFence: fence(3),
  recorded: [{ fence: fence(1), member: a }],
};
const live = (number: number) => aRunReport(runTerms({ fence: number }), { phase: 'Running' });
const ended = (number: number) => aRunReport(runTerms({ fence: number }), { phase: 'Ended', end: aSuccess() });

describe('a reported run', () => {
  it.each([
    { why: 'the current fence of the right member', report: live(3), member: a, want: { kind: 'current' } },
    { why: 'the current fence claimed by another member', report: ended(3), member: b, want: { kind: 'foreign' } },
    {
      why: 'a recorded fence, reported again until acknowledged',
      report: ended(1),
      member: a,
      want: { kind: 'recorded', live: false },
    },
    {
      why: 'a recorded fence that claims to live on',
      report: live(1),
      member: a,
      want: { kind: 'recorded', live: true },
    },
    { why: 'a recorded fence claimed by another member', report: ended(1), member: b, want: { kind: 'foreign' } },
    {
      why: 'an older fence nobody recorded, even if it succeeded',
      report: ended(2),
      member: b,
      want: { kind: 'superseded', end: aSuccess() },
    },
    { why: 'an older fence still running', report: live(2), member: b, want: { kind: 'superseded' } },
    { why: 'a fence above the highest', report: live(4), member: b, want: { kind: 'aboveHighest' } },
  ] as const)('is $want.kind for $why', ({ report, member, want }) => {
    expect(standingOf(known, report, member)).toMatchObject(want);
  });

  it('of a job that never had a fence is above the highest', () => {
    expect(standingOf({ recorded: [] }, live(1), a)).toEqual({ kind: 'aboveHighest' });
  });
});
