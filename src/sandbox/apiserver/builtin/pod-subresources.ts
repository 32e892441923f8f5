/** pods/binding and pods/eviction: what the scheduler and `kubectl drain` use. */
import type { Cluster } from '../cluster.ts';
import { type ApiObject, isObject, type JsonObject, objectAt, objectsAt, stringAt } from '../json-value.ts';
import { timeText } from '../cluster.ts';
import { type ApiAnswer, jsonAnswer } from '../rest/api-call.ts';
import { deleteObject, readDeleteOptions } from '../rest/delete-object.ts';
import type { SubresourceCall, SubresourceHooks } from '../rest/subresource-hooks.ts';
import { badRequest, conflict, tooManyRequests } from '../status-error.ts';
import { resourceKey } from '../storage/object-store.ts';
import { selectorMatches } from '../storage/selectors.ts';

const SUCCESS = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
const BINDINGS = { group: '', plural: 'pods/binding' };
const BUDGETS = resourceKey('policy', 'poddisruptionbudgets');

function scheduledCondition(pod: ApiObject, now: string): JsonObject {
  const status = objectAt(pod, 'status') ?? {};
  const others = objectsAt(status, 'conditions').filter((condition) => condition['type'] !== 'PodScheduled');
  const condition = { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: now };
  return { ...status, conditions: [...others, condition] };
}

/** Binds a pod to a node exactly once. */
function bind(cluster: Cluster, call: SubresourceCall): ApiAnswer {
  const node = stringAt(objectAt(call.json(), 'target'), 'name') ?? '';
  if (node === '') throw badRequest('Binding "" is invalid: target.name: Required value');
  const { object: pod, resource } = call;
  const spec = objectAt(pod, 'spec') ?? {};
  const bound = stringAt(spec, 'nodeName') ?? '';
  if (pod.metadata.deletionTimestamp !== undefined) {
    throw conflict(BINDINGS, call.name, `pod ${call.name} is being deleted, cannot be assigned to a host`);
  }
  if (bound !== '') throw conflict(BINDINGS, call.name, `pod ${call.name} is already assigned to node "${bound}"`);
  if (objectsAt(spec, 'schedulingGates').length > 0) {
    throw conflict(BINDINGS, call.name, `pod ${call.name} has non-empty .spec.schedulingGates`);
  }
  const next: ApiObject = {
    ...pod,
    spec: { ...spec, nodeName: node },
    status: scheduledCondition(pod, timeText(cluster.clock.nowMs())),
  };
  if (!call.query.getAll('dryRun').includes('All')) cluster.store.write(resource.storageKey, pod, next);
  return jsonAnswer(201, SUCCESS);
}

function isHealthy(pod: ApiObject): boolean {
  return (
    pod.metadata.deletionTimestamp === undefined &&
    objectsAt(objectAt(pod, 'status'), 'conditions').some((c) => c['type'] === 'Ready' && c['status'] === 'True')
  );
}

/** A count, or a percentage of `total` rounded up. */
function share(value: JsonObject[string], total: number): number {
  if (typeof value === 'number') return value;
  return Math.ceil((Number.parseFloat(typeof value === 'string' ? value : '0') / 100) * total);
}

function allowed(budget: ApiObject, pods: readonly ApiObject[]): number {
  const spec = objectAt(budget, 'spec') ?? {};
  const healthy = pods.filter(isHealthy).length;
  const needed =
    spec['maxUnavailable'] === undefined
      ? share(spec['minAvailable'] ?? 1, pods.length)
      : pods.length - share(spec['maxUnavailable'], pods.length);
  return healthy - needed;
}

function refuseByBudget(cluster: Cluster, pod: ApiObject, podsKey: string): void {
  const namespace = pod.metadata.namespace ?? '';
  for (const budget of cluster.store.values(BUDGETS, namespace)) {
    const selector = objectAt(objectAt(budget, 'spec'), 'selector');
    if (!selectorMatches(selector, pod.metadata.labels ?? {})) continue;
    const pods = [...cluster.store.values(podsKey, namespace)].filter((p) =>
      selectorMatches(selector, p.metadata.labels ?? {}),
    );
    if (!isHealthy(pod) || allowed(budget, pods) >= 1) continue;
    throw tooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", [
      { reason: 'DisruptionBudget', message: `The disruption budget ${budget.metadata.name} needs more healthy pods` },
    ]);
  }
}

function evict(cluster: Cluster, call: SubresourceCall): ApiAnswer {
  const body = call.json();
  const options = isObject(body['deleteOptions']) ? body['deleteOptions'] : {};
  const phase = stringAt(objectAt(call.object, 'status'), 'phase');
  const idle = phase === 'Succeeded' || phase === 'Failed' || phase === 'Pending';
  if (!idle) refuseByBudget(cluster, call.object, call.resource.storageKey);
  deleteObject(cluster, call.resource, call.object, readDeleteOptions(options, call.query));
  return jsonAnswer(201, SUCCESS);
}

export function registerPodSubresources(cluster: Cluster, hooks: SubresourceHooks): void {
  hooks.register({ group: '', resource: 'pods', subresource: 'binding' }, (call) => bind(cluster, call));
  hooks.register({ group: '', resource: 'pods', subresource: 'eviction' }, (call) => evict(cluster, call));
}
