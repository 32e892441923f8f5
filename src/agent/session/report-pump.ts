/**
 * When a whole report is sent within one session, and what an acknowledgement of it means.
 *
 * Invariants: a change of runs goes out at once if the last report is 50 ms ago, a change of inventory after 50 ms more, so
 * that bursts become one report; something goes out at least every report interval (less up to 20 % jitter). A report is
 * built only when the stream has taken the one before: a slow peer costs one report of memory, and what it gets is the newest.
 * The lease counts from a reading taken *before* the report was built, hence never from later than it was sent. An
 * acknowledgement counts only for a sequence number of this epoch that is outstanding: replayed, early and old ones are
 * counted and ignored. The inventory is left out only when the hub has acknowledged the very hash that it holds last.
 */
import type { MemberReport } from '../../core/model/member.ts';
import type { RunReport } from '../../core/model/run.ts';
import type { Clock, ClockReading, Timer } from '../../platform/clock/clock.ts';
import type { Random } from '../../platform/clock/random.ts';
import type { MessageStream } from '../../platform/grpc/message-stream.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { inventoryHash, OMITTED_INVENTORY } from '../../wire/inventory-codec.ts';
import type { AgentMessage, HubMessage } from '../../wire/session-messages.ts';
import type { InventoryReader } from '../inventory/inventory-reader.ts';
import type { RunKeeper } from '../runs/run-keeper.ts';
import type { AgentMetrics } from '../telemetry/agent-metrics.ts';

const MIN_GAP_MS = 50;
const JITTER = 0.2;
/** Reports that may wait for their acknowledgement; beyond it the oldest can only renew the lease less. */
const OUTSTANDING_MAX = 64;

export interface ReportIdentity {
  readonly clusterUid: MemberReport['clusterUid'];
  readonly agentVersion: string;
  readonly kubernetesVersion: string;
}

export interface ReportPumpDeps {
  readonly stream: Pick<MessageStream<HubMessage, AgentMessage>, 'send' | 'drained' | 'queued'>;
  readonly identity: ReportIdentity;
  readonly epoch: number;
  readonly intervalMs: number;
  readonly inventory: Pick<InventoryReader, 'report'>;
  readonly keeper: Pick<RunKeeper, 'bookings' | 'reports' | 'acknowledged' | 'leaseAcknowledged'>;
  /** Refusals of orders that could not be read; added to the keeper's runs. */
  readonly extraRuns: (known: readonly RunReport[]) => readonly RunReport[];
  readonly clock: Clock;
  readonly random: Pick<Random, 'next'>;
  readonly logger: Logger;
  readonly metrics: Pick<AgentMetrics, 'reports' | 'reportAcks'>;
}

interface Outstanding {
  readonly sequence: number;
  readonly sentAt: ClockReading;
  readonly hash: string;
}

export class ReportPump {
  private readonly deps: ReportPumpDeps;
  private readonly outstanding: Outstanding[] = [];
  private sequence = 0;
  private lastWholeHash: string | undefined;
  private acknowledgedHash: string | undefined;
  private lastSentMs = Number.NEGATIVE_INFINITY;
  private dueMs = Number.POSITIVE_INFINITY;
  private timer: Timer | undefined;
  private draining = false;
  private stopped = false;

  constructor(deps: ReportPumpDeps) {
    this.deps = deps;
  }

  /** Sends the first report now. */
  start(): void {
    this.scheduleAt(this.now());
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  runsChanged(): void {
    this.scheduleAt(Math.max(this.now(), this.lastSentMs + MIN_GAP_MS));
  }

  inventoryChanged(): void {
    this.scheduleAt(Math.max(this.now(), this.lastSentMs) + MIN_GAP_MS);
  }

  /** The hub's answer to a report. Returns when the report was sent, if it is a lease acknowledgement. */
  answered(ack: {
    readonly epoch: number;
    readonly sequence: number;
    readonly inventoryKnown: boolean;
  }): ClockReading | undefined {
    const at = ack.epoch === this.deps.epoch ? this.outstanding.findIndex((one) => one.sequence === ack.sequence) : -1;
    const report = this.outstanding[at];
    if (report === undefined) {
      this.deps.metrics.reportAcks.inc({ verdict: 'stale' });
      return undefined;
    }
    if (!ack.inventoryKnown) {
      // Not taken into the hub's state, so no lease either: it lacks the inventory that the hash named.
      this.outstanding.splice(at, 1);
      this.lastWholeHash = undefined;
      this.deps.metrics.reportAcks.inc({ verdict: 'inventoryUnknown' });
      this.runsChanged();
      return undefined;
    }
    this.outstanding.splice(0, at + 1);
    this.acknowledgedHash = report.hash;
    this.deps.metrics.reportAcks.inc({ verdict: 'accepted' });
    this.deps.keeper.leaseAcknowledged(report.sentAt);
    return report.sentAt;
  }

  private now(): number {
    return this.deps.clock.monotonicMs();
  }

  private scheduleAt(dueMs: number): void {
    if (this.stopped || dueMs >= this.dueMs) return;
    this.dueMs = dueMs;
    this.timer?.cancel();
    this.timer = this.deps.clock.after(Math.max(0, dueMs - this.now()), () => {
      this.due();
    });
  }

  private due(): void {
    if (this.stopped || this.draining) return;
    if (this.deps.stream.queued === 0) {
      this.sendOrRetry();
      return;
    }
    this.draining = true;
    void this.deps.stream.drained().then(() => {
      this.draining = false;
      if (!this.stopped) this.sendOrRetry();
    });
  }

  private sendOrRetry(): void {
    this.dueMs = Number.POSITIVE_INFINITY;
    try {
      this.send();
    } catch (error) {
      // Without a report the lease runs out; a fault in making one must not stop the next from being tried.
      this.deps.logger.error('a report could not be made', { error });
      this.scheduleAt(this.now() + this.deps.intervalMs);
    }
  }

  private send(): void {
    const { stream, clock, metrics } = this.deps;
    const sentAt = clock.read();
    const { report, hash, whole } = this.build();
    const inventoryOmitted = hash === this.lastWholeHash && hash === this.acknowledgedHash;
    const message: AgentMessage = {
      kind: 'report',
      report: inventoryOmitted ? { ...report, ...OMITTED_INVENTORY } : { ...report, ...whole },
      inventoryHash: hash,
      inventoryOmitted,
    };
    if (!stream.send(message, { key: 'report' })) return;
    metrics.reports.inc({ inventory: inventoryOmitted ? 'hash' : 'whole' });
    if (!inventoryOmitted) this.lastWholeHash = hash;
    this.outstanding.push({ sequence: report.sequence, sentAt, hash });
    if (this.outstanding.length > OUTSTANDING_MAX) this.outstanding.shift();
    this.lastSentMs = this.now();
    this.scheduleAt(this.lastSentMs + this.deps.intervalMs * (1 - JITTER * this.deps.random.next()));
  }

  private build(): {
    readonly report: Omit<MemberReport, keyof typeof OMITTED_INVENTORY>;
    readonly hash: string;
    readonly whole: ReturnType<InventoryReader['report']>;
  } {
    const { inventory, keeper, identity, epoch, extraRuns } = this.deps;
    const whole = inventory.report(keeper.bookings());
    const acknowledged = keeper.acknowledged();
    const known = keeper.reports();
    this.sequence += 1;
    const report = {
      ...identity,
      epoch,
      sequence: this.sequence,
      ...(acknowledged === undefined ? {} : { acknowledged }),
      runs: extraRuns(known),
    };
    return { report, hash: inventoryHash(whole), whole };
  }
}
