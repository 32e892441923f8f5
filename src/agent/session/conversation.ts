/**
 * One session over one connection, from hello to its end: what the agent says, and what it makes of the hub's words.
 *
 * Invariants: nothing is believed before a welcome of an acceptable term; a lease is renewed only by the answer to a report of
 * this very session; the hub's desired state goes to the keeper whole and in order, which alone judges generations and
 * fences. A hub that says nothing for three report intervals (15 s at least) is taken for gone, since a connection can stay open
 * with nobody behind it. Acknowledgement-like messages go on the priority lane. Leaves out reconnecting (session.ts).
 */
import { compareGenerations } from '../../core/model/desired.ts';
import type { Generation } from '../../core/model/member.ts';
import type { RunReport } from '../../core/model/run.ts';
import type { Clock, ClockReading, Timer } from '../../platform/clock/clock.ts';
import type { Random } from '../../platform/clock/random.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { assertNever } from '../../std/assert-never.ts';
import { OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION } from '../../wire/protocol-version.ts';
import type { HubMessage, Welcome } from '../../wire/session-messages.ts';
import type { InventoryReader } from '../inventory/inventory-reader.ts';
import type { RunKeeper } from '../runs/run-keeper.ts';
import type { AgentMetrics } from '../telemetry/agent-metrics.ts';
import type { FederationConnection } from './federation-link.ts';
import { LogServer } from './log-server.ts';
import type { SessionEnd } from './reconnect-rule.ts';
import { ReportPump, type ReportIdentity } from './report-pump.ts';
import { refusalOf, withRefusals } from './unreadable-orders.ts';

const WELCOME_TIMEOUT_MS = 10_000;
const SHORTEST_SILENCE_MS = 15_000;
const SILENT_INTERVALS = 3;

export interface ConversationDeps {
  readonly connection: FederationConnection;
  readonly epoch: number;
  readonly identity: ReportIdentity;
  readonly sealingPublicKey: Uint8Array;
  readonly inventory: InventoryReader;
  readonly keeper: RunKeeper;
  /** Highest leader term seen from any hub; raised here. */
  readonly terms: { highest: number };
  readonly onTrustBundle: (bundle: readonly string[]) => void;
  /** The hub has taken this session. */
  readonly onWelcome: (welcome: Welcome) => void;
  /** A report sent at this moment was acknowledged. */
  readonly onLease: (sentAt: ClockReading) => void;
  /** Resolves when the connection should be replaced because its certificate was renewed. */
  readonly replaced: Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: AgentMetrics;
}

/** Speaks until the session is over in any way. Never rejects; the connection is closed afterwards. */
export async function converse(deps: ConversationDeps, signal: AbortSignal): Promise<SessionEnd> {
  const conversation = new Conversation(deps);
  const abort = (): void => {
    conversation.finish({ kind: 'stopped' });
  };
  signal.addEventListener('abort', abort, { once: true });
  void deps.replaced.then(() => {
    conversation.finish({ kind: 'renewed' });
  });
  try {
    if (signal.aborted) abort();
    return await conversation.run();
  } finally {
    signal.removeEventListener('abort', abort);
    deps.connection.close();
  }
}

class Conversation {
  private readonly deps: ConversationDeps;
  private readonly logs: LogServer;
  private readonly unsubscribes: (() => void)[] = [];
  private pump: ReportPump | undefined;
  private refusals: readonly RunReport[] = [];
  private generation: Generation | undefined;
  private silence: Timer | undefined;
  private silenceMs = WELCOME_TIMEOUT_MS;
  private ended: SessionEnd | undefined;
  private readonly over: Promise<SessionEnd>;
  private settle: (end: SessionEnd) => void = () => undefined;

  constructor(deps: ConversationDeps) {
    this.deps = deps;
    this.over = new Promise((resolve) => {
      this.settle = resolve;
    });
    const { connection, keeper, clock, logger, metrics } = deps;
    this.logs = new LogServer({
      keeper,
      openStream: () => connection.openLogs(),
      refuse: (sessionId, reason, message) => {
        connection.session.send({ kind: 'logRefusal', sessionId, reason, message }, { lane: 'priority' });
      },
      clock,
      logger,
      metrics,
    });
  }

  async run(): Promise<SessionEnd> {
    const { connection, identity, epoch, sealingPublicKey } = this.deps;
    connection.session.send(
      {
        kind: 'hello',
        hello: {
          ...identity,
          protocolVersion: PROTOCOL_VERSION,
          oldestProtocolVersion: OLDEST_PROTOCOL_VERSION,
          epoch,
          sealingPublicKey,
        },
      },
      { lane: 'priority' },
    );
    this.heard();
    void this.listen();
    return this.over;
  }

  /** The first end counts. */
  finish(end: SessionEnd): void {
    if (this.ended !== undefined) return;
    this.ended = end;
    this.silence?.cancel();
    this.pump?.stop();
    this.logs.stop();
    for (const unsubscribe of this.unsubscribes) unsubscribe();
    this.deps.connection.session.close();
    this.settle(end);
  }

  private async listen(): Promise<void> {
    const { session } = this.deps.connection;
    for await (const message of session.incoming) {
      if (this.ended !== undefined) break;
      this.heard();
      try {
        this.take(message);
      } catch (error) {
        // A fault of ours over one message must not cost the session, or the hub would never be heard again.
        this.deps.logger.error('a message of the hub could not be worked on', { message: message.kind, error });
      }
    }
    const closed = await session.closed;
    this.finish(
      closed.kind === 'ended'
        ? { kind: 'lost', code: 'OK', message: 'the hub ended the stream' }
        : { kind: 'lost', code: closed.code, message: closed.message },
    );
  }

  private heard(): void {
    this.silence?.cancel();
    this.silence = this.deps.clock.after(this.silenceMs, () => {
      const what = this.pump === undefined ? 'no welcome' : 'not a word from the hub';
      this.finish({ kind: 'silent', message: `${what} for ${this.silenceMs} ms` });
    });
  }

  private take(message: HubMessage): void {
    if (message.kind === 'goodbye') {
      this.finish(message);
    } else if (message.kind === 'welcome') {
      this.takeWelcome(message.welcome);
    } else if (this.pump === undefined) {
      this.finish({ kind: 'protocol', message: `${message.kind} came before the welcome` });
    } else {
      this.takeWelcomed(message, this.pump);
    }
  }

  private takeWelcomed(message: Exclude<HubMessage, { kind: 'goodbye' | 'welcome' }>, pump: ReportPump): void {
    switch (message.kind) {
      case 'desired':
        this.takeDesired(message);
        return;
      case 'reportAck': {
        const sentAt = pump.answered(message);
        if (sentAt !== undefined) this.deps.onLease(sentAt);
        return;
      }
      case 'logRequest':
        void this.logs.serve(message.request);
        return;
      case 'ping':
        this.deps.connection.session.send({ kind: 'pong', nonce: message.nonce }, { lane: 'priority', key: 'pong' });
        return;
      case 'trustUpdate':
        this.deps.onTrustBundle(message.trustBundle);
        return;
      default:
        assertNever(message, 'hub message');
    }
  }

  private takeWelcome(welcome: Welcome): void {
    const { terms, metrics, onWelcome } = this.deps;
    if (this.pump !== undefined) {
      this.finish({ kind: 'protocol', message: 'a second welcome in one session' });
      return;
    }
    if (welcome.term < terms.highest) {
      metrics.fenceRejections.inc({ reason: 'LowerTerm' });
      this.finish({ kind: 'lowerTerm', term: welcome.term, seen: terms.highest });
      return;
    }
    terms.highest = welcome.term;
    this.silenceMs = Math.max(SHORTEST_SILENCE_MS, SILENT_INTERVALS * welcome.reportIntervalMs);
    this.heard();
    this.startReporting(welcome.reportIntervalMs);
    onWelcome(welcome);
  }

  private startReporting(intervalMs: number): void {
    const { connection, identity, epoch, inventory, keeper, clock, random, logger, metrics } = this.deps;
    const pump = new ReportPump({
      stream: connection.session,
      identity,
      epoch,
      intervalMs,
      inventory,
      keeper,
      // A guest that a newer version made lives on, though its order cannot be read here: refusing it would say it is dead.
      extraRuns: (known) =>
        withRefusals(
          known,
          this.refusals.filter(({ id }) => !keeper.holds(id)),
        ),
      clock,
      random,
      logger,
      metrics,
    });
    this.pump = pump;
    this.unsubscribes.push(
      keeper.subscribe(() => {
        pump.runsChanged();
      }),
      inventory.subscribe(() => {
        pump.inventoryChanged();
      }),
    );
    pump.start();
  }

  private takeDesired({ desired, unreadable = [] }: Extract<HubMessage, { kind: 'desired' }>): void {
    const { terms, metrics, keeper, clock, logger } = this.deps;
    if (desired.generation.term < terms.highest) {
      metrics.fenceRejections.inc({ reason: 'LowerTerm' });
      return;
    }
    terms.highest = desired.generation.term;
    const { generation: last } = this;
    if (last === undefined || compareGenerations(desired.generation, last) > 0) {
      if (unreadable.length > 0) logger.warn('orders cannot be read by this version', { orders: unreadable.length });
      this.refusals = unreadable.map((order) => refusalOf(order, clock.nowMs()));
      this.generation = desired.generation;
    }
    keeper.applyDesired(desired);
    // The keeper tells of changes of runs; that a generation was taken is news to the hub by itself.
    this.pump?.runsChanged();
  }
}
