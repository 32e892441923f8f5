import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { textWith } from '../../support/matchers.ts';
import type { LendableNode, LendableView } from '../../../src/agent/inventory/offers.ts';
import { refitGang } from '../../../src/agent/inventory/refit-gang.ts';
import { slimNode } from '../../../src/agent/inventory/slim-node.ts';
import { gpuModel, nodeName } from '../../../src/core/model/ids.ts';
import { timesFitting } from '../../../src/core/model/resources.ts';
import { aRawNode } from '../../support/agent-builders.ts';

const GPU = 'nvidia.com/gpu';
const perWorker = { [GPU]: 2, cpu: 1000, pods: 1 };

function node(
  name: string,
  freeGpus: number,
  shape: { product?: string; cpu?: number; labels?: Record<string, string> } = {},
): LendableNode {
  const view = slimNode(
    aRawNode(name, { ...(shape.product === undefined ? {} : { product: shape.product }), labels: shape.labels ?? {} }),
  ).view;
  const state = { name, view, owner: {}, guests: {}, booked: {}, wanted: {}, recentOwnerGpus: 0, readable: true };
  return { state, gpuResource: GPU, free: { [GPU]: freeGpus, cpu: shape.cpu ?? 64_000, pods: 100 }, freeGpus };
}
const view = (nodes: readonly LendableNode[], budgetGpus = Number.POSITIVE_INFINITY): LendableView => ({
  nodes,
  budgetGpus,
});
const request = (
  workers: number,
  chosen: readonly (readonly [string, number])[],
  nodeTerms: Parameters<typeof refitGang>[1]['nodeTerms'] = [],
) => ({
  order: {
    workers,
    gpuModel: gpuModel('H100-80GB'),
    gpuResource: GPU,
    nodes: chosen.map(([name, count]) => ({ node: nodeName(name), workers: count })),
  },
  perWorker,
  nodeTerms,
});

describe('refitting a gang', () => {
  it('keeps the hub’s choice where it fits', () => {
    expect(
      refitGang(
        view([node('a', 8), node('b', 8), node('c', 2)]),
        request(4, [
          ['b', 3],
          ['a', 1],
        ]),
      ),
    ).toEqual({
      ok: true,
      value: [
        { node: 'b', workers: 3 },
        { node: 'a', workers: 1 },
      ],
    });
  });

  it('shifts workers to the hub’s other nodes, then to the tightest of the class', () => {
    expect(
      refitGang(
        view([node('a', 2), node('b', 8), node('c', 2)]),
        request(4, [
          ['a', 2],
          ['b', 2],
        ]),
      ),
    ).toEqual({
      ok: true,
      value: [
        { node: 'a', workers: 1 },
        { node: 'b', workers: 3 },
      ],
    });
    expect(refitGang(view([node('a', 2), node('b', 8), node('c', 4)]), request(2, [['a', 2]]))).toEqual({
      ok: true,
      value: [
        { node: 'a', workers: 1 },
        { node: 'c', workers: 1 },
      ],
    });
  });

  it.each([
    ['too little in all', view([node('a', 2), node('b', 3)]), request(3, [['a', 3]]), '2 of 3 workers'],
    [
      'another model',
      view([node('a', 8, { product: 'Tesla-T4' })]),
      request(1, [['a', 1]]),
      '0 of 1 workers fit on the 0 lent nodes',
    ],
    ['CPU', view([node('a', 8, { cpu: 500 })]), request(1, [['a', 1]]), 'node a has 500 of 1000 cpu'],
    [
      'the template’s own terms',
      view([node('a', 8)]),
      request(1, [['a', 1]], [[{ key: 'zone', operator: 'In', values: ['z'] }]]),
      '0 of 1',
    ],
    ['cap and reserve', view([node('a', 8)], 3), request(2, [['a', 2]]), 'leave 3'],
  ] as const)('refuses the whole gang for %s', (_what, state, wanted, message) => {
    expect(refitGang(state, wanted)).toMatchObject({ ok: false, error: { message: textWith(message) } });
  });

  it('places all workers within every node’s free capacity, or none though none is only when none can', () => {
    const nodes = fc.array(fc.tuple(fc.integer({ min: 0, max: 8 }), fc.boolean()), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(
        nodes,
        fc.integer({ min: 1, max: 12 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 1, max: 5 })), { maxLength: 4 }),
        (shapes, workers, chosen) => {
          const state = view(shapes.map(([free, t4], i) => node(`n${i}`, free, t4 ? { product: 'Tesla-T4' } : {})));
          const answer = refitGang(
            state,
            request(
              workers,
              chosen.map(([i, count]) => [`n${i}`, count] as const),
            ),
          );
          const room = state.nodes
            .filter((one) => one.state.view.gpu?.model === 'H100-80GB')
            .reduce((sum, one) => sum + timesFitting(one.free, perWorker), 0);
          expect(answer.ok).toBe(room >= workers);
          if (!answer.ok) return;
          expect(answer.value.reduce((sum, share) => sum + share.workers, 0)).toBe(workers);
          expect(new Set(answer.value.map((share) => share.node)).size).toBe(answer.value.length);
          for (const share of answer.value) {
            const host = state.nodes.find((one) => one.state.name === share.node);
            expect(host?.state.view.gpu?.model).toBe('H100-80GB');
            expect(share.workers).toBeLessThanOrEqual(timesFitting(host?.free ?? {}, perWorker));
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});
