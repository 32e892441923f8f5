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

/** Sentences about what is wrong; empty for a pod that may run. */
export function guestPodViolations(
  pod: { readonly metadata: Json; readonly spec: Json },
  allowed: {
    readonly gpuContainer: string;
    readonly gpuResource: string;
    readonly gpus: number;
    readonly maxGraceSeconds: number;
    readonly copyPrefix: string;
  },
): readonly string[] {
  const { metadata, spec } = pod;
  const wrong: string[] = [];
  const must = (holds: boolean, sentence: string): void => {
    if (!holds) wrong.push(sentence);
  };
  for (const field of Object.keys(spec)) must(POD_FIELDS.has(field), `spec.${field} is set`);
  for (const field of ['hostNetwork', 'hostPID', 'hostIPC', 'hostUsers'])
    must(spec[field] === undefined || spec[field] === false, `spec.${field}`);
  must(spec['priorityClassName'] === 'lumbung-guest', 'another priority class');
  must(spec['serviceAccountName'] === 'lumbung-guest', 'another service account');
  must(spec['automountServiceAccountToken'] === false, 'a token is mounted');
  must(spec['restartPolicy'] === 'Never', 'it restarts');
  const grace = spec['terminationGracePeriodSeconds'] as number;
  must(Number.isInteger(grace) && grace >= 1 && grace <= allowed.maxGraceSeconds, `grace of ${String(grace)} s`);
  must(Number.isInteger(spec['activeDeadlineSeconds']) && (spec['activeDeadlineSeconds'] as number) > 0, 'no deadline');
  must(asList(spec['tolerations']).length === 0, 'it tolerates taints');
  must(
    asObject(spec['affinity'])['podAntiAffinity'] === undefined &&
      asObject(spec['affinity'])['podAffinity'] === undefined,
    'pod affinity',
  );
  const podContext = asObject(spec['securityContext']);
  must(
    podContext['sysctls'] === undefined &&
      podContext['seLinuxOptions'] === undefined &&
      podContext['windowsOptions'] === undefined,
    'node settings',
  );
  must(podContext['runAsNonRoot'] === true && podContext['runAsUser'] !== 0, 'root');
  must(asObject(podContext['seccompProfile'])['type'] === 'RuntimeDefault', 'no seccomp profile');
  for (const volume of asList(spec['volumes'])) {
    for (const field of Object.keys(volume)) must(VOLUME_FIELDS.has(field), `volume of kind ${field}`);
    for (const source of asList(asObject(volume['projected'])['sources'])) {
      for (const field of Object.keys(source)) must(PROJECTED.has(field), `projected ${field}`);
    }
  }
  for (const container of [...asList(spec['initContainers']), ...asList(spec['containers'])])
    checkContainer(container, allowed, must);
  for (const field of ['finalizers', 'ownerReferences', 'namespace', 'name'])
    must(metadata[field] === undefined, `metadata.${field}`);
  for (const key of [...Object.keys(asObject(metadata['annotations'])), ...Object.keys(asObject(metadata['labels']))]) {
    const [domain, name] = key.split('/');
    must(
      name === undefined || ['lumbung.dev', 'app.kubernetes.io', 'sandbox.lumbung.dev'].includes(domain ?? ''),
      `metadata key ${key}`,
    );
  }
  for (const name of referencedNames(spec)) must(name.startsWith(allowed.copyPrefix), `a reference to ${name}`);
  return wrong;
}

function checkContainer(
  container: Json,
  allowed: { readonly gpuContainer: string; readonly gpuResource: string; readonly gpus: number },
  must: (holds: boolean, sentence: string) => void,
): void {
  const name = String(container['name']);
  const context = asObject(container['securityContext']);
  must(context['privileged'] === undefined || context['privileged'] === false, `${name} is privileged`);
  must(context['allowPrivilegeEscalation'] === false, `${name} may gain privileges`);
  must(asObject(context['capabilities'])['add'] === undefined, `${name} adds capabilities`);
  must(JSON.stringify(asObject(context['capabilities'])['drop'] ?? []).includes('ALL'), `${name} keeps capabilities`);
  must(context['runAsUser'] !== 0 && context['runAsNonRoot'] !== false, `${name} runs as root`);
  must(context['procMount'] === undefined || context['procMount'] === 'Default', `${name} unmasks /proc`);
  must(container['imagePullPolicy'] === 'Always', `${name} does not pull`);
  must(container['volumeDevices'] === undefined, `${name} has devices`);
  for (const port of asList(container['ports']))
    must(port['hostPort'] === undefined && port['hostIP'] === undefined, `${name} opens host ports`);
  for (const mount of asList(container['volumeMounts']))
    must([undefined, 'None'].includes(mount['mountPropagation'] as undefined), `${name} propagates mounts`);
  const limits = asObject(asObject(container['resources'])['limits']);
  const requests = asObject(asObject(container['resources'])['requests']);
  for (const resource of ['cpu', 'memory', 'ephemeral-storage'])
    must(limits[resource] !== undefined, `${name} has no limit of ${resource}`);
  const gpus = name === allowed.gpuContainer ? String(allowed.gpus) : undefined;
  must(
    limits[allowed.gpuResource] === gpus && requests[allowed.gpuResource] === gpus,
    `${name} has ${String(limits[allowed.gpuResource])} GPUs`,
  );
  for (const resource of [...Object.keys(limits), ...Object.keys(requests)]) {
    must(
      /^(cpu|memory|ephemeral-storage|hugepages-.*)$/.test(resource) || resource === allowed.gpuResource,
      `${name} requests ${resource}`,
    );
  }
  must(asObject(container['resources'])['claims'] === undefined, `${name} claims devices`);
  const visible = asList(container['env']).filter((one) => one['name'] === 'NVIDIA_VISIBLE_DEVICES');
  must(
    visible.every((one) => one['value'] === 'void'),
    `${name} names visible devices`,
  );
  must(name === allowed.gpuContainer || visible.length === 1, `${name} may see every device`);
  for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    const http = asObject(asObject(container[probe])['httpGet']);
    must(
      http['host'] === undefined && asObject(asObject(container[probe])['tcpSocket'])['host'] === undefined,
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
