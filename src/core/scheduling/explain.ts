/**
 * Reasons as sentences with numbers, for conditions, events and `lumbung explain`. Decides the words only; the facts are in
 * reason.ts. Nothing here is ever compared.
 */
import { formatDurationMs } from '../model/duration.ts';
import type { GpuModel } from '../model/ids.ts';
import type { JobSpec } from '../model/job.ts';
import { formatBytes, formatResourceAmount } from '../model/quantity.ts';
import type { MemberRefusal, MemberRefusalReason, Reason } from './reason.ts';
import type { MemberReadiness } from './snapshot.ts';

export type AskedShape = Pick<JobSpec, 'workers' | 'gpusPerWorker' | 'gpuModels'>;

/**
 * Why the job waits, in one sentence: `needs 8 GPUs (8 workers x 1) on H100-80GB; nearest of 3 members is member-a: ...`.
 * `nowMs` is the wall clock of the snapshot; with it, waits are given in seconds.
 */
export function explainReason(reason: Reason, asked: AskedShape, nowMs?: number): string {
  switch (reason.kind) {
    case 'PoolNotFound':
      return `pool ${reason.pool} does not exist`;
    case 'TenantNotAllowed':
      return `namespace ${reason.namespace} belongs to no tenant of pool ${reason.pool}, which has no default tenant`;
    case 'PoolHasNoMembers':
      return `pool ${reason.pool} has no members`;
    case 'EarlierRunUnconfirmed':
      return `waits for member ${reason.member}: ${reason.detail}`;
    case 'MassExpiryGuard':
      return `the mass-expiry guard holds it back: ${reason.detail}`;
    case 'RetryBackoff':
      if (nowMs === undefined) return 'waits before the next attempt';
      return `waits ${Math.max(0, Math.ceil((reason.untilMs - nowMs) / 1000))} s before the next attempt`;
    case 'NoMemberFits':
      return `${need(asked)}; no member could ever take it as it is written; nearest of ${reason.members} is ${memberText(reason.nearest)}`;
    case 'WaitingForCapacity':
      return `${need(asked)}; nearest of ${reason.members} ${reason.members === 1 ? 'member' : 'members'} is ${memberText(reason.nearest)}`;
  }
}

/** Why one member does not take it: `largest free fit is 5 of 8 workers; needs 8 GPUs, 5 free`. */
export function explainMember(reason: MemberRefusalReason): string {
  // Each entry takes exactly its own kind; the compiler cannot see that the two lookups agree.
  return (WORDS[reason.kind] as (reason: MemberRefusalReason) => string)(reason);
}

type Words = {
  readonly [Kind in MemberRefusalReason['kind']]: (reason: Extract<MemberRefusalReason, { kind: Kind }>) => string;
};

const WORDS: Words = {
  MemberNotReady: ({ readiness, lastReportAgeMs }) => readinessText(readiness, lastReportAgeMs),
  NotLending: ({ state, detail }) => `is not lending (${state})${detail === '' ? '' : `: ${detail}`}`,
  ResidencyForbids: ({ memberJurisdiction, allowed, by }) =>
    `is in ${orElse(memberJurisdiction, 'no certified jurisdiction')}, ${RESIDENCY_WORDS[by]} ${allowed.join(', ')}`,
  RegionMismatch: ({ memberRegion, allowed }) =>
    `is in ${orElse(memberRegion, 'no stated region')}, the job allows ${allowed.join(', ')}`,
  MemberSelectorMismatch: ({ key }) => `its label ${key} does not satisfy the job's member selector`,
  TenantNotLentTo: ({ tenant }) => `its owner does not lend to tenant ${tenant}`,
  ImageNotAllowed: ({ image }) => `its owner does not allow image ${image}`,
  NoSuchGpuModel: ({ wanted, has }) => `has no GPU of ${anyOf(wanted, 'any model')}, it has ${anyOf(has, 'none')}`,
  GpuMemoryTooSmall: ({ needBytes, haveBytes }) =>
    `needs GPUs with ${formatBytes(needBytes)}, the largest has ${formatBytes(haveBytes)}`,
  NodeSelectorMismatch: ({ nodes }) =>
    `none of ${plural(nodes, 'node')} satisfies the template's node selector and affinity`,
  UntoleratedTaint: ({ nodes, taint }) =>
    `the template does not tolerate the taints of ${plural(nodes, 'node')}, such as ${taint}`,
  TooBigForMember: ({ needWorkers, couldHoldWorkers, perWorkerGpus }) =>
    `even empty it holds ${couldHoldWorkers} of ${needWorkers} workers of ${plural(perWorkerGpus, 'GPU')}`,
  InsufficientGpus: ({ needGpus, freeGpus, fittingWorkers, needWorkers }) =>
    `largest free fit is ${fittingWorkers} of ${needWorkers} workers; needs ${plural(needGpus, 'GPU')}, ${freeGpus} free`,
  InsufficientResource: ({ resource, need, have, fittingWorkers, needWorkers }) =>
    `largest free fit is ${fittingWorkers} of ${needWorkers} workers; one more needs ${resource} ` +
    `${formatResourceAmount(resource, need)}, a node with free GPUs has at most ${formatResourceAmount(resource, have)}`,
  AvoidedAfterRefusal: () => 'has just refused this job; it is tried again shortly',
  AvoidedEarlierRun: () => 'an earlier run of this job may still be there',
};

const RESIDENCY_WORDS = {
  Job: 'the job allows',
  Pool: 'the pool allows',
  Owner: 'its owner states or takes data of',
} as const;

const READINESS_WORDS: Readonly<Record<MemberReadiness, string>> = {
  Ready: 'is ready',
  NotAccepted: 'is not accepted yet',
  Revoked: 'is revoked',
  Cordoned: 'is cordoned: it takes nothing new',
  Disconnected: 'is disconnected',
  NeverReported: 'has never reported',
  DeclaredLost: 'is declared lost',
  PoolConflict: 'is matched by two pools and counts in neither',
  RecoveryBarrier: 'has not reported since the hub began to lead',
};

function readinessText(readiness: MemberReadiness, ageMs: number | undefined): string {
  if (readiness !== 'Disconnected' || ageMs === undefined) return READINESS_WORDS[readiness];
  return `${READINESS_WORDS[readiness]}, silent for ${formatDurationMs(1000 * Math.floor(ageMs / 1000))}`;
}

function orElse(text: string, instead: string): string {
  return text === '' ? instead : text;
}

function memberText({ member, reason }: MemberRefusal): string {
  return `${member}: ${explainMember(reason)}`;
}

function need({ workers, gpusPerWorker, gpuModels }: AskedShape): string {
  const shape = workers === 1 ? '' : ` (${workers} workers x ${gpusPerWorker})`;
  const models = gpuModels.length === 0 ? '' : ` on ${anyOf(gpuModels, '')}`;
  return `needs ${plural(workers * gpusPerWorker, 'GPU')}${shape}${models}`;
}

function anyOf(models: readonly GpuModel[], none: string): string {
  return models.length === 0 ? none : models.join(' or ');
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
