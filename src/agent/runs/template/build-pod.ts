/**
 * From a checked template to the pod that runs here: what the tenant wrote, with everything set that the agent sets.
 *
 * Invariants: GPUs are requested by the GPU container alone, and every other container is told to open none (an image's own
 * `NVIDIA_VISIBLE_DEVICES=all` would open the owner's boards); security fields that are unset are filled to the level of the
 * namespace; every container has limits for CPU, memory and ephemeral storage, without changing what it requests; references
 * name the run's own copies. Leaves out the nodes (guest/node-terms.ts), which differ per run.
 */
import { ANNOTATIONS, GUEST_LABEL_VALUE, LABELS } from '../../../api/v1alpha1/labels.ts';
import { podDeadlineSeconds } from '../../../core/run/dead-man.ts';
import type { RunOrder } from '../../../core/model/run.ts';
import type { GuestRules } from '../../lending/lending-reader.ts';
import { rendezvousService, runVariables, type EnvVar } from '../guest/rendezvous.ts';
import { isObject, type CheckedTemplate } from './check-template.ts';
import { mapList, renameReferences } from './references.ts';

type Json = Readonly<Record<string, unknown>>;

export const GUEST_PRIORITY_CLASS = 'lumbung-guest';
export const GUEST_SERVICE_ACCOUNT = 'lumbung-guest';

export interface PodTemplate {
  readonly metadata: {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly spec: Json;
}

export interface BuildOptions {
  readonly rules: GuestRules;
  readonly graceSeconds: number;
}

/** Limits of a container that states neither limit nor request, for each GPU of the worker. */
const LIMITS_PER_GPU = { cpu: 8, memoryGi: 64, storageGi: 100 } as const;

/** The pod template of the run's Job, without node terms. Deterministic. */
export function buildPod(template: CheckedTemplate, order: RunOrder, options: BuildOptions): PodTemplate {
  const { rules } = options;
  const spec = renameReferences(template.spec, order.id);
  const built: Json = {
    ...spec,
    ...mapList(spec, 'initContainers', (container) => buildContainer(container, order, rules)),
    ...mapList(spec, 'containers', (container) => buildContainer(container, order, rules)),
    restartPolicy: 'Never',
    priorityClassName: GUEST_PRIORITY_CLASS,
    serviceAccountName: GUEST_SERVICE_ACCOUNT,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: graceOf(template.spec, options.graceSeconds),
    activeDeadlineSeconds: podDeadlineSeconds(order),
    securityContext: podSecurity(spec['securityContext'], rules),
    nodeSelector: { ...objectOf(spec['nodeSelector']), ...rules.nodeSelector },
    tolerations: [...listOf(spec['tolerations']), ...rules.tolerations],
    ...(rules.runtimeClassName === undefined ? {} : { runtimeClassName: rules.runtimeClassName }),
    ...nameInService(order),
  };
  return { metadata: podMetadata(template, order, options), spec: built };
}

/** Labels by which everything of a run is found. */
export function runLabels(order: Pick<RunOrder, 'id' | 'tenant' | 'pool'>): Readonly<Record<string, string>> {
  return {
    [LABELS.guest]: GUEST_LABEL_VALUE,
    [LABELS.jobUid]: order.id.jobUid,
    [LABELS.fence]: String(order.id.fence),
    [LABELS.tenant]: order.tenant,
    [LABELS.pool]: order.pool,
  };
}

/** What people read on every object of a run. */
export function runAnnotations(order: RunOrder): Readonly<Record<string, string>> {
  return {
    [ANNOTATIONS.job]: `${order.job.namespace}/${order.job.name}`,
    [ANNOTATIONS.attempt]: String(order.attempt),
    [ANNOTATIONS.gpuModel]: order.gpuModel,
  };
}

function podMetadata(template: CheckedTemplate, order: RunOrder, options: BuildOptions): PodTemplate['metadata'] {
  const clampedSeconds = Math.ceil(order.checkpointGraceMs / 1000);
  const clamped =
    clampedSeconds > options.graceSeconds
      ? { [ANNOTATIONS.clamped]: `checkpointGrace from ${clampedSeconds}s to ${options.graceSeconds}s` }
      : {};
  return {
    labels: { ...stringsOf(template.metadata['labels']), ...runLabels(order) },
    annotations: { ...stringsOf(template.metadata['annotations']), ...runAnnotations(order), ...clamped },
  };
}

function nameInService(order: RunOrder): Json {
  const service = rendezvousService(order);
  return service === undefined ? {} : { subdomain: service.name };
}

/** The tenant may ask for less grace, never for more. */
function graceOf(spec: Json, graceSeconds: number): number {
  const asked = spec['terminationGracePeriodSeconds'];
  return typeof asked === 'number' && asked >= 1 ? Math.min(asked, graceSeconds) : graceSeconds;
}

function buildContainer(container: Json, order: RunOrder, rules: GuestRules): Json {
  const withGpus = container['name'] === order.gpuContainer;
  return {
    ...container,
    imagePullPolicy: 'Always',
    env: buildEnv(container['env'], order, withGpus),
    resources: buildResources(container['resources'], order, withGpus),
    securityContext: containerSecurity(container['securityContext'], rules),
  };
}

/** Our own variables come last in the list and replace the tenant's of the same name. */
function buildEnv(env: unknown, order: RunOrder, withGpus: boolean): readonly EnvVar[] {
  const own = [...runVariables(order), ...(withGpus ? [] : [{ name: 'NVIDIA_VISIBLE_DEVICES', value: 'void' }])];
  const names = new Set(own.map((variable) => variable.name));
  const tenants = listOf(env).filter((variable) => isObject(variable) && !names.has(String(variable['name'])));
  return [...(tenants as readonly EnvVar[]), ...own];
}

function buildResources(resources: unknown, order: RunOrder, withGpus: boolean): Json {
  const given = objectOf(resources);
  const requests = objectOf(given['requests']);
  const limits = objectOf(given['limits']);
  const filledLimits: Record<string, unknown> = {};
  const filledRequests: Record<string, unknown> = {};
  for (const [name, fallback] of defaultLimits(order.gpusPerWorker)) {
    if (limits[name] !== undefined) continue;
    filledLimits[name] = requests[name] ?? fallback;
    // An absent request would become the limit: what the container asks of a node must stay what the hub has fitted.
    if (requests[name] === undefined) filledRequests[name] = '0';
  }
  const gpus = withGpus ? { [order.gpuResource]: String(order.gpusPerWorker) } : {};
  return {
    ...given,
    requests: { ...filledRequests, ...requests, ...gpus },
    limits: { ...filledLimits, ...limits, ...gpus },
  };
}

function defaultLimits(gpus: number): readonly (readonly [name: string, quantity: string])[] {
  const { cpu, memoryGi, storageGi } = LIMITS_PER_GPU;
  return [
    ['cpu', String(cpu * gpus)],
    ['memory', `${memoryGi * gpus}Gi`],
    ['ephemeral-storage', `${storageGi * gpus}Gi`],
  ];
}

function podSecurity(given: unknown, rules: GuestRules): Json {
  const context = objectOf(given);
  const restricted = rules.podSecurity === 'restricted' ? { runAsNonRoot: true } : {};
  return { ...restricted, ...context, seccompProfile: seccompOf(context['seccompProfile']) };
}

function seccompOf(given: unknown): Json {
  return { type: 'RuntimeDefault', ...objectOf(given) };
}

/** A container that the owner lets be privileged cannot also be kept from gaining privileges: the API server refuses it. */
function containerSecurity(given: unknown, rules: GuestRules): Json {
  const context = objectOf(given);
  const privileged = context['privileged'] === true;
  const escalation = privileged ? {} : { allowPrivilegeEscalation: false };
  const dropped = rules.podSecurity === 'restricted' && !privileged ? { drop: ['ALL'] } : {};
  const capabilities = { ...objectOf(context['capabilities']), ...dropped };
  return {
    ...escalation,
    ...context,
    ...(context['seccompProfile'] === undefined ? {} : { seccompProfile: seccompOf(context['seccompProfile']) }),
    ...(Object.keys(capabilities).length > 0 ? { capabilities } : {}),
  };
}

function objectOf(value: unknown): Json {
  return isObject(value) ? value : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function stringsOf(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(objectOf(value)).map(([key, entry]) => [key, String(entry)]));
}
