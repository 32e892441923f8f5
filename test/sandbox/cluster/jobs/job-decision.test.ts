import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planJob } from '../../../../src/sandbox/cluster/jobs/job-decision.ts';
import type { JobPlan } from '../../../../src/sandbox/cluster/jobs/job-decision.ts';
import { noMemory } from '../../../../src/sandbox/cluster/jobs/job-memory.ts';
import type { JobMemory } from '../../../../src/sandbox/cluster/jobs/job-memory.ts';
import { completionIndexOf } from '../../../../src/sandbox/cluster/jobs/pod-tally.ts';
import type { Job, JobSpec } from '../../../../src/sandbox/cluster/objects/job.ts';
import type { Pod, PodStatus } from '../../../../src/sandbox/cluster/objects/pod.ts';
import { aJob, aJobPod, deleted } from '../object-builders.ts';

const startMs = Date.parse('2026-01-01T00:00:00Z');
const started = '2026-01-01T00:00:00Z';

function plan(
  job: Job,
  pods: readonly Pod[],
  options: { readonly memory?: JobMemory; readonly afterMs?: number } = {},
): JobPlan {
  return planJob({ job, pods, memory: options.memory ?? noMemory, nowMs: startMs + (options.afterMs ?? 0) });
}

function conditions(result: JobPlan): readonly string[] {
  return (result.status.conditions ?? []).map(({ type, reason }) => `${type} ${reason}`);
}

describe('planJob', () => {
  it('makes a pod for each index up to parallelism and starts the clock', () => {
    const result = plan(aJob({ parallelism: 2, completions: 3 }), []);
    expect(result.create).toEqual([0, 1]);
    expect(result.status).toMatchObject({ active: 2, ready: 0, startTime: started });
  });

  it('counts running and ready pods and makes no more', () => {
    const job = aJob({ parallelism: 2, completions: 2 }, { status: { startTime: started, active: 2 } });
    const result = plan(job, [aJobPod(0, 'Running'), aJobPod(1, 'Pending')]);
    expect(result.create).toEqual([]);
    expect(result.status).toMatchObject({ active: 2, ready: 1 });
  });

  it('completes when every index succeeded, with both conditions and the indexes', () => {
    const job = aJob({ parallelism: 3, completions: 3 }, { status: { startTime: started, active: 3 } });
    const result = plan(
      job,
      [0, 1, 2].map((index) => aJobPod(index, 'Succeeded')),
    );
    expect(conditions(result)).toEqual(['SuccessCriteriaMet CompletionsReached', 'Complete CompletionsReached']);
    expect(result.status).toMatchObject({ succeeded: 3, completedIndexes: '0-2', completionTime: started });
    expect(result.status.active).toBeUndefined();
    expect(result.release).toHaveLength(3);
  });

  it('fails a gang at its first failure: target at once, Failed once the others have ended', () => {
    const job = aJob({ parallelism: 2, completions: 2 }, { status: { startTime: started, active: 2 } });
    const first = plan(job, [aJobPod(0, 'Failed'), aJobPod(1, 'Running')]);
    expect(conditions(first)).toEqual(['FailureTarget BackoffLimitExceeded']);
    expect(first.remove.map(completionIndexOf)).toEqual([1]);
    expect(first.status).toMatchObject({ failed: 1, terminating: 1 });
    const later = plan({ ...job, status: first.status }, [aJobPod(0, 'Failed'), deleted(aJobPod(1, 'Running'))], {
      memory: first.memory,
    });
    expect(conditions(later)).toEqual(['FailureTarget BackoffLimitExceeded']);
    expect(later.create).toEqual([]);
    const last = plan({ ...job, status: later.status }, [aJobPod(0, 'Failed'), deleted(aJobPod(1, 'Failed'))], {
      memory: later.memory,
    });
    expect(conditions(last)).toEqual(['FailureTarget BackoffLimitExceeded', 'Failed BackoffLimitExceeded']);
    expect(last.status).toMatchObject({ failed: 2, terminating: 0 });
  });

  it('replaces a deleted pod only once it has failed, with podReplacementPolicy Failed', () => {
    const job = aJob({ backoffLimit: 3 }, { status: { startTime: started } });
    const leaving = plan(job, [deleted(aJobPod(0, 'Running'))]);
    expect(leaving.create).toEqual([]);
    expect(leaving.status).toMatchObject({ terminating: 1 });
    expect(leaving.status.failed).toBeUndefined();
    const gone = plan(job, [deleted(aJobPod(0, 'Failed'))], { afterMs: 60_000 });
    expect(gone.create).toEqual([0]);
    expect(gone.status.failed).toBe(1);
  });

  it('replaces a deleted pod at once with TerminatingOrFailed', () => {
    const job = aJob(
      { backoffLimit: 3, podReplacementPolicy: 'TerminatingOrFailed' },
      { status: { startTime: started } },
    );
    const result = plan(job, [deleted(aJobPod(0, 'Running'))], { afterMs: 60_000 });
    expect(result.create).toEqual([0]);
    expect(result.status).toMatchObject({ failed: 1, terminating: 1 });
  });

  it('counts a pod that was deleted before it had a node as failed', () => {
    const pod = deleted(aJobPod(0, 'Pending'));
    const unbound = { ...pod, spec: { ...pod.spec, nodeName: '' } };
    const result = plan(aJob({}, { status: { startTime: started } }), [unbound]);
    expect(conditions(result)).toContain('Failed BackoffLimitExceeded');
    expect(result.release).toHaveLength(1);
  });

  it('says when the deadline will pass, follows its extension, and ends the Job when it has passed', () => {
    const job = aJob({ activeDeadlineSeconds: 60 }, { status: { startTime: started, active: 1 } });
    const running = [aJobPod(0, 'Running')];
    expect(plan(job, running, { afterMs: 20_000 }).recheckMs).toBe(40_000);
    const extended = { ...job, spec: { ...job.spec, activeDeadlineSeconds: 120 } };
    expect(plan(extended, running, { afterMs: 61_000 })).toMatchObject({ remove: [], recheckMs: 59_000 });
    const late = plan(job, running, { afterMs: 60_000 });
    expect(conditions(late)).toEqual(['FailureTarget DeadlineExceeded']);
    expect(late.remove).toHaveLength(1);
  });

  it('says DeadlineExceeded even for finished work when it looks too late, as the real controller does', () => {
    const job = aJob({ activeDeadlineSeconds: 60 }, { status: { startTime: started, active: 1 } });
    const late = plan(job, [aJobPod(0, 'Succeeded')], { afterMs: 61_000 });
    expect(conditions(late)).toContain('Failed DeadlineExceeded');
    expect(late.status).toMatchObject({ succeeded: 1, completedIndexes: '0' });
  });

  it('waits longer after each failure before it makes another pod', () => {
    const job = aJob({ backoffLimit: 5 }, { status: { startTime: started } });
    const failed = (uid: string): Pod => {
      const terminated = { exitCode: 1, finishedAt: started };
      const status: PodStatus = {
        phase: 'Failed',
        containerStatuses: [
          { name: 'main', image: '', imageID: '', ready: false, restartCount: 0, state: { terminated }, lastState: {} },
        ],
      };
      return { ...aJobPod(0, 'Failed', uid), status };
    };
    const one = plan(job, [failed('a')]);
    expect(one).toMatchObject({ create: [], recheckMs: 10_000 });
    const two = plan({ ...job, status: one.status }, [failed('a'), failed('b')], { memory: one.memory });
    expect(two).toMatchObject({ create: [], recheckMs: 20_000 });
    expect(plan({ ...job, status: one.status }, [failed('a')], { memory: one.memory, afterMs: 10_000 }).create).toEqual(
      [0],
    );
  });

  it('suspends and resumes: pods go, the clock stops and starts anew', () => {
    const job = aJob({ suspend: true, activeDeadlineSeconds: 60 }, { status: { startTime: started, active: 1 } });
    const asleep = plan(job, [aJobPod(0, 'Running')], { afterMs: 90_000 });
    expect(asleep.remove).toHaveLength(1);
    expect(asleep.status.startTime).toBeUndefined();
    expect(conditions(asleep)).toEqual(['Suspended JobSuspended']);
    const again = plan({ ...job, spec: { ...job.spec, suspend: false }, status: asleep.status }, [], {
      afterMs: 120_000,
    });
    expect(again.status.startTime).toBe('2026-01-01T00:02:00Z');
    expect(conditions(again)).toEqual(['Suspended JobResumed']);
    expect(again.create).toEqual([0]);
  });

  it('lists indexes out of tries as failed, lets the others run, and fails the Job when all are settled', () => {
    const spec: Partial<JobSpec> = {
      parallelism: 2,
      completions: 2,
      backoffLimitPerIndex: 0,
      backoffLimit: 2 ** 31 - 1,
    };
    const job = aJob(spec, { status: { startTime: started, active: 2 } });
    const first = plan(job, [aJobPod(0, 'Failed'), aJobPod(1, 'Running')], { afterMs: 60_000 });
    expect(first.status).toMatchObject({ failedIndexes: '0', active: 1 });
    expect(first.create).toEqual([]);
    const last = plan({ ...job, status: first.status }, [aJobPod(1, 'Succeeded')], { memory: first.memory });
    expect(conditions(last)).toContain('Failed FailedIndexes');
  });

  it('works without indexes: any success of a work queue ends it once the others are done', () => {
    const job = aJob({ completionMode: 'NonIndexed', parallelism: 2 }, { status: { startTime: started } });
    const { completions: _none, ...spec } = job.spec;
    const queue = { ...job, spec };
    expect(plan(queue, []).create).toEqual([undefined, undefined]);
    const half = plan(queue, [aJobPod(0, 'Succeeded'), aJobPod(1, 'Running')]);
    expect(half).toMatchObject({ create: [], remove: [] });
    expect(conditions(half)).toEqual([]);
    const done = plan({ ...queue, status: half.status }, [aJobPod(0, 'Succeeded'), aJobPod(1, 'Succeeded')], {
      memory: half.memory,
    });
    expect(conditions(done)).toContain('Complete CompletionsReached');
  });

  it('makes nothing for a Job that is being deleted, but still counts and releases', () => {
    const job = aJob({ parallelism: 2, completions: 2 }, { status: { startTime: started } });
    const going = { ...job, metadata: { ...job.metadata, deletionTimestamp: started } };
    const result = plan(going, [aJobPod(0, 'Succeeded')]);
    expect(result).toMatchObject({ create: [], remove: [] });
    expect(result.release).toHaveLength(1);
  });

  it('counts restarts in place against the limit with restartPolicy OnFailure', () => {
    const base = aJob({ backoffLimit: 2 }, { status: { startTime: started, active: 1 } });
    const template = {
      ...base.spec.template,
      spec: { ...base.spec.template.spec, restartPolicy: 'OnFailure' as const },
    };
    const job = { ...base, spec: { ...base.spec, template } };
    const running = aJobPod(0, 'Running');
    const restarted = (restartCount: number): Pod => ({
      ...running,
      status: {
        ...running.status,
        containerStatuses: [
          { name: 'main', image: '', imageID: '', ready: true, restartCount, state: {}, lastState: {} },
        ],
      },
    });
    expect(plan(job, [restarted(1)]).remove).toEqual([]);
    expect(conditions(plan(job, [restarted(2)]))).toEqual(['FailureTarget BackoffLimitExceeded']);
  });
});

/** A tiny world around the decision: pods do what the random steps say. */
class World {
  job: Job;
  pods: Pod[] = [];
  memory = noMemory;
  nowMs = startMs;
  made = 0;

  constructor(job: Job) {
    this.job = job;
  }

  look(): JobPlan {
    const result = planJob({ job: this.job, pods: this.pods, memory: this.memory, nowMs: this.nowMs });
    this.pods = this.pods.map((pod) => (result.remove.includes(pod) ? deleted(pod) : pod));
    for (const index of result.create) this.pods.push(aJobPod(index ?? -1, 'Running', `made-${(this.made += 1)}`));
    this.job = { ...this.job, status: result.status };
    this.memory = result.memory;
    const released = new Set(result.release.map((pod) => pod.metadata.uid));
    this.pods = this.pods.filter(
      (pod) => !(released.has(pod.metadata.uid) && pod.metadata.deletionTimestamp !== undefined),
    );
    this.pods = this.pods.map((pod) =>
      released.has(pod.metadata.uid) ? { ...pod, metadata: { ...pod.metadata, finalizers: [] } } : pod,
    );
    return result;
  }

  step(which: number, what: 'succeed' | 'fail' | 'delete' | 'wait'): void {
    this.nowMs += what === 'wait' ? 700_000 : 1000;
    const live = this.pods.filter((pod) => pod.status?.phase === 'Running');
    const pod = live[which % Math.max(1, live.length)];
    if (pod === undefined || what === 'wait') return;
    const phase = what === 'succeed' ? 'Succeeded' : what === 'fail' ? 'Failed' : undefined;
    const next = phase === undefined ? deleted(pod) : { ...pod, status: { phase } as const };
    this.pods = this.pods.map((other) => (other === pod ? next : other));
  }
}

describe('planJob over whole lives', () => {
  const step = fc.record({ which: fc.nat(5), what: fc.constantFrom('succeed', 'fail', 'delete', 'wait') });
  it('never runs two pods of one index or more than parallelism, counts each end once, and never undoes an end', () => {
    fc.assert(
      fc.property(
        fc.record({
          parallelism: fc.integer({ min: 1, max: 4 }),
          completions: fc.integer({ min: 1, max: 4 }),
          backoffLimit: fc.nat(3),
        }),
        fc.array(step, { maxLength: 30 }),
        (spec, steps) => {
          const world = new World(aJob(spec));
          let ended = '';
          for (const { which, what } of [{ which: 0, what: 'wait' as const }, ...steps]) {
            world.step(which, what);
            world.look();
            const running = world.pods.filter((pod) => pod.status?.phase === 'Running');
            const indexes = running.map(completionIndexOf);
            expect(new Set(indexes).size).toBe(indexes.length);
            expect(running.length).toBeLessThanOrEqual(spec.parallelism);
            const status = world.job.status!;
            const end = (status.conditions ?? []).find(({ type }) => type === 'Complete' || type === 'Failed');
            if (ended !== '') expect(end?.type).toBe(ended);
            ended = end?.type ?? '';
            if (ended === 'Complete') expect(status.succeeded).toBe(spec.completions);
            if (ended === 'Complete' || ended === 'Failed') expect(running).toEqual([]);
            const failures = (status.failed ?? 0) + (status.succeeded ?? 0);
            expect(failures).toBeLessThanOrEqual(world.made);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('comes to rest: looking again without news changes nothing', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 10 }), (steps) => {
        const world = new World(aJob({ parallelism: 2, completions: 3, backoffLimit: 2 }));
        world.look();
        world.look();
        for (const { which, what } of steps) {
          world.step(which, what);
          world.look();
          world.look();
        }
        const status = world.job.status;
        const result = world.look();
        expect(result.create).toEqual([]);
        expect(result.status).toEqual(status);
      }),
      { numRuns: 50 },
    );
  });
});
