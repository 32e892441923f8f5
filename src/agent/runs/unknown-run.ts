/**
 * A run that the hub cancels and of which nothing is known here: its order never came, or an earlier process knew it. The
 * cancel must be answered all the same, and the fence closed, so that an order that was delayed never starts it.
 *
 * The answer is `Refused`, the one outcome whose report may repeat none of the terms.
 */
import * as ids from '../../core/model/ids.ts';
import type { RunOrder } from '../../core/model/run.ts';
import type { ClockReading } from '../../platform/clock/clock.ts';
import { TrackedRun } from './tracked-run.ts';

const NAME = 'unknown';

export function unknownRun(id: ids.RunId, member: ids.MemberName, now: ClockReading): TrackedRun {
  const order: RunOrder = {
    id,
    job: { namespace: NAME, name: NAME },
    attempt: 1,
    pool: ids.poolName(NAME),
    tenant: ids.tenantName(NAME),
    member,
    workers: 1,
    gpusPerWorker: 1,
    gpuModel: ids.gpuModel(NAME),
    nodes: [],
    lease: { durationMs: 1, terminationGraceMs: 0, marginMs: 0, maxClockDriftPercent: 0, replaceAfterMs: 1 },
    onPartition: 'KeepAndWait',
    maxRuntimeMs: 1,
    startTimeoutMs: 1,
    checkpointGraceMs: 0,
    templateHash: '',
    priority: 0,
    gpuResource: NAME,
    gpuContainer: NAME,
    rendezvous: 'None',
    jurisdictions: [],
    template: {},
    attachments: [],
  };
  const run = new TrackedRun(order, now);
  run.termsUnknown = true;
  return run;
}
