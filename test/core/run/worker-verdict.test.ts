import { describe, expect, it } from 'vitest';
import {
  allCompleted,
  countWorkers,
  exitsOf,
  judgeWorkers,
  waitingText,
  type WorkerFacts,
} from '../../../src/core/run/worker-verdict.ts';

function worker(index: number, change: Partial<WorkerFacts> = {}): WorkerFacts {
  return { index, pod: `pod-${index}`, state: 'Running', unreachable: false, ...change };
}
const done = (index: number, finishedAtMs = 9): WorkerFacts => worker(index, { state: 'Succeeded', finishedAtMs });
const job = (completed: number, failedReason?: string) => ({
  completed,
  ...(failedReason === undefined ? {} : { failedReason }),
});

describe('completion', () => {
  it.each([
    ['all pods exited 0', [done(0), done(1)], undefined, true],
    ['one still runs', [done(0), worker(1)], undefined, false],
    ['one has no pod', [done(0)], undefined, false],
    ['the pods are gone and the Job counted them', [], job(2), true],
    ['one pod is left, and the Job counted the other', [done(0)], job(2), true],
    ['the Job counted all, but a pod contradicts', [done(0), worker(1, { state: 'Failed' })], job(2), false],
    ['the Job counted too few', [], job(1), false],
    ['an exit with 0 came after SIGTERM', [done(0), { ...done(1, 10), deletionAskedAtMs: 10 }], undefined, false],
    ['an exit with 0 came before SIGTERM', [done(0), { ...done(1, 9), deletionAskedAtMs: 10 }], undefined, true],
  ])('when %s', (_what, workers, jobFacts, wanted) => {
    expect(allCompleted(workers, 2, jobFacts)).toBe(wanted);
  });
});

describe('the verdict', () => {
  const failed = (index: number, finishedAtMs: number, change: Partial<WorkerFacts> = {}): WorkerFacts =>
    worker(index, {
      state: 'Failed',
      finishedAtMs,
      fault: 'ExitCode',
      exit: { exitCode: 3, reason: 'Error' },
      ...change,
    });
  it.each([
    ['a worker exits 3', [worker(0), failed(1, 5)], undefined, 'NonZeroExit'],
    ['a worker is killed for memory', [worker(0), failed(1, 5, { fault: 'OutOfMemory' })], undefined, 'OutOfMemory'],
    ['a worker outgrows its storage', [worker(0), failed(1, 5, { fault: 'OwnLimits' })], undefined, 'NonZeroExit'],
    ['the pod deadline is reached', [worker(0), failed(1, 5, { fault: 'Deadline' })], undefined, 'MaxRuntimeExceeded'],
    ['the kubelet refuses the pod', [failed(0, 5, { fault: 'KubeletRefused' })], undefined, 'StaleOffer'],
    [
      'the scheduler preempts a worker',
      [worker(0, { deletionAskedAtMs: 5, disruption: 'Preempted' }), worker(1)],
      undefined,
      'Reclaimed',
    ],
    [
      'a worker is evicted',
      [worker(0, { deletionAskedAtMs: 5, disruption: 'Evicted' }), worker(1)],
      undefined,
      'Reclaimed',
    ],
    ['a node is lost', [worker(0, { deletionAskedAtMs: 5, disruption: 'NodeLost' }), worker(1)], undefined, 'NodeLost'],
    ['a node shuts down', [failed(0, 5, { disruption: 'NodeLost' }), worker(1)], undefined, 'NodeLost'],
    ['somebody deletes a pod', [worker(0, { deletionAskedAtMs: 5 }), worker(1)], undefined, 'GuestDeleted'],
    ['a pod vanishes', [worker(0, { state: 'Gone' }), worker(1)], undefined, 'GuestDeleted'],
    [
      'peers fail because a worker was preempted',
      [worker(0, { deletionAskedAtMs: 5, disruption: 'Preempted' }), failed(1, 5)],
      undefined,
      'Reclaimed',
    ],
    [
      'the Job deletes peers of a failed worker',
      [worker(0, { deletionAskedAtMs: 5 }), failed(1, 5)],
      job(0, 'BackoffLimitExceeded'),
      'NonZeroExit',
    ],
    [
      'the Job reached its deadline',
      [worker(0, { deletionAskedAtMs: 5 }), worker(1, { deletionAskedAtMs: 5 })],
      job(0, 'DeadlineExceeded'),
      'MaxRuntimeExceeded',
    ],
    ['the Job failed and no pod is left', [], job(0, 'BackoffLimitExceeded'), 'GuestDeleted'],
    [
      'pods were deleted once the deadline was due, and the Job has not said so yet',
      [worker(0, { deletionAskedAtMs: 10 }), worker(1)],
      { completed: 0, deadlineSeconds: 10, sinceStartMs: 9_400 },
      'MaxRuntimeExceeded',
    ],
    [
      'a pod was deleted well before the deadline',
      [worker(0, { deletionAskedAtMs: 10 }), worker(1)],
      { completed: 0, deadlineSeconds: 10, sinceStartMs: 8_000 },
      'GuestDeleted',
    ],
    ['the Job reached its deadline and no pod is left', [], job(1, 'DeadlineExceeded'), 'MaxRuntimeExceeded'],
  ] as const)('when %s', (_what, workers, jobFacts, cause) => {
    expect(judgeWorkers(workers, 2, jobFacts)).toMatchObject({ kind: 'Broken', cause });
  });

  it('lets the earliest event decide', () => {
    const preempted = worker(0, { deletionAskedAtMs: 6000, disruption: 'Preempted' });
    expect(judgeWorkers([preempted, failed(1, 5000)], 2, undefined)).toMatchObject({ cause: 'NonZeroExit' });
    expect(judgeWorkers([preempted, failed(1, 7000)], 2, undefined)).toMatchObject({ cause: 'Reclaimed' });
  });

  it('finds no fault with workers that run, wait or have finished', () => {
    expect(judgeWorkers([worker(0), done(1)], 2, job(1))).toEqual({ kind: 'Live' });
    expect(judgeWorkers([], 2, undefined)).toEqual({ kind: 'Live' });
  });
});

describe('words and numbers about workers', () => {
  it('counts those without a pod as pending', () => {
    expect(countWorkers([worker(0), done(1), worker(2, { state: 'Failed' })], 5)).toEqual({
      pending: 2,
      running: 1,
      succeeded: 1,
      failed: 1,
    });
  });

  it('tells image pulls from other waiting', () => {
    const pending = (index: number, kind: 'ImagePull' | 'Unschedulable', message: string): WorkerFacts =>
      worker(index, { state: 'Pending', wait: { kind, message } });
    const text = waitingText(
      [pending(0, 'ImagePull', 'ContainerCreating'), pending(1, 'Unschedulable', '0/3 nodes')],
      3,
    );
    expect(text).toBe(
      '1 of 3 workers pending: 0/3 nodes; 1 of 3 workers pull their image: ContainerCreating; 1 of 3 workers have no pod yet',
    );
    expect(waitingText([worker(0)], 1)).toBe('');
  });

  it('lists exits by index', () => {
    const exit = { exitCode: 1, reason: 'Error' };
    expect(exitsOf([worker(1, { exit }), worker(0, { exit }), worker(2)]).map((one) => one.index)).toEqual([0, 1]);
  });
});
