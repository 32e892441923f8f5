/**
 * What a pod asks of a node, read from raw JSON: requests as kube-scheduler counts them, node terms, tolerations, images.
 * One reader for hub, agent and API, so that all three fit the same pod.
 *
 * Invariants: every problem is reported, each with its path; unknown fields are left alone; nothing here trusts a type.
 * Leaves out which template fields a member lets through (the agent's template table) and pod affinity.
 */
import type { Result } from '../../std/result.ts';
import { err, ok } from '../../std/result.ts';
import { isGpuResource } from './gpu.ts';
import type { LabelRequirement, Toleration } from './job.ts';
import { readNodeTerms, readTolerations } from './pod-constraints.ts';
import type { Json, PodProblem } from './pod-json.ts';
import { asList, asObject, asText, problemAt } from './pod-json.ts';
import { podResources } from './pod-resources.ts';
import type { Resources } from './resources.ts';

/** What the scheduler must know of one worker, or of an owner's pod. */
export interface PodFacts {
  /** CPU in milli, all else in base units; `pods: 1` included. */
  readonly requests: Resources;
  /** Alternatives (OR) of requirements (AND): nodeSelector and required node affinity merged. Empty = any node. */
  readonly nodeTerms: readonly (readonly LabelRequirement[])[];
  readonly tolerations: readonly Toleration[];
  /** Of all containers, each once, sorted. */
  readonly images: readonly string[];
}

export interface TemplateFacts extends PodFacts {
  /** The container that gets the GPUs. */
  readonly gpuContainer: string;
}

export interface TemplateOptions {
  /** Name of the container that gets the GPUs. Default: the first. */
  readonly gpuContainer?: string;
  /** Where the template stands in its object, for the paths of problems. Default `spec.template`. */
  readonly path?: string;
  /** Path of the field that names the GPU container. Default `spec.gpuContainer`. */
  readonly gpuContainerPath?: string;
}

/** Reads a tenant's PodTemplateSpec. GPU resources named by the template itself are refused: `gpusPerWorker` says how many. */
export function readPodTemplate(
  template: unknown,
  options: TemplateOptions = {},
): Result<TemplateFacts, readonly PodProblem[]> {
  const path = options.path ?? 'spec.template';
  const problems: PodProblem[] = [];
  const spec = asObject(asObject(template, path, problems)?.['spec'], `${path}.spec`, problems);
  if (spec === undefined) return err(problems);
  const facts = readFacts(spec, `${path}.spec`, problems);
  refuseGpuResources(spec, `${path}.spec`, problems);
  const names = containersOf(spec).map((container) => container['name']);
  const gpuContainer = options.gpuContainer ?? names.find((name) => typeof name === 'string');
  if (options.gpuContainer !== undefined && !names.includes(options.gpuContainer)) {
    const known = names.filter((name) => typeof name === 'string').join(', ');
    const message = `names container "${options.gpuContainer}", the template has: ${known}`;
    problems.push(problemAt(options.gpuContainerPath ?? 'spec.gpuContainer', 'NoSuchContainer', message));
  }
  if (problems.length > 0 || gpuContainer === undefined) return err(problems);
  return ok({ ...facts, gpuContainer });
}

/** Reads the spec of any pod, GPUs included; for owner pods. */
export function readPodSpec(podSpec: unknown, path = 'spec'): Result<PodFacts, readonly PodProblem[]> {
  const problems: PodProblem[] = [];
  const spec = asObject(podSpec, path, problems);
  if (spec === undefined) return err(problems);
  const facts = readFacts(spec, path, problems);
  return problems.length > 0 ? err(problems) : ok(facts);
}

function readFacts(spec: Json, path: string, problems: PodProblem[]): PodFacts {
  checkContainers(spec, path, problems);
  return {
    requests: podResources(spec, path, problems),
    nodeTerms: readNodeTerms(spec, path, problems),
    tolerations: readTolerations(spec, path, problems),
    images: imagesOf(spec),
  };
}

function checkContainers(spec: Json, path: string, problems: PodProblem[]): void {
  const seen = new Set<string>();
  for (const field of ['initContainers', 'containers']) {
    const list = asList(spec[field], `${path}.${field}`, problems);
    if (field === 'containers' && list.length === 0) {
      problems.push(problemAt(`${path}.containers`, 'Missing', 'must list at least one container'));
    }
    list.forEach((item, i) => {
      const at = `${path}.${field}[${i}]`;
      const container = asObject(item, at, problems);
      if (container === undefined) return;
      const name = asText(container['name'], `${at}.name`, problems);
      asText(container['image'], `${at}.image`, problems);
      if (name === undefined) return;
      if (seen.has(name))
        problems.push(problemAt(`${at}.name`, 'Duplicate', `"${name}" is used by an earlier container`));
      seen.add(name);
    });
  }
}

function refuseGpuResources(spec: Json, path: string, problems: PodProblem[]): void {
  for (const field of ['initContainers', 'containers']) {
    listOf(spec, field).forEach((container, i) => {
      for (const kind of ['requests', 'limits']) {
        const amounts = objectOr(objectOr(container['resources'])[kind]);
        for (const name of Object.keys(amounts).filter(isGpuResource)) {
          const at = `${path}.${field}[${i}].resources.${kind}.${name}`;
          problems.push(problemAt(at, 'GpuResource', 'must not be set by the template; use spec.gpusPerWorker'));
        }
      }
    });
  }
}

function imagesOf(spec: Json): readonly string[] {
  const images = [...listOf(spec, 'initContainers'), ...containersOf(spec)].map((container) => container['image']);
  return [...new Set(images.filter((image): image is string => typeof image === 'string' && image !== ''))].sort();
}

function containersOf(spec: Json): readonly Json[] {
  return listOf(spec, 'containers');
}

/** Well-formed items only; the malformed ones have been reported already. */
function listOf(spec: Json, field: string): readonly Json[] {
  return asList(spec[field], field, []).map(objectOr);
}

function objectOr(value: unknown): Json {
  return asObject(value ?? {}, '', []) ?? {};
}
