import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Node } from '../../../../src/sandbox/cluster/objects/node.ts';
import type { Pod } from '../../../../src/sandbox/cluster/objects/pod.ts';
import { NodeLedger } from '../../../../src/sandbox/cluster/scheduler/node-ledger.ts';
import { decideScheduling } from '../../../../src/sandbox/cluster/scheduler/scheduling-decision.ts';
import { podRequests } from '../../../../src/sandbox/cluster/scheduler/resource-request.ts';
import { refusalOf } from '../../../../src/sandbox/cluster/scheduler/fit.ts';
import { aNode, aPod, deleted } from '../object-builders.ts';

interface Shape {
  readonly gpus?: number;
  readonly priority?: number;
  readonly nodeName?: string;
  readonly spec?: Partial<Pod['spec']>;
  readonly status?: Pod['status'];
}

function pod(name: string, shape: Shape = {}): Pod {
  const base = aPod({ requests: shape.gpus === undefined ? {} : { 'nvidia.com/gpu': String(shape.gpus) } }).spec;
  return aPod({
    name,
    spec: {
      ...base,
      priority: shape.priority ?? 0,
      ...(shape.nodeName === undefined ? {} : { nodeName: shape.nodeName }),
      ...shape.spec,
    },
    ...(shape.status === undefined ? {} : { status: shape.status }),
  });
}

function book(nodes: readonly Node[], pods: readonly Pod[] = []): NodeLedger {
  const ledger = new NodeLedger();
  for (const node of nodes) ledger.setNode(node);
  for (const each of pods) ledger.observe(each);
  return ledger;
}

describe('decideScheduling', () => {
  it('binds to the node that fits', () => {
    const ledger = book([aNode({ name: 'a', gpus: 2 }), aNode({ name: 'b', gpus: 8 })]);
    expect(decideScheduling(pod('p', { gpus: 4 }), ledger)).toEqual({ kind: 'Bind', nodeName: 'b' });
  });

  it('prefers the emptier node, and the name among equals', () => {
    const nodes = [aNode({ name: 'a', gpus: 8 }), aNode({ name: 'b', gpus: 8 })];
    expect(decideScheduling(pod('p', { gpus: 1 }), book(nodes))).toMatchObject({ nodeName: 'a' });
    const ledger = book(nodes, [pod('x', { gpus: 4, nodeName: 'a' })]);
    expect(decideScheduling(pod('p', { gpus: 1 }), ledger)).toMatchObject({ nodeName: 'b' });
  });

  it('says in the scheduler’s words why no node will do', () => {
    const ledger = book(
      [
        aNode({ name: 'a', gpus: 8 }),
        aNode({ name: 'b', gpus: 8 }),
        aNode({ name: 'c', gpus: 8, unschedulable: true }),
        aNode({ name: 'd', gpus: 8, taints: [{ key: 'x', effect: 'NoSchedule' }] }),
        aNode({ name: 'e', gpus: 8, labels: { zone: 'z' }, pods: 0 }),
      ],
      [pod('x', { gpus: 8, nodeName: 'a' }), pod('y', { gpus: 8, nodeName: 'b' })],
    );
    expect(decideScheduling(pod('p', { gpus: 1 }), ledger)).toEqual({
      kind: 'Wait',
      message:
        '0/5 nodes are available: 1 Too many pods, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable, ' +
        '2 Insufficient nvidia.com/gpu. no new claims to deallocate, preemption: 0/5 nodes are available: ' +
        '2 Preemption is not helpful for scheduling, 3 No preemption victims found for incoming pod.',
    });
  });

  it('says so when there is no node at all', () => {
    expect(decideScheduling(pod('p'), book([]))).toEqual({
      kind: 'Wait',
      message: 'no nodes available to schedule pods',
    });
  });

  it('does not pretend to know inter-pod affinity', () => {
    const spec = { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{}] } } };
    expect(decideScheduling(pod('p', { spec }), book([aNode()]))).toMatchObject({ kind: 'Wait' });
  });

  it('evicts the fewest of the least important, and leaves those who may stay', () => {
    const ledger = book(
      [aNode({ name: 'a', gpus: 8 })],
      [
        pod('low-1', { gpus: 4, priority: -5, nodeName: 'a' }),
        pod('low-2', { gpus: 2, priority: -5, nodeName: 'a', status: { startTime: '2026-01-01T00:00:00Z' } }),
        pod('low-3', { gpus: 2, priority: -1, nodeName: 'a' }),
      ],
    );
    const decision = decideScheduling(pod('p', { gpus: 2, priority: 10 }), ledger);
    expect(decision).toMatchObject({ kind: 'Preempt', nodeName: 'a' });
    expect(decision.kind === 'Preempt' && decision.victims.map((victim) => victim.metadata.name)).toEqual(['low-2']);
  });

  it('chooses the node whose most important victim is least important', () => {
    const ledger = book(
      [aNode({ name: 'a', gpus: 2 }), aNode({ name: 'b', gpus: 2 })],
      [
        pod('mid', { gpus: 2, priority: 5, nodeName: 'a' }),
        pod('low-1', { gpus: 1, priority: 1, nodeName: 'b' }),
        pod('low-2', { gpus: 1, priority: 1, nodeName: 'b' }),
      ],
    );
    expect(decideScheduling(pod('p', { gpus: 2, priority: 10 }), ledger)).toMatchObject({
      kind: 'Preempt',
      nodeName: 'b',
    });
  });

  it('evicts nobody for a pod whose policy is Never, and says so', () => {
    const ledger = book([aNode({ gpus: 2 })], [pod('low', { gpus: 2, priority: -5, nodeName: 'n1' })]);
    const never = pod('p', { gpus: 2, priority: 10, spec: { preemptionPolicy: 'Never' } });
    const decision = decideScheduling(never, ledger);
    expect(decision.kind === 'Wait' && decision.message).toContain('not eligible due to preemptionPolicy=Never.');
  });

  it('does not evict again while its victims are leaving', () => {
    const victim = deleted(
      pod('low', {
        gpus: 2,
        priority: -5,
        nodeName: 'n1',
        status: { conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' }] },
      }),
    );
    const ledger = book([aNode({ gpus: 2 })], [victim]);
    const waiting = pod('p', { gpus: 2, priority: 10, status: { nominatedNodeName: 'n1' } });
    expect(decideScheduling(waiting, ledger)).toMatchObject({ kind: 'Wait' });
  });

  it('keeps a promised place against pods of lower priority, not against higher ones', () => {
    const ledger = book([aNode({ gpus: 2 })]);
    ledger.nominate(pod('promised', { gpus: 2, priority: 5 }), 'n1');
    expect(decideScheduling(pod('low', { gpus: 1, priority: 1 }), ledger)).toMatchObject({ kind: 'Wait' });
    expect(decideScheduling(pod('high', { gpus: 1, priority: 9 }), ledger)).toMatchObject({ kind: 'Bind' });
    expect(decideScheduling(pod('promised', { gpus: 2, priority: 5 }), ledger)).toMatchObject({ kind: 'Bind' });
  });

  it('keeps its promises about any cluster: binding fits, victims suffice, are less important, and none is spare', () => {
    const running = fc.record({
      gpus: fc.integer({ min: 1, max: 4 }),
      priority: fc.integer({ min: -2, max: 2 }),
      node: fc.nat(2),
    });
    fc.assert(
      fc.property(
        fc.array(running, { maxLength: 10 }),
        fc.record({ gpus: fc.integer({ min: 1, max: 5 }), priority: fc.integer({ min: -2, max: 2 }) }),
        (others, want) => {
          const ledger = book(['a', 'b', 'c'].map((name) => aNode({ name, gpus: 4 })));
          for (const [i, other] of others.entries()) {
            const nodeName = ['a', 'b', 'c'][other.node] ?? 'a';
            const candidate = pod(`r${i}`, { gpus: other.gpus, priority: other.priority, nodeName });
            const row = ledger.nodes().find((each) => each.node.metadata.name === nodeName)!;
            if (refusalOf(candidate, podRequests(candidate), row) === undefined) ledger.observe(candidate);
          }
          const incoming = pod('p', want);
          const decision = decideScheduling(incoming, ledger);
          const free = (name: string): number => {
            const row = ledger.nodes().find((each) => each.node.metadata.name === name)!;
            return 4 - (row.requested.get('nvidia.com/gpu') ?? 0);
          };
          const most = Math.max(...['a', 'b', 'c'].map(free));
          expect(decision.kind === 'Bind').toBe(most >= want.gpus);
          if (decision.kind === 'Bind') expect(free(decision.nodeName)).toBeGreaterThanOrEqual(want.gpus);
          if (decision.kind !== 'Preempt') return;
          const freed = decision.victims.map((victim) => podRequests(victim).get('nvidia.com/gpu') ?? 0);
          const total = free(decision.nodeName) + freed.reduce((sum, each) => sum + each, 0);
          expect(total).toBeGreaterThanOrEqual(want.gpus);
          for (const spare of freed) expect(total - spare).toBeLessThan(want.gpus);
          for (const victim of decision.victims) expect(victim.spec.priority).toBeLessThan(want.priority);
        },
      ),
      { numRuns: 300 },
    );
  });
});
