/**
 * Keeps one session with whichever hub replica leads, for as long as this agent acts for its member.
 *
 * Invariants: one connection at a time, each with a higher epoch than the one before; what ended a session decides alone when
 * and where the next begins (reconnect-rule.ts); guests are never touched by a lost connection. When the hub has revoked the member, its
 * guests are told to end before the session reports its exit. A renewed certificate replaces the connection shortly before the old
 * one ends, without waiting in between. Leaves out who may act (app.ts: the agent's Lease).
 */
import type { RunId } from '../../core/model/ids.ts';
import type { Clock, ClockReading, Timer } from '../../platform/clock/clock.ts';
import type { Random } from '../../platform/clock/random.ts';
import type { Runnable } from '../../platform/lifecycle/runnable.ts';
import type { Logger } from '../../platform/log/logger.ts';
import type { InventoryReader } from '../inventory/inventory-reader.ts';
import type { RunKeeper } from '../runs/run-keeper.ts';
import type { AgentMetrics } from '../telemetry/agent-metrics.ts';
import { converse } from './conversation.ts';
import type { Epochs } from './epochs.ts';
import type { FederationConnection, FederationLink } from './federation-link.ts';
import { endReason, nextStep, type SessionEnd, type SessionExit } from './reconnect-rule.ts';
import type { ReportIdentity } from './report-pump.ts';

/** How much of the time between renewal and the old certificate's end may pass before the connection is replaced. */
const REPLACE_AT = 0.8;

/** The certificate that new connections are opened with. */
export interface CurrentCertificate {
  readonly fingerprint: string;
  readonly notAfterMs: number;
}

export interface SessionDeps {
  readonly link: FederationLink;
  /** `host:port` of every hub replica or of one service in front of them; at least one. */
  readonly addresses: readonly string[];
  readonly identity: ReportIdentity;
  readonly epochs: Epochs;
  readonly sealingPublicKey: Uint8Array;
  readonly inventory: InventoryReader;
  readonly keeper: RunKeeper;
  readonly certificate: () => CurrentCertificate;
  /** Called after `certificate()` has changed. Returns the unsubscribe. */
  readonly onCertificate: (handler: () => void) => () => void;
  readonly onTrustBundle: (bundle: readonly string[]) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: AgentMetrics;
}

export interface Session extends Runnable {
  /** Resolves once, when no further session will be tried. */
  readonly finished: Promise<SessionExit>;
  readonly connected: boolean;
  /** The open connection, for renewing the certificate; undefined between sessions. */
  connection(): FederationConnection | undefined;
  /** When the last acknowledged report was sent. */
  lastLease(): ClockReading | undefined;
}

export function createSession(deps: SessionDeps): Session {
  return new ReconnectingSession(deps);
}

class ReconnectingSession implements Session {
  readonly name = 'session';
  readonly finished: Promise<SessionExit>;
  private readonly deps: SessionDeps;
  private readonly terms = { highest: 0 };
  private readonly stopping = new AbortController();
  private settle: (exit: SessionExit) => void = () => undefined;
  private current: FederationConnection | undefined;
  private welcomed = false;
  private leaseSentAt: ClockReading | undefined;
  private addressIndex = 0;
  private running: Promise<void> = Promise.resolve();

  constructor(deps: SessionDeps) {
    if (deps.addresses.length === 0) throw new RangeError('addresses: at least one hub address is needed');
    this.deps = deps;
    this.finished = new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  get connected(): boolean {
    return this.welcomed;
  }

  connection(): FederationConnection | undefined {
    return this.welcomed ? this.current : undefined;
  }

  lastLease(): ClockReading | undefined {
    return this.leaseSentAt;
  }

  start(signal: AbortSignal): Promise<void> {
    signal.addEventListener(
      'abort',
      () => {
        this.stopping.abort();
      },
      { once: true },
    );
    if (signal.aborted) this.stopping.abort();
    this.running = this.run(this.stopping.signal);
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(signal: AbortSignal): Promise<void> {
    const { clock, random, addresses, logger, metrics } = this.deps;
    let failures = 0;
    for (;;) {
      const address = addresses[this.addressIndex % addresses.length] ?? '';
      const { end, welcomed } = await this.once(address, signal);
      metrics.sessionEnds.inc({ reason: endReason(end) });
      const step = nextStep(end, { failures, welcomed, addresses: addresses.length }, random);
      if (step.kind === 'exit') {
        this.exit(step.exit);
        return;
      }
      logEnd(logger, { address, end, delayMs: step.delayMs });
      failures = step.failures;
      if (step.otherAddress) this.addressIndex += 1;
      await clock.sleep(step.delayMs, signal);
    }
  }

  private async once(
    address: string,
    signal: AbortSignal,
  ): Promise<{ readonly end: SessionEnd; readonly welcomed: boolean }> {
    if (signal.aborted) return { end: { kind: 'stopped' }, welcomed: false };
    const { link, epochs, logger, metrics, keeper, inventory, clock, random } = this.deps;
    const epoch = epochs.next();
    let welcomed = false;
    let replacement: { readonly due: Promise<void>; cancel(): void } | undefined;
    try {
      const connection = link.connect(address);
      this.current = connection;
      replacement = this.replacementOf(connection);
      const end = await converse(
        {
          connection,
          epoch,
          identity: this.deps.identity,
          sealingPublicKey: this.deps.sealingPublicKey,
          inventory,
          keeper,
          terms: this.terms,
          onTrustBundle: this.deps.onTrustBundle,
          onWelcome: (welcome) => {
            welcomed = true;
            this.welcomed = true;
            metrics.hubConnected.set({}, 1);
            logger.info('connected to the hub', { address, epoch, term: welcome.term, hubVersion: welcome.hubVersion });
          },
          onLease: (sentAt) => {
            this.leaseSentAt = sentAt;
          },
          replaced: replacement.due,
          clock,
          random,
          logger,
          metrics,
        },
        signal,
      );
      return { end, welcomed };
    } catch (error) {
      // Dialling itself failed, e.g. for an address or certificate that the TLS library refuses.
      logger.error('the connection could not be opened', { address, error });
      return { end: { kind: 'lost', code: 'INTERNAL', message: 'the connection could not be opened' }, welcomed };
    } finally {
      replacement?.cancel();
      this.welcomed = false;
      this.current = undefined;
      metrics.hubConnected.set({}, 0);
    }
  }

  /** Comes due some time after the certificate was renewed, well before the connection's own ends. */
  private replacementOf(connection: FederationConnection): { readonly due: Promise<void>; cancel(): void } {
    const { clock, certificate, onCertificate } = this.deps;
    let timer: Timer | undefined;
    let unsubscribe: () => void = () => undefined;
    const due = new Promise<void>((resolve) => {
      const look = (): void => {
        if (timer !== undefined || certificate().fingerprint === connection.certificateFingerprint) return;
        const leftMs = Math.max(0, connection.certificateNotAfterMs - clock.nowMs());
        timer = clock.after(leftMs * REPLACE_AT, resolve);
      };
      unsubscribe = onCertificate(look);
      look();
    });
    return {
      due,
      cancel: () => {
        timer?.cancel();
        unsubscribe();
      },
    };
  }

  private exit(exit: SessionExit): void {
    const { keeper, logger } = this.deps;
    if (exit.kind === 'Revoked') {
      const runs: readonly RunId[] = keeper.reports().flatMap(({ id, phase }) => (phase === 'Ended' ? [] : [id]));
      logger.error('the hub has revoked this member; all guests are ended', {
        message: exit.message,
        runs: runs.length,
      });
      keeper.end(runs, 'MemberRevoked', 'the hub has revoked this member');
    }
    if (exit.kind === 'Superseded') {
      logger.error('another agent acts for this member; this one stops', { message: exit.message });
    }
    this.settle(exit);
  }
}

function logEnd(
  logger: Logger,
  { address, end, delayMs }: { readonly address: string; readonly end: SessionEnd; readonly delayMs: number },
): void {
  if (end.kind === 'renewed') {
    logger.info('the connection goes on under the renewed certificate', { address });
    return;
  }
  const fields = { address, reason: endReason(end), againInMs: delayMs };
  logger.warn('the session with the hub is over', 'message' in end ? { ...fields, why: end.message } : fields);
}
