/**
 * Jobs that ask nodes for the same thing are one class: nodes are filtered once for all of them, and fits are recounted only
 * where capacity changed. Decides which nodes of a member may hold a worker, in groups of one GPU model each, since a gang
 * runs on one model.
 *
 * Invariant: a group's counts equal a fresh count over the working set after `syncGroup`.
 */
import { compareStrings, sorted } from '../../std/ordering.ts';
import type { GpuModel, MemberName } from '../model/ids.ts';
import type { JobSpec } from '../model/job.ts';
import type { PoolRules } from '../model/pool.ts';
import { addResources, timesFitting } from '../model/resources.ts';
import { gpuMemory } from './filter/gpu-memory.ts';
import { gpuModel } from './filter/gpu-model.ts';
import type { NodeFilter, NodeQuestion } from './filter/node-filter.ts';
import { nodeSelector } from './filter/node-selector.ts';
import { taint } from './filter/taint.ts';
import type { MemberRefusalReason } from './reason.ts';
import type { CompiledRequest, WorkingNode, WorkingSet } from './working-set.ts';

/** In this order; the first that keeps no node names the refusal. */
export const NODE_FILTERS: readonly NodeFilter[] = [gpuModel, gpuMemory, nodeSelector, taint];

/** Nodes of one member with one GPU model. */
export interface FitGroup {
  readonly member: MemberName;
  readonly gpuModel: GpuModel;
  readonly gpuResource: string;
  readonly gpuMemoryBytes: number;
  /** One worker, GPUs included. */
  readonly request: CompiledRequest;
  /** Sorted by name. */
  readonly nodes: readonly WorkingNode[];
  /** Workers that fit on each node now. */
  readonly fits: number[];
  readonly positions: ReadonlyMap<number, number>;
  /** Sum of `fits`. */
  total: number;
  /** How far in `WorkingSet.touched` the counts are right. */
  seen: number;
}

export interface MemberFit {
  /** No node may hold a worker, however much were free. */
  readonly refusal?: MemberRefusalReason;
  /** Sorted by model, then resource. */
  readonly groups: readonly FitGroup[];
}

export class FitClass {
  readonly question: NodeQuestion;
  private readonly workingSet: WorkingSet;
  private readonly byMember = new Map<MemberName, MemberFit>();

  constructor(question: NodeQuestion, workingSet: WorkingSet) {
    this.question = question;
    this.workingSet = workingSet;
  }

  /** `nodes` = all nodes of the member in the working set. Groups come back with counts that are right now. */
  on(member: MemberName, nodes: readonly WorkingNode[]): MemberFit {
    let fit = this.byMember.get(member);
    if (fit === undefined) {
      fit = this.fitOf(member, nodes);
      this.byMember.set(member, fit);
    }
    for (const group of fit.groups) syncGroup(group, this.workingSet);
    return fit;
  }

  private fitOf(member: MemberName, nodes: readonly WorkingNode[]): MemberFit {
    let kept = nodes;
    for (const filter of NODE_FILTERS) {
      const passed = kept.filter((node) => filter.keeps(this.question, node.offer));
      if (passed.length === 0) {
        const offers = kept.map((node) => node.offer);
        return { refusal: filter.refusal(this.question, offers), groups: [] };
      }
      kept = passed;
    }
    return { groups: this.groupsOf(member, kept) };
  }

  private groupsOf(member: MemberName, nodes: readonly WorkingNode[]): readonly FitGroup[] {
    const grouped = new Map<string, WorkingNode[]>();
    for (const node of nodes) {
      const key = `${node.offer.gpuModel} ${node.offer.gpuResource}`;
      const list = grouped.get(key);
      if (list === undefined) grouped.set(key, [node]);
      else list.push(node);
    }
    return sorted(grouped, ([a], [b]) => compareStrings(a, b)).flatMap(([, members]) => {
      const [first] = members;
      return first === undefined ? [] : [this.groupOf(member, first, members)];
    });
  }

  private groupOf(member: MemberName, first: WorkingNode, nodes: readonly WorkingNode[]): FitGroup {
    const { gpuModel: model, gpuResource } = first.offer;
    const request = this.workingSet.compile(workerRequest(this.question.job, gpuResource));
    const fits = nodes.map((node) => this.workingSet.fitting(node.index, request));
    return {
      member,
      gpuModel: model,
      gpuResource,
      gpuMemoryBytes: nodes.reduce(
        (least, node) => Math.min(least, node.offer.gpuMemoryBytes),
        Number.MAX_SAFE_INTEGER,
      ),
      request,
      nodes,
      fits,
      positions: new Map(nodes.map((node, position) => [node.index, position])),
      total: fits.reduce((sum, one) => sum + one, 0),
      seen: this.workingSet.touched.length,
    };
  }
}

/** Everything one worker asks of a node that hands out GPUs as `gpuResource`. */
export function workerRequest(job: JobSpec, gpuResource: string): Readonly<Record<string, number>> {
  return addResources(job.workerRequests, { [gpuResource]: job.gpusPerWorker });
}

/** Workers that the group's nodes could hold if they were empty. */
export function couldHold(group: FitGroup, job: JobSpec): number {
  const request = workerRequest(job, group.gpuResource);
  return group.nodes.reduce((sum, node) => sum + timesFitting(node.offer.allocatable, request), 0);
}

function syncGroup(group: FitGroup, workingSet: WorkingSet): void {
  for (; group.seen < workingSet.touched.length; group.seen += 1) {
    const index = workingSet.touched[group.seen] ?? -1;
    const position = group.positions.get(index);
    if (position === undefined) continue;
    const now = workingSet.fitting(index, group.request);
    group.total += now - (group.fits[position] ?? 0);
    group.fits[position] = now;
  }
}

/** Jobs with the same key are one FitClass within a pool. */
export function fitKey(job: JobSpec, rules: PoolRules): string {
  return JSON.stringify([
    rules.name,
    job.gpusPerWorker,
    job.gpuModels,
    job.gpuMinMemoryBytes,
    sorted(Object.entries(job.workerRequests), ([a], [b]) => compareStrings(a, b)),
    job.nodeTerms,
    job.tolerations,
  ]);
}
