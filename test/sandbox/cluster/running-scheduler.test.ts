import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { pods, priorityClasses } from '../../../src/platform/kube/builtin-resources.ts';
import { conditionOf } from '../../../src/sandbox/cluster/objects/pod.ts';
import type { Pod, PodSpec } from '../../../src/sandbox/cluster/objects/pod.ts';
import { eventually } from '../../support/eventually.ts';
import { gpus, namespace, startCluster } from './running-cluster.ts';
import type { RunningCluster } from './running-cluster.ts';

let run: RunningCluster;

beforeAll(async () => {
  run = await startCluster({
    runtime: 'simulated',
    nodes: [
      { name: 'n1', gpuModel: 'H100-80GB', gpus: 4 },
      { name: 'n2', gpuModel: 'A100-80GB', gpus: 4 },
    ],
  });
  for (const [name, value] of [
    ['guest', -1000],
    ['high', 1000],
  ] as const) {
    await run.client.create(priorityClasses, {
      apiVersion: 'scheduling.k8s.io/v1',
      kind: 'PriorityClass',
      metadata: { name },
      value,
    } as never);
  }
});

afterAll(async () => {
  await run.stop();
  expect(run.errors).toEqual([]);
});

afterEach(async () => {
  for (const pod of (await run.client.list<Pod>(pods, { namespace })).items) await run.deletePod(pod.metadata.name!, 0);
  await eventually(async () => (await run.client.list(pods, { namespace })).items.length === 0, { what: 'no pods' });
});

const forever = { annotations: { 'sandbox.lumbung.dev/duration': 'infinite' } };

async function create(name: string, count: number, spec: Partial<PodSpec> = {}): Promise<void> {
  const containers = [{ name: 'main', image: 'i', command: ['x'], ...gpus(count) }];
  await run.createPod(name, { containers, terminationGracePeriodSeconds: 1, ...spec }, forever);
}

async function placed(name: string): Promise<string> {
  return eventually(async () => (await run.pod(name))?.spec.nodeName, { what: `pod ${name} is placed` });
}

async function reason(name: string): Promise<Pod> {
  return eventually(
    async () => {
      const pod = await run.pod(name);
      return pod !== undefined && conditionOf(pod, 'PodScheduled')?.status === 'False' && pod;
    },
    { what: `pod ${name} has a reason to wait` },
  );
}

describe('the pod scheduler', () => {
  it('honours labels, names the shortage, and places the pod once there is room', async () => {
    const product = { 'nvidia.com/gpu.product': 'NVIDIA-A100-SXM4-80GB' };
    await create('first', 4, { nodeSelector: product });
    expect(await placed('first')).toBe('n2');
    await create('second', 1, { nodeSelector: product });
    const waiting = await reason('second');
    expect(conditionOf(waiting, 'PodScheduled')).toMatchObject({
      reason: 'Unschedulable',
      message:
        "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) didn't match Pod's node affinity/selector. " +
        'no new claims to deallocate, preemption: 0/2 nodes are available: ' +
        '1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.',
    });
    await eventually(async () => (await run.eventReasons('second')).includes('FailedScheduling'), { what: 'an event' });
    await run.deletePod('first', 0);
    expect(await placed('second')).toBe('n2');
  });

  it('evicts guests for an owner, with the condition first, and gives the owner the place', async () => {
    await create('guest-1', 4, { priorityClassName: 'guest' });
    await create('guest-2', 4, { priorityClassName: 'guest' });
    const nodes = new Map([
      [await placed('guest-1'), 'guest-1'],
      [await placed('guest-2'), 'guest-2'],
    ]);
    const seen: Pod[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const event of run.client.watch<Pod>(pods, { namespace, signal: stop.signal })) {
        if (event.type === 'MODIFIED') seen.push(event.object);
      }
    })().catch(() => undefined);
    await create('owner', 2, { priorityClassName: 'high' });
    const node = await placed('owner');
    const victim = nodes.get(node)!;
    await eventually(async () => (await run.pod(victim)) === undefined, { what: 'the victim is gone' });
    expect(await run.pod(victim === 'guest-1' ? 'guest-2' : 'guest-1')).toBeDefined();
    stop.abort();
    await watching;
    const told = seen.find((pod) => pod.metadata.name === victim && conditionOf(pod, 'DisruptionTarget') !== undefined);
    expect(told?.metadata.deletionTimestamp).toBeUndefined();
    expect(conditionOf(told!, 'DisruptionTarget')?.reason).toBe('PreemptionByScheduler');
    expect(seen.some((pod) => pod.metadata.name === 'owner' && pod.status?.nominatedNodeName === node)).toBe(true);
  });

  it('evicts nobody for a pod that may not preempt', async () => {
    await create('guest-1', 4, { priorityClassName: 'guest' });
    await create('guest-2', 4, { priorityClassName: 'guest' });
    await placed('guest-1');
    await placed('guest-2');
    await create('meek', 1, { priorityClassName: 'high', preemptionPolicy: 'Never' });
    const pod = await reason('meek');
    expect(conditionOf(pod, 'PodScheduled')?.message).toContain('not eligible due to preemptionPolicy=Never.');
    expect(await run.pod('guest-1')).toMatchObject({ status: { phase: 'Running' } });
    expect(await run.pod('guest-2')).toMatchObject({ status: { phase: 'Running' } });
  });

  it('holds gated pods back until the gate is lifted', async () => {
    await create('gated', 1, { schedulingGates: [{ name: 'example.com/wait' }] });
    const pod = await reason('gated');
    expect(conditionOf(pod, 'PodScheduled')?.reason).toBe('SchedulingGated');
    await run.client.mergePatch({ type: pods, namespace, name: 'gated' }, { spec: { schedulingGates: null } });
    await placed('gated');
  });

  it('places nothing on cordoned nodes, and uses nodes that come and go', async () => {
    await run.cluster.cordon('n1', true);
    await run.cluster.cordon('n2', true);
    await eventually(async () => ((await run.node('n1')).spec?.taints ?? []).length > 0, { what: 'the cordon taint' });
    await create('waits', 1);
    expect(conditionOf(await reason('waits'), 'PodScheduled')?.message).toContain('node(s)');
    await run.cluster.addNode({ name: 'n3', gpuModel: 'T4', gpus: 1 });
    expect(await placed('waits')).toBe('n3');
    await run.cluster.removeNode('n3');
    await eventually(async () => (await run.pod('waits')) === undefined, {
      what: 'the pod of the removed node is gone',
    });
    await run.cluster.cordon('n1', false);
    await run.cluster.cordon('n2', false);
    await eventually(async () => ((await run.node('n1')).spec?.taints ?? []).length === 0, { what: 'no cordon taint' });
    await create('after', 1);
    expect(await placed('after')).toMatch(/^n[12]$/);
  });

  it('leaves pods of other schedulers alone', async () => {
    await create('other', 1, { schedulerName: 'mine' });
    await create('own', 1);
    await placed('own');
    expect((await run.pod('other'))?.spec.nodeName).toBeUndefined();
    expect((await run.pod('other'))?.status?.conditions ?? []).toEqual([]);
  });
});
