/**
 * What a sandbox node looks like: GPU models that it may pretend to have, and the short text by which people ask for nodes.
 *
 * Invariants: pure; the same specs give the same Node objects; product labels are spelled as NVIDIA's feature discovery
 * spells them, because members are recognised by these texts. Leaves out which pods fit (scheduler/).
 */
import type { Node, Taint } from './objects/node.ts';
import { QuantityError, quantityMilli, quantityUnits } from './quantity.ts';
import { err, ok } from '../../std/result.ts';
import type { Result } from '../../std/result.ts';

export interface SandboxNodeSpec {
  readonly name: string;
  /** A short name of `gpuModels` (`H100-80GB`) or any product text; absent = no GPUs. */
  readonly gpuModel?: string;
  /** Boards; default 0. */
  readonly gpus?: number;
  /** Quantity; default 32, and 8 more for each GPU. */
  readonly cpu?: string;
  /** Quantity; default 64Gi, and 64Gi more for each GPU. */
  readonly memory?: string;
  /** Default 110. */
  readonly pods?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly Taint[];
}

export interface GpuModel {
  /** Value of `nvidia.com/gpu.product`. */
  readonly product: string;
  /** Value of `nvidia.com/gpu.memory`, MiB. */
  readonly memoryMib: number;
  readonly family: string;
}

/** Models by the short names that pools use. */
export const gpuModels: Readonly<Record<string, GpuModel>> = {
  H200: { product: 'NVIDIA-H200', memoryMib: 143_771, family: 'hopper' },
  'H100-80GB': { product: 'NVIDIA-H100-80GB-HBM3', memoryMib: 81_559, family: 'hopper' },
  'A100-80GB': { product: 'NVIDIA-A100-SXM4-80GB', memoryMib: 81_920, family: 'ampere' },
  'A100-40GB': { product: 'NVIDIA-A100-SXM4-40GB', memoryMib: 40_960, family: 'ampere' },
  L40S: { product: 'NVIDIA-L40S', memoryMib: 46_068, family: 'ada-lovelace' },
  L4: { product: 'NVIDIA-L4', memoryMib: 23_034, family: 'ada-lovelace' },
  A10: { product: 'NVIDIA-A10', memoryMib: 23_028, family: 'ampere' },
  'V100-32GB': { product: 'Tesla-V100-SXM2-32GB', memoryMib: 32_768, family: 'volta' },
  'V100-16GB': { product: 'Tesla-V100-SXM2-16GB', memoryMib: 16_384, family: 'volta' },
  T4: { product: 'Tesla-T4', memoryMib: 15_360, family: 'turing' },
};

/** Name of the extended resource that boards are counted under. */
export const gpuResource = 'nvidia.com/gpu';

export interface NodeSpecError {
  readonly kind: 'BadNodeSpec';
  /** The key at fault, e.g. `gpu`; empty when the text as a whole is. */
  readonly field: string;
  readonly value: string;
  readonly message: string;
}

export interface NodeGroup {
  readonly count: number;
  /** Node specs without names; `nodesOf` numbers them. */
  readonly template: Omit<SandboxNodeSpec, 'name'>;
}

const usedKeys = ['gpu', 'nodes', 'cpu', 'memory', 'pods', 'label', 'taint'] as const;
type SpecKey = (typeof usedKeys)[number];

/**
 * Reads `gpu=H100-80GB x8, nodes=2, cpu=64, memory=512Gi, label=zone=a, taint=dedicated=gpu:NoSchedule`.
 * Keys in any order, `label` and `taint` repeatable; every key optional, `nodes` 1 by default and at most 1,000.
 */
export function parseNodeSpec(text: string): Result<NodeGroup, NodeSpecError> {
  let group: NodeGroup = { count: 1, template: {} };
  const seen = new Set<string>();
  for (const part of text.split(',').map((piece) => piece.trim())) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const key = equals < 0 ? part : part.slice(0, equals).trim();
    const value = equals < 0 ? '' : part.slice(equals + 1).trim();
    if (!isSpecKey(key))
      return bad(key, value, `unknown key ${JSON.stringify(key)}: want one of ${usedKeys.join(', ')}`);
    if (seen.has(key) && key !== 'label' && key !== 'taint') return bad(key, value, `${key} is given twice`);
    seen.add(key);
    const next = readers[key](group, value);
    if (!next.ok) return next;
    group = next.value;
  }
  return seen.size === 0
    ? bad('', text, 'a node spec needs at least one key, e.g. "gpu=H100-80GB x8, nodes=2"')
    : ok(group);
}

/** `count` nodes named `<prefix>-1`, `<prefix>-2`, and so on, counting on from `from`. */
export function nodesOf(group: NodeGroup, prefix: string, from = 1): readonly SandboxNodeSpec[] {
  return Array.from({ length: group.count }, (_, i) => ({ name: `${prefix}-${from + i}`, ...group.template }));
}

type Reader = (group: NodeGroup, value: string) => Result<NodeGroup, NodeSpecError>;

const readers: Readonly<Record<SpecKey, Reader>> = {
  gpu: (group, value) => {
    const match = /^(\S+?)(?:\s+x\s*(\d{1,2}))?$/.exec(value);
    const model = match?.[1] ?? '';
    if (gpuModels[model] === undefined) {
      return bad('gpu', value, `unknown GPU model: want MODEL xCOUNT with one of ${Object.keys(gpuModels).join(', ')}`);
    }
    const gpus = Number(match?.[2] ?? '1');
    if (gpus < 1 || gpus > 16) return bad('gpu', value, 'want 1 to 16 GPUs a node');
    return ok(merged(group, { gpuModel: model, gpus }));
  },
  nodes: (group, value) => {
    const count = wholeNumber(value, 1000);
    return count === undefined ? bad('nodes', value, 'want a whole number from 1 to 1000') : ok({ ...group, count });
  },
  cpu: (group, value) => {
    const problem = quantityProblem(() => quantityMilli(value));
    return problem === undefined ? ok(merged(group, { cpu: value })) : bad('cpu', value, problem);
  },
  memory: (group, value) => {
    const problem = quantityProblem(() => quantityUnits(value));
    return problem === undefined ? ok(merged(group, { memory: value })) : bad('memory', value, problem);
  },
  pods: (group, value) => {
    const pods = wholeNumber(value, 10_000);
    return pods === undefined ? bad('pods', value, 'want a whole number from 1 to 10000') : ok(merged(group, { pods }));
  },
  label: (group, value) => {
    const match = /^([A-Za-z0-9./_-]+)=([A-Za-z0-9._-]*)$/.exec(value);
    if (match === null) return bad('label', value, 'want label=KEY=VALUE');
    return ok(merged(group, { labels: { ...group.template.labels, [match[1] ?? '']: match[2] ?? '' } }));
  },
  taint: (group, value) => {
    const match = /^([A-Za-z0-9./_-]+)(?:=([A-Za-z0-9._-]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/.exec(value);
    if (match === null) return bad('taint', value, 'want taint=KEY[=VALUE]:NoSchedule, PreferNoSchedule or NoExecute');
    const taint: Taint = { key: match[1] ?? '', value: match[2] ?? '', effect: match[3] as Taint['effect'] };
    return ok(merged(group, { taints: [...(group.template.taints ?? []), taint] }));
  },
};

function isSpecKey(key: string): key is SpecKey {
  return (usedKeys as readonly string[]).includes(key);
}

function merged(group: NodeGroup, more: Omit<SandboxNodeSpec, 'name'>): NodeGroup {
  return { ...group, template: { ...group.template, ...more } };
}

function wholeNumber(text: string, atMost: number): number | undefined {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  return value >= 1 && value <= atMost ? value : undefined;
}

function quantityProblem(read: () => number): string | undefined {
  try {
    return read() > 0 ? undefined : 'want more than 0';
  } catch (error) {
    if (error instanceof QuantityError) return error.message;
    throw error;
  }
}

function bad(field: string, value: string, message: string): { ok: false; error: NodeSpecError } {
  return err({ kind: 'BadNodeSpec', field, value, message });
}

export interface NodeFacts {
  /** InternalIP. */
  readonly address: string;
  /** RFC 3339. */
  readonly now: string;
  readonly clusterName: string;
  readonly operatingSystem: string;
  readonly architecture: string;
}

/** Stable fake UUIDs of a node's boards, in the form that drivers report. */
export function gpuUuids(clusterName: string, spec: SandboxNodeSpec): readonly string[] {
  return Array.from({ length: spec.gpus ?? 0 }, (_, i) => `GPU-${fakeUuid(`${clusterName}/${spec.name}/${i}`)}`);
}

/** The Node as its kubelet and feature discovery would register it: labels, capacity, Ready. */
export function nodeObject(spec: SandboxNodeSpec, facts: NodeFacts): Node {
  const resources = nodeResources(spec);
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: spec.name, labels: { ...nodeLabels(spec, facts), ...spec.labels } },
    spec: spec.taints === undefined || spec.taints.length === 0 ? {} : { taints: spec.taints },
    status: {
      capacity: resources,
      allocatable: resources,
      conditions: nodeConditions({ ready: 'True', since: facts.now }),
      addresses: [
        { type: 'InternalIP', address: facts.address },
        { type: 'Hostname', address: spec.name },
      ],
      nodeInfo: {
        architecture: facts.architecture,
        bootID: fakeUuid(`boot/${facts.clusterName}/${spec.name}`),
        containerRuntimeVersion: 'sandbox://1',
        kernelVersion: 'sandbox',
        kubeProxyVersion: '',
        kubeletVersion: 'v1.36.0-sandbox',
        machineID: fakeUuid(`machine/${facts.clusterName}/${spec.name}`),
        operatingSystem: facts.operatingSystem,
        osImage: 'Lumbung sandbox (processes, no isolation)',
        systemUUID: fakeUuid(`system/${facts.clusterName}/${spec.name}`),
      },
    },
  };
}

function nodeLabels(spec: SandboxNodeSpec, facts: NodeFacts): Record<string, string> {
  const labels: Record<string, string> = {
    'kubernetes.io/hostname': spec.name,
    'kubernetes.io/os': facts.operatingSystem,
    'kubernetes.io/arch': facts.architecture,
    'topology.kubernetes.io/region': facts.clusterName,
    'topology.kubernetes.io/zone': `${facts.clusterName}-a`,
  };
  if (spec.gpuModel === undefined || (spec.gpus ?? 0) === 0) return labels;
  const model = gpuModels[spec.gpuModel];
  labels['nvidia.com/gpu.present'] = 'true';
  labels['nvidia.com/gpu.product'] = model?.product ?? spec.gpuModel;
  labels['nvidia.com/gpu.count'] = String(spec.gpus ?? 0);
  labels['nvidia.com/gpu.replicas'] = '1';
  labels['nvidia.com/gpu.sharing-strategy'] = 'none';
  labels['nvidia.com/mig.capable'] = 'false';
  if (model !== undefined) {
    labels['nvidia.com/gpu.memory'] = String(model.memoryMib);
    labels['nvidia.com/gpu.family'] = model.family;
  }
  return labels;
}

function nodeResources(spec: SandboxNodeSpec): Record<string, string> {
  const gpus = spec.gpus ?? 0;
  return {
    cpu: spec.cpu ?? String(32 + 8 * gpus),
    memory: spec.memory ?? `${64 + 64 * gpus}Gi`,
    'ephemeral-storage': '500Gi',
    pods: String(spec.pods ?? 110),
    ...(gpus > 0 ? { [gpuResource]: String(gpus) } : {}),
  };
}

export interface Readiness {
  readonly ready: 'True' | 'False' | 'Unknown';
  /** RFC 3339: since when it is so. */
  readonly since: string;
}

/** The conditions of a node; `Unknown` is what the lifecycle controller writes once a kubelet fell silent. */
export function nodeConditions(readiness: Readiness): NonNullable<NonNullable<Node['status']>['conditions']> {
  const silent = readiness.ready === 'Unknown';
  const times = { lastHeartbeatTime: readiness.since, lastTransitionTime: readiness.since };
  const pressure = (type: string, reason: string, message: string): NodeCondition =>
    silent
      ? { type, status: 'Unknown', reason: 'NodeStatusUnknown', message: silenceMessage, ...times }
      : { type, status: 'False', reason, message, ...times };
  return [
    pressure('MemoryPressure', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
    pressure('DiskPressure', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
    pressure('PIDPressure', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
    { type: 'Ready', status: readiness.ready, ...readyTexts[readiness.ready], ...times },
  ];
}

type NodeCondition = NonNullable<NonNullable<Node['status']>['conditions']>[number];

const silenceMessage = 'Kubelet stopped posting node status.';
const readyTexts: Readonly<Record<Readiness['ready'], { readonly reason: string; readonly message: string }>> = {
  True: { reason: 'KubeletReady', message: 'kubelet is posting ready status' },
  False: { reason: 'KubeletNotReady', message: 'container runtime is down' },
  Unknown: { reason: 'NodeStatusUnknown', message: silenceMessage },
};

/** Looks like a UUID and depends on `seed` alone; not random and not secret. */
function fakeUuid(seed: string): string {
  const word = (salt: number): string => {
    let hash = (0x811c_9dc5 ^ salt) >>> 0;
    for (let i = 0; i < seed.length; i += 1) hash = Math.imul(hash ^ seed.charCodeAt(i), 0x0100_0193) >>> 0;
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d) >>> 0;
    return ((hash ^ (hash >>> 13)) >>> 0).toString(16).padStart(8, '0');
  };
  const hex = [word(1), word(2), word(3), word(4)].join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
