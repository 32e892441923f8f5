/**
 * Values that a pod may ask about itself: `fieldRef` and `resourceFieldRef`, for environment and downward volumes.
 *
 * Invariants: an unknown path is an error that names it, never an empty text; an absent label or annotation is empty, as on
 * a real node. Resource values round up to the divisor.
 */
import { err, ok } from '../../../std/result.ts';
import type { Result } from '../../../std/result.ts';
import type { Container, Pod, ResourceFieldRef } from '../objects/pod.ts';
import { QuantityError, quantityMilli, quantityUnits } from '../quantity.ts';

/** What the node knows about a pod that the API server may not have yet. */
export interface PodPlace {
  readonly nodeName: string;
  readonly hostIp: string;
  readonly podIp: string;
}

/** `paths` that volumes may use and environment variables may not are read too: labels and annotations as a whole. */
export function fieldValue(pod: Pod, fieldPath: string, place: PodPlace): Result<string, string> {
  const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(fieldPath);
  if (keyed !== null) {
    const map = keyed[1] === 'labels' ? pod.metadata.labels : pod.metadata.annotations;
    return ok(map?.[keyed[2] ?? ''] ?? '');
  }
  const values: Readonly<Record<string, string | undefined>> = {
    'metadata.name': pod.metadata.name,
    'metadata.namespace': pod.metadata.namespace,
    'metadata.uid': pod.metadata.uid,
    'spec.nodeName': place.nodeName,
    'spec.serviceAccountName': pod.spec.serviceAccountName ?? 'default',
    'status.hostIP': place.hostIp,
    'status.hostIPs': place.hostIp,
    'status.podIP': place.podIp,
    'status.podIPs': place.podIp,
    'metadata.labels': mapText(pod.metadata.labels),
    'metadata.annotations': mapText(pod.metadata.annotations),
  };
  const value = values[fieldPath];
  return value === undefined ? err(`fieldPath ${JSON.stringify(fieldPath)} is not supported`) : ok(value);
}

/** `limits.cpu` of `container` in units of the divisor (1 by default), rounded up. A missing limit is the node's amount. */
export function resourceFieldValue(
  containers: readonly Container[],
  owner: Container | undefined,
  ref: ResourceFieldRef,
  allocatable: Readonly<Record<string, string | number>>,
): Result<string, string> {
  const container =
    ref.containerName === undefined ? owner : containers.find((other) => other.name === ref.containerName);
  const [, list, resource = ''] = /^(limits|requests)\.(.+)$/.exec(ref.resource) ?? [];
  if (container === undefined) return err(`container ${JSON.stringify(ref.containerName ?? '')} not found`);
  if (list === undefined) return err(`resource ${JSON.stringify(ref.resource)} is not supported`);
  const own = container.resources?.[list as 'limits' | 'requests']?.[resource];
  const absent = list === 'limits' ? allocatable[resource] : undefined;
  return inUnits(resource, own ?? absent ?? '0', ref.divisor);
}

function inUnits(resource: string, amount: string | number, divisor: string | undefined): Result<string, string> {
  const unit = divisor === undefined || divisor === '0' ? '1' : divisor;
  const read = resource === 'cpu' ? quantityMilli : quantityUnits;
  try {
    return ok(String(Math.ceil(read(amount) / read(unit))));
  } catch (error) {
    if (error instanceof QuantityError) return err(error.message);
    throw error;
  }
}

/** One `key="value"` a line, sorted, as in downward volumes. */
function mapText(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}
