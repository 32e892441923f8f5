/**
 * Rounds of `kill -9`: jobs of every policy under way, hub or an agent killed at a random point and started again after a
 * random while. Judged by the workers' diaries and by what the API server says, never by logs.
 */
import { COMPUTE_JOB_RESOURCE, type ComputeJob } from '../../src/api/v1alpha1/compute-job.ts';
import { seededRandom } from '../../src/platform/clock/seeded-random.ts';
import type { KubeObject } from '../../src/platform/kube/object.ts';
import { eventually } from './eventually.ts';
import type { Random } from '../../src/platform/clock/random.ts';
import type { Federation, FederationMember } from './federation.ts';
import { diaryJob } from './jobs.ts';
import { fenceLives, overlappingFences, readDiaries } from './worker-diary.ts';

export interface KillRoundsOptions {
  readonly federation: Federation;
  readonly pool: string;
  readonly namespace: string;
  readonly rounds: number;
  readonly seed: number;
  readonly log: (text: string) => void;
  /** Ends after the first round in which two fences lived together. */
  readonly stopAtOverlap?: boolean;
}

export interface KillRoundsResult {
  readonly overlaps: readonly string[];
  /** Jobs whose workers of the current fence all exited 0 and that are not Succeeded once everything had settled. */
  readonly lost: readonly string[];
  /** Jobs that did not end in time. */
  readonly unfinished: readonly string[];
  /** For each job: from (its workers' last exit, or everybody being back) to Succeeded. */
  readonly convergenceMs: readonly number[];
  readonly fences: number;
  readonly jobs: number;
}

type Job = KubeObject & { readonly spec: ComputeJob['spec']; readonly status?: ComputeJob['status'] };
const policies = ['Fence', 'KeepAndWait', 'Fence'] as const;

export async function killRounds(options: KillRoundsOptions): Promise<KillRoundsResult> {
  const { federation, rounds, log } = options;
  const random = seededRandom(options.seed);
  const { client } = federation.hubCluster;
  const convergenceMs: number[] = [];
  const unfinished: string[] = [];
  let jobs = 0;
  for (let round = 0; round < rounds; round++) {
    const names: string[] = [];
    for (const [at, onPartition] of policies.entries()) {
      const name = `round-${round}-${at}`;
      names.push(name);
      jobs += 1;
      const worker = { beats: 5 + Math.floor(random.next() * 50), beatMs: 100 };
      const spec = { workers: 1 + Math.floor(random.next() * 2), onPartition, checkpointGrace: '1s' };
      await client.create(
        COMPUTE_JOB_RESOURCE,
        diaryJob({ namespace: options.namespace, name, pool: options.pool, worker, spec }),
      );
    }
    await pause(random.next() * 2_500);
    // The hub as often as the agents together; of the agents one that has a run of this round, if any does.
    const victim = random.next() < 0.5 ? federation.hub : (await busyAgent(options, names, random)).agent;
    const downMs = random.next() * 4_000;
    await victim.kill();
    await pause(downMs);
    victim.start();
    await federation.whenHealed();
    const healedMs = Date.now();
    const late = await settle(options, names, healedMs, convergenceMs);
    unfinished.push(...late);
    log(
      `round ${round + 1}/${rounds}: killed ${victim.options.name} for ${(downMs / 1000).toFixed(1)} s${late.length > 0 ? `; not finished: ${late.join(', ')}` : ''}`,
    );
    if (options.stopAtOverlap === true && overlappingFences(fenceLives(await readDiaries(federation.disks))).length > 0)
      break;
  }
  const events = await readDiaries(federation.disks);
  const lives = fenceLives(events);
  return {
    overlaps: overlappingFences(lives),
    lost: await lostCompletions(options),
    unfinished,
    convergenceMs,
    fences: lives.length,
    jobs,
  };
}

/** A member that runs one of the jobs now; else any. */
async function busyAgent(
  options: KillRoundsOptions,
  names: readonly string[],
  random: Random,
): Promise<FederationMember> {
  const { federation, namespace } = options;
  const statuses = await Promise.all(names.map(async (name) => (await federation.job(namespace, name)).status));
  const busy = statuses.flatMap((status) => (status?.run === undefined ? [] : [status.run.member]));
  const choices = busy.length > 0 ? busy : [...federation.members.keys()];
  return federation.member(choices[Math.floor(random.next() * choices.length)] ?? '');
}

/** Waits until the round's jobs succeeded; notes how long each took once it could be known. */
async function settle(
  options: KillRoundsOptions,
  names: readonly string[],
  healedMs: number,
  convergenceMs: number[],
): Promise<readonly string[]> {
  const { federation } = options;
  const open = new Set(names);
  try {
    await eventually(
      async () => {
        for (const name of [...open]) {
          const job: Job = await federation.hubCluster.client.get<Job>({
            type: COMPUTE_JOB_RESOURCE,
            namespace: options.namespace,
            name,
          });
          if (job.status?.phase !== 'Succeeded') continue;
          const seenMs = Date.now();
          open.delete(name);
          const lastExitMs = Math.max(
            ...fenceLives(await readDiaries(federation.disks))
              .filter((life) => life.job === job.metadata.uid)
              .map((life) => life.lastMs),
          );
          convergenceMs.push(seenMs - Math.max(lastExitMs, healedMs));
        }
        return open.size === 0;
      },
      { what: `round settles: ${[...open].join(', ')}`, withinMs: 45_000, everyMs: 100 },
    );
  } catch {
    // The names that are left say it; the caller reports them.
    return [...open];
  }
  return [];
}

/** By the diaries: every worker of a job's highest fence exited 0, and the job is not Succeeded. */
async function lostCompletions(options: KillRoundsOptions): Promise<readonly string[]> {
  const { federation } = options;
  const lives = fenceLives(await readDiaries(federation.disks));
  const { items } = await federation.hubCluster.client.list<Job>(COMPUTE_JOB_RESOURCE, {
    namespace: options.namespace,
  });
  return items
    .filter((job) => {
      const last = lives.filter((life) => life.job === job.metadata.uid).at(-1);
      const codes = [...(last?.exits.values() ?? [])];
      const complete = codes.length === job.spec.workers && codes.every((code) => code === 0);
      return complete && job.status?.phase !== 'Succeeded';
    })
    .map((job) => job.metadata.name ?? '');
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
