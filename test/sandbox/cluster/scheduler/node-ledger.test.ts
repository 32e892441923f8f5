import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Pod } from '../../../../src/sandbox/cluster/objects/pod.ts';
import { NodeLedger } from '../../../../src/sandbox/cluster/scheduler/node-ledger.ts';
import { aNode, aPod, deleted } from '../object-builders.ts';

function used(ledger: NodeLedger, resource = 'nvidia.com/gpu'): number {
  return ledger.nodes()[0]?.requested.get(resource) ?? 0;
}

const gpuPod = (name: string, nodeName?: string, phase?: 'Succeeded'): Pod =>
  aPod({
    name,
    requests: { 'nvidia.com/gpu': '2' },
    spec: { ...aPod({ requests: { 'nvidia.com/gpu': '2' } }).spec, ...(nodeName === undefined ? {} : { nodeName }) },
    ...(phase === undefined ? {} : { status: { phase } }),
  });

describe('NodeLedger', () => {
  it('books running and terminating pods, and lets finished and removed ones go', () => {
    const ledger = new NodeLedger();
    ledger.setNode(aNode({ gpus: 8 }));
    ledger.observe(gpuPod('a', 'n1'));
    ledger.observe(deleted(gpuPod('b', 'n1')));
    expect(used(ledger)).toBe(4);
    ledger.observe(gpuPod('a', 'n1', 'Succeeded'));
    expect(used(ledger)).toBe(2);
    ledger.remove('uid-b');
    expect(used(ledger)).toBe(0);
  });

  it('keeps the place of an assumed pod until it is confirmed or forgotten', () => {
    const ledger = new NodeLedger();
    ledger.setNode(aNode({ gpus: 8 }));
    ledger.assume(gpuPod('a'), 'n1');
    ledger.observe(gpuPod('a'));
    expect(used(ledger)).toBe(2);
    ledger.forget('uid-a');
    expect(used(ledger)).toBe(0);
    ledger.assume(gpuPod('a'), 'n1');
    ledger.observe(gpuPod('a', 'n1'));
    ledger.forget('uid-a');
    expect(used(ledger)).toBe(2);
  });

  it('remembers pods of a node that is not there, and shows them once it comes back', () => {
    const ledger = new NodeLedger();
    ledger.observe(gpuPod('a', 'n1'));
    expect(ledger.nodes()).toEqual([]);
    ledger.setNode(aNode({ gpus: 8 }));
    expect(used(ledger)).toBe(2);
    ledger.removeNode('n1');
    expect(ledger.nodes()).toEqual([]);
  });

  it('always has as much requested as the pods it books, whatever happens to them', () => {
    const step = fc.record({
      name: fc.constantFrom('a', 'b', 'c'),
      what: fc.constantFrom('observe', 'pending', 'finish', 'assume', 'forget', 'remove'),
      node: fc.constantFrom('n1', 'n2'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const ledger = new NodeLedger();
        ledger.setNode(aNode({ name: 'n1', gpus: 8 }));
        ledger.setNode(aNode({ name: 'n2', gpus: 8 }));
        for (const { name, what, node } of steps) {
          if (what === 'observe') ledger.observe(gpuPod(name, node));
          if (what === 'pending') ledger.observe(gpuPod(name));
          if (what === 'finish') ledger.observe(gpuPod(name, node, 'Succeeded'));
          if (what === 'assume') ledger.assume(gpuPod(name), node);
          if (what === 'forget') ledger.forget(`uid-${name}`);
          if (what === 'remove') ledger.remove(`uid-${name}`);
        }
        const holders = ledger.nodes().flatMap((row) => [...row.pods.keys()]);
        expect(new Set(holders).size).toBe(holders.length);
        for (const row of ledger.nodes()) expect(row.requested.get('nvidia.com/gpu') ?? 0).toBe(2 * row.pods.size);
      }),
    );
  });
});
