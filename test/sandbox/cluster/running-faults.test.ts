import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { pods } from '../../../src/platform/kube/builtin-resources.ts';
import { silentLogger } from '../../../src/platform/log/logger.ts';
import { createSandboxCluster } from '../../../src/sandbox/cluster/sandbox-cluster.ts';
import { groupIsAlive } from '../../../src/sandbox/cluster/kubelet/process-groups.ts';
import { conditionOf } from '../../../src/sandbox/cluster/objects/pod.ts';
import type { Pod } from '../../../src/sandbox/cluster/objects/pod.ts';
import { seededRandom } from '../../../src/platform/clock/seeded-random.ts';
import { systemClock } from '../../../src/platform/clock/system-clock.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { eventually } from '../../support/eventually.ts';
import { gpus, namespace, shell, startCluster } from './running-cluster.ts';
import type { RunningCluster } from './running-cluster.ts';

let run: RunningCluster | undefined;

afterEach(async () => {
  await run?.stop();
  expect(run?.errors ?? []).toEqual([]);
  run = undefined;
});

async function running(cluster: RunningCluster, name: string): Promise<Pod> {
  return eventually(
    async () => {
      const pod = await cluster.pod(name);
      return pod?.status?.phase === 'Running' && pod;
    },
    { what: `pod ${name} runs` },
  );
}

describe('a node that is cut off', () => {
  it('keeps its processes, obeys nothing, and catches up when it returns', async () => {
    run = await startCluster();
    await run.createPod('stays', shell('sleep 100', gpus(1)));
    await run.createPod('ends', shell('sleep 0.3; exit 4'));
    await running(run, 'stays');
    await running(run, 'ends');
    await run.cluster.setNodeReady('n1', false);
    const node = await eventually(
      async () => {
        const found = await run!.node('n1');
        return (found.spec?.taints ?? []).length === 2 && found;
      },
      { what: 'the unreachable taints' },
    );
    expect(node.status?.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('Unknown');
    const { pid } = run.cluster.processes().find(({ pod }) => pod === 'stays')!;
    await run.deletePod('stays', 1);
    await eventually(() => run!.cluster.processes().length === 1, { what: 'the other process has ended' });
    expect(await groupIsAlive(pid)).toBe(true);
    expect((await run.pod('stays'))?.metadata.deletionTimestamp).toBeDefined();
    expect((await run.pod('ends'))?.status?.phase).toBe('Running');
    await expect(run.logs('stays')).rejects.toThrow('connection refused');
    await run.cluster.setNodeReady('n1', true);
    await eventually(async () => (await run!.pod('stays')) === undefined, { what: 'the deleted pod is gone' });
    await eventually(async () => (await run!.pod('ends'))?.status?.phase === 'Failed', { what: 'the end is told' });
    await eventually(async () => ((await run!.node('n1')).spec?.taints ?? []).length === 0, { what: 'no taints' });
    expect(await groupIsAlive(pid)).toBe(false);
  });

  it('ends pods at their own deadline all the same', async () => {
    run = await startCluster();
    await run.createPod('bounded', {
      ...shell('sleep 100'),
      activeDeadlineSeconds: 1,
      terminationGracePeriodSeconds: 1,
    });
    await running(run, 'bounded');
    run.cluster.pauseKubelet('n1');
    await eventually(() => run!.cluster.processes().length === 0, { what: 'its process has ended' });
    expect((await run.pod('bounded'))?.status?.phase).toBe('Running');
    run.cluster.resumeKubelet('n1');
    await eventually(async () => (await run!.pod('bounded'))?.status?.reason === 'DeadlineExceeded', {
      what: 'the end is told',
    });
  });
});

describe('a cluster', () => {
  it('whose store is set back finds to the truth of its processes', async () => {
    run = await startCluster();
    await run.createPod('before', shell('sleep 100'));
    await running(run, 'before');
    await run.createJob('job', {}, { command: ['sh', '-c', 'sleep 1'] });
    await eventually(async () => (await run!.jobPods('job'))[0]?.status?.phase === 'Running', { what: 'the job runs' });
    const backup = run.cluster.snapshot();
    await run.createPod('after', shell('sleep 100'));
    await running(run, 'after');
    await eventually(async () => (await run!.job('job'))?.status?.succeeded === 1, { what: 'the job is done' });
    await eventually(async () => (await run!.jobPods('job'))[0]?.metadata.finalizers === undefined, {
      what: 'released',
    });
    run.cluster.restore(backup);
    await eventually(() => run!.cluster.processes().length === 1 && run!.cluster.processes()[0]?.pod === 'before', {
      what: 'what the backup does not know is ended',
    });
    expect((await run.pod('after')) === undefined).toBe(true);
    await eventually(async () => (await run!.job('job'))?.status?.succeeded === 1, { what: 'the job is done again' });
  });

  it('leaves no process, folder or socket behind when it stops', async () => {
    run = await startCluster({ https: true });
    expect(run.cluster.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    expect(await run.cluster.kubeconfig()).toContain(run.cluster.url);
    await run.createPod('p', {
      ...shell("trap '' TERM; while true; do sleep 0.02; done"),
      volumes: [{ name: 'v', emptyDir: {} }],
    });
    await running(run, 'p');
    const [{ pid } = { pid: 0 }] = run.cluster.processes();
    const { url, dataDir } = { url: run.cluster.url!, dataDir: run.dataDir };
    await run.cluster.stop();
    expect(await groupIsAlive(pid)).toBe(false);
    await expect(readdir(dataDir)).rejects.toThrow('ENOENT');
    await expect(fetch(url)).rejects.toThrow('fetch failed');
  });

  it('stops when its signal aborts, and cleans up when it cannot start', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'sandbox-start-'));
    const options = { name: 'x', clock: systemClock(), random: seededRandom(1), logger: silentLogger(), https: false };
    const nodes = [{ name: 'n1' }, { name: 'n1' }];
    const twice = createSandboxCluster({ ...options, dataDir, nodes });
    await expect(twice.start(new AbortController().signal)).rejects.toThrow('"n1" exists already');
    await expect(readdir(dataDir)).rejects.toThrow('ENOENT');
    const stop = new AbortController();
    const cluster = createSandboxCluster({ ...options, dataDir, nodes: [{ name: 'n1' }] });
    await cluster.start(stop.signal);
    stop.abort();
    await eventually(async () => !(await readdir(tmpdir())).includes(basename(dataDir)), {
      what: 'its folder is gone',
    });
    await cluster.stop();
  });

  it('refuses to act on nodes that it does not have', async () => {
    run = await startCluster({ runtime: 'simulated' });
    await expect(run.cluster.removeNode('nope')).rejects.toThrow('node "nope" does not exist');
    await expect(run.cluster.addNode({ name: 'n1' })).rejects.toThrow('"n1" exists already');
  });

  it('evicts from unreachable nodes after five minutes, on virtual time, and asks for nearly nothing when quiet', async () => {
    const clock = new VirtualClock({ turnsPerStep: 20 });
    const starting = startCluster({ clock, runtime: 'simulated' });
    let started = false;
    void starting.then(() => (started = true));
    await eventually(
      async () => {
        await clock.advanceAsync(10);
        return started;
      },
      { what: 'the cluster has started', everyMs: 1 },
    );
    run = await starting;
    const annotations = { 'sandbox.lumbung.dev/duration': 'infinite' };
    await run.createPod('p', {}, { annotations });
    await clock.advanceAsync(1000);
    expect((await run.pod('p'))?.status?.phase).toBe('Running');
    let requests = 0;
    const stop = run.cluster.apiServer.onRequest(() => (requests += 1));
    await clock.advanceAsync(280_000);
    stop();
    expect(requests).toBeLessThan(15);
    await run.cluster.setNodeReady('n1', false);
    await clock.advanceAsync(299_000);
    expect((await run.pod('p'))?.metadata.deletionTimestamp).toBeUndefined();
    await clock.advanceAsync(2000);
    const pod = await run.client.get<Pod>({ type: pods, namespace, name: 'p' });
    expect(pod.metadata.deletionTimestamp).toBeDefined();
    expect(conditionOf(pod, 'DisruptionTarget')?.reason).toBe('DeletionByTaintManager');
  });
});
