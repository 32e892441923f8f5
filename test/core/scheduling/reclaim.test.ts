import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fence, jobUid, runKey } from '../../../src/core/model/ids.ts';
import type { Resources } from '../../../src/core/model/resources.ts';
import { reclaim } from '../../../src/core/scheduling/reclaim.ts';
import type {
  ReclaimGuest,
  ReclaimInput,
  ReclaimNode,
  WaitingOwnerPod,
} from '../../../src/core/scheduling/reclaim-input.ts';

const gpu = 'nvidia.com/gpu';

function ownerPod(key: string, gpus: number, over: Partial<WaitingOwnerPod> = {}): WaitingOwnerPod {
  return {
    key: `owner/${key}`,
    requests: { [gpu]: gpus, pods: 1 },
    nodeTerms: [],
    tolerations: [],
    priority: 0,
    ...over,
  };
}
function freeNode(node: string, gpus: number, over: Partial<ReclaimNode> = {}): ReclaimNode {
  return { node, labels: {}, taints: [], free: { [gpu]: gpus, pods: 50, memory: 100 }, ...over };
}
/** `on` = GPUs per node. */
function aGuest(uid: string, on: Readonly<Record<string, number>>, over: Partial<ReclaimGuest> = {}): ReclaimGuest {
  const nodes = Object.entries(on).map(([node, gpus]) => ({ node, resources: { [gpu]: gpus, pods: 1 } }));
  return { run: { jobUid: jobUid(uid), fence: fence(1) }, nodes, gpuSecondsAtRisk: 0, stopping: false, ...over };
}
const evicted = (input: ReclaimInput): string[] => reclaim(input).evict.map((one) => one.run.jobUid);

describe('the owner takes back', () => {
  it('room for a pod behind any number that nothing helps, and for the first 512 that could be helped', () => {
    const hopeless = Array.from({ length: 600 }, (_unused, i) => ownerPod(`a-${i}`, 9, { priority: 10 }));
    const pods = [...hopeless, ...Array.from({ length: 600 }, (_unused, i) => ownerPod(`b-${i}`, 1))];
    const decision = reclaim({ pods, nodes: [freeNode('n', 0)], guests: [aGuest('g', { n: 1 })] });
    expect(decision.evict.map((one) => one.run.jobUid)).toEqual(['g']);
    expect(decision.hopeless.filter(({ reason }) => reason.kind === 'NeverFits')).toHaveLength(600);
    expect(decision.hopeless.filter(({ reason }) => reason.kind === 'BehindOtherPods')).toHaveLength(511);
  });

  it('nothing when its pod fits', () => {
    expect(reclaim({ pods: [ownerPod('p', 1)], nodes: [freeNode('n', 1)], guests: [aGuest('g', { n: 1 })] })).toEqual({
      evict: [],
      covered: [{ pod: 'owner/p', node: 'n' }],
      hopeless: [],
    });
  });

  it.each([
    {
      why: 'the smallest gang that makes room',
      want: ['small'],
      pods: [ownerPod('p', 1)],
      guests: [aGuest('large', { n: 4 }), aGuest('small', { n: 1 })],
    },
    {
      why: 'the gang that holds least elsewhere, not least here',
      want: ['here'],
      pods: [ownerPod('p', 1)],
      guests: [aGuest('wide', { n: 1, m: 4 }), aGuest('here', { n: 2 })],
      nodes: [freeNode('n', 0), freeNode('m', 0)],
    },
    {
      why: 'of equals the one with least work at risk',
      want: ['b'],
      pods: [ownerPod('p', 1)],
      guests: [aGuest('a', { n: 1 }, { gpuSecondsAtRisk: 9 }), aGuest('b', { n: 1 }, { gpuSecondsAtRisk: 3 })],
    },
    {
      why: 'of equals the first key',
      want: ['a'],
      pods: [ownerPod('p', 1)],
      guests: [aGuest('b', { n: 1 }), aGuest('a', { n: 1 })],
    },
    {
      why: 'one large gang rather than many small ones that hold more',
      want: ['four'],
      pods: [ownerPod('p', 4)],
      guests: [aGuest('four', { n: 4 }), aGuest('three-a', { n: 3 }), aGuest('three-b', { n: 3 })],
    },
    {
      why: 'two gangs where none alone suffices',
      want: ['a', 'b'],
      pods: [ownerPod('p', 3)],
      guests: [aGuest('a', { n: 2 }), aGuest('b', { n: 1 }), aGuest('c', { n: 2 })],
    },
    {
      why: 'nothing while a gang that is stopping already makes room',
      want: [],
      pods: [ownerPod('p', 1)],
      guests: [aGuest('going', { n: 1 }, { stopping: true }), aGuest('b', { n: 1 })],
    },
    {
      why: 'a broken gang, however large, before one that works',
      want: ['broken'],
      pods: [ownerPod('p', 1)],
      guests: [aGuest('broken', { n: 4 }, { broken: true }), aGuest('b', { n: 1 })],
    },
    {
      why: 'once for several pods in one room',
      want: ['a'],
      pods: [ownerPod('p', 1), ownerPod('q', 1)],
      guests: [aGuest('a', { n: 2 }), aGuest('b', { n: 3 })],
    },
    {
      why: 'a gang whole, over all its nodes, for pods on both',
      want: ['a-wide'],
      pods: [ownerPod('p', 1), ownerPod('q', 1)],
      guests: [aGuest('a-wide', { n: 1, m: 1 }), aGuest('b', { n: 2 })],
      nodes: [freeNode('n', 0), freeNode('m', 0)],
    },
  ])('$why', ({ want, pods, guests, nodes }) => {
    expect(evicted({ pods, guests, nodes: nodes ?? [freeNode('n', 0)] })).toEqual(want);
  });

  it('looks only where the pod may go', () => {
    const nodes = [
      freeNode('a', 0, { taints: [{ key: 'x', value: '', effect: 'NoSchedule' }] }),
      freeNode('b', 0, { labels: { zone: 'b' } }),
      freeNode('c', 0, { labels: { zone: 'c' } }),
    ];
    const guests = [aGuest('on-a', { a: 1 }), aGuest('on-b', { b: 1 }), aGuest('on-c', { c: 1 })];
    const zoneC = [[{ key: 'zone', operator: 'In', values: ['c'] }]] as const;
    expect(evicted({ pods: [ownerPod('p', 1, { nodeTerms: zoneC })], nodes, guests })).toEqual(['on-c']);
    expect(evicted({ pods: [ownerPod('p', 1, { tolerations: [{ operator: 'Exists' }] })], nodes, guests })).toEqual([
      'on-a',
    ]);
    expect(evicted({ pods: [ownerPod('p', 1, { nominatedNode: 'c' })], nodes, guests })).toEqual(['on-c']);
  });

  it('frees whatever resource is short, not GPUs alone', () => {
    const nodes = [freeNode('n', 0, { free: { [gpu]: 2, pods: 50, memory: 10 } })];
    const hog: ReclaimGuest = {
      ...aGuest('hog', {}),
      nodes: [{ node: 'n', resources: { memory: 90, [gpu]: 1, pods: 1 } }],
    };
    const pod = ownerPod('p', 0, { requests: { memory: 50 } });
    expect(evicted({ pods: [pod], nodes, guests: [aGuest('lean', { n: 1 }), hog] })).toEqual(['hog']);
  });

  it('from a node that is overfull by more than the guest holds, nothing', () => {
    const nodes = [freeNode('n', -3)];
    expect(reclaim({ pods: [ownerPod('p', 1)], nodes, guests: [aGuest('g', { n: 2 })] })).toMatchObject({
      evict: [],
      hopeless: [{ pod: 'owner/p', reason: { kind: 'NeverFits', resource: gpu, need: 1, have: -1 } }],
    });
  });

  it('nothing for pods that no eviction helps, and says why', () => {
    const nodes = [freeNode('n', 0, { taints: [{ key: 'x', value: '', effect: 'NoSchedule' }] }), freeNode('m', 0)];
    const guests = [aGuest('g', { m: 4 })];
    const nowhere = [[{ key: 'zone', operator: 'Exists', values: [] }]] as const;
    const decision = reclaim({
      pods: [
        ownerPod('big', 5),
        ownerPod('nowhere', 1, { nodeTerms: nowhere }),
        ownerPod('fits', 4, { priority: 1 }),
        ownerPod('late', 4),
      ],
      nodes,
      guests,
    });
    expect(decision).toEqual({
      evict: [{ run: guests[0]!.run, pods: ['owner/fits'] }],
      covered: [{ pod: 'owner/fits', node: 'm' }],
      hopeless: [
        { pod: 'owner/big', reason: { kind: 'NeverFits', resource: gpu, need: 5, have: 4 } },
        { pod: 'owner/late', reason: { kind: 'BehindOtherPods' } },
        { pod: 'owner/nowhere', reason: { kind: 'NoNodeAllowed', nodes: 2 } },
      ],
    });
  });

  it('serves the greater pod first', () => {
    const decision = reclaim({
      pods: [ownerPod('low', 2), ownerPod('high', 2, { priority: 9 })],
      nodes: [freeNode('n', 0)],
      guests: [aGuest('g', { n: 2 })],
    });
    expect(decision.covered).toEqual([{ pod: 'owner/high', node: 'n' }]);
  });
});

const arbitrary = (gangs: { readonly minLength: number; readonly maxLength: number }): fc.Arbitrary<ReclaimInput> =>
  fc.record({
    nodes: fc
      .array(fc.record({ gpus: fc.integer({ min: -1, max: 2 }), memory: fc.nat(4), zone: fc.constantFrom('a', 'b') }), {
        minLength: 1,
        maxLength: 3,
      })
      .map((list) =>
        list.map(({ gpus, memory, zone }, i) =>
          freeNode(`n${i}`, 0, { free: { [gpu]: gpus, memory, pods: 20 }, labels: { zone } }),
        ),
      ),
    guests: fc
      .array(
        fc.record({
          on: fc.dictionary(fc.constantFrom('n0', 'n1', 'n2'), fc.integer({ min: 1, max: 2 }), {
            minKeys: 1,
            maxKeys: 2,
          }),
          memory: fc.nat(2),
          risk: fc.nat(3),
          stopping: fc.nat(5).map((n) => n === 0),
          broken: fc.nat(9).map((n) => n === 0),
        }),
        gangs,
      )
      .map((list) =>
        list.map(({ on, memory, risk, stopping, broken }, i): ReclaimGuest => ({
          ...aGuest(`g${String(i).padStart(2, '0')}`, {}, { gpuSecondsAtRisk: risk, stopping, broken }),
          nodes: Object.entries(on).map(([node, gpus]) => ({ node, resources: { [gpu]: gpus, memory, pods: 1 } })),
        })),
      ),
    pods: fc
      .array(
        fc.record({
          gpus: fc.integer({ min: 0, max: 4 }),
          memory: fc.nat(3),
          priority: fc.nat(1),
          zone: fc.constantFrom(undefined, undefined, 'a'),
        }),
        { maxLength: 4 },
      )
      .map((list) =>
        list.map(({ gpus, memory, priority, zone }, i) =>
          ownerPod(`p${i}`, 0, {
            requests: { [gpu]: gpus, memory, pods: 1 },
            priority,
            nodeTerms: zone === undefined ? [] : [[{ key: 'zone', operator: 'In', values: [zone] }]],
          }),
        ),
      ),
  });

/** Can these pods all be placed once these guests (by key) are gone? By trying everything. */
function placeable(input: ReclaimInput, pods: readonly WaitingOwnerPod[], gone: ReadonlySet<string>): boolean {
  const free = new Map(input.nodes.map((node) => [node.node, { ...node.free }]));
  for (const guest of input.guests) {
    if (!guest.stopping && !gone.has(runKey(guest.run))) continue;
    for (const { node, resources } of guest.nodes) add(free.get(node), resources, 1);
  }
  const place = (i: number): boolean => {
    const pod = pods[i];
    if (pod === undefined) return true;
    return input.nodes.some((node) => {
      const room = free.get(node.node)!;
      const zones = pod.nodeTerms.flat().flatMap((need) => need.values);
      if (zones.length > 0 && !zones.includes(node.labels['zone'] ?? '')) return false;
      if (Object.entries(pod.requests).some(([name, need]) => need > 0 && need > (room[name] ?? 0))) return false;
      add(room, pod.requests, -1);
      const done = place(i + 1);
      add(room, pod.requests, 1);
      return done;
    });
  };
  return place(0);
}

function add(room: Record<string, number> | undefined, resources: Resources, sign: number): void {
  if (room === undefined) return;
  for (const [name, amount] of Object.entries(resources)) room[name] = (room[name] ?? 0) + sign * amount;
}

function gpusOf(input: ReclaimInput, gone: ReadonlySet<string>): number {
  const guests = input.guests.filter((guest) => gone.has(runKey(guest.run)) && guest.broken !== true);
  return guests.flatMap((guest) => guest.nodes).reduce((sum, share) => sum + (share.resources[gpu] ?? 0), 0);
}

/** Checks one decision by brute force; `exactly` = no cheaper set exists either. */
function checkDecision(input: ReclaimInput, exactly: boolean): void {
  const decision = reclaim(input);
  const key = (pod: WaitingOwnerPod): string => pod.key;
  const ranked = [...input.pods].sort((a, b) => b.priority - a.priority || (a.key < b.key ? -1 : 1));
  const coveredKeys = decision.covered.map((one) => one.pod);
  expect([...coveredKeys, ...decision.hopeless.map((one) => one.pod)].sort()).toEqual(input.pods.map(key).sort());
  const covered = ranked.filter((pod) => coveredKeys.includes(pod.key));
  const standing = input.guests.filter((guest) => !guest.stopping).map((guest) => runKey(guest.run));
  const gone = new Set(decision.evict.map((one) => runKey(one.run)));
  expect([...gone].every((run) => standing.includes(run))).toBe(true);
  // It works, and nothing less does.
  expect(placeable(input, covered, gone)).toBe(true);
  for (const spared of gone) {
    expect(placeable(input, covered, new Set([...gone].filter((run) => run !== spared)))).toBe(false);
  }
  // Pods that nothing helps really cannot be helped, given the greater ones.
  const everybody = new Set(standing);
  for (const { pod: hopelessKey, reason } of decision.hopeless) {
    const pod = ranked.find((one) => one.key === hopelessKey)!;
    const greater = covered.filter((one) => ranked.indexOf(one) < ranked.indexOf(pod));
    const company = reason.kind === 'BehindOtherPods' ? greater : [];
    if (exactly || reason.kind !== 'BehindOtherPods')
      expect(placeable(input, [...company, pod], everybody)).toBe(false);
  }
  if (!exactly) return;
  for (let bits = 0; bits < 2 ** standing.length; bits += 1) {
    const other = new Set(standing.filter((_run, i) => (bits & (1 << i)) !== 0));
    if (placeable(input, covered, other)) expect(gpusOf(input, other)).toBeGreaterThanOrEqual(gpusOf(input, gone));
  }
}

describe('any small reclaim', () => {
  it('is minimal by brute force, helps all that can be helped, and spares the rest', () => {
    fc.assert(
      fc.property(arbitrary({ minLength: 0, maxLength: 6 }), (input) => {
        checkDecision(input, true);
      }),
      { numRuns: 800 },
    );
  });

  it('is the same however pods, nodes and guests are listed', () => {
    fc.assert(
      fc.property(arbitrary({ minLength: 0, maxLength: 14 }), (input) => {
        const reversed = {
          pods: input.pods.toReversed(),
          nodes: input.nodes.toReversed(),
          guests: input.guests.toReversed(),
        };
        expect(reclaim(reversed)).toEqual(reclaim(input));
      }),
      { numRuns: 300 },
    );
  });

  it('evicts nobody more once its own decision is under way', () => {
    fc.assert(
      fc.property(arbitrary({ minLength: 0, maxLength: 6 }), (input) => {
        const first = reclaim(input);
        const going = new Set(first.evict.map((one) => runKey(one.run)));
        const guests = input.guests.map((guest) =>
          going.has(runKey(guest.run)) ? { ...guest, stopping: true } : guest,
        );
        expect(reclaim({ ...input, guests })).toMatchObject({ evict: [], hopeless: first.hopeless });
      }),
      { numRuns: 300 },
    );
  });
});

describe('a larger reclaim', () => {
  it('works and has no gang too many', () => {
    fc.assert(
      fc.property(arbitrary({ minLength: 12, maxLength: 16 }), (input) => {
        checkDecision(input, false);
      }),
      { numRuns: 300 },
    );
  });

  it('of hundreds of pods and nodes covers them all, none at a greater price than alone', () => {
    const nodes = Array.from({ length: 300 }, (_, i) => freeNode(`n${i}`, 0));
    const guests = nodes.flatMap(({ node }, i) =>
      Array.from({ length: 4 }, (_, j) => aGuest(`g${i}-${j}`, { [node]: 2 })),
    );
    const pods = Array.from({ length: 300 }, (_, i) => ownerPod(`p${i}`, 3));
    const decision = reclaim({ pods, nodes, guests });
    expect(decision.covered).toHaveLength(300);
    // Two pods share the room of three or four gangs at best; each pod alone needs two.
    expect(decision.evict.length).toBeLessThanOrEqual(600);
    expect(decision.hopeless).toEqual([]);
  });
});
