import { afterEach, describe, expect, it } from 'vitest';
import { textWith } from '../../support/matchers.ts';
import { createInventory } from '../../../src/agent/inventory/inventory.ts';
import { slimNode, type SlimNode } from '../../../src/agent/inventory/slim-node.ts';
import { slimPod, type SlimPod } from '../../../src/agent/inventory/slim-pod.ts';
import { createLendingPolicyReader } from '../../../src/agent/lending/lending-policy-reader.ts';
import { createReclaimer } from '../../../src/agent/reclaim/reclaimer.ts';
import type { LiveGuest } from '../../../src/agent/runs/run-keeper.ts';
import { createAgentMetrics } from '../../../src/agent/telemetry/agent-metrics.ts';
import { fence, jobUid, nodeName } from '../../../src/core/model/ids.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { silentLogger } from '../../../src/platform/log/logger.ts';
import { createMetrics } from '../../../src/platform/metrics/registry.ts';
import { aRawNode, aRawPod, type NodeShape, type PodShape } from '../../support/agent-builders.ts';
import { fakeKeeper } from '../../support/agent-fakes.ts';
import { memoryStore } from '../../support/memory-store.ts';

const GPU = 'nvidia.com/gpu';
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function aMember(nodes: readonly (readonly [string, NodeShape])[]) {
  const clock = new VirtualClock();
  const stores = { nodes: memoryStore<SlimNode>(), pods: memoryStore<SlimPod>() };
  const lending = createLendingPolicyReader({
    policies: memoryStore(),
    readable: () => true,
    certifiedJurisdiction: () => undefined,
    clock,
    logger: silentLogger(),
  });
  const inventory = createInventory({ ...stores, lending, clock, logger: silentLogger() });
  const keeper = fakeKeeper();
  const metrics = createMetrics();
  const reclaimer = createReclaimer({
    inventory,
    pods: stores.pods,
    keeper,
    clock,
    logger: silentLogger(),
    metrics: createAgentMetrics(metrics),
  });
  const { signal } = new AbortController();
  await inventory.start(signal);
  await reclaimer.start(signal);
  stops.push(
    () => reclaimer.stop(),
    () => inventory.stop(),
  );
  for (const [name, shape] of nodes) stores.nodes.put(slimNode(aRawNode(name, shape)));
  const pod = (name: string, shape: PodShape): void => {
    stores.pods.put(slimPod(aRawPod(name, shape)));
  };
  /** A gang with one worker per listed node, already running. */
  const guests: LiveGuest[] = [];
  const guest = (uid: string, on: readonly string[], gpus: number, more: Partial<LiveGuest> = {}): void => {
    on.forEach((node, i) => {
      pod(`${uid}-${i}`, { namespace: 'guest-a', node, gpus, run: [uid, 1] });
    });
    guests.push({
      run: { jobUid: jobUid(uid), fence: fence(1) },
      booking: {
        run: { jobUid: jobUid(uid), fence: fence(1) },
        nodes: on.map((node) => ({ node: nodeName(node), workers: 1 })),
        perWorker: { [GPU]: gpus, pods: 1 },
      },
      pods: on.map((_node, i) => `guest-a/${uid}-${i}`),
      stopping: false,
      gpuSecondsAtRisk: 0,
      ...more,
    });
    keeper.setGuests([...guests]);
  };
  const ended = (): string[] => keeper.ended.flatMap(({ runs }) => runs.map((run) => run.jobUid as string));
  return { clock, stores, keeper, reclaimer, metrics, pod, guest, guests, ended };
}

describe('the reclaimer', () => {
  it('ends the smallest gang that makes room, within 100 ms of the scheduler’s word, and says for whom', async () => {
    const { clock, pod, guest, keeper } = await aMember([
      ['a', {}],
      ['b', {}],
    ]);
    guest('big', ['a'], 8);
    guest('small', ['b'], 4);
    guest('other', ['b'], 4);
    pod('train', { gpus: 4, unschedulable: true });
    clock.advance(100);
    expect(keeper.ended).toMatchObject([
      {
        runs: [{ jobUid: 'other', fence: 1 }],
        cause: 'Reclaimed',
        message: 'owner pod owner-ns/train needs 4 GPUs on node b',
      },
    ]);
  });

  it('ends a gang whole that spans nodes, once, and not again while it stops', async () => {
    const { clock, pod, guest, ended } = await aMember([
      ['a', {}],
      ['b', {}],
    ]);
    guest('gang', ['a', 'b'], 8);
    pod('train', { gpus: 8, unschedulable: true });
    clock.advance(10_000);
    expect(ended()).toEqual(['gang']);
  });

  it('leaves guests alone while there is room, for a gated pod, and for a pod that no ending helps', async () => {
    const { clock, pod, guest, ended, reclaimer } = await aMember([
      ['a', {}],
      ['b', {}],
    ]);
    guest('g', ['a'], 8);
    pod('fits', { gpus: 8, unschedulable: true });
    pod('gated', { gpus: 8, gated: true, unschedulable: true });
    pod('huge', { gpus: 9, unschedulable: true });
    pod('elsewhere', { gpus: 1, unschedulable: true, spec: { nodeSelector: { zone: 'mars' } } });
    clock.advance(4000);
    expect(ended()).toEqual([]);
    expect(reclaimer.blocked()).toEqual([
      { namespace: 'owner-ns', name: 'elsewhere', reason: 'labels, affinity or taints rule out each of 2 nodes' },
      {
        namespace: 'owner-ns',
        name: 'huge',
        reason: 'needs 9 nvidia.com/gpu; without any guest the roomiest allowed node has 8',
      },
    ]);
    clock.advance(2000);
    expect(reclaimer.blocked().map((blocked) => blocked.name)).toEqual(['elsewhere', 'fits', 'huge']);
  });

  it('helps a pod behind hundreds that nothing helps, or that wait for room elsewhere', async () => {
    const { clock, pod, guest, ended } = await aMember([
      ['a', {}],
      ['full', { labels: { zone: 'full' } }],
    ]);
    guest('g', ['a'], 8);
    pod('owners-own', { gpus: 8, node: 'full' });
    const inZone = { nodeSelector: { zone: 'full' } };
    for (let i = 0; i < 300; i += 1) {
      pod(`a-queue-${i}`, { gpus: 1, unschedulable: true, priority: 100, spec: inZone });
      pod(`b-queue-${i}`, { gpus: 9, unschedulable: true, priority: 100 });
    }
    pod('train', { gpus: 8, unschedulable: true });
    clock.advance(100);
    expect(ended()).toEqual(['g']);
  });

  it('waits two seconds for a pod that no scheduler has said a word about', async () => {
    const { clock, pod, guest, ended } = await aMember([['a', {}]]);
    guest('g', ['a'], 8);
    pod('ignored', { gpus: 2, spec: { schedulerName: 'nobody' } });
    clock.advance(1900);
    expect(ended()).toEqual([]);
    clock.advance(200);
    expect(ended()).toEqual(['g']);
  });

  it('counts every resource: a pod that lacks only memory gets it back too', async () => {
    const { clock, pod, guest, guests, keeper, stores } = await aMember([['a', { memory: '100Gi' }]]);
    guest('g', ['a'], 1);
    stores.pods.put(
      slimPod(aRawPod('g-0', { namespace: 'guest-a', node: 'a', gpus: 1, memory: '90Gi', run: ['g', 1] })),
    );
    expect(guests).toHaveLength(1);
    pod('db', { memory: '50Gi', unschedulable: true });
    clock.advance(100);
    expect(keeper.ended).toMatchObject([{ message: 'owner pod owner-ns/db needs 50Gi memory on node a' }]);
  });

  it('ends the rest of a gang that the cluster’s scheduler broke, and uses it for the next pod', async () => {
    const { clock, pod, guest, ended, keeper, metrics } = await aMember([
      ['a', {}],
      ['b', {}],
    ]);
    guest('broken', ['a', 'b'], 8);
    pod('broken-0', {
      namespace: 'guest-a',
      node: 'a',
      gpus: 8,
      run: ['broken', 1],
      preempted: true,
      terminating: true,
    });
    clock.advance(0);
    expect(keeper.ended).toMatchObject([{ cause: 'Reclaimed', runs: [{ jobUid: 'broken' }] }]);
    pod('next', { gpus: 8, unschedulable: true });
    clock.advance(5000);
    expect(ended()).toEqual(['broken']);
    expect(await metrics.expose()).toContain('lumbung_agent_reclaims_total{by="scheduler"} 1');
  });

  it('does nothing more for a pod that its scheduler is making room for', async () => {
    const { clock, pod, guest, guests, keeper, ended } = await aMember([
      ['a', {}],
      ['b', {}],
    ]);
    guest('victim', ['a'], 8);
    guest('bystander', ['b'], 8);
    guests[0] = { ...guests[0]!, stopping: true };
    keeper.setGuests([...guests]);
    pod('train', { gpus: 8, unschedulable: true, nominated: 'a' });
    clock.advance(5000);
    expect(ended()).toEqual([]);
  });

  it('serves the more important pod when both cannot be helped', async () => {
    const { clock, pod, guest, ended, keeper, reclaimer } = await aMember([['a', {}]]);
    guest('g', ['a'], 8);
    pod('low', { gpus: 8, unschedulable: true, priority: 1 });
    pod('high', { gpus: 8, unschedulable: true, priority: 100 });
    clock.advance(100);
    expect(ended()).toEqual(['g']);
    expect(keeper.ended[0]?.message).toContain('owner-ns/high');
    expect(reclaimer.blocked()).toMatchObject([{ name: 'low', reason: textWith('higher priority') }]);
  });

  it('measures from the first ending until the pod has a node', async () => {
    const { clock, pod, guest, metrics } = await aMember([['a', {}]]);
    guest('g', ['a'], 8);
    pod('train', { gpus: 2, unschedulable: true });
    clock.advance(100);
    clock.advance(2400);
    pod('train', { gpus: 2, node: 'a' });
    const page = await metrics.expose();
    expect(page).toContain('lumbung_agent_reclaim_seconds_count 1');
    expect(Number(/lumbung_agent_reclaim_seconds_sum ([0-9.]+)/.exec(page)?.[1])).toBeCloseTo(2.49, 1);
  });

  it('stops looking when nobody waits, and after it was stopped', async () => {
    const { clock, pod, guest, ended, stores, reclaimer } = await aMember([['a', {}]]);
    guest('g', ['a'], 8);
    pod('train', { gpus: 9, unschedulable: true });
    clock.advance(100);
    expect(reclaimer.blocked()).toHaveLength(1);
    stores.pods.remove('owner-ns', 'train');
    clock.advance(2000);
    expect(reclaimer.blocked()).toEqual([]);
    expect(clock.nextDueMs()).toBeUndefined();
    await reclaimer.stop();
    pod('late', { gpus: 2, unschedulable: true });
    clock.advance(10_000);
    expect(ended()).toEqual([]);
  });
});
