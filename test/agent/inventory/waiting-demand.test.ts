import { describe, expect, it } from 'vitest';
import { slimNode } from '../../../src/agent/inventory/slim-node.ts';
import { slimPod } from '../../../src/agent/inventory/slim-pod.ts';
import { waitingDemand, type HostNode } from '../../../src/agent/inventory/waiting-demand.ts';
import { aRawNode, aRawPod, type NodeShape, type PodShape } from '../../support/agent-builders.ts';

const host = (name: string, shape: NodeShape = {}, owner: Record<string, number> = {}): HostNode => ({
  name,
  view: slimNode(aRawNode(name, shape)).view,
  owner,
});
const gpusWanted = (pods: readonly PodShape[], nodes: readonly HostNode[]): Record<string, number | undefined> => {
  const wanted = waitingDemand(
    pods.map((shape, i) => slimPod(aRawPod(`p${i}`, shape))),
    nodes,
  );
  return Object.fromEntries([...wanted].map(([node, amounts]) => [node, amounts['nvidia.com/gpu']]));
};

describe('what waiting owner pods would take', () => {
  it.each([
    ['counts a pod on every node where it fits', [{ gpus: 2 }], [host('a'), host('b')], { a: 2, b: 2 }],
    ['counts a nominated pod on its node alone', [{ gpus: 2, nominated: 'b' }], [host('a'), host('b')], { b: 2 }],
    [
      'counts as many as fit beside the owner’s bound pods',
      [{ gpus: 2 }, { gpus: 2 }, { gpus: 2 }],
      [host('a', {}, { 'nvidia.com/gpu': 4 })],
      { a: 4 },
    ],
    ['counts nowhere what fits nowhere', [{ gpus: 9 }], [host('a')], {}],
    [
      'honours selectors',
      [{ gpus: 1, spec: { nodeSelector: { zone: 'x' } } }],
      [host('a'), host('b', { labels: { zone: 'x' } })],
      { b: 1 },
    ],
    [
      'honours taints',
      [{ gpus: 1 }],
      [host('a', { taints: [{ key: 'k', effect: 'NoSchedule' }] }), host('b')],
      { b: 1 },
    ],
    [
      'skips nodes that are not ready or cordoned',
      [{ gpus: 1 }],
      [host('a', { ready: false }), host('b', { cordoned: true })],
      {},
    ],
    ['looks at every resource', [{ gpus: 1, cpu: '65' }], [host('a')], {}],
    ['skips what it cannot read', [{ gpus: 1, cpu: 'much' }], [host('a')], {}],
  ] as const)('%s', (_what, pods, nodes, want) => {
    expect(gpusWanted(pods, nodes)).toEqual(want);
  });
});
