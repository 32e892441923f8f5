import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NodeLedger } from '../../../src/agent/inventory/node-ledger.ts';
import { slimPod, type SlimPod } from '../../../src/agent/inventory/slim-pod.ts';
import { fence, jobUid } from '../../../src/core/model/ids.ts';
import { aRawPod, type PodShape } from '../../support/agent-builders.ts';

const newLedger = (startedMs = 0): NodeLedger => new NodeLedger(startedMs, () => 'nvidia.com/gpu');
const pod = (name: string, shape: PodShape): SlimPod => slimPod(aRawPod(name, shape));

describe('the node ledger', () => {
  it('gives after any history what counting the present pods gives', () => {
    const shape = fc.record(
      {
        node: fc.constantFrom('n1', 'n2'),
        gpus: fc.integer({ min: 1, max: 3 }),
        cpu: fc.constantFrom('1', '500m', 'bad'),
        phase: fc.constantFrom('Running', 'Succeeded', 'Pending'),
        run: fc.constantFrom(['j1', 1] as const, ['j2', 1] as const),
      },
      { requiredKeys: ['gpus', 'cpu'] },
    );
    const step = fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.option(shape, { nil: undefined }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const ledger = newLedger();
        const present = new Map<string, SlimPod>();
        steps.forEach(([name, next], i) => {
          const old = present.get(name);
          if (next !== undefined) {
            const slim = pod(name, next);
            present.set(name, slim);
            ledger.note(slim, i);
          } else if (old !== undefined) {
            present.delete(name);
            ledger.forget(old, i);
          }
        });
        const fresh = newLedger();
        for (const slim of present.values()) fresh.note(slim, 0);
        for (const node of ['n1', 'n2']) {
          expect(ledger.holdings(node)).toEqual(fresh.holdings(node));
          for (const uid of ['j1', 'j2']) {
            const run = { jobUid: jobUid(uid), fence: fence(1) };
            expect(ledger.podsOfRun(node, run)).toBe(fresh.podsOfRun(node, run));
            expect(ledger.boundPods(run)).toBe(fresh.boundPods(run));
            expect(ledger.heldBy(run)).toEqual(fresh.heldBy(run));
          }
        }
        const names = (one: NodeLedger): string[] => [...one.waitingPods()].map((slim) => slim.metadata.name!).sort();
        expect(names(ledger)).toEqual(names(fresh));
      }),
      { numRuns: 300 },
    );
  });

  it('releases what a pod held when its containers have ended, though the pod is still there', () => {
    const ledger = newLedger();
    ledger.note(pod('a', { node: 'n1', gpus: 2 }), 0);
    expect(ledger.holdings('n1').owner).toMatchObject({ 'nvidia.com/gpu': 2, pods: 1 });
    ledger.note(pod('a', { node: 'n1', gpus: 2, phase: 'Succeeded' }), 1);
    expect(ledger.holdings('n1').owner).toEqual({});
  });

  it('holds on while a pod terminates', () => {
    const ledger = newLedger();
    ledger.note(pod('a', { node: 'n1', gpus: 2, terminating: true }), 0);
    expect(ledger.holdings('n1').owner).toMatchObject({ 'nvidia.com/gpu': 2 });
  });

  it('remembers for how long boards have been idle, board by board', () => {
    const ledger = newLedger(0);
    ledger.note(pod('a', { node: 'n1', gpus: 1 }), 1000);
    ledger.note(pod('b', { node: 'n1', gpus: 2 }), 1000);
    expect(ledger.mostHeldWithin('n1', 500, 2000)).toBe(3);
    ledger.forget(pod('b', { node: 'n1' }), 3000);
    expect(ledger.mostHeldWithin('n1', 500, 3000)).toBe(3);
    expect(ledger.mostHeldWithin('n1', 500, 3499)).toBe(3);
    expect(ledger.nextIdleChangeMs(500, 3200)).toBe(3500);
    expect(ledger.mostHeldWithin('n1', 500, 3500)).toBe(1);
    expect(ledger.nextIdleChangeMs(500, 3500)).toBeUndefined();
    expect(ledger.mostHeldWithin('n1', 0, 3000)).toBe(1);
  });

  it('counts everything as held before it has watched for long enough', () => {
    const ledger = newLedger(1000);
    expect(ledger.mostHeldWithin('n1', 500, 1400)).toBe(Number.POSITIVE_INFINITY);
    expect(ledger.nextIdleChangeMs(500, 1400)).toBe(1500);
    expect(ledger.mostHeldWithin('n1', 500, 1500)).toBe(0);
  });

  it('does not let guests reset the owner’s idle time', () => {
    const ledger = newLedger(0);
    ledger.note(pod('g', { node: 'n1', gpus: 2, run: ['j1', 1] }), 1000);
    ledger.forget(pod('g', { node: 'n1', run: ['j1', 1] }), 2000);
    expect(ledger.mostHeldWithin('n1', 500, 2001)).toBe(0);
  });

  it('forgets nodes that are gone and empty', () => {
    const ledger = newLedger(0);
    ledger.note(pod('a', { node: 'n1', gpus: 1 }), 1);
    ledger.forget(pod('a', { node: 'n1' }), 2);
    ledger.forgetNode('n1');
    expect([...ledger.nodesInUse()]).toEqual([]);
  });
});
