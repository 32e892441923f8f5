/**
 * What must be true of every guest pod, whatever template it came from. Written apart from the code that builds pods, in
 * terms of Kubernetes alone, so that the two can disagree.
 */
type Json = Record<string, unknown>;

const asObject = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
const asList = (value: unknown): readonly Json[] => (Array.isArray(value) ? value.map(asObject) : []);

const POD_FIELDS = new Set([
  'containers',
  'initContainers',
  'volumes',
  'securityContext',
  'imagePullSecrets',
  'nodeSelector',
  'affinity',
  'tolerations',
  'restartPolicy',
  'terminationGracePeriodSeconds',
  'activeDeadlineSeconds',
  'automountServiceAccountToken',
  'enableServiceLinks',
  'shareProcessNamespace',
  'hostAliases',
  'dnsPolicy',
  'os',
  'hostNetwork',
  'hostPID',
  'hostIPC',
  'hostUsers',
  'priorityClassName',
  'serviceAccountName',
  'subdomain',
  'hostname',
  'runtimeClassName',
]);
const VOLUME_FIELDS = new Set(['name', 'emptyDir', 'configMap', 'secret', 'projected', 'downwardAPI']);
const PROJECTED = new Set(['configMap', 'secret', 'downwardAPI']);

export interface AllowedPod {
  readonly gpuContainer: string;
  readonly gpuResource: string;
  readonly gpus: number;
  readonly maxGraceSeconds: number;
  readonly copyPrefix: string;
}

type Must = (holds: boolean, sentence: string) => void;

/** Sentences about what is wrong; empty for a pod that may run. */
export function guestPodViolations(
  pod: { readonly metadata: Json; readonly spec: Json },
  allowed: AllowedPod,
): readonly string[] {
  const { metadata, spec } = pod;
  const wrong: string[] = [];
  const must: Must = (holds, sentence) => {
    if (!holds) wrong.push(sentence);
  };
  checkSpec(spec, allowed, must);
  checkVolumes(spec, must);
  for (const container of [...asList(spec['initContainers']), ...asList(spec['containers'])]) {
    checkSecurity(container, must);
    checkDevices(container, allowed, must);
    checkReach(container, must);
  }
  checkMetadata(metadata, must);
  for (const name of referencedNames(spec)) must(name.startsWith(allowed.copyPrefix), `a reference to ${name}`);
  return wrong;
}

function checkSpec(spec: Json, allowed: AllowedPod, must: Must): void {
  for (const field of Object.keys(spec)) must(POD_FIELDS.has(field), `spec.${field} is set`);
  for (const field of ['hostNetwork', 'hostPID', 'hostIPC', 'hostUsers']) {
    must(spec[field] === undefined || spec[field] === false, `spec.${field}`);
  }
  const fixed = { priorityClassName: 'lumbung-guest', serviceAccountName: 'lumbung-guest', restartPolicy: 'Never' };
  for (const [field, value] of Object.entries(fixed)) must(spec[field] === value, `spec.${field} is not ${value}`);
  must(spec['automountServiceAccountToken'] === false, 'a token is mounted');
  const grace = spec['terminationGracePeriodSeconds'] as number;
  must(Number.isInteger(grace) && grace >= 1 && grace <= allowed.maxGraceSeconds, `grace of ${String(grace)} s`);
  must(Number.isInteger(spec['activeDeadlineSeconds']) && (spec['activeDeadlineSeconds'] as number) > 0, 'no deadline');
  must(asList(spec['tolerations']).length === 0, 'it tolerates taints');
  const affinity = asObject(spec['affinity']);
  for (const field of ['podAffinity', 'podAntiAffinity']) must(affinity[field] === undefined, field);
  const context = asObject(spec['securityContext']);
  for (const field of ['sysctls', 'seLinuxOptions', 'windowsOptions']) must(context[field] === undefined, field);
  must(context['runAsNonRoot'] === true && context['runAsUser'] !== 0, 'root');
  must(asObject(context['seccompProfile'])['type'] === 'RuntimeDefault', 'no seccomp profile');
}

function checkVolumes(spec: Json, must: Must): void {
  for (const volume of asList(spec['volumes'])) {
    for (const field of Object.keys(volume)) must(VOLUME_FIELDS.has(field), `volume of kind ${field}`);
    for (const source of asList(asObject(volume['projected'])['sources'])) {
      for (const field of Object.keys(source)) must(PROJECTED.has(field), `projected ${field}`);
    }
  }
}

function checkMetadata(metadata: Json, must: Must): void {
  for (const field of ['finalizers', 'ownerReferences', 'namespace', 'name'])
    must(metadata[field] === undefined, `metadata.${field}`);
  for (const key of [...Object.keys(asObject(metadata['annotations'])), ...Object.keys(asObject(metadata['labels']))]) {
    const [domain, name] = key.split('/');
    const known = ['lumbung.dev', 'app.kubernetes.io', 'sandbox.lumbung.dev'].includes(domain ?? '');
    must(name === undefined || known, `metadata key ${key}`);
  }
}

function checkSecurity(container: Json, must: Must): void {
  const name = String(container['name']);
  const context = asObject(container['securityContext']);
  const capabilities = asObject(context['capabilities']);
  must([undefined, false].includes(context['privileged'] as undefined), `${name} is privileged`);
  must(context['allowPrivilegeEscalation'] === false, `${name} may gain privileges`);
  must(capabilities['add'] === undefined, `${name} adds capabilities`);
  must(JSON.stringify(capabilities['drop'] ?? []).includes('ALL'), `${name} keeps capabilities`);
  must(context['runAsUser'] !== 0 && context['runAsNonRoot'] !== false, `${name} runs as root`);
  must([undefined, 'Default'].includes(context['procMount'] as undefined), `${name} unmasks /proc`);
  must(container['imagePullPolicy'] === 'Always', `${name} does not pull`);
}

function checkDevices(container: Json, allowed: AllowedPod, must: Must): void {
  const name = String(container['name']);
  const resources = asObject(container['resources']);
  const limits = asObject(resources['limits']);
  const requests = asObject(resources['requests']);
  for (const resource of ['cpu', 'memory', 'ephemeral-storage'])
    must(limits[resource] !== undefined, `${name} has no limit of ${resource}`);
  const gpus = name === allowed.gpuContainer ? String(allowed.gpus) : undefined;
  must(limits[allowed.gpuResource] === gpus && requests[allowed.gpuResource] === gpus, `${name} has other GPUs`);
  for (const resource of [...Object.keys(limits), ...Object.keys(requests)]) {
    const known = /^(cpu|memory|ephemeral-storage|hugepages-.*)$/.test(resource) || resource === allowed.gpuResource;
    must(known, `${name} requests ${resource}`);
  }
  must(resources['claims'] === undefined && container['volumeDevices'] === undefined, `${name} claims devices`);
  const visible = asList(container['env']).filter((one) => one['name'] === 'NVIDIA_VISIBLE_DEVICES');
  must(
    visible.every((one) => one['value'] === 'void'),
    `${name} names visible devices`,
  );
  must(name === allowed.gpuContainer || visible.length === 1, `${name} may see every device`);
}

function checkReach(container: Json, must: Must): void {
  const name = String(container['name']);
  for (const port of asList(container['ports'])) {
    must(port['hostPort'] === undefined && port['hostIP'] === undefined, `${name} opens host ports`);
  }
  for (const mount of asList(container['volumeMounts'])) {
    must([undefined, 'None'].includes(mount['mountPropagation'] as undefined), `${name} propagates mounts`);
  }
  for (const field of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    const probe = asObject(container[field]);
    const hosts = [asObject(probe['httpGet'])['host'], asObject(probe['tcpSocket'])['host']];
    must(
      hosts.every((host) => host === undefined),
      `${name} probes another host`,
    );
  }
}

/** Names of ConfigMaps and Secrets anywhere in the pod. */
function referencedNames(spec: Json): readonly string[] {
  const names: unknown[] = asList(spec['imagePullSecrets']).map((one) => one['name']);
  for (const volume of asList(spec['volumes'])) {
    names.push(asObject(volume['configMap'])['name'], asObject(volume['secret'])['secretName']);
    for (const source of asList(asObject(volume['projected'])['sources']))
      names.push(asObject(source['configMap'])['name'], asObject(source['secret'])['name']);
  }
  for (const container of [...asList(spec['initContainers']), ...asList(spec['containers'])]) {
    for (const source of asList(container['envFrom']))
      names.push(asObject(source['configMapRef'])['name'], asObject(source['secretRef'])['name']);
    for (const variable of asList(container['env'])) {
      const from = asObject(variable['valueFrom']);
      names.push(asObject(from['configMapKeyRef'])['name'], asObject(from['secretKeyRef'])['name']);
    }
  }
  return names.filter((name): name is string => typeof name === 'string');
}
