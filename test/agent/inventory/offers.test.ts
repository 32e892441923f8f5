import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gpuCounts } from '../../../src/agent/inventory/gpu-counts.ts';
import type { NodeState } from '../../../src/agent/inventory/node-state.ts';
import { notLentReason } from '../../../src/agent/inventory/node-state.ts';
import { capGpus, exposedLabels, lendableView, lentOn, offersOf } from '../../../src/agent/inventory/offers.ts';
import { slimNode } from '../../../src/agent/inventory/slim-node.ts';
import type { Resources } from '../../../src/core/model/resources.ts';
import { aRawNode, type NodeShape } from '../../support/agent-builders.ts';

const GPU = 'nvidia.com/gpu';

interface StateShape extends NodeShape {
  readonly owner?: number;
  readonly guests?: number;
  readonly booked?: number;
  readonly wanted?: number;
  readonly recent?: number;
  readonly readable?: boolean;
}

function aState(name: string, shape: StateShape = {}): NodeState {
  const gpus = (count: number | undefined): Resources =>
    count === undefined || count === 0 ? {} : { [GPU]: count, cpu: count * 1000, pods: count };
  return {
    name,
    view: slimNode(aRawNode(name, shape)).view,
    owner: gpus(shape.owner),
    guests: gpus(shape.guests),
    booked: gpus(shape.booked),
    wanted: gpus(shape.wanted),
    recentOwnerGpus: shape.recent ?? shape.owner ?? 0,
    readable: shape.readable ?? true,
  };
}

type Limits = Parameters<typeof lendableView>[1];
const open: Limits = { nodeSelector: {}, tolerations: [], reserveGpus: 0, reservePerNode: {} };
const offeredBy = (states: readonly NodeState[], limits: Limits = open): Record<string, number> =>
  Object.fromEntries(
    offersOf(lendableView(states, limits), limits, true).map((offer) => [offer.node, offer.free[GPU] ?? 0]),
  );

describe('offers', () => {
  it.each([
    ['what nobody holds', [aState('a', { owner: 3, guests: 1 })], {}, { a: 4 }],
    ['healthy boards only', [aState('a', { healthyGpus: 6, owner: 1 })], {}, { a: 5 }],
    ['nothing that is booked or wanted', [aState('a', { booked: 2, wanted: 3 })], {}, { a: 3 }],
    ['nothing that the owner held lately', [aState('a', { owner: 1, recent: 5 })], {}, { a: 3 }],
    ['nothing while the idle time is not known', [aState('a', { recent: Number.POSITIVE_INFINITY })], {}, { a: 0 }],
    [
      'less than the reserve, from the smallest nodes first',
      [aState('a', { owner: 6 }), aState('b')],
      { reserveGpus: 3 },
      { a: 0, b: 7 },
    ],
    [
      'no more than the cap beside what is lent',
      [aState('a', { guests: 2 }), aState('b')],
      { cap: { kind: 'Gpus', gpus: 9 } },
      { a: 0, b: 7 },
    ],
    [
      'no more than the cap in percent of healthy boards',
      [aState('a'), aState('b')],
      { cap: { kind: 'Percent', percent: 40 } },
      { a: 6, b: 0 },
    ],
    [
      'nothing above a cap that is already exceeded',
      [aState('a', { guests: 4 })],
      { cap: { kind: 'Gpus', gpus: 2 } },
      { a: 0 },
    ],
    [
      'selected nodes only',
      [aState('a'), aState('b', { labels: { lend: 'yes' } })],
      { nodeSelector: { lend: 'yes' } },
      { b: 8 },
    ],
    [
      'nodes whose taints the policy tolerates',
      [aState('a', { taints: [{ key: 'gpu', effect: 'NoSchedule' }] })],
      { tolerations: [{ key: 'gpu', operator: 'Exists' }] },
      { a: 8 },
    ],
    ['no nodes with other taints', [aState('a', { taints: [{ key: 'gpu', effect: 'NoSchedule' }] })], {}, {}],
    [
      'nodes that are merely not preferred',
      [aState('a', { taints: [{ key: 'gpu', effect: 'PreferNoSchedule' }] })],
      {},
      { a: 8 },
    ],
    [
      'no unready, cordoned, shared or unreadable nodes',
      [
        aState('a', { ready: false }),
        aState('b', { cordoned: true }),
        aState('c', { product: 'Tesla-T4-SHARED' }),
        aState('d', { readable: false }),
        aState('e', { gpus: 0 }),
      ],
      {},
      {},
    ],
  ] as const)('hold %s', (_what, states, limits, want) => {
    expect(offeredBy(states, { ...open, ...limits })).toEqual(want);
  });

  it('keep the reserve of CPU and memory on each node', () => {
    const limits = { ...open, reservePerNode: { cpu: 60_000, memory: 2 ** 30 } };
    const [offer] = offersOf(lendableView([aState('a', { owner: 2 })], limits), limits, true);
    expect(offer?.free['cpu']).toBe(2000);
    expect(offer?.allocatable['cpu']).toBe(4000);
    expect(offer?.free['memory']).toBe(511 * 2 ** 30);
  });

  it('tell the shape but no free GPU while nothing is lent', () => {
    const [offer] = offersOf(lendableView([aState('a')], open), open, false);
    expect(offer).toMatchObject({ totalGpus: 8, free: { [GPU]: 0 }, allocatable: { [GPU]: 8 } });
  });

  it('carry no label that the owner wrote for itself', () => {
    const [offer] = offersOf(
      lendableView([aState('a', { labels: { 'topology.kubernetes.io/zone': 'z' } })], open),
      open,
      true,
    );
    expect(offer?.labels).toEqual({
      'kubernetes.io/arch': 'amd64',
      'kubernetes.io/hostname': 'a',
      'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3',
      'topology.kubernetes.io/zone': 'z',
    });
    expect(exposedLabels({ 'owner.example/x': '1' })).toEqual({});
  });

  it.each([
    [{ gpus: 0 }, 'NoWholeGpu'],
    [{ product: 'Tesla-T4-SHARED' }, 'SharedDevice'],
    [{ ready: false }, 'NodeNotReady'],
    [{ cordoned: true }, 'NodeCordoned'],
    [{ readable: false }, 'PodUnreadable'],
    [{}, undefined],
  ])('say why a node %j is not lent', (shape, want) => {
    expect(notLentReason(aState('a', shape), open)).toBe(want);
  });

  const state = fc
    .record({
      gpus: fc.integer({ min: 0, max: 8 }),
      sick: fc.integer({ min: 0, max: 3 }),
      owner: fc.integer({ min: 0, max: 8 }),
      guests: fc.integer({ min: 0, max: 4 }),
      booked: fc.integer({ min: 0, max: 3 }),
      wanted: fc.integer({ min: 0, max: 3 }),
      recent: fc.integer({ min: 0, max: 8 }),
      ready: fc.boolean(),
      cordoned: fc.boolean(),
      shared: fc.boolean(),
    })
    .map((shape): StateShape => ({
      ...shape,
      healthyGpus: Math.max(0, shape.gpus - shape.sick),
      recent: Math.max(shape.recent, shape.owner),
      ...(shape.shared ? { product: 'Tesla-T4-SHARED', labels: { 'nvidia.com/gpu.replicas': '2' } } : {}),
    }));
  const limits = fc.record({
    reserveGpus: fc.integer({ min: 0, max: 10 }),
    cap: fc.oneof(
      fc.constant(undefined),
      fc.record({ kind: fc.constant('Gpus'), gpus: fc.integer({ min: 0, max: 20 }) }),
      fc.record({ kind: fc.constant('Percent'), percent: fc.integer({ min: 0, max: 100 }) }),
    ),
  });

  it('never exceed what is free, the cap or the reserve, and states always sum to the total', () => {
    fc.assert(
      fc.property(fc.array(state, { maxLength: 5 }), limits, (shapes, { reserveGpus, cap }) => {
        const states = shapes.map((shape, i) => aState(`n${i}`, shape));
        const policy: Limits = {
          ...open,
          reserveGpus,
          ...(cap === undefined ? {} : { cap: cap }),
        };
        const offered = offeredBy(states, policy);
        let sum = 0;
        let unheld = 0;
        let healthy = 0;
        for (const one of states) {
          const free = offered[one.name];
          if (free === undefined) continue;
          const have = one.view.allocatable[GPU] ?? 0;
          const taken = (one.owner[GPU] ?? 0) + lentOn(one) + (one.wanted[GPU] ?? 0);
          expect(free).toBeGreaterThanOrEqual(0);
          expect(free).toBeLessThanOrEqual(Math.max(0, have - taken));
          expect(free).toBeLessThanOrEqual(Math.max(0, have - one.recentOwnerGpus - lentOn(one)));
          sum += free;
          unheld += Math.max(0, have - taken);
          healthy += have;
        }
        if (sum > 0) {
          expect(unheld - sum).toBeGreaterThanOrEqual(reserveGpus);
          expect(sum + states.reduce((lent, one) => lent + lentOn(one), 0)).toBeLessThanOrEqual(
            capGpus(policy.cap, healthy),
          );
        }
        for (const counts of gpuCounts(states, new Map(Object.entries(offered)))) {
          const { owner, parked, idle, lent, unhealthy, unknown, total } = counts;
          expect(owner + parked + idle + lent + unhealthy + unknown).toBe(total);
          for (const value of [owner, parked, idle, lent, unhealthy, unknown]) expect(value).toBeGreaterThanOrEqual(0);
          expect(counts.offered).toBeLessThanOrEqual(idle);
        }
        const total = states.reduce((boards, one) => boards + (one.view.gpu === undefined ? 0 : one.view.boards), 0);
        expect(gpuCounts(states, new Map()).reduce((boards, counts) => boards + counts.total, 0)).toBe(total);
      }),
      { numRuns: 1500 },
    );
  });
});
