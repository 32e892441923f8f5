import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CAUSES } from '../../../src/core/model/cause.ts';
import type { RunEnd } from '../../../src/core/model/run.ts';
import {
  ABANDONED_MS,
  IMAGE_PATIENCE_MS,
  OUTCOME_SETTLE_MS,
  PHASE_SETTLE_MS,
  planRun,
  type JobFacts,
  type RunFacts,
} from '../../../src/core/run/agent-plan.ts';
import type { WorkerFacts } from '../../../src/core/run/worker-verdict.ts';
import { anOrder } from '../../support/agent-builders.ts';

const terms = { ...anOrder({ workers: 2 }), startTimeoutMs: 600_000, maxRuntimeMs: 3_600_000 };

function facts(change: Partial<RunFacts> = {}): RunFacts {
  return {
    terms,
    ordered: true,
    acknowledged: false,
    jobGone: false,
    unmentioned: false,
    progress: 'Nothing',
    gate: { kind: 'open' },
    record: 'Unseen',
    job: 'Unseen',
    workers: [],
    podsToStop: [],
    endedForMs: 0,
    endRecorded: 'Nothing',
    phaseForMs: 0,
    acceptedForMs: 0,
    startedForMs: 0,
    leaseRemainingMs: 60_000,
    retentionMs: 3_600_000,
    nowWallMs: 1_000_000,
    ...change,
  };
}

function worker(index: number, change: Partial<WorkerFacts> = {}): WorkerFacts {
  return { index, pod: `pod-${index}`, state: 'Running', startedAtMs: 1000, unreachable: false, ...change };
}

const aJob: JobFacts = { finished: false, completed: 0, deleting: false, deadlineSeconds: 5000, sinceStartMs: 10 };

function live(change: Partial<RunFacts> = {}): RunFacts {
  return facts({
    progress: 'JobMade',
    record: 'Present',
    job: aJob,
    workers: [worker(0), worker(1)],
    allRunningForMs: 5,
    ...change,
  });
}

const anEnd: RunEnd = {
  outcome: 'Succeeded',
  cause: 'Completed',
  message: 'done',
  everStarted: true,
  exits: [],
  endedAtMs: 1,
};

describe('planRun for an order of which nothing is here', () => {
  it('remembers the fence before anything is made', () => {
    expect(planRun(facts()).action).toEqual({ kind: 'remember' });
  });

  it.each([
    ['a higher fence is remembered', { fence: 2, kind: 'started' }, { outcome: 'Refused', cause: 'FencePassed' }],
    ['a higher fence was turned away', { fence: 9, kind: 'closed' }, { outcome: 'Refused', cause: 'FencePassed' }],
    ['this fence was turned away', { fence: 1, kind: 'closed' }, { outcome: 'Refused', everStarted: false }],
    ['this fence was started', { fence: 1, kind: 'started' }, { cause: 'GuestDeleted', everStarted: true }],
  ] as const)('ends it without a write when %s', (_why, remembered, end) => {
    expect(planRun(facts({ remembered })).action).toMatchObject({ kind: 'end', end });
  });

  it.each([
    ['no report was ever acknowledged', undefined],
    ['the lease is over', 0],
  ])('waits while %s', (_why, leaseRemainingMs) => {
    const { leaseRemainingMs: _lease, ...without } = facts();
    const plan = planRun(leaseRemainingMs === undefined ? without : { ...without, leaseRemainingMs });
    expect(plan.action).toBeUndefined();
    expect(plan.phase).toBe('Accepted');
    expect(plan.wakeAfterMs).toBe(600_000);
  });

  it('closes the fence when it may not start here', () => {
    const reason = { cause: 'StaleOffer', message: 'no room' } as const;
    expect(planRun(facts({ gate: { kind: 'refuse', reason } })).action).toMatchObject({
      kind: 'close',
      end: { outcome: 'Refused', cause: 'StaleOffer', everStarted: false },
    });
  });

  it('closes the fence when it was cancelled before it started', () => {
    const cancel = { cause: 'Deleted', message: 'gone' } as const;
    expect(planRun(facts({ cancel })).action).toMatchObject({
      kind: 'close',
      end: { outcome: 'Stopped', cause: 'Deleted' },
    });
  });

  it('gives up after startTimeout, saying what it waited for', () => {
    const plan = planRun(facts({ gate: { kind: 'wait', message: 'for the moon' }, acceptedForMs: 600_000 }));
    expect(plan.action).toMatchObject({ kind: 'close', end: { cause: 'StaleOffer' } });
    expect(plan.message).toContain('for the moon');
  });

  it('drops what is no longer ordered and never started', () => {
    expect(planRun(facts({ ordered: false })).action).toEqual({ kind: 'drop' });
  });
});

describe('planRun while a run is being made', () => {
  it.each([
    ['Remembered', 'makeRecord'],
    ['RecordMade', 'makeParts'],
    ['PartsMade', 'makeJob'],
  ] as const)('goes on from %s with %s', (progress, kind) => {
    expect(planRun(facts({ progress, record: 'Present' })).action).toMatchObject({ kind });
  });

  it('makes nothing more once the lease is over', () => {
    for (const progress of ['Remembered', 'RecordMade', 'PartsMade'] as const) {
      expect(planRun(facts({ progress, record: 'Present', leaseRemainingMs: 0 })).action).toBeUndefined();
    }
  });

  it('never makes the Job of a GuestRun that an earlier process made', () => {
    expect(planRun(facts({ record: 'Present' })).action).toMatchObject({
      kind: 'beginStop',
      reason: { cause: 'GangNotStarted' },
    });
  });

  it('does not end while it is not known whether the Job was made', () => {
    const stop = { cause: 'Reclaimed', message: 'owner', forMs: 0, recorded: true } as const;
    const plan = planRun(facts({ progress: 'PartsMade', record: 'Present', job: 'Uncertain', stop }));
    expect(plan.action).toEqual({ kind: 'stop', pods: [], deleteJob: true });
  });
});

describe('planRun for a run that lives', () => {
  it('writes a phase for people only once it has lasted', () => {
    expect(planRun(live()).action).toBeUndefined();
    expect(planRun(live({ phaseForMs: PHASE_SETTLE_MS })).action).toEqual({ kind: 'recordPhase', phase: 'Running' });
    expect(planRun(live({ phaseForMs: PHASE_SETTLE_MS, recordedPhase: 'Running' })).action).toBeUndefined();
  });

  it.each([
    ['the hub cancels it', { cancel: { cause: 'Preempted', message: 'p' } }, 'Preempted'],
    ['the owner wants its GPUs', { ownWish: { cause: 'Reclaimed', message: 'r' } }, 'Reclaimed'],
    ['its GuestRun is deleted', { record: 'Gone' }, 'GuestDeleted'],
    ['its Job is deleted', { job: 'Gone' }, 'GuestDeleted'],
    [
      'a worker fails',
      { workers: [worker(0), worker(1, { state: 'Failed', fault: 'ExitCode', finishedAtMs: 5 })] },
      'NonZeroExit',
    ],
    [
      'a worker runs out of memory',
      { workers: [worker(0, { state: 'Failed', fault: 'OutOfMemory' }), worker(1)] },
      'OutOfMemory',
    ],
    ['maxRuntime is over', { allRunningForMs: 3_600_000 }, 'MaxRuntimeExceeded'],
  ] as const)('stops when %s', (_why, change, cause) => {
    expect(planRun(live(change)).action).toMatchObject({ kind: 'beginStop', reason: { cause } });
  });

  it('keeps running whatever the lease says, unless it is a Fence run', () => {
    expect(planRun(live({ leaseRemainingMs: 0 })).action).toBeUndefined();
    const fenced = { ...terms, onPartition: 'Fence' } as const;
    const plan = planRun(live({ terms: fenced, leaseRemainingMs: 0 }));
    expect(plan.action).toMatchObject({ kind: 'beginStop', reason: { cause: 'LeaseExpired' } });
  });

  it('goes by the deadline of the Job when a new process has no acknowledgement yet', () => {
    const fenced = { ...terms, onPartition: 'Fence' } as const;
    const { leaseRemainingMs: _lease, ...rest } = live({ terms: fenced });
    expect(planRun({ ...rest, job: { ...aJob, deadlineSeconds: 60, sinceStartMs: 59_000 } }).action).toBeUndefined();
    const over = planRun({ ...rest, job: { ...aJob, deadlineSeconds: 60, sinceStartMs: 60_000 } });
    expect(over.action).toMatchObject({ kind: 'beginStop', reason: { cause: 'LeaseExpired' } });
  });

  it('absence from Desired stops nothing', () => {
    expect(planRun(live({ ordered: false })).action).toBeUndefined();
    expect(planRun(live({ ordered: false, jobGone: true })).action).toBeUndefined();
  });

  it('counts startTimeout for the gang as a whole, with image pulls apart', () => {
    const pulling = worker(1, { state: 'Pending', wait: { kind: 'ImagePull', message: 'ContainerCreating' } });
    const { startedAtMs: _never, ...unstarted } = pulling;
    const { allRunningForMs: _none, ...rest } = live({ workers: [worker(0), unstarted] });
    expect(planRun({ ...rest, startedForMs: 599_999 })).toMatchObject({ phase: 'Starting', wakeAfterMs: 1 });
    const late = planRun({ ...rest, startedForMs: 600_000 });
    expect(late.action).toMatchObject({ kind: 'beginStop', reason: { cause: 'GangNotStarted' } });
    expect(late.message).toContain('1 of 2 workers pull their image');
  });

  it('fails an image that cannot work after a stated time', () => {
    const bad = {
      index: 1,
      pod: 'pod-1',
      state: 'Pending',
      unreachable: false,
      wait: { kind: 'ImageError', message: 'ErrImagePull' },
    } as const;
    const { allRunningForMs: _none, ...rest } = live({ workers: [worker(0), bad] });
    expect(planRun({ ...rest, imageTroubleForMs: IMAGE_PATIENCE_MS - 1 }).action).toBeUndefined();
    const plan = planRun({ ...rest, imageTroubleForMs: IMAGE_PATIENCE_MS });
    expect(plan.action).toMatchObject({ kind: 'beginStop', reason: { cause: 'ImageError' } });
  });

  it('reports Unknown while a node of it does not answer, and stops nothing for that', () => {
    const plan = planRun(live({ workers: [worker(0), worker(1, { unreachable: true, node: 'node-2' })] }));
    expect(plan).toMatchObject({ phase: 'Unknown' });
    expect(plan.message).toContain('node-2');
    expect(plan.action).toBeUndefined();
  });

  it('has succeeded when all workers exited 0, though the Job says DeadlineExceeded', () => {
    const done = (index: number): WorkerFacts => worker(index, { state: 'Succeeded', finishedAtMs: 9 });
    const job = { ...aJob, finished: true, failedReason: 'DeadlineExceeded' };
    expect(planRun(live({ workers: [done(0), done(1)], job })).action).toMatchObject({
      kind: 'end',
      end: { outcome: 'Succeeded' },
    });
  });
});

describe('planRun while a run is being stopped', () => {
  const stop = { cause: 'Reclaimed', message: 'owner needs it', forMs: 0, recorded: true } as const;

  it('asks pods and Job to go, then waits until nothing is left', () => {
    expect(planRun(live({ stop, podsToStop: ['pod-0', 'pod-1'] })).action).toEqual({
      kind: 'stop',
      pods: ['pod-0', 'pod-1'],
      deleteJob: true,
    });
    const deleting = { ...aJob, deleting: true };
    expect(planRun(live({ stop, job: deleting })).action).toBeUndefined();
    expect(planRun(live({ stop, job: deleting, workers: [] })).action).toBeUndefined();
    expect(planRun(live({ stop, job: 'Gone', workers: [] })).action).toMatchObject({
      kind: 'end',
      end: { outcome: 'Stopped', cause: 'Reclaimed' },
    });
  });

  it('keeps work that was complete before it was asked to stop', () => {
    const done = (index: number): WorkerFacts => worker(index, { state: 'Succeeded', finishedAtMs: 9 });
    expect(planRun(live({ stop, workers: [done(0), done(1)] })).action).toMatchObject({
      end: { outcome: 'Succeeded' },
    });
  });

  it('does not take an exit with 0 after SIGTERM for success', () => {
    const obeyed = (index: number): WorkerFacts =>
      worker(index, { state: 'Succeeded', finishedAtMs: 9, deletionAskedAtMs: 9 });
    const plan = planRun(live({ stop, job: 'Gone', workers: [obeyed(0), obeyed(1)] }));
    expect(plan.action).toMatchObject({ kind: 'end', end: { outcome: 'Stopped', cause: 'Reclaimed' } });
  });

  it('gives the Job time to notice a failure before it is deleted', () => {
    const failed = { ...stop, cause: 'NonZeroExit' } as const;
    const workers = [worker(0, { state: 'Failed', fault: 'ExitCode' }), worker(1, { state: 'Gone' })];
    expect(planRun(live({ stop: failed, workers })).action).toBeUndefined();
    expect(planRun(live({ stop: { ...failed, forMs: 10_000 }, workers })).action).toMatchObject({ deleteJob: true });
    const job = { ...aJob, finished: true };
    expect(planRun(live({ stop: failed, workers, job })).action).toMatchObject({
      kind: 'end',
      end: { outcome: 'Failed', cause: 'NonZeroExit' },
    });
  });
});

describe('planRun for a run that has ended', () => {
  const ended = (change: Partial<RunFacts>): RunFacts =>
    live({ end: anEnd, workers: [], job: { ...aJob, finished: true }, ...change });

  it('makes the outcome durable by itself when the hub is silent', () => {
    expect(planRun(ended({})).action).toBeUndefined();
    expect(planRun(ended({ endedForMs: OUTCOME_SETTLE_MS })).action).toEqual({
      kind: 'recordEnd',
      acknowledged: false,
    });
    expect(planRun(ended({ endedForMs: 1e9, endRecorded: 'Outcome' })).action).toBeUndefined();
  });

  it('keeps finished pods for retention after the acknowledgement, then lets go', () => {
    expect(planRun(ended({ acknowledged: true })).action).toEqual({ kind: 'recordEnd', acknowledged: true });
    const kept = ended({ acknowledged: true, endRecorded: 'Acknowledged', endedForMs: 10 });
    expect(planRun(kept)).toMatchObject({ phase: 'Ended', wakeAfterMs: 3_599_990 });
    expect(planRun({ ...kept, endedForMs: 3_600_000 }).action).toEqual({ kind: 'letGo' });
    expect(planRun({ ...kept, record: 'Gone' }).action).toEqual({ kind: 'drop' });
  });

  it('lets go at once when the job is gone', () => {
    expect(planRun(ended({ jobGone: true })).action).toEqual({ kind: 'letGo' });
  });

  it('stops what appears after the end', () => {
    const end: RunEnd = { ...anEnd, outcome: 'Stopped', cause: 'Reclaimed' };
    expect(planRun(live({ end, podsToStop: ['pod-0'] })).action).toEqual({
      kind: 'stop',
      pods: ['pod-0'],
      deleteJob: true,
    });
  });

  it('never drops a started run that was not acknowledged, and others only after long silence', () => {
    const never = { ...anEnd, everStarted: false };
    const silent = facts({ end: never, unmentioned: true, endedForMs: ABANDONED_MS });
    expect(planRun(silent).action).toEqual({ kind: 'drop' });
    expect(planRun({ ...silent, endedForMs: ABANDONED_MS - 1 }).action).toBeUndefined();
    expect(planRun({ ...silent, end: anEnd }).action).toBeUndefined();
  });
});

describe('planRun whatever the facts', () => {
  const reason = fc.record({ cause: fc.constantFrom(...CAUSES), message: fc.string() });
  const anyWorker = fc.record(
    {
      index: fc.nat(1),
      pod: fc.constantFrom('a', 'b', 'c'),
      state: fc.constantFrom('Pending', 'Running', 'Succeeded', 'Failed', 'Gone'),
      unreachable: fc.boolean(),
      startedAtMs: fc.nat(100),
      finishedAtMs: fc.nat(100),
      deletionAskedAtMs: fc.nat(100),
      disruption: fc.constantFrom('Preempted', 'Evicted', 'NodeLost', 'Deleted'),
    },
    { requiredKeys: ['index', 'pod', 'state', 'unreachable'] },
  ) as fc.Arbitrary<WorkerFacts>;
  const anyJob: fc.Arbitrary<RunFacts['job']> = fc.oneof(
    fc.constantFrom('Unseen', 'Gone', 'Uncertain'),
    fc.record(
      {
        finished: fc.boolean(),
        completed: fc.nat(2),
        deleting: fc.boolean(),
        deadlineSeconds: fc.integer({ min: 1, max: 100 }),
        failedReason: fc.constantFrom('DeadlineExceeded', 'BackoffLimitExceeded'),
        sinceStartMs: fc.nat(100_000),
      },
      { requiredKeys: ['finished', 'completed', 'deleting', 'deadlineSeconds'] },
    ) as fc.Arbitrary<JobFacts>,
  );
  const anyFacts = fc
    .record(
      {
        ordered: fc.boolean(),
        acknowledged: fc.boolean(),
        jobGone: fc.boolean(),
        unmentioned: fc.boolean(),
        cancel: reason,
        ownWish: reason,
        remembered: fc.record({ fence: fc.integer({ min: 1, max: 9 }), kind: fc.constantFrom('started', 'closed') }),
        progress: fc.constantFrom('Nothing', 'Remembered', 'RecordMade', 'PartsMade', 'JobMade'),
        gate: fc.oneof(
          fc.constant({ kind: 'open' }),
          fc.constant({ kind: 'wait', message: 'w' }),
          reason.map((why) => ({ kind: 'refuse', reason: why })),
        ),
        record: fc.constantFrom('Unseen', 'Present', 'Gone'),
        job: anyJob,
        workers: fc.array(anyWorker, { maxLength: 3 }),
        podsToStop: fc.subarray(['a', 'b']),
        stop: fc.tuple(reason, fc.nat(20_000)).map(([why, forMs]) => ({ ...why, forMs, recorded: true })),
        end: fc.constant(anEnd),
        endedForMs: fc.nat(1e7),
        endRecorded: fc.constantFrom('Nothing', 'Outcome', 'Acknowledged'),
        phaseForMs: fc.nat(20_000),
        acceptedForMs: fc.nat(1e6),
        startedForMs: fc.nat(1e6),
        allRunningForMs: fc.nat(5e6),
        leaseRemainingMs: fc.nat(60_000),
      },
      {
        requiredKeys: [
          'ordered',
          'acknowledged',
          'jobGone',
          'unmentioned',
          'progress',
          'gate',
          'record',
          'job',
          'workers',
          'podsToStop',
        ],
      },
    )
    .chain((change) =>
      fc.constantFrom('KeepAndWait', 'Fence', 'AllowDuplicate').map((onPartition) => {
        const fenced = { ...terms, id: { ...terms.id, fence: 5 }, onPartition };
        return { ...facts(), leaseRemainingMs: undefined, ...change, terms: fenced } as unknown as RunFacts;
      }),
    );
  const starting = ['remember', 'makeRecord', 'makeParts', 'makeJob'];

  it('starts nothing for a fence that memory knows, without a lease, or against any word', () => {
    fc.assert(
      fc.property(anyFacts, (f) => {
        const kind = planRun(f).action?.kind ?? '';
        if (!starting.includes(kind)) return;
        expect(f.leaseRemainingMs ?? 0).toBeGreaterThan(0);
        expect(f.cancel ?? f.ownWish ?? f.stop ?? f.end).toBeUndefined();
        // Making goes on only where this very process has remembered the start; remembering only where nobody has.
        if (kind === 'remember') {
          expect(f.remembered?.fence ?? 0).toBeLessThan(5);
          expect(f.ordered && f.gate.kind === 'open').toBe(true);
          expect([f.progress, f.record, f.job]).toEqual(['Nothing', 'Unseen', 'Unseen']);
        } else expect(f.progress).not.toBe('Nothing');
      }),
      { numRuns: 2500 },
    );
  });

  it('never ends a run while a pod of it lives or its Job may make one', () => {
    fc.assert(
      fc.property(anyFacts, (f) => {
        const { action } = planRun(f);
        if (action?.kind !== 'end' && action?.kind !== 'close') return;
        const live = f.workers.filter((one) => one.state === 'Running' || one.state === 'Pending');
        expect(live).toEqual([]);
        if (action.end.outcome === 'Succeeded') return;
        expect(f.job === 'Uncertain' || (typeof f.job === 'object' && !f.job.finished)).toBe(false);
      }),
      { numRuns: 2500 },
    );
  });

  it('stops a KeepAndWait run for no reason of lease or absence', () => {
    fc.assert(
      fc.property(anyFacts, fc.nat(60_000), fc.boolean(), (f, leaseRemainingMs, ordered) => {
        fc.pre(f.terms.onPartition === 'KeepAndWait' && f.progress === 'JobMade');
        const action = planRun(f).action;
        const other = planRun({ ...f, leaseRemainingMs, ordered }).action;
        expect(other).toEqual(action);
      }),
      { numRuns: 1500 },
    );
  });

  it('gives the same answer to the same facts, and always says something', () => {
    fc.assert(
      fc.property(anyFacts, (f) => {
        const plan = planRun(f);
        expect(planRun(structuredClone(f))).toEqual(plan);
        if (plan.wakeAfterMs !== undefined) expect(plan.wakeAfterMs).toBeGreaterThan(0);
      }),
      { numRuns: 1000 },
    );
  });
});
