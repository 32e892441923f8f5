/**
 * What a reclaim is decided from, as this cluster shows it now: the owner's waiting pods, the nodes that could take them, the
 * guests with what they hold.
 *
 * Invariants: capacity that a booking holds counts as held by its run, so that ending the run counts as freeing it; a node that is
 * not ready or cordoned takes nobody; a gang with a preempted worker is marked broken. Of pods of one shape and priority at most
 * 256 are looked at in one go, and the next look sees the rest: a queue of replicas never hides the pods behind it. Leaves out the decision itself (core/scheduling/reclaim.ts).
 */
import { runKey } from '../../core/model/ids.ts';
import { subtractResources, type Resources } from '../../core/model/resources.ts';
import type { ReclaimGuest, ReclaimInput, ReclaimNode, WaitingOwnerPod } from '../../core/scheduling/reclaim-input.ts';
import { compareBy, compareNumbers, compareStrings, sorted } from '../../std/ordering.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { NodeState } from '../inventory/node-state.ts';
import { podKey, type SlimPod } from '../inventory/slim-pod.ts';
import { shapeKey } from '../inventory/waiting-demand.ts';
import type { LiveGuest } from '../runs/run-keeper.ts';

const ALIKE_MAX = 256;

/** Owner pods that could be placed, most important first. */
export function placeablePods(pods: Iterable<SlimPod>): readonly SlimPod[] {
  const alike = new Map<string, number>();
  return sorted(
    [...pods].filter((pod) => pod.view.readable),
    compareBy<SlimPod>(
      (a, b) => compareNumbers(b.view.priority, a.view.priority),
      (a, b) => compareStrings(podKey(a), podKey(b)),
    ),
  ).filter(({ view }) => {
    const shape = `${view.priority} ${shapeKey(view)}`;
    const count = (alike.get(shape) ?? 0) + 1;
    alike.set(shape, count);
    return count <= ALIKE_MAX;
  });
}

/** Gathers the input of one decision. `broken` holds run keys of gangs with a preempted worker. */
export function reclaimInput(
  inventory: Pick<Inventory, 'states' | 'heldBy'>,
  pods: readonly SlimPod[],
  guests: readonly LiveGuest[],
  broken: ReadonlySet<string>,
): ReclaimInput {
  const bookings = guests.map((guest) => guest.booking);
  return {
    pods: pods.map(toWaitingPod),
    nodes: inventory
      .states(bookings)
      .filter((node) => node.view.ready && !node.view.cordoned && node.readable)
      .map(toNode),
    guests: guests.map((guest) => toGuest(guest, inventory.heldBy(guest.booking), broken)),
  };
}

function toWaitingPod(pod: SlimPod): WaitingOwnerPod {
  const { requests, nodeTerms, tolerations, priority, nominatedNode } = pod.view;
  return {
    key: podKey(pod),
    requests,
    nodeTerms,
    tolerations,
    priority,
    ...(nominatedNode === undefined ? {} : { nominatedNode }),
  };
}

function toNode({ name, view, owner, guests, booked }: NodeState): ReclaimNode {
  let free: Resources = view.allocatable;
  for (const held of [owner, guests, booked]) free = subtractResources(free, held);
  return { node: name, labels: view.labels, taints: view.taints, free };
}

function toGuest(guest: LiveGuest, held: ReadonlyMap<string, Resources>, broken: ReadonlySet<string>): ReclaimGuest {
  const isBroken = broken.has(runKey(guest.run));
  return {
    run: guest.run,
    nodes: [...held].map(([node, resources]) => ({ node, resources })),
    gpuSecondsAtRisk: guest.gpuSecondsAtRisk,
    stopping: guest.stopping || isBroken,
    ...(isBroken ? { broken: true } : {}),
  };
}
