/**
 * What the demo promises, checked from the clusters' objects and the workers' own diaries, never from the narration.
 */
import type { ComputeJobStatus } from '../../src/api/v1alpha1/compute-job-status.ts';
import { fenceLives, overlappingFences, readDiaries, type DiaryEvent } from '../../test/support/worker-diary.ts';

export interface Promised {
  readonly promise: string;
  readonly kept: boolean;
  readonly seen: string;
}

/** What the story leaves for the check; names of jobs to what the API server said at the end. */
export interface Evidence {
  readonly disks: readonly string[];
  readonly jobs: Readonly<Record<string, { readonly uid: string; readonly status: ComputeJobStatus }>>;
  readonly singleProcessDigest: string;
  readonly ownerPodRunningAfterMs: number;
  readonly ownerGraceMs: number;
  readonly checkpointKeys: readonly string[];
  readonly agentDead: { readonly fromMs: number; readonly toMs: number };
  readonly fenceBoundMs: number;
  readonly waiting: { readonly reason: string; readonly message: string; readonly members: number };
  readonly hubWasKilled: boolean;
}

export async function checkPromises(evidence: Evidence): Promise<readonly Promised[]> {
  const events = await readDiaries(evidence.disks);
  return [
    gangTrained(evidence, events),
    sameResult(evidence, events),
    waitsWithNumbers(evidence),
    ownerFirst(evidence),
    resumedElsewhere(evidence, events),
    keptRunning(evidence, events),
    fencedAndReplaced(evidence, events),
    hubKilled(evidence, events),
    noTwoFences(events),
  ];
}

function jobEvents(evidence: Evidence, events: readonly DiaryEvent[], name: string): readonly DiaryEvent[] {
  return events.filter((event) => event.job === evidence.jobs[name]?.uid);
}

function succeeded(evidence: Evidence, name: string): boolean {
  const conditions = evidence.jobs[name]?.status.conditions ?? [];
  return conditions.some((condition) => condition.type === 'Succeeded' && condition.status === 'True');
}

function gangTrained(evidence: Evidence, events: readonly DiaryEvent[]): Promised {
  const own = jobEvents(evidence, events, 'training');
  const steps = own.filter((event) => event.event === 'step' && event.index === 0);
  const first = steps[0]?.loss ?? 0;
  const last = steps.at(-1)?.loss ?? Number.POSITIVE_INFINITY;
  const workers = new Set(own.map((event) => event.index)).size;
  return {
    promise: 'a gang of four trains together on idle GPUs and the loss falls',
    kept: succeeded(evidence, 'training') && workers === 4 && last < first / 5,
    seen: `${workers} workers, loss ${first.toFixed(4)} -> ${last.toFixed(4)}`,
  };
}

function sameResult(evidence: Evidence, events: readonly DiaryEvent[]): Promised {
  const digests = new Set(
    jobEvents(evidence, events, 'training').flatMap((event) => (event.event === 'done' ? [event.digest] : [])),
  );
  const [digest] = digests;
  return {
    promise: 'four workers give the same result as one process, to the bit',
    kept: digests.size === 1 && digest === evidence.singleProcessDigest,
    seen: `weights ${digest ?? 'none'}, one process ${evidence.singleProcessDigest}`,
  };
}

function waitsWithNumbers(evidence: Evidence): Promised {
  const { reason, message, members } = evidence.waiting;
  return {
    promise: 'a job that must wait says why, in numbers, for each member',
    kept: reason !== '' && /\d/.test(message) && members === 3,
    seen: `${reason}; ${members} members explained`,
  };
}

function ownerFirst(evidence: Evidence): Promised {
  const history = evidence.jobs['resumable']?.status.history ?? [];
  const reclaimed = history.some((entry) => entry.cause === 'Reclaimed');
  const limitMs = evidence.ownerGraceMs + 2_000;
  return {
    promise: 'an owner pod gets its GPUs back within grace + 2 s, and the history says so',
    kept: reclaimed && evidence.ownerPodRunningAfterMs <= limitMs,
    seen: `running after ${(evidence.ownerPodRunningAfterMs / 1000).toFixed(1)} s of ${(limitMs / 1000).toFixed(0)} s; ${history.map((entry) => entry.cause).join(', ')}`,
  };
}

function resumedElsewhere(evidence: Evidence, events: readonly DiaryEvent[]): Promised {
  const own = jobEvents(evidence, events, 'resumable');
  const members = [...new Set(own.map((event) => event.member))];
  const resumed = own.find((event) => event.event === 'resumed');
  const fences = new Set(evidence.checkpointKeys.map((key) => key.split('/').at(-2)));
  return {
    promise: 'the job resumes on another member from its checkpoint and finishes',
    kept: succeeded(evidence, 'resumable') && members.length === 2 && (resumed?.step ?? 0) > 0 && fences.size === 2,
    seen: `${members.join(' -> ')}, resumed at step ${resumed?.step ?? 'none'}, ${evidence.checkpointKeys.length} checkpoints of ${fences.size} fences`,
  };
}

function keptRunning(evidence: Evidence, events: readonly DiaryEvent[]): Promised {
  const { fromMs, toMs } = evidence.agentDead;
  const own = jobEvents(evidence, events, 'keep-and-wait');
  const meanwhile = own.filter((event) => event.atMs > fromMs && event.atMs < toMs).length;
  const fences = new Set(own.map((event) => event.fence));
  return {
    promise: 'KeepAndWait: with its agent dead a run goes on, and the new agent adopts it',
    kept: succeeded(evidence, 'keep-and-wait') && meanwhile > 5 && fences.size === 1,
    seen: `${meanwhile} signs of life while the agent was dead, ${fences.size} fence`,
  };
}

function fencedAndReplaced(evidence: Evidence, events: readonly DiaryEvent[]): Promised {
  const lives = fenceLives(jobEvents(evidence, events, 'fenced'));
  const [first, second] = lives;
  const gapMs = first === undefined || second === undefined ? -1 : second.firstMs - evidence.agentDead.fromMs;
  const stoppedBefore = first !== undefined && second !== undefined && first.lastMs < second.firstMs;
  return {
    promise: 'Fence: with its agent dead a run is stopped, and placed elsewhere after the bound',
    kept: succeeded(evidence, 'fenced') && lives.length === 2 && stoppedBefore && gapMs >= evidence.fenceBoundMs * 0.5,
    seen: `${lives.map((life) => life.members.join('+')).join(' -> ')}, next fence ${(gapMs / 1000).toFixed(1)} s after the agent died`,
  };
}

function hubKilled(evidence: Evidence, events: readonly DiaryEvent[]): Promised {
  const done = Object.keys(evidence.jobs).filter((name) => name !== 'too-big');
  const lost = done.filter((name) => !succeeded(evidence, name));
  const highest = evidence.jobs['fenced']?.status.highestFence ?? 0;
  const started = Math.max(0, ...fenceLives(jobEvents(evidence, events, 'fenced')).map((life) => life.fence));
  return {
    promise: 'a killed hub loses nothing: no attempt repeated, no completion forgotten',
    kept: evidence.hubWasKilled && lost.length === 0 && highest === started,
    seen: `${done.length - lost.length} of ${done.length} jobs succeeded, fence ${highest} issued and ${started} started`,
  };
}

function noTwoFences(events: readonly DiaryEvent[]): Promised {
  const overlaps = overlappingFences(fenceLives(events));
  return {
    promise: "never two attempts of one job alive at once, by the workers' own diaries",
    kept: overlaps.length === 0 && events.length > 0,
    seen: overlaps.length === 0 ? `${events.length} diary lines, no overlap` : overlaps.join('; '),
  };
}
