/**
 * The table of the pod template: for every path, whose word counts. The template comes from a tenant by way of a hub that is
 * not trusted, so that what the table does not list is refused.
 *
 * - `tenant`: taken as written.
 * - `agent`: the agent sets it; what the tenant wrote is replaced.
 * - `owner`: refused unless LendingPolicy.spec.templatePaths.allow names the path or one above it. Paths that the table does
 *   not list count as these.
 * - `never`: refused whatever the policy says, because no owner can mean it: it would break placement, reclaim or fencing.
 * - `check`: taken if the check finds nothing, else refused with what is allowed; the owner may open it like `owner`.
 *
 * Invariant: a `tenant` path is a leaf of the Kubernetes schema or a tree that acts on nothing outside the pod. Paths are
 * dotted, without list indices, and start at the template. Leaves out values that only the API server can judge (dry run).
 */
import { isGpuResource } from '../../../core/model/gpu.ts';
import type { GuestRules } from '../../lending/lending-reader.ts';

export interface CheckContext {
  readonly podSecurity: GuestRules['podSecurity'];
  /** Termination grace that the agent gives, in seconds. */
  readonly graceSeconds: number;
}

/** Undefined = allowed; else what is allowed, as the end of a sentence that begins with the path. */
export type ValueCheck = (value: unknown, context: CheckContext) => string | undefined;

export type PathRule =
  | { readonly kind: 'tenant' | 'agent' | 'owner' | 'never'; readonly why: string }
  | { readonly kind: 'check'; readonly check: ValueCheck }
  /** Entries of a map by their keys: `hard` holds for all, `check` may be opened by the owner. */
  | { readonly kind: 'keys'; readonly check: KeyCheck; readonly hard: KeyCheck };

/** Undefined = allowed; else why not, as the end of a sentence that begins with the path. */
type KeyCheck = (key: string) => string | undefined;

const TENANT: PathRule = { kind: 'tenant', why: 'acts inside the pod only' };
const agent = (why: string): PathRule => ({ kind: 'agent', why });
const owner = (why: string): PathRule => ({ kind: 'owner', why });
const never = (why: string): PathRule => ({ kind: 'never', why });
const check = (test: ValueCheck): PathRule => ({ kind: 'check', check: test });

/** Only these values. */
function only(...allowed: readonly (string | boolean | number)[]): PathRule {
  const shown = allowed.map((value) => JSON.stringify(value)).join(' or ');
  return check((value) => (allowed.some((one) => one === value) ? undefined : `must be ${shown}`));
}

const nonRootId: ValueCheck = (value, { podSecurity }) => {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) return 'must be a user or group id';
  return podSecurity === 'restricted' && value === 0 ? 'must not be 0 under Pod Security restricted' : undefined;
};

const nonRoot: ValueCheck = (value, { podSecurity }) => {
  if (value === true || (value === false && podSecurity !== 'restricted')) return undefined;
  return podSecurity === 'restricted' ? 'must be true under Pod Security restricted' : 'must be true or false';
};

const grace: ValueCheck = (value, { graceSeconds }) =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= graceSeconds
    ? undefined
    : `must be from 1 to ${graceSeconds} seconds, the smaller of checkpointGrace and the owner's reclaimGrace`;

/** CPU, memory, storage of the container; everything else on a node is the owner's to give. */
const RESOURCES: PathRule = {
  kind: 'keys',
  hard: (name) =>
    isGpuResource(name) ? 'must not be set by the template; GPUs are requested by gpusPerWorker' : undefined,
  check: resourceKey,
};

function resourceKey(name: string): string | undefined {
  if (['cpu', 'memory', 'ephemeral-storage'].includes(name) || name.startsWith('hugepages-')) return undefined;
  return 'is refused unless the owner allows it: only cpu, memory, ephemeral-storage and hugepages may be requested';
}

const METADATA_KEYS: PathRule = {
  kind: 'keys',
  hard: (key) =>
    /(^|\.)lumbung\.dev\//.test(key) && !key.startsWith('sandbox.') ? 'is set by the agent alone' : undefined,
  check: metadataKey,
};

/** Label and annotation keys with a domain make controllers and webhooks of the cluster act. */
function metadataKey(key: string): string | undefined {
  const [domain, name] = key.split('/');
  // The last is read by the simulated runtime of the sandbox alone.
  if (name === undefined || domain === 'app.kubernetes.io' || domain === 'sandbox.lumbung.dev') return undefined;
  return `is refused unless the owner allows it: keys with the domain ${domain ?? ''} may make the cluster act`;
}

/** Variables that open devices or that the agent sets. */
const DEVICE_VARIABLES: readonly string[] = [
  'NVIDIA_VISIBLE_DEVICES',
  'NVIDIA_MIG_CONFIG_DEVICES',
  'NVIDIA_MIG_MONITOR_DEVICES',
  'NVIDIA_IMEX_CHANNELS',
  'AMD_VISIBLE_DEVICES',
  'HABANA_VISIBLE_DEVICES',
];

/** Why an environment variable may not come from the tenant, be it by name or out of a ConfigMap; undefined = it may. */
export function refusedVariable(name: string): string | undefined {
  if (DEVICE_VARIABLES.includes(name)) return 'must not be set by the template: it opens devices that were not lent';
  if (name.startsWith('LUMBUNG_')) return 'must not be set by the template: the agent sets variables named LUMBUNG_*';
  return undefined;
}

const variableName: ValueCheck = (value) =>
  typeof value === 'string' ? refusedVariable(value) : 'must be the name of a variable';

const SECURITY_CONTEXT: Readonly<Record<string, PathRule>> = {
  runAsUser: check(nonRootId),
  runAsGroup: check(nonRootId),
  runAsNonRoot: check(nonRoot),
  'seccompProfile.type': only('RuntimeDefault'),
  'appArmorProfile.type': only('RuntimeDefault'),
  'seccompProfile.localhostProfile': owner('names a file of the node'),
  'appArmorProfile.localhostProfile': owner('names a profile of the node'),
  seLinuxOptions: owner("changes the node's labelling"),
  windowsOptions: owner('acts on the node'),
};

const CONTAINER_SECURITY: Readonly<Record<string, PathRule>> = {
  ...SECURITY_CONTEXT,
  readOnlyRootFilesystem: TENANT,
  allowPrivilegeEscalation: only(false),
  privileged: only(false),
  'capabilities.drop': TENANT,
  'capabilities.add': owner('gives rights over the node'),
  procMount: only('Default'),
};

const HANDLER: Readonly<Record<string, PathRule>> = {
  'exec.command': TENANT,
  'sleep.seconds': TENANT,
  'httpGet.path': TENANT,
  'httpGet.port': TENANT,
  'httpGet.scheme': TENANT,
  'httpGet.httpHeaders.name': TENANT,
  'httpGet.httpHeaders.value': TENANT,
  'httpGet.host': owner("makes the kubelet call out from the node's network"),
  'tcpSocket.port': TENANT,
  'tcpSocket.host': owner("makes the kubelet call out from the node's network"),
  'grpc.port': TENANT,
  'grpc.service': TENANT,
};

const PROBE: Readonly<Record<string, PathRule>> = {
  ...HANDLER,
  initialDelaySeconds: TENANT,
  timeoutSeconds: TENANT,
  periodSeconds: TENANT,
  successThreshold: TENANT,
  failureThreshold: TENANT,
  terminationGracePeriodSeconds: check(grace),
};

/** Selects one key of a copied ConfigMap or Secret, or a field of the pod. */
const VALUE_FROM: Readonly<Record<string, PathRule>> = {
  'configMapKeyRef.name': TENANT,
  'configMapKeyRef.key': TENANT,
  'configMapKeyRef.optional': TENANT,
  'secretKeyRef.name': TENANT,
  'secretKeyRef.key': TENANT,
  'secretKeyRef.optional': TENANT,
  'fieldRef.apiVersion': TENANT,
  'fieldRef.fieldPath': TENANT,
  'resourceFieldRef.containerName': TENANT,
  'resourceFieldRef.resource': TENANT,
  'resourceFieldRef.divisor': TENANT,
};

const CONTAINER: Readonly<Record<string, PathRule>> = {
  name: TENANT,
  image: TENANT,
  command: TENANT,
  args: TENANT,
  workingDir: TENANT,
  'env.name': check(variableName),
  'env.value': TENANT,
  ...under('env.valueFrom', VALUE_FROM),
  'envFrom.prefix': TENANT,
  'envFrom.configMapRef.name': TENANT,
  'envFrom.configMapRef.optional': TENANT,
  'envFrom.secretRef.name': TENANT,
  'envFrom.secretRef.optional': TENANT,
  'ports.name': TENANT,
  'ports.containerPort': TENANT,
  'ports.protocol': TENANT,
  'ports.hostPort': owner('opens a port of the node'),
  'ports.hostIP': owner('opens a port of the node'),
  'resources.requests': RESOURCES,
  'resources.limits': RESOURCES,
  'resources.claims': never('devices are lent by gpusPerWorker alone'),
  'volumeMounts.name': TENANT,
  'volumeMounts.mountPath': TENANT,
  'volumeMounts.subPath': TENANT,
  'volumeMounts.subPathExpr': TENANT,
  'volumeMounts.readOnly': TENANT,
  'volumeMounts.recursiveReadOnly': TENANT,
  'volumeMounts.mountPropagation': only('None'),
  volumeDevices: owner('gives block devices'),
  ...under('livenessProbe', PROBE),
  ...under('readinessProbe', PROBE),
  ...under('startupProbe', PROBE),
  ...under('lifecycle.postStart', HANDLER),
  ...under('lifecycle.preStop', HANDLER),
  'lifecycle.stopSignal': TENANT,
  terminationMessagePath: TENANT,
  terminationMessagePolicy: TENANT,
  imagePullPolicy: agent('Always, so that a cached image proves no right to it'),
  ...under('securityContext', CONTAINER_SECURITY),
  stdin: TENANT,
  stdinOnce: TENANT,
  tty: TENANT,
};

const KEY_TO_PATH = ['items.key', 'items.path', 'items.mode'] as const;

const VOLUME: Readonly<Record<string, PathRule>> = {
  name: TENANT,
  'emptyDir.medium': only('', 'Memory'),
  'emptyDir.sizeLimit': TENANT,
  ...leaves('configMap', ['name', 'optional', 'defaultMode', ...KEY_TO_PATH]),
  ...leaves('secret', ['secretName', 'optional', 'defaultMode', ...KEY_TO_PATH]),
  ...downward('downwardAPI'),
  'projected.defaultMode': TENANT,
  ...leaves('projected.sources.configMap', ['name', 'optional', ...KEY_TO_PATH]),
  ...leaves('projected.sources.secret', ['name', 'optional', ...KEY_TO_PATH]),
  ...downward('projected.sources.downwardAPI'),
  'projected.sources.serviceAccountToken': owner("gives a token of the owner's API server"),
  'projected.sources.clusterTrustBundle': owner("reads objects of the owner's cluster"),
  'projected.sources.podCertificate': owner("gives a certificate of the owner's cluster"),
  hostPath: owner('opens the file system of the node'),
  persistentVolumeClaim: owner('refers to data of the owner'),
  ephemeral: owner('makes volumes of the owner'),
};

const SPEC: Readonly<Record<string, PathRule>> = {
  ...under('containers', CONTAINER),
  ...under('initContainers', CONTAINER),
  'initContainers.restartPolicy': only('Always'),
  ephemeralContainers: never('a guest is started whole'),
  ...under('volumes', VOLUME),
  ...under('securityContext', {
    ...SECURITY_CONTEXT,
    fsGroup: check(nonRootId),
    fsGroupChangePolicy: TENANT,
    supplementalGroups: TENANT,
    supplementalGroupsPolicy: TENANT,
    sysctls: owner("changes the node's kernel settings"),
  }),
  'imagePullSecrets.name': TENANT,
  nodeSelector: { kind: 'keys', hard: () => undefined, check: () => undefined },
  ...leaves('affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution', ['nodeSelectorTerms']),
  ...leaves('affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution', ['weight', 'preference']),
  'affinity.podAffinity': owner('is not known to the fit of offers'),
  'affinity.podAntiAffinity': owner('can keep pods of the owner off a node'),
  topologySpreadConstraints: owner('is not known to the fit of offers'),
  tolerations: owner('opens nodes that the owner keeps for others'),
  runtimeClassName: owner('is chosen by the owner'),
  restartPolicy: only('Never'),
  terminationGracePeriodSeconds: check(grace),
  activeDeadlineSeconds: agent('covers maxRuntime'),
  automountServiceAccountToken: only(false),
  enableServiceLinks: agent("false: the owner's services are its own business"),
  shareProcessNamespace: TENANT,
  'hostAliases.ip': TENANT,
  'hostAliases.hostnames': TENANT,
  dnsPolicy: only('ClusterFirst'),
  dnsConfig: owner('reaches name servers of its own'),
  'os.name': only('linux'),
  hostNetwork: only(false),
  hostPID: only(false),
  hostIPC: only(false),
  hostUsers: only(false),
  nodeName: never('would go round the scheduler and the fit of offers'),
  schedulerName: never('only the default scheduler may place guests'),
  schedulingGates: never('a booked GPU would stay idle'),
  priorityClassName: never('guests have the lowest priority, so that the owner comes first'),
  priority: never('guests have the lowest priority, so that the owner comes first'),
  preemptionPolicy: never('guests preempt nobody'),
  serviceAccountName: never("guests have no identity in the owner's cluster"),
  serviceAccount: never("guests have no identity in the owner's cluster"),
  resourceClaims: never('devices are lent by gpusPerWorker alone'),
  overhead: never('comes from the RuntimeClass'),
  readinessGates: never('nobody would open them'),
  hostname: agent('workers find each other by it'),
  subdomain: agent('workers find each other by it'),
};

const METADATA: Readonly<Record<string, PathRule>> = {
  labels: METADATA_KEYS,
  annotations: METADATA_KEYS,
  name: never('names are given by the agent'),
  generateName: never('names are given by the agent'),
  namespace: never('each tenant has its own namespace'),
  finalizers: never('would keep a pod that must go'),
  ownerReferences: never('guests are owned by their GuestRun'),
};

/** Every path that is known, by its dotted form. */
export const PATH_TABLE: ReadonlyMap<string, PathRule> = new Map(
  Object.entries({ ...under('metadata', METADATA), ...under('spec', SPEC) }),
);

/** Paths that have known paths below them. */
export const KNOWN_PARENTS: ReadonlySet<string> = new Set(
  [...PATH_TABLE.keys()].flatMap((path) => {
    const parts = path.split('.');
    return parts.slice(0, -1).map((_part, index) => parts.slice(0, index + 1).join('.'));
  }),
);

function under(prefix: string, rules: Readonly<Record<string, PathRule>>): Record<string, PathRule> {
  return Object.fromEntries(Object.entries(rules).map(([path, rule]) => [`${prefix}.${path}`, rule]));
}

function leaves(prefix: string, names: readonly string[]): Record<string, PathRule> {
  return Object.fromEntries(names.map((name) => [`${prefix}.${name}`, TENANT]));
}

function downward(prefix: string): Record<string, PathRule> {
  const field = ['items.path', 'items.mode', 'items.fieldRef.apiVersion', 'items.fieldRef.fieldPath'];
  const resource = ['containerName', 'resource', 'divisor'].map((name) => `items.resourceFieldRef.${name}`);
  return leaves(prefix, ['defaultMode', ...field, ...resource]);
}
