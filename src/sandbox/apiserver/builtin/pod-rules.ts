/**
 * Pods and nodes: defaults, admission of priority and service account, what an update may still change, and grace on
 * deletion. A pod's status is written by its kubelet through the status subresource.
 */
import { type FieldError, fieldForbidden, invalidValue } from '../field-error.ts';
import { type ApiObject, type JsonObject, numberAt, objectAt, objectsAt, sameJson, stringAt } from '../json-value.ts';
import { forbidden } from '../status-error.ts';
import type { KindRules, WriteContext } from '../registry/resource.ts';
import { checkPodSpec, defaultPodSpec } from './pod-template.ts';

const PODS = { group: '', plural: 'pods' };

function resourceLists(spec: JsonObject): readonly { readonly requests: JsonObject; readonly limits: JsonObject }[] {
  return [...objectsAt(spec, 'containers'), ...objectsAt(spec, 'initContainers')].map((container) => ({
    requests: objectAt(objectAt(container, 'resources'), 'requests') ?? {},
    limits: objectAt(objectAt(container, 'resources'), 'limits') ?? {},
  }));
}

/** Guaranteed, Burstable or BestEffort, by CPU and memory alone. */
function qosClass(spec: JsonObject): string {
  const lists = resourceLists(spec);
  const counted = ['cpu', 'memory'];
  if (
    lists.every(({ requests, limits }) => counted.every((r) => requests[r] === undefined && limits[r] === undefined))
  ) {
    return 'BestEffort';
  }
  const guaranteed = lists.every(({ requests, limits }) =>
    counted.every((r) => limits[r] !== undefined && sameJson(requests[r], limits[r])),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

const NOT_READY_TOLERATIONS = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];

function addTolerations(spec: JsonObject): void {
  const present = objectsAt(spec, 'tolerations');
  const missing = NOT_READY_TOLERATIONS.filter(
    (key) =>
      !present.some(
        (t) =>
          (t['key'] === key || t['key'] === undefined) && (t['effect'] === 'NoExecute' || t['effect'] === undefined),
      ),
  );
  if (missing.length === 0) return;
  const added = missing.map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }));
  spec['tolerations'] = [...present, ...added];
}

const SYSTEM_CLASSES: Readonly<Record<string, number>> = {
  'system-node-critical': 2_000_001_000,
  'system-cluster-critical': 2_000_000_000,
};

function defaultClass(context: WriteContext): ApiObject | undefined {
  for (const candidate of context.values('scheduling.k8s.io', 'priorityclasses')) {
    if (candidate['globalDefault'] === true) return candidate;
  }
  return undefined;
}

function refuseOtherPriority(pod: ApiObject, given: number | undefined, computed: number): void {
  if (given === undefined || given === computed) return;
  throw forbidden(
    PODS,
    pod.metadata.name,
    `the integer value of priority (${given}) must not be provided in pod spec; priority admission controller computed ${computed} from the given PriorityClass name`,
  );
}

function admitPriority(pod: ApiObject, spec: JsonObject, context: WriteContext): void {
  const name = stringAt(spec, 'priorityClassName') ?? '';
  const found = name === '' ? defaultClass(context) : context.get('scheduling.k8s.io', 'priorityclasses', '', name);
  const system = SYSTEM_CLASSES[name];
  if (name !== '' && found === undefined && system === undefined) {
    throw forbidden(PODS, pod.metadata.name, `no PriorityClass with name ${name} was found`);
  }
  const value = system ?? numberAt(found, 'value') ?? 0;
  refuseOtherPriority(pod, numberAt(spec, 'priority'), value);
  spec['priority'] = value;
  if (found !== undefined) spec['priorityClassName'] = found.metadata.name;
  spec['preemptionPolicy'] ??= stringAt(found, 'preemptionPolicy') ?? 'PreemptLowerPriority';
}

function admitServiceAccount(pod: ApiObject, spec: JsonObject, context: WriteContext): void {
  const name = stringAt(spec, 'serviceAccountName') ?? stringAt(spec, 'serviceAccount') ?? 'default';
  const namespace = pod.metadata.namespace ?? '';
  if (context.get('', 'serviceaccounts', namespace, name) === undefined) {
    throw forbidden(
      PODS,
      pod.metadata.name,
      `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`,
    );
  }
  spec['serviceAccountName'] = name;
  spec['serviceAccount'] = name;
}

function admitPod(pod: ApiObject, old: ApiObject | undefined, context: WriteContext): void {
  const spec = objectAt(pod, 'spec');
  if (old !== undefined || spec === undefined) return;
  admitServiceAccount(pod, spec, context);
  admitPriority(pod, spec, context);
  addTolerations(spec);
}

/** Paths of spec that an update may change, besides additions to tolerations. */
const MUTABLE_TEXT =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

function withoutMutable(spec: JsonObject | undefined): JsonObject {
  const frozen: JsonObject = { ...spec };
  for (const field of ['activeDeadlineSeconds', 'tolerations', 'schedulingGates', 'nodeSelector'])
    Reflect.deleteProperty(frozen, field);
  for (const list of ['containers', 'initContainers']) {
    if (frozen[list] === undefined) continue;
    frozen[list] = objectsAt(frozen, list).map(({ image: _image, ...rest }) => rest);
  }
  return frozen;
}

function checkDeadline(now: JsonObject | undefined, before: JsonObject | undefined, errors: FieldError[]): void {
  const next = numberAt(now, 'activeDeadlineSeconds');
  const had = numberAt(before, 'activeDeadlineSeconds');
  if (had === undefined || next === had) return;
  const field = 'spec.activeDeadlineSeconds';
  if (next === undefined)
    errors.push(invalidValue(field, null, 'must not update from a positive integer to nil value'));
  else if (next > had) errors.push(invalidValue(field, next, 'must be less than or equal to previous value'));
}

function checkGates(now: JsonObject | undefined, before: JsonObject | undefined, errors: FieldError[]): void {
  const had = new Set(objectsAt(before, 'schedulingGates').map((gate) => gate['name']));
  if (objectsAt(now, 'schedulingGates').some((gate) => !had.has(gate['name']))) {
    errors.push(fieldForbidden('spec.schedulingGates', 'only deletion is allowed, but found new scheduling gate'));
  }
  const gated = had.size > 0;
  if (!gated && !sameJson(now?.['nodeSelector'], before?.['nodeSelector']))
    errors.push(fieldForbidden('spec', MUTABLE_TEXT));
}

function checkPodUpdate(pod: ApiObject, old: ApiObject, errors: FieldError[]): void {
  const now = objectAt(pod, 'spec');
  const before = objectAt(old, 'spec');
  if (now === before) return;
  const kept = objectsAt(before, 'tolerations');
  const tolerations = objectsAt(now, 'tolerations');
  const onlyAdded = kept.every((toleration) => tolerations.some((candidate) => sameJson(candidate, toleration)));
  if (!onlyAdded || !sameJson(withoutMutable(now), withoutMutable(before))) {
    errors.push(fieldForbidden('spec', MUTABLE_TEXT));
  }
  checkDeadline(now, before, errors);
  checkGates(now, before, errors);
}

/** Unscheduled and finished pods have nothing to wait for. */
function podGrace(pod: ApiObject, asked: number | undefined): number {
  const spec = objectAt(pod, 'spec');
  const phase = stringAt(objectAt(pod, 'status'), 'phase');
  if ((stringAt(spec, 'nodeName') ?? '') === '' || phase === 'Succeeded' || phase === 'Failed') return 0;
  return asked ?? numberAt(spec, 'terminationGracePeriodSeconds') ?? 30;
}

export const POD_RULES: KindRules = {
  returnsDeleted: true,
  setDefaults: (pod) => {
    const spec = objectAt(pod, 'spec');
    defaultPodSpec(spec);
    if (spec !== undefined) spec['enableServiceLinks'] ??= true;
  },
  prepareCreate: (pod) => {
    pod['status'] = { phase: 'Pending', qosClass: qosClass(objectAt(pod, 'spec') ?? {}) };
  },
  admit: admitPod,
  validate: (pod, errors) => {
    checkPodSpec(objectAt(pod, 'spec'), 'spec', errors);
  },
  validateUpdate: checkPodUpdate,
  graceSeconds: podGrace,
};

export const NODE_RULES: KindRules = {
  prepareCreate: () => undefined,
  validate: (node, errors) => {
    objectsAt(objectAt(node, 'spec'), 'taints').forEach((taint, i) => {
      if ((stringAt(taint, 'key') ?? '') === '')
        errors.push(invalidValue(`spec.taints[${i}].key`, '', 'name part must be non-empty'));
    });
  },
};
