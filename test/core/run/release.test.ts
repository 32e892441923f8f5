import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CAUSES } from '../../../src/core/model/cause.ts';
import type { Fence, MemberName } from '../../../src/core/model/ids.ts';
import { fence, memberName } from '../../../src/core/model/ids.ts';
import type { OnPartition, RunEnd, RunReport, RunTerms } from '../../../src/core/model/run.ts';
import type { HubRun, HubRunEvent } from '../../../src/core/run/hub-run.ts';
import { nextFence } from '../../../src/core/run/next-fence.ts';
import { holdDetail, releaseOf, silenceEvent } from '../../../src/core/run/release.ts';
import { standingOf } from '../../../src/core/run/report-standing.ts';
import { stepRun } from '../../../src/core/run/step-run.ts';
import { judge } from '../../../src/core/run/verdict.ts';
import { aHubRun, aRunReport, aSuccess, runTerms } from '../../support/core-builders.ts';

describe('what releases a fence', () => {
  const run = aHubRun();
  it('is an outcome, or the acknowledged cancel, but never a live report or the cancel alone', () => {
    const ended: HubRunEvent = { kind: 'reported', report: aRunReport(run.terms, { phase: 'Ended', end: aSuccess() }) };
    const cancel = { cause: 'Drained', message: '', requestedAtMs: 1 } as const;
    expect(releaseOf(run, ended)).toEqual({ kind: 'released', by: 'OutcomeRecorded' });
    expect(releaseOf({ ...run, cancel }, ended)).toEqual({ kind: 'released', by: 'CancelAcknowledged' });
    expect(releaseOf(run, { kind: 'cancelRequested', cancel })).toEqual({ kind: 'held' });
    for (const phase of ['Accepted', 'Starting', 'Running', 'Stopping', 'Unknown'] as const) {
      expect(releaseOf({ ...run, cancel }, { kind: 'reported', report: aRunReport(run.terms, { phase }) })).toEqual({
        kind: 'held',
      });
    }
  });
});

describe('silence', () => {
  const facts = { silentForMs: 3_000_000, health: 'Silent', guardActive: false } as const;
  const fenced = aHubRun({ onPartition: 'Fence' }, { deadlineArmed: true });
  const duplicate = aHubRun({ onPartition: 'AllowDuplicate' });

  it.each([
    { why: 'KeepAndWait', run: aHubRun({}, { deadlineArmed: true }), facts, want: undefined },
    { why: 'Fence past the bound', run: fenced, facts, want: 'fenceBoundPassed' },
    { why: 'Fence before the bound', run: fenced, facts: { ...facts, silentForMs: 60_000 }, want: undefined },
    { why: 'Fence never armed', run: aHubRun({ onPartition: 'Fence' }), facts, want: undefined },
    { why: 'Fence under the guard', run: fenced, facts: { ...facts, guardActive: true }, want: undefined },
    {
      why: 'AllowDuplicate, silent',
      run: duplicate,
      facts: { ...facts, silentForMs: 15_000 },
      want: 'duplicateAllowed',
    },
    { why: 'AllowDuplicate, connected', run: duplicate, facts: { ...facts, health: 'Connected' }, want: undefined },
    { why: 'AllowDuplicate under the guard', run: duplicate, facts: { ...facts, guardActive: true }, want: undefined },
  ] as const)('brings about $want for $why', ({ run, facts: seen, want }) => {
    const event = silenceEvent(run, seen);
    expect(event?.kind).toBe(want);
    if (event !== undefined) expect(stepRun(run, event, 1).kind).toBe('ended');
  });

  it('is explained with numbers while the fence is held', () => {
    expect(holdDetail(aHubRun(), 61_500)).toBe(
      'run with fence 1 on member-a (silent for 61 s) is kept until the member is heard or declared lost',
    );
    expect(holdDetail(fenced, 61_500)).toContain('placed again after 2640 s of silence');
    expect(holdDetail(aHubRun({ onPartition: 'Fence' }), 0)).toContain('was never seen to start');
    expect(holdDetail(duplicate, 1_000)).toContain('may be duplicated');
  });
});

/**
 * A small model of one job on a hub with three members, driven by arbitrary events, lies included. The hub keeps what a status
 * would keep; nothing else may matter.
 */
interface Status {
  run?: HubRun;
  highest?: Fence;
  readonly recorded: {
    readonly fence: Fence;
    readonly member: MemberName;
    readonly end: RunEnd;
    readonly superseded: boolean;
  }[];
  succeeded: number;
  over: boolean;
  retriesUsed: number;
}

type Move =
  | { readonly kind: 'place'; readonly member: number; readonly onPartition: OnPartition }
  | {
      readonly kind: 'report';
      readonly member: number;
      readonly fence: number;
      readonly phase: RunReport['phase'];
      readonly end: RunEnd;
      readonly armed: boolean;
      readonly lie: boolean;
    }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'silence'; readonly silentForMs: number; readonly guard: boolean }
  | { readonly kind: 'rawEvent'; readonly event: HubRunEvent }
  | { readonly kind: 'declareLost' };

const members = ['member-a', 'member-b', 'member-c'].map(memberName);
const anEnd: fc.Arbitrary<RunEnd> = fc.record({
  outcome: fc.constantFrom('Succeeded', 'Failed', 'Stopped', 'Refused'),
  cause: fc.constantFrom(...CAUSES),
  message: fc.constant('text'),
  everStarted: fc.boolean(),
  exits: fc.constantFrom(
    [],
    [{ index: 0, exitCode: 0, reason: 'Completed' }],
    [{ index: 0, exitCode: 1, reason: 'Error' }],
  ),
  endedAtMs: fc.constant(1),
});
const aMove: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('place'),
      member: fc.nat(2),
      onPartition: fc.constantFrom('KeepAndWait', 'Fence', 'AllowDuplicate'),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('report'),
      member: fc.nat(2),
      fence: fc.integer({ min: 1, max: 6 }),
      phase: fc.constantFrom('Accepted', 'Starting', 'Running', 'Stopping', 'Unknown', 'Ended', 'Ended'),
      end: fc.oneof(fc.constant(aSuccess()), anEnd),
      armed: fc.boolean(),
      lie: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.constant<Move>({ kind: 'cancel' }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('silence'),
      silentForMs: fc.constantFrom(1_000, 20_000, 2_639_999, 2_640_000),
      guard: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('rawEvent'),
      event: fc.constantFrom<HubRunEvent>(
        { kind: 'fenceBoundPassed', silentForMs: 5_000 },
        { kind: 'duplicateAllowed', silentForMs: 5_000 },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Move>({ kind: 'declareLost' }) },
);

describe('random histories', () => {
  it('never have two unreleased fences, never reuse one, and succeed at most once', () => {
    fc.assert(
      fc.property(fc.array(aMove, { maxLength: 40 }), (moves) => {
        const status: Status = { recorded: [], succeeded: 0, over: false, retriesUsed: 0 };
        const issued: RunTerms[] = [];
        for (const move of moves) play(status, issued, move);
        const fences = issued.map((terms) => terms.id.fence);
        expect(new Set(fences).size).toBe(fences.length);
        expect([...fences].sort((a, b) => a - b)).toEqual(fences);
        // Whatever was issued is either the one current run or has a recorded release.
        const open = issued.filter(
          (terms) => !status.recorded.some((one) => one.fence === terms.id.fence && !one.superseded),
        );
        expect(open.length).toBeLessThanOrEqual(1);
        expect(open[0]?.id.fence).toBe(status.run?.terms.id.fence);
        expect(status.succeeded).toBeLessThanOrEqual(1);
        expect(new Set(status.recorded.map((one) => one.fence)).size).toBe(status.recorded.length);
      }),
      { numRuns: 3_000 },
    );
  });
});

function play(status: Status, issued: RunTerms[], move: Move): void {
  switch (move.kind) {
    case 'place': {
      if (status.run !== undefined || status.over) return;
      const number = nextFence(status.highest, false);
      const terms = runTerms({ fence: number, member: members[move.member]!, onPartition: move.onPartition });
      issued.push(terms);
      status.highest = number;
      status.run = { terms, placedAtMs: 1, deadlineArmed: false };
      return;
    }
    case 'report':
      report(status, issued, move);
      return;
    case 'cancel':
      apply(status, { kind: 'cancelRequested', cancel: { cause: 'Drained', message: 'drain', requestedAtMs: 1 } });
      return;
    case 'silence': {
      if (status.run === undefined) return;
      const event = silenceEvent(status.run, {
        silentForMs: move.silentForMs,
        health: 'Silent',
        guardActive: move.guard,
      });
      if (event !== undefined) apply(status, event);
      return;
    }
    case 'rawEvent':
      apply(status, move.event);
      return;
    case 'declareLost':
      apply(status, { kind: 'declaredLost', reason: 'gone' });
  }
}

function report(status: Status, issued: RunTerms[], move: Extract<Move, { kind: 'report' }>): void {
  const member = members[move.member]!;
  const terms = issued.find((one) => one.id.fence === move.fence) ?? runTerms({ fence: move.fence, member });
  const body = aRunReport(terms, {
    phase: move.phase,
    deadlineArmed: move.armed,
    ...(move.phase === 'Ended' ? { end: move.end } : {}),
    ...(move.lie ? { templateHash: 'forged' } : {}),
  });
  const standing = standingOf(
    {
      recorded: status.recorded,
      ...(status.run === undefined ? {} : { run: status.run }),
      ...(status.highest === undefined ? {} : { highestFence: status.highest }),
    },
    body,
    member,
  );
  if (standing.kind === 'current') apply(status, { kind: 'reported', report: body, member });
  else if (standing.kind === 'superseded' && standing.end !== undefined) {
    // Only fences that this hub issued can be older and unrecorded: the model records every release, so there is none.
    status.recorded.push({ fence: fence(move.fence), member, end: standing.end, superseded: true });
  }
}

function apply(status: Status, event: HubRunEvent): void {
  if (status.run === undefined) return;
  const before = status.run;
  const step = stepRun(before, event, 1);
  if (step.kind === 'advanced') status.run = step.run;
  if (step.kind !== 'ended') return;
  status.recorded.push({ fence: before.terms.id.fence, member: before.terms.member, end: step.end, superseded: false });
  delete status.run;
  const verdict = judge(step.end, { retriesUsed: status.retriesUsed, retryLimit: 2, suspend: false, deleted: false });
  if (verdict.kind === 'Succeeded') status.succeeded += 1;
  if (verdict.kind === 'Succeeded' || verdict.kind === 'Failed') status.over = true;
  if (verdict.kind === 'Requeue' && verdict.countsAsRetry) status.retriesUsed += 1;
  expect(status.retriesUsed).toBeLessThanOrEqual(2);
}
