import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeviceManager } from '../../../../src/sandbox/cluster/kubelet/device-manager.ts';
import type { Pod } from '../../../../src/sandbox/cluster/objects/pod.ts';
import { aPod } from '../object-builders.ts';

const limit = (gpus: number) => ({ limits: { 'nvidia.com/gpu': String(gpus) } });

function gpuPod(name: string, ...gpus: readonly number[]): Pod {
  return aPod({ name, spec: { containers: gpus.map((count, i) => ({ name: `c${i}`, resources: limit(count) })) } });
}

describe('DeviceManager', () => {
  it('gives each container boards of its own', () => {
    const devices = new DeviceManager(['a', 'b', 'c', 'd']);
    const grant = devices.grant(gpuPod('p', 2, 1, 0));
    expect(grant.kind === 'Granted' && Object.fromEntries(grant.byContainer)).toEqual({ c0: ['a', 'b'], c1: ['c'] });
  });

  it('refuses a pod whole when there are too few, and keeps nothing for it', () => {
    const devices = new DeviceManager(['a', 'b']);
    expect(devices.grant(gpuPod('p', 2, 1))).toEqual({ kind: 'Refused', requested: 3, available: 2 });
    expect(devices.held().size).toBe(0);
  });

  it('lets init containers use boards of the containers after them', () => {
    const devices = new DeviceManager(['a', 'b']);
    const pod = aPod({
      spec: { initContainers: [{ name: 'i', resources: limit(2) }], containers: [{ name: 'c', resources: limit(1) }] },
    });
    const grant = devices.grant(pod);
    expect(grant.kind === 'Granted' && Object.fromEntries(grant.byContainer)).toEqual({ c: ['a'], i: ['a', 'b'] });
  });

  it('never gives a board to two pods, whatever comes and goes', () => {
    const step = fc.record({
      name: fc.constantFrom('p', 'q', 'r'),
      gpus: fc.integer({ min: 0, max: 5 }),
      go: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const devices = new DeviceManager(['a', 'b', 'c', 'd', 'e', 'f']);
        const has = new Map<string, readonly string[]>();
        for (const { name, gpus, go } of steps) {
          const pod = gpuPod(name, gpus);
          if (go || has.has(name)) {
            devices.release(pod.metadata.uid!);
            has.delete(name);
            continue;
          }
          const grant = devices.grant(pod);
          if (grant.kind === 'Granted') has.set(name, [...grant.byContainer.values()].flat());
        }
        const all = [...has.values()].flat();
        expect(new Set(all).size).toBe(all.length);
        expect([...devices.held().keys()].sort()).toEqual([...all].sort());
      }),
    );
  });
});
