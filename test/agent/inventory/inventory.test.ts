import { afterEach, describe, expect, it } from 'vitest';
import { textWith } from '../../support/matchers.ts';
import { createInventory } from '../../../src/agent/inventory/inventory.ts';
import type { Booking } from '../../../src/agent/inventory/inventory-reader.ts';
import { slimNode, type SlimNode } from '../../../src/agent/inventory/slim-node.ts';
import { slimPod, type SlimPod } from '../../../src/agent/inventory/slim-pod.ts';
import { createLendingPolicyReader } from '../../../src/agent/lending/lending-policy-reader.ts';
import { fence, jobUid, jurisdiction, nodeName } from '../../../src/core/model/ids.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import type { KubeObject } from '../../../src/platform/kube/object.ts';
import { silentLogger } from '../../../src/platform/log/logger.ts';
import { anOrder, aPolicy, aRawNode, aRawPod, type NodeShape, type PodShape } from '../../support/agent-builders.ts';
import { memoryStore } from '../../support/memory-store.ts';

const GPU = 'nvidia.com/gpu';
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function aCluster(policy: Record<string, unknown> | undefined, nodes: readonly (readonly [string, NodeShape])[]) {
  const clock = new VirtualClock({ wallMs: Date.parse('2026-11-23T12:00:00Z') });
  const stores = { nodes: memoryStore<SlimNode>(), pods: memoryStore<SlimPod>(), policies: memoryStore<KubeObject>() };
  const lending = createLendingPolicyReader({
    policies: stores.policies,
    readable: () => true,
    certifiedJurisdiction: () => jurisdiction('ID'),
    clock,
    logger: silentLogger(),
  });
  const inventory = createInventory({ nodes: stores.nodes, pods: stores.pods, lending, clock, logger: silentLogger() });
  const world = { heard: 0 };
  inventory.subscribe(() => {
    world.heard += 1;
  });
  const { signal } = new AbortController();
  await lending.start(signal);
  await inventory.start(signal);
  stops.push(
    () => inventory.stop(),
    () => lending.stop(),
  );
  if (policy !== undefined) stores.policies.put(aPolicy(policy));
  for (const [name, shape] of nodes) stores.nodes.put(slimNode(aRawNode(name, shape)));
  const pod = (name: string, shape: PodShape): void => {
    stores.pods.put(slimPod(aRawPod(name, shape)));
  };
  const free = (bookings: readonly Booking[] = []): Record<string, number | undefined> =>
    Object.fromEntries(inventory.report(bookings).offers.map((offer) => [offer.node, offer.free[GPU]]));
  return { clock, stores, lending, inventory, world, pod, free };
}

const booking = (uid: string, nodes: readonly (readonly [string, number])[]): Booking => ({
  run: { jobUid: jobUid(uid), fence: fence(1) },
  nodes: nodes.map(([name, workers]) => ({ node: nodeName(name), workers })),
  perWorker: { [GPU]: 2, cpu: 1000, pods: 1 },
});

describe('the inventory', () => {
  it('is synced only when everything has been listed', () => {
    const clock = new VirtualClock();
    const policies = memoryStore<KubeObject>({ synced: false });
    const lending = createLendingPolicyReader({
      policies,
      readable: () => true,
      certifiedJurisdiction: () => undefined,
      clock,
      logger: silentLogger(),
    });
    const slices = memoryStore<KubeObject>({ synced: false });
    const inventory = createInventory({
      nodes: memoryStore(),
      pods: memoryStore(),
      resourceSlices: slices,
      lending,
      clock,
      logger: silentLogger(),
    });
    expect(inventory.synced).toBe(false);
    policies.markSynced();
    expect(inventory.synced).toBe(false);
    slices.markSynced();
    expect(inventory.synced).toBe(true);
  });

  it('follows pods as they come and go', async () => {
    const { free, pod, stores } = await aCluster({}, [['a', {}]]);
    expect(free()).toEqual({ a: 8 });
    pod('p', { node: 'a', gpus: 3 });
    expect(free()).toEqual({ a: 5 });
    pod('g', { node: 'a', gpus: 2, run: ['j', 1] });
    expect(free()).toEqual({ a: 3 });
    stores.pods.remove('owner-ns', 'p');
    expect(free()).toEqual({ a: 6 });
  });

  it('keeps waiting owner pods out of the offers, gated ones not', async () => {
    const { free, pod } = await aCluster({}, [
      ['a', {}],
      ['b', { gpus: 2 }],
    ]);
    pod('p', { gpus: 4 });
    expect(free()).toEqual({ a: 4, b: 2 });
    pod('q', { gpus: 1, nominated: 'b' });
    expect(free()).toEqual({ a: 4, b: 1 });
    pod('r', { gpus: 1, gated: true });
    expect(free()).toEqual({ a: 4, b: 1 });
  });

  it('sets bookings off against the pods that they have become', async () => {
    const { free, pod } = await aCluster({}, [
      ['a', {}],
      ['b', {}],
    ]);
    const bookings = [
      booking('j', [
        ['a', 2],
        ['b', 1],
      ]),
    ];
    expect(free(bookings)).toEqual({ a: 4, b: 6 });
    pod('w0', { node: 'a', gpus: 2, run: ['j', 1] });
    expect(free(bookings)).toEqual({ a: 4, b: 6 });
    pod('w1', { node: 'a', gpus: 2, run: ['j', 1] });
    pod('w2', { node: 'b', gpus: 2, run: ['j', 1] });
    expect(free(bookings)).toEqual({ a: 4, b: 6 });
  });

  it('does not hold a booked node for a worker that went elsewhere, nor for one that has finished', async () => {
    const { free, pod } = await aCluster({}, [
      ['a', {}],
      ['b', {}],
    ]);
    const bookings = [booking('j', [['a', 2]])];
    pod('w0', { node: 'a', gpus: 2, run: ['j', 1] });
    pod('w1', { node: 'b', gpus: 2, run: ['j', 1] });
    expect(free(bookings)).toEqual({ a: 6, b: 6 });
    pod('w1', { node: 'b', gpus: 2, run: ['j', 1], phase: 'Succeeded' });
    expect(free(bookings)).toEqual({ a: 6, b: 8 });
  });

  it('lends a board only after it was idle for long enough, and tells when', async () => {
    const { free, pod, stores, clock, world } = await aCluster({ idleBeforeLend: '10m' }, [['a', {}]]);
    expect(free()).toEqual({ a: 0 });
    clock.advance(10 * 60_000);
    expect(free()).toEqual({ a: 8 });
    pod('p', { node: 'a', gpus: 3 });
    clock.advance(60_000);
    stores.pods.remove('owner-ns', 'p');
    expect(free()).toEqual({ a: 5 });
    const heard = world.heard;
    clock.advance(10 * 60_000 - 1);
    expect(free()).toEqual({ a: 5 });
    clock.advance(1);
    expect(world.heard).toBe(heard + 1);
    expect(free()).toEqual({ a: 8 });
  });

  it.each([
    ['Absent', undefined, {}],
    ['Invalid', { reclaimGrace: 'soon' }, {}],
    ['Paused', { paused: true }, { a: 0 }],
    ['OutsideWindow', { windows: [{ start: '13:00', end: '14:00' }] }, { a: 0 }],
    ['Lending', { windows: [{ start: '11:00', end: '14:00' }] }, { a: 8 }],
  ] as const)('offers by the state %s of the policy', async (state, policy, want) => {
    const { inventory, free } = await aCluster(policy, [['a', {}]]);
    expect(inventory.report([]).policy.state).toBe(state);
    expect(free()).toEqual(want);
    expect(inventory.report([]).gpus).toMatchObject([{ total: 8, idle: 8, offered: Object.values(want)[0] ?? 0 }]);
  });

  it('tells the owner’s calendar with the GPUs that an edge brings', async () => {
    const { inventory } = await aCluster(
      { windows: [{ start: '11:00', end: '14:00' }], reserve: { gpus: 1 }, cap: { percent: 50 } },
      [['a', {}]],
    );
    expect(inventory.report([]).window).toMatchObject({
      availableUntilMs: Date.parse('2026-11-23T14:00:00Z'),
      edges: [
        { kind: 'closes', gpus: 0 },
        { kind: 'opens', gpus: 4 },
        { kind: 'closes', gpus: 0 },
        { kind: 'opens', gpus: 4 },
      ],
    });
  });

  it('refits against the live state, other runs’ bookings included, and only while it lends', async () => {
    const { inventory, stores } = await aCluster({}, [
      ['node-1', {}],
      ['node-2', {}],
    ]);
    const order = anOrder({ workers: 4, gpusPerWorker: 2 });
    const perWorker = { [GPU]: 2, pods: 1 };
    expect(inventory.refit(order, perWorker, [])).toEqual({ ok: true, value: [{ node: 'node-1', workers: 4 }] });
    expect(inventory.refit(order, perWorker, [booking('other', [['node-1', 3]])])).toEqual({
      ok: true,
      value: [
        { node: 'node-1', workers: 1 },
        { node: 'node-2', workers: 3 },
      ],
    });
    expect(inventory.refit(anOrder({ podSpec: { nodeSelector: { zone: 'x' } } }), perWorker, []).ok).toBe(false);
    expect(inventory.refit(anOrder({ podSpec: { containers: 'none' } }), perWorker, []).ok).toBe(false);
    stores.policies.put(aPolicy({ paused: true }));
    expect(inventory.refit(order, perWorker, [])).toMatchObject({
      ok: false,
      error: { message: textWith('paused') },
    });
  });

  it('names nodes that cannot be reached: not ready, or gone with pods on them', async () => {
    const { inventory, pod, stores } = await aCluster({}, [
      ['a', {}],
      ['b', { ready: false }],
    ]);
    pod('p', { node: 'gone', gpus: 1 });
    expect([...inventory.unreachableNodes()].sort()).toEqual(['b', 'gone']);
    pod('q', { node: 'a', gpus: 1 });
    stores.nodes.remove(undefined, 'a');
    expect([...inventory.unreachableNodes()].sort()).toEqual(['a', 'b', 'gone']);
  });

  it('counts nodes with GPUs that are not lent by reason', async () => {
    const { inventory } = await aCluster({ nodeSelector: { lend: 'yes' } }, [
      ['a', {}],
      ['b', { ready: false }],
      ['c', { product: 'Tesla-T4-SHARED' }],
      ['d', { labels: { lend: 'yes' } }],
      ['e', { gpus: 0 }],
    ]);
    expect(Object.fromEntries(inventory.notLent())).toEqual({ NotSelected: 1, NodeNotReady: 1, SharedDevice: 1 });
  });

  it('gives one offer list whatever the order of events', async () => {
    const shapes: (readonly [string, PodShape])[] = [
      ['p', { node: 'a', gpus: 3 }],
      ['q', { node: 'b', gpus: 1 }],
      ['g', { node: 'a', gpus: 2, run: ['j', 1] }],
    ];
    const first = await aCluster({}, [
      ['a', {}],
      ['b', {}],
    ]);
    for (const [name, shape] of shapes) first.pod(name, shape);
    const second = await aCluster({}, [['b', {}]]);
    for (const [name, shape] of [...shapes].reverse()) second.pod(name, shape);
    second.stores.nodes.put(slimNode(aRawNode('a', {})));
    expect(second.inventory.report([])).toEqual(first.inventory.report([]));
  });
});
