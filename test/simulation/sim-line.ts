/**
 * The line between one member and the hub: sessions in memory that can be delayed, stalled, cut in either direction and
 * severed, as a TCP connection can.
 *
 * Invariants: order within a connection is kept; what a cut direction holds back either arrives late, when the cut heals, or
 * never, when the connection is severed; an end of the connection crosses the line as a message does.
 */
import type { FederationConnection } from '../../src/agent/session/federation-link.ts';
import type { VirtualClock } from '../../src/platform/clock/virtual-clock.ts';
import { memoryStreamPair } from '../../src/platform/grpc/memory-stream.ts';
import type { MessageStream, StreamEnd } from '../../src/platform/grpc/message-stream.ts';
import { RpcError } from '../../src/platform/grpc/rpc-error.ts';
import type { AgentMessage, HubMessage, LogAgentMessage, LogHubMessage } from '../../src/wire/session-messages.ts';
import { Gate, type SimHost } from './sim-host.ts';

/** A hub process that takes sessions. */
export interface SessionServer {
  readonly host: SimHost;
  /** Serves until the stream is over. */
  serve(stream: MessageStream<AgentMessage, HubMessage>, member: string): Promise<void>;
}

export interface LineDeps {
  readonly member: string;
  readonly clock: VirtualClock;
  /** The process behind the hub's address now. */
  readonly hub: () => SessionServer | undefined;
  readonly certificate: { readonly fingerprint: string; readonly notAfterMs: number };
  readonly onError: (error: unknown) => void;
}

export class SimLine {
  readonly toHub = new Gate();
  readonly toMember = new Gate();
  latencyMs = 5;
  private readonly deps: LineDeps;
  private readonly calls = new Set<Call>();
  private lastDueMs = 0;

  constructor(deps: LineDeps) {
    this.deps = deps;
  }

  get healthy(): boolean {
    return this.toHub.open && this.toMember.open;
  }

  heal(): void {
    this.latencyMs = 5;
    this.toHub.reopen();
    this.toMember.reopen();
  }

  /** Every open connection breaks for both sides. */
  sever(): void {
    for (const call of [...this.calls]) call.sever();
  }

  /** Dials for a process of the member's agent. */
  connect(agent: SimHost): FederationConnection {
    const { hub, certificate, onError, member } = this.deps;
    const pair = memoryStreamPair<AgentMessage, HubMessage>({
      schedule: (deliver) => {
        this.carry(deliver);
      },
    });
    const call = new Call(() => {
      pair.sever();
    });
    this.calls.add(call);
    void pair.a.closed.then(() => this.calls.delete(call));
    const server = hub();
    const breaks = (): void => {
      this.carry(() => {
        call.sever();
      });
    };
    call.onOver(agent.whenDead(breaks));
    if (server === undefined || server.host.dead) {
      breaks();
    } else {
      call.onOver(server.host.whenDead(breaks));
      server.serve(endOf(pair.b, { host: server.host, way: this.toHub, call }), member).catch((error: unknown) => {
        if (!server.host.dead) onError(error);
      });
    }
    const session = endOf(pair.a, { host: agent, way: this.toMember, call });
    return {
      session,
      certificateFingerprint: certificate.fingerprint,
      certificateNotAfterMs: certificate.notAfterMs,
      openLogs: () => closedLogs(),
      renew: () => Promise.reject(new RpcError('UNAVAILABLE', 'no renewal in this history')),
      close: () => {
        session.close();
        // The socket is closed too: the hub's side learns of it as soon as the line lets it.
        void this.toHub.passed().then(() => {
          breaks();
        });
      },
    };
  }

  /** Later, never before what was carried earlier. */
  private carry(deliver: () => void): void {
    const { clock } = this.deps;
    this.lastDueMs = Math.max(this.lastDueMs, clock.monotonicMs() + this.latencyMs);
    clock.after(this.lastDueMs - clock.monotonicMs(), deliver);
  }
}

/** One connection. */
class Call {
  severed = false;
  private readonly breakPair: () => void;
  private readonly waiting = new Set<() => void>();
  private readonly cleanups: (() => void)[] = [];

  constructor(breakPair: () => void) {
    this.breakPair = breakPair;
  }

  onOver(cleanup: () => void): void {
    this.cleanups.push(cleanup);
  }

  sever(): void {
    if (this.severed) return;
    this.severed = true;
    for (const cleanup of this.cleanups.splice(0)) cleanup();
    this.breakPair();
    for (const wake of this.waiting) wake();
    this.waiting.clear();
  }

  /** Resolves when what travels `way` has reached a process that runs, or the connection is severed. */
  async arrived(way: Gate, host: SimHost): Promise<void> {
    while (!this.severed && !way.open) {
      await Promise.race([
        way.passed(),
        new Promise<void>((resolve) => {
          this.waiting.add(resolve);
        }),
      ]);
    }
    await host.running();
  }
}

interface EndOptions {
  readonly host: SimHost;
  /** The direction in which this end receives. */
  readonly way: Gate;
  readonly call: Call;
}

function endOf<In, Out>(stream: MessageStream<In, Out>, { host, way, call }: EndOptions): MessageStream<In, Out> {
  let closedHere = false;
  async function* incoming(): AsyncGenerator<In> {
    for await (const message of stream.incoming) {
      await call.arrived(way, host);
      if (call.severed || host.dead) return;
      yield message;
    }
    await call.arrived(way, host);
  }
  return {
    send: (message, options) => !host.dead && stream.send(message, options),
    drained: () => stream.drained(),
    get queued() {
      return stream.queued;
    },
    incoming: incoming(),
    close: (end?: StreamEnd) => {
      closedHere = true;
      if (!host.dead) stream.close(end);
    },
    closed: stream.closed.then(async (end) => {
      if (!closedHere) await call.arrived(way, host);
      else await host.running();
      return end;
    }),
  };
}

function closedLogs(): MessageStream<LogHubMessage, LogAgentMessage> {
  const pair = memoryStreamPair<LogAgentMessage, LogHubMessage>();
  pair.sever();
  return pair.a;
}
