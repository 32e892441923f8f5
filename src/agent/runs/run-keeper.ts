/**
 * The seam between the keeper of runs and the rest of the agent. The keeper is the only one who creates or deletes
 * anything for a guest on this cluster.
 */
import type { Cause } from '../../core/model/cause.ts';
import type { Desired } from '../../core/model/desired.ts';
import type { RunId } from '../../core/model/ids.ts';
import type { RunReport } from '../../core/model/run.ts';
import type { ClockReading } from '../../platform/clock/clock.ts';
import type { Runnable } from '../../platform/lifecycle/runnable.ts';
import type { Result } from '../../std/result.ts';
import type { Booking } from '../inventory/inventory-reader.ts';
import type { LogRefusalReason, LogRequest } from '../../wire/session-messages.ts';

/** A guest that could be ended to give its owner GPUs back. */
export interface LiveGuest {
  readonly run: RunId;
  readonly booking: Booking;
  /** Pod names, namespaced `ns/name`. */
  readonly pods: readonly string[];
  readonly stopping: boolean;
  /** GPUs x seconds since all ran: what would be lost at most. */
  readonly gpuSecondsAtRisk: number;
}

export interface RunKeeper extends Runnable {
  /** The hub's whole word; a lower term, or an equal or lower counter of the same term, is ignored and counted. */
  applyDesired(desired: Desired): void;
  /** A report that was sent at `sentAt` has been acknowledged: leases count from then. */
  leaseAcknowledged(sentAt: ClockReading): void;
  /** Every run known here, ended ones until their outcome is acknowledged, and again if the hub asks. Sorted by run key. */
  reports(): readonly RunReport[];
  bookings(): readonly Booking[];
  guests(): readonly LiveGuest[];
  /** Ends runs for a reason of this member's own (reclaim, policy). Idempotent. Grace is the smaller of the job's and the policy's. */
  end(runs: readonly RunId[], cause: Cause, message: string): void;
  /** Generation last applied, for the report. */
  acknowledged(): Desired['generation'] | undefined;
  /** Is anything of the run here, taken over or not? Of such a run nobody else may say that it has ended. */
  holds(run: RunId): boolean;
  /** Opens the log of one worker, or says why not. */
  openLog(
    request: LogRequest,
    signal: AbortSignal,
  ): Promise<Result<AsyncIterable<Uint8Array>, { readonly reason: LogRefusalReason; readonly message: string }>>;
  subscribe(handler: () => void): () => void;
}
