/**
 * Which pods a running Job makes and which it takes away.
 *
 * Invariants: never more live pods than parallelism and than there is work left; one live pod per index; lowest indexes
 * first, highest go first. A terminating pod keeps its place where the policy says that only failed pods are replaced.
 */
import type { Job } from '../objects/job.ts';
import { conditionOf, isTerminating, podKey } from '../objects/pod.ts';
import type { Pod } from '../objects/pod.ts';
import { completionIndexOf, replacesTerminating } from './pod-tally.ts';
import type { PodTally } from './pod-tally.ts';

export interface PodChoice {
  readonly create: readonly (number | undefined)[];
  readonly remove: readonly Pod[];
}

export interface ChoiceInput {
  readonly job: Job;
  readonly tally: Pick<PodTally, 'active' | 'terminating'>;
  /** Succeeded indexes, or any set of that size without indexes. */
  readonly succeeded: ReadonlySet<number>;
  readonly failed: ReadonlySet<number>;
}

export function choosePods(input: ChoiceInput): PodChoice {
  const { job, tally } = input;
  const { active } = tally;
  if (job.spec.suspend === true) return { create: [], remove: active };
  if (isTerminating(job)) return { create: [], remove: [] };
  const unwanted = job.spec.completionMode === 'Indexed' ? redundant(input) : [];
  const kept = active.filter((pod) => !unwanted.includes(pod));
  const want = wantActive(input, kept.length);
  if (kept.length > want) return { create: [], remove: [...unwanted, ...lastOf(kept, kept.length - want)] };
  const leaving = replacesTerminating(job) ? 0 : tally.terminating.length;
  const missing = Math.max(0, want - kept.length - leaving);
  return {
    create: job.spec.completionMode === 'Indexed' ? freeIndexes(input, missing) : plain(missing),
    remove: unwanted,
  };
}

function plain(count: number): readonly undefined[] {
  return Array.from({ length: count }, () => undefined);
}

function wantActive({ job, succeeded, failed }: ChoiceInput, active: number): number {
  const parallelism = job.spec.parallelism ?? 1;
  if (job.spec.completions === undefined) return succeeded.size > 0 ? Math.min(active, parallelism) : parallelism;
  return Math.min(parallelism, Math.max(0, job.spec.completions - succeeded.size - failed.size));
}

/** Second pods of an index, and pods of indexes that are settled or out of range. */
function redundant({ job, tally, succeeded, failed }: ChoiceInput): readonly Pod[] {
  const seen = new Set<number>();
  const out: Pod[] = [];
  for (const pod of tally.active) {
    const index = completionIndexOf(pod);
    const settled = index === undefined || succeeded.has(index) || failed.has(index);
    if (settled || index >= (job.spec.completions ?? 0) || seen.has(index)) out.push(pod);
    else seen.add(index);
  }
  return out;
}

function freeIndexes({ job, tally, succeeded, failed }: ChoiceInput, count: number): readonly number[] {
  const taken = new Set<number>([...succeeded, ...failed]);
  const holders = replacesTerminating(job) ? tally.active : [...tally.active, ...tally.terminating];
  for (const pod of holders) taken.add(completionIndexOf(pod) ?? -1);
  const out: number[] = [];
  for (let index = 0; index < (job.spec.completions ?? 0) && out.length < count; index += 1) {
    if (!taken.has(index)) out.push(index);
  }
  return out;
}

/** Those that lose least: highest index, else not ready before ready, then by name. */
function lastOf(pods: readonly Pod[], count: number): readonly Pod[] {
  const rank = (pod: Pod): number =>
    completionIndexOf(pod) ?? (conditionOf(pod, 'Ready')?.status === 'True' ? -1 : 1_000_000);
  return [...pods].sort((a, b) => rank(b) - rank(a) || (podKey(a) < podKey(b) ? -1 : 1)).slice(0, count);
}
