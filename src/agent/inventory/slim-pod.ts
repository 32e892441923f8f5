/**
 * A pod as the agent remembers it: what it holds or wants, where, and whose it is. Made from raw JSON when a pod is stored,
 * so that 10,000 pods of an owner cost little memory.
 *
 * Invariants: a pod is a guest only if it carries all three of our labels; anything else belongs to the owner. A pod whose
 * requests cannot be read is marked instead of counted as small. Where a pod may go is kept only while it has no node.
 */
import { GUEST_LABEL_VALUE, LABELS } from '../../api/v1alpha1/labels.ts';
import { fence, jobUid, type RunId } from '../../core/model/ids.ts';
import type { LabelRequirement, Toleration } from '../../core/model/job.ts';
import { readPodSpec } from '../../core/model/pod-requests.ts';
import { NO_RESOURCES, type Resources } from '../../core/model/resources.ts';
import type { KubeObject, ObjectMeta } from '../../platform/kube/object.ts';

export interface PodView {
  /** Set for guests. */
  readonly run?: RunId;
  /** Where it is bound. */
  readonly node?: string;
  /** Containers have all ended: nothing is held any more. */
  readonly finished: boolean;
  readonly terminating: boolean;
  readonly requests: Resources;
  /** False: the requests could not be read, so what this pod holds is not known. */
  readonly readable: boolean;
  readonly priority: number;
  readonly gated: boolean;
  /** The scheduler's choice while it makes room there. */
  readonly nominatedNode?: string;
  /** PodScheduled=False with reason Unschedulable. */
  readonly unschedulable: boolean;
  /** DisruptionTarget by the scheduler's preemption. */
  readonly preempted: boolean;
  /** Kept only while unbound. */
  readonly nodeTerms: readonly (readonly LabelRequirement[])[];
  /** Kept only while unbound. */
  readonly tolerations: readonly Toleration[];
}

export interface SlimPod extends KubeObject {
  readonly view: PodView;
}

type Json = Readonly<Record<string, unknown>>;

/** For a reflector's `transform`: raw pod in, slim pod out. */
export function slimPod(raw: KubeObject): SlimPod {
  return { metadata: slimMeta(raw.metadata), view: viewOf(raw) };
}

/** `namespace/name`. */
export function podKey(pod: KubeObject): string {
  return `${pod.metadata.namespace ?? ''}/${pod.metadata.name ?? ''}`;
}

/** An owner's pod that waits for a node and may get one: not gated, not on its way out. */
export function waitsForNode(view: PodView): boolean {
  return view.run === undefined && view.node === undefined && !view.finished && !view.terminating && !view.gated;
}

function slimMeta(meta: ObjectMeta): ObjectMeta {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = meta;
  return {
    ...(name === undefined ? {} : { name }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
  };
}

function viewOf(raw: KubeObject): PodView {
  const { spec: specField, status: statusField } = raw as KubeObject & Json;
  const spec = objectOr(specField);
  const status = objectOr(statusField);
  const node = textOf(spec['nodeName']);
  const run = runOf(raw.metadata.labels ?? {});
  return {
    ...(run === undefined ? {} : { run }),
    ...(node === undefined ? {} : { node }),
    terminating: raw.metadata.deletionTimestamp !== undefined,
    priority: typeof spec['priority'] === 'number' ? spec['priority'] : 0,
    gated: Array.isArray(spec['schedulingGates']) && spec['schedulingGates'].length > 0,
    ...wishesOf(spec, node !== undefined),
    ...progressOf(status),
  };
}

/** Where a bound pod wished to be is of no interest: forms of it that a newer Kubernetes knows must not make it unreadable. */
function wishesOf(spec: Json, bound: boolean): Pick<PodView, 'requests' | 'readable' | 'nodeTerms' | 'tolerations'> {
  const facts = readPodSpec(bound ? { ...spec, nodeSelector: {}, affinity: {}, tolerations: [] } : spec);
  if (!facts.ok) return { requests: NO_RESOURCES, readable: false, nodeTerms: [], tolerations: [] };
  const { requests, nodeTerms, tolerations } = facts.value;
  return { requests, readable: true, nodeTerms: bound ? [] : nodeTerms, tolerations: bound ? [] : tolerations };
}

function progressOf(status: Json): Pick<PodView, 'finished' | 'nominatedNode' | 'unschedulable' | 'preempted'> {
  const nominatedNode = textOf(status['nominatedNodeName']);
  const conditions = Array.isArray(status['conditions']) ? status['conditions'].map(objectOr) : [];
  const has = (type: string, value: string, reason: string): boolean =>
    conditions.some((one) => one['type'] === type && one['status'] === value && one['reason'] === reason);
  return {
    finished: status['phase'] === 'Succeeded' || status['phase'] === 'Failed',
    ...(nominatedNode === undefined ? {} : { nominatedNode }),
    unschedulable: has('PodScheduled', 'False', 'Unschedulable'),
    preempted: has('DisruptionTarget', 'True', 'PreemptionByScheduler'),
  };
}

function runOf(labels: Readonly<Record<string, string>>): RunId | undefined {
  const uid = labels[LABELS.jobUid];
  const number = Number(labels[LABELS.fence]);
  if (labels[LABELS.guest] !== GUEST_LABEL_VALUE || uid === undefined) return undefined;
  return Number.isSafeInteger(number) && number > 0 ? { jobUid: jobUid(uid), fence: fence(number) } : undefined;
}

function objectOr(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
