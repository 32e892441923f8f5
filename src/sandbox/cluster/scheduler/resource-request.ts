/**
 * What a pod asks of a node: the effective request of every resource, as the real scheduler computes it.
 *
 * Invariants: containers and sidecars add up, ordinary init containers take the largest moment, overhead comes on top;
 * a limit without a request is a request. CPU in milli, everything else in whole units.
 */
import type { Container, Pod, PodSpec } from '../objects/pod.ts';
import { resourceAmount } from '../quantity.ts';

export type Amounts = ReadonlyMap<string, number>;

/** Effective requests of `pod`, without the one place under `pods` that it takes as well. */
export function podRequests(pod: Pick<Pod, 'spec'>): Amounts {
  return specRequests(pod.spec);
}

function specRequests(spec: PodSpec): Amounts {
  const steady = new Map<string, number>();
  for (const container of spec.containers) addAll(steady, containerRequests(container));
  const sidecars = new Map<string, number>();
  let peak = new Map<string, number>();
  for (const container of spec.initContainers ?? []) {
    const moment = new Map(sidecars);
    addAll(moment, containerRequests(container));
    peak = larger(peak, moment);
    if (container.restartPolicy === 'Always') addAll(sidecars, containerRequests(container));
  }
  addAll(steady, sidecars);
  const total = larger(steady, peak);
  for (const [resource, quantity] of Object.entries(spec.overhead ?? {})) {
    total.set(resource, (total.get(resource) ?? 0) + resourceAmount(resource, quantity));
  }
  return total;
}

function containerRequests(container: Container): Amounts {
  const out = new Map<string, number>();
  for (const source of [container.resources?.limits, container.resources?.requests]) {
    for (const [resource, quantity] of Object.entries(source ?? {}))
      out.set(resource, resourceAmount(resource, quantity));
  }
  return out;
}

/** Adds `more` into `sum`, or takes it away with `sign` -1. */
export function addAll(sum: Map<string, number>, more: Amounts, sign: 1 | -1 = 1): void {
  for (const [resource, amount] of more) sum.set(resource, (sum.get(resource) ?? 0) + sign * amount);
}

function larger(a: Amounts, b: Amounts): Map<string, number> {
  const out = new Map(a);
  for (const [resource, amount] of b) out.set(resource, Math.max(out.get(resource) ?? 0, amount));
  return out;
}
