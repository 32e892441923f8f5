/**
 * After a restart: the runs that the cluster itself remembers. A GuestRun carries its order; a Job whose GuestRun was deleted
 * carries the frozen terms.
 *
 * Invariants: what cannot be read is named and left alone, never stopped and never started; a run found here is not made
 * again by this process (its progress stays `Nothing`).
 */
import { ANNOTATIONS } from '../../api/v1alpha1/labels.ts';
import { nodeName } from '../../core/model/ids.ts';
import type { RunOrder } from '../../core/model/run.ts';
import type { ClockReading } from '../../platform/clock/clock.ts';
import { parseTimestamp } from '../../platform/clock/timestamp.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { runKeyOf, type GuestJob, type GuestRunObject } from './guest-objects.ts';
import type { GuestStores } from './guest-stores.ts';
import { orderFromJson } from './order-json.ts';
import { causeFromStatus, endFromStatus } from './run-report.ts';
import { TrackedRun } from './tracked-run.ts';

/** Every run found, each once. */
export function restoreRuns(stores: GuestStores, now: ClockReading, logger: Logger): readonly TrackedRun[] {
  const found = new Map<string, TrackedRun>();
  for (const record of stores.records()) {
    const run = restoreFromRecord(record, now, logger);
    if (run !== undefined) found.set(run.key, run);
  }
  for (const job of stores.allJobs()) {
    const key = runKeyOf(job);
    if (key === undefined || found.has(key) || stores.record(key) !== undefined) continue;
    const run = restoreFromJob(job, now, logger);
    if (run !== undefined) found.set(run.key, run);
  }
  return [...found.values()];
}

/** Undefined when the GuestRun's order cannot be read, or is not that of its labels. */
export function restoreFromRecord(record: GuestRunObject, now: ClockReading, logger: Logger): TrackedRun | undefined {
  const order = readOrder(record, record.spec.order, logger);
  if (order === undefined) return undefined;
  const run = startedAt(new TrackedRun(order, now, true), record.metadata.creationTimestamp, now);
  run.nodes = record.spec.nodes.map((share) => ({ node: nodeName(share.name), workers: share.workers }));
  const { status } = record;
  run.recordedPhase = status?.phase;
  const end = endFromStatus(record, now.wallMs);
  if (end !== undefined) {
    const acknowledged = status?.outcomeAcknowledged === true;
    const sinceMs = now.monotonicMs - Math.max(0, now.wallMs - end.endedAtMs);
    run.ended = { end, sinceMs, recorded: acknowledged ? 'Acknowledged' : 'Outcome', reportAcked: false };
    if (acknowledged) run.acknowledge();
  } else if (status?.phase === 'Stopping') {
    run.stop = {
      cause: causeFromStatus(record),
      message: status.message ?? '',
      sinceMs: now.monotonicMs,
      recorded: true,
    };
  }
  return run;
}

function restoreFromJob(job: GuestJob, now: ClockReading, logger: Logger): TrackedRun | undefined {
  let terms: unknown;
  try {
    terms = JSON.parse(job.metadata.annotations?.[ANNOTATIONS.terms] ?? 'null');
  } catch {
    // Reported below, as any other content that is no order.
    terms = undefined;
  }
  const order = readOrder(job, terms, logger);
  return order && startedAt(new TrackedRun(order, now, true), job.metadata.creationTimestamp, now);
}

/** The order of an object, if it is the one that the object's labels name. */
function readOrder(object: GuestRunObject | GuestJob, json: unknown, logger: Logger): RunOrder | undefined {
  const order = orderFromJson(json);
  const name = `${object.metadata.namespace ?? ''}/${object.metadata.name ?? ''}`;
  if (!order.ok) {
    logger.error('a guest cannot be taken over: its order cannot be read', { name, problem: order.error });
    return undefined;
  }
  const key = runKeyOf(object);
  if (key === `${order.value.id.jobUid}/${order.value.id.fence}`) return order.value;
  logger.error('a guest cannot be taken over: its order is not that of its labels', { name, labels: key });
  return undefined;
}

/** How long ago it was started, by the API server's clock. */
function startedAt(run: TrackedRun, created: string | undefined, now: ClockReading): TrackedRun {
  const createdMs = parseTimestamp(created) ?? now.wallMs;
  run.startedMs = now.monotonicMs - Math.max(0, now.wallMs - createdMs);
  return run;
}
