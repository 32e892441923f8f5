/**
 * GPUs as Kubernetes sees them: vendors, extended resources, product labels. Decides the one canonical name of a model, so that
 * jobs, offers, pools, metrics and prices speak of the same thing.
 *
 * Canonical names carry the memory only where a model is sold with several sizes (`A100-40GB`, but `T4`), and the form factor
 * only where it is the slower sibling (`-PCIE`). Every canonical name is its own alias. A label that the table does not know is
 * used as it is, cleaned. Slices and shared replicas (`-MIG-1g.10gb`, `-SHARED`) keep their model's name and are marked: they
 * are no whole GPUs. Leaves out DRA devices.
 */
import type { GpuModel } from './ids.ts';
import { gpuModel } from './ids.ts';
import { quantityToUnits } from './quantity.ts';

export type GpuVendor = 'nvidia' | 'amd' | 'intel';

interface VendorFacts {
  readonly vendor: GpuVendor;
  /** Resources of which one unit is one whole GPU. */
  readonly whole: readonly string[];
  /** Everything by which the vendor's plugin hands out GPUs or parts of them. */
  readonly any: RegExp;
  readonly productLabels: readonly string[];
  readonly memoryLabels: readonly string[];
}

const VENDORS: readonly VendorFacts[] = [
  {
    vendor: 'nvidia',
    whole: ['nvidia.com/gpu'],
    any: /^nvidia\.com\/(?:p?gpu(?:\..*)?|mig-.*)$/,
    productLabels: ['nvidia.com/gpu.product'],
    memoryLabels: ['nvidia.com/gpu.memory'],
  },
  {
    vendor: 'amd',
    whole: ['amd.com/gpu'],
    any: /^amd\.com\/(?:gpu(?:\..*)?|[a-z]+_nps[0-9]+)$/,
    productLabels: ['amd.com/gpu.product-name', 'beta.amd.com/gpu.product-name'],
    memoryLabels: ['amd.com/gpu.vram', 'beta.amd.com/gpu.vram'],
  },
  {
    vendor: 'intel',
    whole: ['gpu.intel.com/i915', 'gpu.intel.com/xe'],
    any: /^gpu\.intel\.com\/.*$/,
    productLabels: ['gpu.intel.com/product'],
    memoryLabels: [],
  },
];

/** Extended resources of which one unit is a whole GPU, over all vendors. */
export const WHOLE_GPU_RESOURCES: readonly string[] = VENDORS.flatMap((facts) => facts.whole);

/** Whose whole GPUs the resource counts; undefined for slices, shares and everything else. */
export function vendorOfGpuResource(resource: string): GpuVendor | undefined {
  return VENDORS.find((facts) => facts.whole.includes(resource))?.vendor;
}

/** Does the resource hand out GPUs or parts of them in any form? Such names belong to the platform, not to a pod template. */
export function isGpuResource(resource: string): boolean {
  return VENDORS.some((facts) => facts.any.test(resource));
}

/** How a product label says that its devices are used. Only `Exclusive` devices are whole GPUs. */
export type GpuSharing =
  | { readonly kind: 'Exclusive' }
  | { readonly kind: 'Replicas' }
  | { readonly kind: 'MigStatic'; readonly profile: string; readonly replicated: boolean };

export interface GpuIdentity {
  readonly model: GpuModel;
  /** The model is in the table, not just a cleaned label. */
  readonly known: boolean;
  readonly sharing: GpuSharing;
  /** Memory as sold, in whole GiB as bytes: labels say a little less, and `minMemory: 80Gi` must match an 80 GB board. */
  readonly nominalMemoryBytes?: number;
}

const GIB = 2 ** 30;

/** Canonical name, GiB as sold, further names as they appear in labels (upper case, vendor words removed). */
const MODELS: readonly (readonly [name: string, memoryGib: number, ...aliases: string[]])[] = [
  ['GB300', 288],
  ['GB200', 192],
  ['B300', 288, 'B300-SXM6-AC'],
  ['B200', 192, 'B200-SXM6'],
  ['GH200-96GB', 96, 'GH200-480GB', 'GH200-96GB-HBM3'],
  ['GH200-144GB', 144, 'GH200-144G-HBM3E', 'GH200-144GB-HBM3E'],
  ['H200', 141, 'H200-SXM5', 'H200-141GB', 'H200-SXM5-141GB'],
  ['H200-NVL', 141],
  ['H100-80GB', 80, 'H100-80GB-HBM3', 'H100-SXM5-80GB', 'H100-SXM5'],
  ['H100-80GB-PCIE', 80, 'H100-PCIE', 'H100-80GB-HBM2E', 'H100-PCIE-80GB'],
  ['H100-94GB-NVL', 94, 'H100-NVL'],
  ['H100-96GB', 96, 'H100-96GB-HBM3', 'H100-SXM5-96GB'],
  ['H100-64GB', 64, 'H100-64GB-HBM2', 'H100-SXM5-64GB'],
  ['H800-80GB', 80, 'H800', 'H800-SXM5'],
  ['H20-96GB', 96, 'H20'],
  ['H20-141GB', 141, 'H20-3E'],
  ['A100-40GB', 40, 'A100-SXM4-40GB'],
  ['A100-80GB', 80, 'A100-SXM4-80GB'],
  ['A100-64GB', 64, 'A100-SXM-64GB', 'A100-SXM4-64GB'],
  ['A100-40GB-PCIE', 40, 'A100-PCIE-40GB'],
  ['A100-80GB-PCIE', 80, 'A100-PCIE-80GB'],
  ['A800-80GB', 80, 'A800-SXM4-80GB'],
  ['A800-80GB-PCIE', 80],
  ['A40', 48],
  ['A30', 24],
  ['A16', 16],
  ['A10', 24],
  ['A10G', 24],
  ['A2', 16],
  ['L40S', 48],
  ['L40', 48],
  ['L20', 48],
  ['L4', 24],
  ['L2', 24],
  ['T4', 16],
  ['T4G', 16],
  ['V100-16GB', 16, 'V100-SXM2-16GB', 'V100-SXM2'],
  ['V100-32GB', 32, 'V100-SXM2-32GB', 'V100-SXM3-32GB', 'V100-SXM3-32GB-H', 'V100-DGXS-32GB', 'V100-SXM2-32GB-LS'],
  ['V100-16GB-PCIE', 16, 'V100-PCIE-16GB', 'V100-FHHL-16GB'],
  ['V100-32GB-PCIE', 32, 'V100-PCIE-32GB'],
  ['V100S-32GB', 32, 'V100S-PCIE-32GB'],
  ['P100-16GB', 16, 'P100-SXM2-16GB'],
  ['P100-16GB-PCIE', 16, 'P100-PCIE-16GB'],
  ['P100-12GB-PCIE', 12, 'P100-PCIE-12GB'],
  ['P40', 24],
  ['P4', 8],
  ['M60', 8],
  ['K80', 12],
  ['RTX-PRO-6000', 96, 'RTX-PRO-6000-BLACKWELL-SERVER-EDITION', 'RTX-PRO-6000-BLACKWELL-WORKSTATION-EDITION'],
  ['RTX-6000-ADA', 48, 'RTX-6000-ADA-GENERATION'],
  ['RTX-5000-ADA', 32, 'RTX-5000-ADA-GENERATION'],
  ['RTX-A6000', 48],
  ['RTX-A5000', 24],
  ['RTX-A4000', 16],
  ['QUADRO-RTX-8000', 48],
  ['QUADRO-RTX-6000', 24],
  ['RTX-5090', 32, 'GEFORCE-RTX-5090'],
  ['RTX-4090', 24, 'GEFORCE-RTX-4090'],
  ['RTX-3090', 24, 'GEFORCE-RTX-3090'],
  ['RTX-2080-TI', 11, 'GEFORCE-RTX-2080-TI'],
  ['MI355X', 288, 'INSTINCT-MI355X', 'INSTINCT-MI355X-OAM'],
  ['MI350X', 288, 'INSTINCT-MI350X', 'INSTINCT-MI350X-OAM'],
  ['MI325X', 256, 'INSTINCT-MI325X', 'INSTINCT-MI325X-OAM'],
  ['MI308X', 192, 'INSTINCT-MI308X', 'INSTINCT-MI308X-OAM'],
  ['MI300X', 192, 'INSTINCT-MI300X', 'INSTINCT-MI300X-OAM', 'INSTINCT-MI300X-VF', 'INSTINCT-MI300X-HF'],
  ['MI300A', 128, 'INSTINCT-MI300A'],
  ['MI250X', 128, 'INSTINCT-MI250X', 'INSTINCT-MI250X-OAM'],
  ['MI250', 128, 'INSTINCT-MI250', 'INSTINCT-MI250-OAM', 'INSTINCT-MI250X-MI250'],
  ['MI210', 64, 'INSTINCT-MI210'],
  ['MI100', 32, 'INSTINCT-MI100'],
  ['MI50', 32, 'INSTINCT-MI50', 'RADEON-INSTINCT-MI50'],
  ['GPU-MAX-1550', 128, 'MAX-1550', 'DATA-CENTER-GPU-MAX-1550'],
  ['GPU-MAX-1100', 48, 'MAX-1100', 'DATA-CENTER-GPU-MAX-1100'],
  ['GPU-FLEX-170', 16, 'FLEX-170', 'DATA-CENTER-GPU-FLEX-170'],
  ['GPU-FLEX-140', 12, 'FLEX-140', 'DATA-CENTER-GPU-FLEX-140'],
];

const BY_ALIAS: ReadonlyMap<string, { readonly name: string; readonly memoryGib: number }> = new Map(
  MODELS.flatMap(([name, memoryGib, ...aliases]) =>
    [name, ...aliases].map((alias) => [alias, { name, memoryGib }] as const),
  ),
);

/**
 * Reads a product label, or a model name that a person wrote: `NVIDIA-H100-80GB-HBM3`, `Tesla-T4`, `AMD_Instinct_MI300X`,
 * `A100-SXM4-40GB-MIG-1g.5gb`. Same answer for its own canonical name. Text without a letter or digit gives `unknown`.
 */
export function identifyGpu(product: string): GpuIdentity {
  const { base, sharing } = splitSharing(product.trim());
  const entry = BY_ALIAS.get(lookupForm(base));
  if (entry === undefined) return { model: gpuModel(cleaned(base)), known: false, sharing };
  return { model: gpuModel(entry.name), known: true, sharing, nominalMemoryBytes: entry.memoryGib * GIB };
}

/** The canonical name alone; for the model lists of jobs and pools. */
export function canonicalGpuModel(product: string): GpuModel {
  return identifyGpu(product).model;
}

export interface NodeGpu extends GpuIdentity {
  readonly vendor: GpuVendor;
  /** Extended resource by which the node hands out whole GPUs. */
  readonly resource: string;
  /** As sold where the model is known, else what the label says, else 0. */
  readonly memoryBytes: number;
}

/**
 * What the GPUs of a node are, from the extended resource it lists and its labels. A node without a product label is of model
 * `<vendor>-unknown`; a sharing strategy or a replica count in the labels marks it as shared even if the product does not.
 */
export function gpuOfNode(resource: string, labels: Readonly<Record<string, string>>): NodeGpu | undefined {
  const facts = VENDORS.find((one) => one.whole.includes(resource));
  if (facts === undefined) return undefined;
  const product = firstLabel(labels, facts.productLabels) ?? `${facts.vendor}-unknown`;
  const identity = identifyGpu(product);
  const sharing =
    identity.sharing.kind === 'Exclusive' && labelsSayShared(labels) ? { kind: 'Replicas' as const } : identity.sharing;
  const memoryBytes = identity.nominalMemoryBytes ?? labelledMemory(facts, labels);
  return { ...identity, sharing, vendor: facts.vendor, resource, memoryBytes };
}

function splitSharing(product: string): { readonly base: string; readonly sharing: GpuSharing } {
  const replicated = /-SHARED$/i.test(product);
  const unshared = replicated ? product.slice(0, -'-SHARED'.length) : product;
  const mig = /^(.*)-MIG-([^-]+)$/i.exec(unshared);
  if (mig !== null) {
    return { base: mig[1] ?? '', sharing: { kind: 'MigStatic', profile: (mig[2] ?? '').toLowerCase(), replicated } };
  }
  return { base: unshared, sharing: { kind: replicated ? 'Replicas' : 'Exclusive' } };
}

function lookupForm(base: string): string {
  const plain = cleaned(base).toUpperCase();
  return plain.replace(/^(?:NVIDIA|AMD|INTEL)-/, '').replace(/^TESLA-/, '');
}

/** Letters, digits, dots and inner dashes, at most 63 characters, as a label value and metric label can carry. */
function cleaned(text: string): string {
  const plain = text
    .replace(/\((?:R|TM)\)/gi, '')
    .replace(/[^A-Za-z0-9.]+/g, '-')
    .slice(0, 63)
    .replace(/^[-.]+|[-.]+$/g, '');
  return plain === '' ? 'unknown' : plain;
}

function labelsSayShared(labels: Readonly<Record<string, string>>): boolean {
  const strategy = labels['nvidia.com/gpu.sharing-strategy'];
  if (strategy !== undefined && strategy !== 'none') return true;
  return Number(labels['nvidia.com/gpu.replicas'] ?? '1') > 1;
}

function labelledMemory(facts: VendorFacts, labels: Readonly<Record<string, string>>): number {
  const text = firstLabel(labels, facts.memoryLabels);
  if (text === undefined) return 0;
  // NVIDIA writes MiB without a unit, AMD writes `64G` and means GiB.
  const quantity = facts.vendor === 'nvidia' ? `${text}Mi` : text.replace(/([KMGT])B?$/, '$1i');
  const bytes = quantityToUnits(quantity);
  return bytes.ok ? bytes.value : 0;
}

function firstLabel(labels: Readonly<Record<string, string>>, names: readonly string[]): string | undefined {
  return names.map((name) => labels[name]).find((value) => value !== undefined && value !== '');
}
