import { describe, expect, it } from 'vitest';
import type { Taint } from '../../../../src/sandbox/cluster/objects/node.ts';
import type { Toleration } from '../../../../src/sandbox/cluster/objects/pod.ts';
import {
  avoidedTaints,
  staySeconds,
  tolerates,
  untoleratedTaint,
} from '../../../../src/sandbox/cluster/scheduler/taints.ts';
import { aPod } from '../object-builders.ts';

const taint: Taint = { key: 'gpu', value: 'yes', effect: 'NoSchedule' };

describe('tolerations', () => {
  it.each<[string, Toleration, boolean]>([
    ['equal key and value', { key: 'gpu', operator: 'Equal', value: 'yes' }, true],
    ['Equal by default', { key: 'gpu', value: 'yes' }, true],
    ['another value', { key: 'gpu', value: 'no' }, false],
    ['Exists', { key: 'gpu', operator: 'Exists' }, true],
    ['Exists without key', { operator: 'Exists' }, true],
    ['the same effect', { operator: 'Exists', effect: 'NoSchedule' }, true],
    ['another effect', { operator: 'Exists', effect: 'NoExecute' }, false],
    ['another key', { key: 'cpu', operator: 'Exists' }, false],
    ['an unknown operator', { key: 'gpu', operator: 'Like' }, false],
  ])('judges %s', (_name, toleration, want) => {
    expect(tolerates(toleration, taint)).toBe(want);
  });

  it('never keeps a pod off for PreferNoSchedule, but counts it', () => {
    const soft: Taint = { key: 'x', effect: 'PreferNoSchedule' };
    expect(untoleratedTaint(aPod(), [soft])).toBeUndefined();
    expect(avoidedTaints(aPod(), [soft, taint])).toBe(1);
  });
});

describe('staySeconds', () => {
  const gone: Taint = { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' };
  it.each<[string, readonly Toleration[], number | undefined]>([
    ['leaves at once without a toleration', [], 0],
    ['stays for ever without seconds', [{ operator: 'Exists' }], undefined],
    ['stays for the seconds of its toleration', [{ key: gone.key, operator: 'Exists', tolerationSeconds: 300 }], 300],
    [
      'takes the shortest of several',
      [
        { operator: 'Exists', tolerationSeconds: 300 },
        { key: gone.key, operator: 'Exists', tolerationSeconds: 5 },
      ],
      5,
    ],
  ])('%s', (_name, tolerations, want) => {
    expect(staySeconds(aPod({ spec: { tolerations } }), [gone, taint])).toBe(want);
  });

  it('is not concerned by other effects', () => {
    expect(staySeconds(aPod(), [taint])).toBeUndefined();
  });
});
