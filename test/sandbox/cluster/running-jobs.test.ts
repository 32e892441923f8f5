import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jobs, pods } from '../../../src/platform/kube/builtin-resources.ts';
import type { Job } from '../../../src/sandbox/cluster/objects/job.ts';
import { isJobFinished } from '../../../src/sandbox/cluster/objects/job.ts';
import { eventually } from '../../support/eventually.ts';
import { namespace, startCluster } from './running-cluster.ts';
import type { RunningCluster } from './running-cluster.ts';

let run: RunningCluster;

beforeAll(async () => {
  run = await startCluster();
});

afterAll(async () => {
  await run.stop();
  expect(run.errors).toEqual([]);
});

async function finished(name: string): Promise<Job> {
  return eventually(
    async () => {
      const job = await run.job(name);
      return job !== undefined && isJobFinished(job) && job;
    },
    { what: `Job ${name} has finished` },
  );
}

async function running(name: string, count: number): Promise<void> {
  await eventually(
    async () => (await run.jobPods(name)).filter((pod) => pod.status?.phase === 'Running').length === count,
    { what: `${count} pods of ${name} run` },
  );
}

function conditions(job: Job): readonly string[] {
  return (job.status?.conditions ?? []).map(({ type, reason }) => `${type} ${reason}`);
}

const sleeps: { command: string[] } = { command: ['sh', '-c', 'sleep 100'] };

describe('Jobs', () => {
  it('run every index once and complete with few writes', async () => {
    const writes: string[] = [];
    const stop = run.cluster.apiServer.onRequest(({ verb, resource, user }) => {
      if (!['get', 'list', 'watch'].includes(verb) && !user.startsWith('kubernetes'))
        writes.push(`${verb} ${resource}`);
    });
    await run.createJob(
      'three',
      { parallelism: 3, completions: 3 },
      { command: ['sh', '-c', 'echo I am $JOB_COMPLETION_INDEX'] },
    );
    const job = await finished('three');
    expect(conditions(job)).toEqual(['SuccessCriteriaMet CompletionsReached', 'Complete CompletionsReached']);
    expect(job.status).toMatchObject({ succeeded: 3, completedIndexes: '0-2' });
    const all = await eventually(
      async () => {
        const found = await run.jobPods('three');
        return found.every((pod) => pod.metadata.finalizers === undefined) && found;
      },
      { what: 'the pods are released' },
    );
    stop();
    const said = await Promise.all(all.map((pod) => run.logs(pod.metadata.name!)));
    expect(said.sort()).toEqual(['I am 0\n', 'I am 1\n', 'I am 2\n']);
    expect(all.map((pod) => pod.spec.hostname).sort()).toEqual(['three-0', 'three-1', 'three-2']);
    const perPod = writes.filter((write) => write.endsWith('pods')).length / 3;
    expect(perPod).toBeLessThanOrEqual(5);
    expect(writes.filter((write) => write.endsWith('jobs')).length).toBeLessThanOrEqual(4);
  });

  it('fail whole at the first failure with backoffLimit 0, after the others have ended', async () => {
    const script = 'if [ "$JOB_COMPLETION_INDEX" = 1 ]; then exit 5; fi; sleep 100';
    await run.createJob('gang', { parallelism: 3, completions: 3 }, { command: ['sh', '-c', script] });
    const job = await finished('gang');
    expect(conditions(job)).toEqual(['FailureTarget BackoffLimitExceeded', 'Failed BackoffLimitExceeded']);
    expect(job.status?.active).toBeUndefined();
    expect(run.cluster.processes().filter(({ pod }) => pod.startsWith('gang-'))).toEqual([]);
  });

  it('are ended by their deadline, and live on when it is extended in time', async () => {
    await run.createJob('late', { activeDeadlineSeconds: 1 }, sleeps);
    await run.createJob('extended', { activeDeadlineSeconds: 1 }, { command: ['sh', '-c', 'sleep 2.2'] });
    await run.client.mergePatch({ type: jobs, namespace, name: 'extended' }, { spec: { activeDeadlineSeconds: 60 } });
    expect(conditions(await finished('late'))).toEqual(['FailureTarget DeadlineExceeded', 'Failed DeadlineExceeded']);
    expect(conditions(await finished('extended'))).toContain('Complete CompletionsReached');
  });

  it('do not replace a deleted pod before it has failed', async () => {
    const script = 'trap "sleep 0.4; exit 1" TERM; echo up; while true; do sleep 0.02; done';
    await run.createJob('replaced', { backoffLimit: 0 }, { command: ['sh', '-c', script] });
    await running('replaced', 1);
    const [pod] = await run.jobPods('replaced');
    await eventually(async () => (await run.logs(pod!.metadata.name!)) === 'up\n', { what: 'the worker is up' });
    await run.deletePod(pod!.metadata.name!);
    await eventually(async () => (await run.job('replaced'))?.status?.terminating === 1, { what: 'one terminates' });
    expect((await run.jobPods('replaced')).length).toBe(1);
    expect(conditions(await finished('replaced'))).toContain('Failed BackoffLimitExceeded');
    await eventually(async () => (await run.jobPods('replaced')).length === 0, { what: 'the pod is gone' });
  });

  it('take their pods with them when deleted in the foreground, processes first', async () => {
    await run.createJob('fore', { parallelism: 2, completions: 2 }, sleeps);
    await running('fore', 2);
    await run.client.delete({ type: jobs, namespace, name: 'fore' }, { propagationPolicy: 'Foreground' });
    await eventually(async () => (await run.job('fore')) === undefined, { what: 'the Job is gone' });
    expect(await run.jobPods('fore')).toEqual([]);
    expect(run.cluster.processes().filter(({ pod }) => pod.startsWith('fore-'))).toEqual([]);
  });

  it('leave released pods when deleted as orphans', async () => {
    await run.createJob('orphans', {}, sleeps);
    await running('orphans', 1);
    await run.client.delete({ type: jobs, namespace, name: 'orphans' }, { propagationPolicy: 'Orphan' });
    await eventually(async () => (await run.job('orphans')) === undefined, { what: 'the Job is gone' });
    const [pod] = await run.jobPods('orphans');
    expect(pod?.metadata.deletionTimestamp).toBeUndefined();
    await run.client.delete(
      { type: pods, namespace, name: pod!.metadata.name! },
      { propagationPolicy: 'Background', gracePeriodSeconds: 1 },
    );
    await eventually(async () => (await run.jobPods('orphans')).length === 0, { what: 'the pod can go' });
  });

  it('sleep while suspended and are swept away after their time', async () => {
    await run.createJob('asleep', { suspend: true, ttlSecondsAfterFinished: 2 });
    await eventually(async () => (await run.job('asleep'))?.status?.conditions?.[0]?.reason === 'JobSuspended', {
      what: 'it is suspended',
    });
    expect(await run.jobPods('asleep')).toEqual([]);
    await run.client.mergePatch({ type: jobs, namespace, name: 'asleep' }, { spec: { suspend: false } });
    await finished('asleep');
    await eventually(async () => (await run.job('asleep')) === undefined, { what: 'it is swept away' });
    await eventually(async () => (await run.jobPods('asleep')).length === 0, { what: 'its pods too' });
  });

  it('work without indexes', async () => {
    await run.createJob('plain', { completionMode: 'NonIndexed', parallelism: 2, completions: 3 });
    const job = await finished('plain');
    expect(job.status).toMatchObject({ succeeded: 3 });
    expect(job.status?.completedIndexes).toBeUndefined();
  });
});
