import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeState } from '../../../src/agent/inventory/node-state.ts';
import { slimNode } from '../../../src/agent/inventory/slim-node.ts';
import { compilePolicy, type CompiledPolicy } from '../../../src/agent/lending/compile-policy.ts';
import { createLimitEnforcer, limitBreaches, type LimitedGuest } from '../../../src/agent/lending/enforce-limits.ts';
import type { PolicyState } from '../../../src/agent/lending/admission.ts';
import { createAgentMetrics } from '../../../src/agent/telemetry/agent-metrics.ts';
import { fence, jobUid } from '../../../src/core/model/ids.ts';
import { silentLogger } from '../../../src/platform/log/logger.ts';
import { createMetrics } from '../../../src/platform/metrics/registry.ts';
import { aPolicy, aRawNode } from '../../support/agent-builders.ts';
import { fakeKeeper } from '../../support/agent-fakes.ts';

const GPU = 'nvidia.com/gpu';

function policy(spec: Record<string, unknown>): CompiledPolicy {
  const compiled = compilePolicy(aPolicy(spec));
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.error));
  return compiled.value;
}

const node = (name: string, owner = 0, labels: Record<string, string> = {}): NodeState => ({
  name,
  view: slimNode(aRawNode(name, { labels })).view,
  owner: { [GPU]: owner },
  guests: {},
  booked: {},
  wanted: {},
  recentOwnerGpus: 0,
  readable: true,
});

const guest = (uid: string, held: Record<string, number>, atRisk = 0): LimitedGuest => ({
  run: { jobUid: jobUid(uid), fence: fence(1) },
  held: new Map(Object.entries(held).map(([name, gpus]) => [name, { [GPU]: gpus }])),
  gpuSecondsAtRisk: atRisk,
});

const ends = (nodes: readonly NodeState[], guests: readonly LimitedGuest[], spec: Record<string, unknown>): string[] =>
  limitBreaches(nodes, guests, policy(spec)).map((breach) => `${breach.run.jobUid}:${breach.limit}`);

describe('tightened limits', () => {
  it.each([
    ['nobody while all holds', [node('a')], [guest('x', { a: 8 })], {}, []],
    [
      'who is on a node that is no longer selected',
      [node('a', 0, { lend: 'y' }), node('b')],
      [guest('x', { a: 2, b: 2 }), guest('y', { a: 2 })],
      { nodeSelector: { lend: 'y' } },
      ['x:NodeSelector'],
    ],
    [
      'least work first above the cap, whole gangs',
      [node('a'), node('b')],
      [guest('x', { a: 4 }, 900), guest('y', { a: 4, b: 4 }, 10), guest('z', { b: 4 }, 500)],
      { cap: { gpus: 9 } },
      ['y:Cap'],
    ],
    [
      'everybody at a cap of nothing',
      [node('a')],
      [guest('x', { a: 1 }), guest('y', { a: 1 })],
      { cap: { percent: 0 } },
      ['x:Cap', 'y:Cap'],
    ],
    [
      'those that hold the reserve',
      [node('a', 2)],
      [guest('x', { a: 3 }, 5), guest('y', { a: 3 }, 1)],
      { reserve: { gpus: 2 } },
      ['y:Reserve'],
    ],
    ['nobody for a reserve that the owner itself uses up', [node('a', 8)], [], { reserve: { gpus: 2 } }, []],
    [
      'not two where one freed for the cap serves the reserve too',
      [node('a')],
      [guest('x', { a: 4 }, 1), guest('y', { a: 4 }, 2)],
      { cap: { gpus: 4 }, reserve: { gpus: 4 } },
      ['x:Cap'],
    ],
  ] as const)('end %s', (...[, nodes, guests, spec, want]) => {
    expect(ends(nodes, guests, spec)).toEqual(want);
  });

  it('end no more gangs than needed: without the last one a limit is still broken', () => {
    const guests = fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 100 })), {
      maxLength: 5,
    });
    fc.assert(
      fc.property(guests, fc.integer({ min: 0, max: 20 }), (shapes, cap) => {
        const all = shapes.map(([gpus, risk], i) => guest(`g${i}`, { a: gpus }, risk));
        const breaches = limitBreaches([node('a'), node('b'), node('c')], all, policy({ cap: { gpus: cap } }));
        const gpusOf = (one: LimitedGuest): number => one.held.get('a')![GPU]!;
        const total = all.reduce((sum, one) => sum + gpusOf(one), 0);
        const freed = breaches.reduce((sum, breach) => sum + gpusOf(all.find((one) => one.run === breach.run)!), 0);
        expect(total - freed).toBeLessThanOrEqual(Math.max(cap, 0));
        const last = breaches.at(-1);
        if (last !== undefined)
          expect(total - freed + gpusOf(all.find((one) => one.run === last.run)!)).toBeGreaterThan(cap);
      }),
    );
  });

  it('are enforced once per policy, not because nodes or pods changed', async () => {
    const keeper = fakeKeeper();
    const limited = guest('x', { a: 8 });
    keeper.setGuests([
      {
        run: limited.run,
        booking: { run: limited.run, nodes: [], perWorker: {} },
        pods: [],
        stopping: false,
        gpuSecondsAtRisk: 0,
      },
    ]);
    let state: PolicyState = { kind: 'Lending', policy: policy({ cap: { gpus: 4 } }) };
    const handlers: (() => void)[] = [];
    const enforcer = createLimitEnforcer({
      lending: {
        state: () => state,
        subscribe: (handler: () => void) => {
          handlers.push(handler);
          return () => undefined;
        },
      } as never,
      inventory: { states: () => [node('a')], heldBy: () => limited.held } as never,
      keeper,
      logger: silentLogger(),
      metrics: createAgentMetrics(createMetrics()),
    });
    await enforcer.start(new AbortController().signal);
    expect(keeper.ended).toMatchObject([{ cause: 'PolicyChanged', runs: [{ jobUid: 'x' }] }]);
    handlers[0]?.();
    expect(keeper.ended).toHaveLength(1);
    state = { kind: 'Lending', policy: policy({ cap: { gpus: 3 } }) };
    handlers[0]?.();
    expect(keeper.ended).toHaveLength(2);
    await enforcer.stop();
  });
});
