/**
 * When a waiting job is told why it waits. Every such write is one more than the job needs, so: not in the first second, then
 * at once when the kind of reason changes, else at most every five minutes, and all jobs together at a bounded rate.
 */
import type { Refusal } from '../../../core/scheduling/decision.ts';
import { explainReason } from '../../../core/scheduling/explain.ts';
import { given } from '../../state/given.ts';
import type { JobEntry } from '../../state/job-book.ts';
import { waitingSinceMs, type QueueStanding } from '../../state/status-of-job.ts';

/** A job that is placed within this time never says that it waited. */
const QUEUE_GRACE_MS = 1_000;
const REPEAT_AFTER_MS = 300_000;
const POSITIONS_TOLD = 10;
const RATE_PER_SECOND = 20;
const BURST = 40;

export interface QueueNews {
  /** Tell this now. */
  readonly tell?: QueueStanding;
  /** Ask again after this long. */
  readonly againAfterMs?: number;
}

/** Tokens for telling: a flood of waiting jobs must not become a flood of writes. */
export class TellingBudget {
  private tokens = BURST;
  private atMs = 0;

  /** Takes a token; false if there is none now. */
  take(nowMs: number): boolean {
    const elapsedMs = Math.max(0, nowMs - this.atMs);
    this.tokens = Math.min(BURST, this.tokens + (elapsedMs * RATE_PER_SECOND) / 1000);
    this.atMs = nowMs;
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}

export function queueNews(entry: JobEntry, budget: TellingBudget, nowMs: number): QueueNews {
  const { refusal, refusedSinceMs } = entry;
  if (refusal === undefined || refusedSinceMs === undefined) return {};
  const { queue } = entry.record.status;
  const graceLeftMs = refusedSinceMs + QUEUE_GRACE_MS - nowMs;
  if (queue === undefined && graceLeftMs > 0) return { againAfterMs: graceLeftMs };
  if (queue?.reason === refusal.reason.kind && !isDueAgain(entry, nowMs)) return {};
  const tell = standingOfRefusal(entry, refusal, nowMs);
  if (isTold(entry, tell)) return {};
  return budget.take(nowMs) ? { tell } : { againAfterMs: 1_000 };
}

function isTold(entry: JobEntry, { reason, message, position }: QueueStanding): boolean {
  const { queue } = entry.record.status;
  return queue?.reason === reason && queue.message === message && queue.position === position;
}

/** Told by the hub before this one is as good as told when this one first looks. */
function isDueAgain(entry: JobEntry, nowMs: number): boolean {
  entry.toldWhyMs ??= nowMs;
  return nowMs - entry.toldWhyMs >= REPEAT_AFTER_MS;
}

function standingOfRefusal(entry: JobEntry, refusal: Refusal, nowMs: number): QueueStanding {
  const { position, reason } = refusal;
  const { reading } = entry.record;
  const asked = reading.kind === 'valid' ? reading.spec : { workers: 1, gpusPerWorker: 1, gpuModels: [] };
  return {
    ...given({ position: position !== undefined && position <= POSITIONS_TOLD ? position : undefined }),
    reason: reason.kind,
    message: explainReason(reason, asked, nowMs).slice(0, 4096),
    sinceMs: waitingSinceMs(entry.record),
  };
}
