/**
 * A pod's total request, as kube-scheduler computes it. Decides how containers, init containers, sidecars, pod-level resources
 * and overhead add up (KEP-753 sidecars, KEP-688 overhead, KEP-2837 pod-level resources).
 *
 * Invariants: a limit acts as the request where the request is absent; `pods: 1` is part of every pod; amounts are integers.
 */
import type { Json, PodProblem } from './pod-json.ts';
import { asList, optionalObject, problemAt } from './pod-json.ts';
import { resourceAmount } from './quantity.ts';
import type { Resources } from './resources.ts';
import { addResources } from './resources.ts';

/** Native resources have no domain; all others need one, so that nothing odd ever becomes a key here. */
const RESOURCE_NAME =
  /^(?:cpu|memory|ephemeral-storage|hugepages-[A-Za-z0-9]+|[A-Za-z0-9][A-Za-z0-9.-]{0,252}\/[A-Za-z0-9][A-Za-z0-9._-]{0,62})$/;
const POD_LEVEL = /^(?:cpu|memory|hugepages-.*)$/;

/** Sum of what the pod holds at its most demanding moment, `pods: 1` included. Problems are appended with their paths. */
export function podResources(spec: Json, path: string, problems: PodProblem[]): Resources {
  const main = containerRequests(spec, 'containers', path, problems).reduce<Resources>(
    (sum, one) => addResources(sum, one.requests),
    {},
  );
  const { sidecars, peak } = initRequests(containerRequests(spec, 'initContainers', path, problems));
  const fromContainers = largest(addResources(main, sidecars), peak);
  const total = withPodLevel(
    fromContainers,
    optionalObject(spec['resources'], `${path}.resources`, problems),
    `${path}.resources`,
    problems,
  );
  const overhead = amounts(spec['overhead'], `${path}.overhead`, problems);
  return { ...addResources(total, overhead), pods: 1 };
}

interface ContainerRequest {
  readonly requests: Resources;
  readonly sidecar: boolean;
}

function containerRequests(
  spec: Json,
  field: string,
  path: string,
  problems: PodProblem[],
): readonly ContainerRequest[] {
  // What is no list or object has been reported by the reader of containers.
  return asList(spec[field], '', []).flatMap((item, i) => {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return [];
    const container = item as Json;
    const at = `${path}.${field}[${i}].resources`;
    const resources = optionalObject(container['resources'], at, problems);
    const requests = amounts(resources['requests'], `${at}.requests`, problems);
    const limits = amounts(resources['limits'], `${at}.limits`, problems);
    for (const [name, amount] of Object.entries(requests)) {
      const limit = limits[name];
      if (limit === undefined || amount <= limit) continue;
      problems.push(problemAt(`${at}.requests.${name}`, 'RequestAboveLimit', 'must not be above the limit'));
    }
    return [{ requests: { ...limits, ...requests }, sidecar: container['restartPolicy'] === 'Always' }];
  });
}

/** An ordinary init container runs beside the sidecars started before it; sidecars stay for the pod's life. */
function initRequests(containers: readonly ContainerRequest[]): {
  readonly sidecars: Resources;
  readonly peak: Resources;
} {
  let sidecars: Resources = {};
  let peak: Resources = {};
  for (const container of containers) {
    const atThisMoment = addResources(sidecars, container.requests);
    if (container.sidecar) sidecars = atThisMoment;
    peak = largest(peak, atThisMoment);
  }
  return { sidecars, peak };
}

function withPodLevel(fromContainers: Resources, podLevel: Json, path: string, problems: PodProblem[]): Resources {
  const total: Record<string, number> = { ...fromContainers };
  const limits = amounts(podLevel['limits'], `${path}.limits`, problems);
  const requests = amounts(podLevel['requests'], `${path}.requests`, problems);
  for (const [name, amount] of Object.entries(limits)) {
    if (POD_LEVEL.test(name)) total[name] ??= amount;
  }
  for (const [name, amount] of Object.entries(requests)) {
    if (POD_LEVEL.test(name)) total[name] = amount;
  }
  return total;
}

function largest(a: Resources, b: Resources): Resources {
  const most: Record<string, number> = { ...a };
  for (const [name, amount] of Object.entries(b)) most[name] = Math.max(most[name] ?? 0, amount);
  return most;
}

function amounts(value: unknown, path: string, problems: PodProblem[]): Resources {
  const read: Record<string, number> = {};
  for (const [name, quantity] of Object.entries(optionalObject(value, path, problems))) {
    if (!RESOURCE_NAME.test(name)) {
      const message =
        'must be cpu, memory, ephemeral-storage, hugepages-SIZE or a name with a domain such as nvidia.com/gpu';
      problems.push(problemAt(`${path}.${name}`, 'BadResourceName', message));
      continue;
    }
    const amount = resourceAmount(name, quantity);
    if (amount.ok) read[name] = amount.value;
    else
      problems.push(
        problemAt(`${path}.${name}`, 'BadQuantity', `${amount.error.message}, got "${amount.error.value}"`),
      );
  }
  return read;
}
