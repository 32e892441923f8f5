/**
 * What owner pods that wait for a node would take, per node: it is kept out of the offers, so that freed capacity is not lent
 * again while the owner's scheduler is about to use it.
 *
 * Invariants, all on the owner's side: a pod counts on every node where it would fit if no guest were there (only the scheduler
 * knows which one it takes); a nominated pod counts on its nominated node alone; a pod that fits nowhere counts nowhere, since
 * no capacity of ours would help it. Pods of one shape are looked at once, so that a thousand replicas cost as much as one.
 * Leaves out volumes, pod affinity and topology spread: such a pod counts though something else keeps it waiting.
 */
import { compareStrings } from '../../std/ordering.ts';
import {
  addResources,
  NO_RESOURCES,
  subtractResources,
  timesFitting,
  type Resources,
} from '../../core/model/resources.ts';
import { nodeMeetsTerms } from '../../core/model/selectors.ts';
import { firstUntolerated } from '../../core/model/tolerations.ts';
import type { PodView, SlimPod } from './slim-pod.ts';
import type { NodeView } from './slim-node.ts';

export interface HostNode {
  readonly name: string;
  readonly view: NodeView;
  readonly owner: Resources;
}

interface Shape {
  readonly view: PodView;
  count: number;
}

/** Wanted resources by node name. */
export function waitingDemand(pods: Iterable<SlimPod>, nodes: readonly HostNode[]): ReadonlyMap<string, Resources> {
  const wanted = new Map<string, Resources>();
  for (const { view, count } of shapesOf(pods)) {
    for (const node of nodes) {
      if (view.nominatedNode !== undefined && view.nominatedNode !== node.name) continue;
      if (!mayHost(node, view)) continue;
      const fits = timesFitting(subtractResources(node.view.allocatable, node.owner), view.requests);
      const times = Math.min(count, fits);
      if (times > 0) wanted.set(node.name, addResources(wanted.get(node.name) ?? NO_RESOURCES, view.requests, times));
    }
  }
  return wanted;
}

/** Whether a pod may go to a node at all, capacity apart: ready, not cordoned, taints, selector and required affinity. */
export function mayHost(
  node: Pick<HostNode, 'name' | 'view'>,
  pod: Pick<PodView, 'nodeTerms' | 'tolerations'>,
): boolean {
  return (
    node.view.ready &&
    !node.view.cordoned &&
    firstUntolerated(node.view.taints, pod.tolerations) === undefined &&
    nodeMeetsTerms({ node: node.name, labels: node.view.labels }, pod.nodeTerms)
  );
}

function shapesOf(pods: Iterable<SlimPod>): IterableIterator<Shape> {
  const shapes = new Map<string, Shape>();
  for (const { view } of pods) {
    // A pod that cannot be read cannot be placed by us either; its requests are not known.
    if (!view.readable) continue;
    const key = shapeKey(view);
    const shape = shapes.get(key);
    if (shape === undefined) shapes.set(key, { view, count: 1 });
    else shape.count += 1;
  }
  return shapes.values();
}

/** Pods of one shape can go to the same nodes and take the same there. */
export function shapeKey(view: PodView): string {
  const requests = Object.entries(view.requests).sort(([a], [b]) => compareStrings(a, b));
  return JSON.stringify([view.nominatedNode ?? '', requests, view.nodeTerms, view.tolerations]);
}
