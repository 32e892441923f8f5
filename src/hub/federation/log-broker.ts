/**
 * Brings a worker's log from the member to a reader on the hub: asks the agent in its session, and joins the stream that
 * the agent opens for it. Window per stream, so that one slow reader costs the others nothing.
 *
 * Invariants: a stream is accepted only for a session id that was given to that very member and is still waited for; at
 * most `windowBytes` wait unread per reader; every pending request ends by its deadline.
 */
import type { MemberName, RunId } from '../../core/model/ids.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { Random } from '../../platform/clock/random.ts';
import type { MessageStream } from '../../platform/grpc/message-stream.ts';
import { err, ok, type Result } from '../../std/result.ts';
import type {
  AgentMessage,
  LogAgentMessage,
  LogHubMessage,
  LogRefusalReason,
  LogRequest,
} from '../../wire/session-messages.ts';
import type { FederationMetrics } from './federation-metrics.ts';
import type { SessionRegistry } from './session-registry.ts';

const windowBytes = 262_144;
const openTimeoutMs = 10_000;
/** At once over all members; a reader costs a stream and a window. */
const maxSessions = 256;

export type LogFailure =
  | { readonly kind: 'MemberNotConnected'; readonly member: MemberName }
  | { readonly kind: 'NoAnswer'; readonly member: MemberName }
  | { readonly kind: 'TooManySessions' }
  | { readonly kind: 'Refused'; readonly reason: LogRefusalReason; readonly message: string };

export interface LogQuery {
  readonly member: MemberName;
  readonly run: RunId;
  readonly worker: number;
  readonly container: string;
  readonly follow: boolean;
  readonly tailLines?: number;
  readonly sinceSeconds?: number;
  readonly timestamps: boolean;
  readonly user: string;
}

export interface LogBroker {
  open(query: LogQuery, signal: AbortSignal): Promise<Result<AsyncIterable<Uint8Array>, LogFailure>>;
  /** The agent's stream; resolves when it is over. */
  serve(stream: MessageStream<LogAgentMessage, LogHubMessage>, member: MemberName): Promise<void>;
  refused(member: MemberName, message: Extract<AgentMessage, { kind: 'logRefusal' }>): void;
}

type LogStream = MessageStream<LogAgentMessage, LogHubMessage>;

interface Joined {
  readonly stream: LogStream;
  readonly rest: AsyncIterator<LogAgentMessage>;
}

interface Waiting {
  readonly member: MemberName;
  readonly settle: (result: Result<Joined, LogFailure>) => void;
}

export interface LogBrokerDeps {
  readonly sessions: SessionRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: FederationMetrics;
}

export function createLogBroker(deps: LogBrokerDeps): LogBroker {
  return new Broker(deps);
}

class Broker implements LogBroker {
  private readonly deps: LogBrokerDeps;
  private readonly waiting = new Map<string, Waiting>();
  private active = 0;

  constructor(deps: LogBrokerDeps) {
    this.deps = deps;
  }

  async open(query: LogQuery, signal: AbortSignal): Promise<Result<AsyncIterable<Uint8Array>, LogFailure>> {
    const session = this.deps.sessions.get(query.member);
    if (session === undefined) return this.fail({ kind: 'MemberNotConnected', member: query.member });
    if (this.active + this.waiting.size >= maxSessions) return this.fail({ kind: 'TooManySessions' });
    const joined = await new Promise<Result<Joined, LogFailure>>((resolve) => {
      const sessionId = this.expect(query.member, signal, resolve);
      const { member: _member, ...wanted } = query;
      const request: LogRequest = { sessionId, ...wanted };
      if (!session.send({ kind: 'logRequest', request })) {
        this.waiting.get(sessionId)?.settle(err({ kind: 'MemberNotConnected', member: query.member }));
      }
    });
    if (!joined.ok) return this.fail(joined.error);
    this.deps.metrics.logSessions.inc({ result: 'opened' });
    return ok(this.read(joined.value, signal));
  }

  async serve(stream: LogStream, member: MemberName): Promise<void> {
    const rest = stream.incoming[Symbol.asyncIterator]();
    const timer = this.deps.clock.after(openTimeoutMs, () => {
      stream.close({ kind: 'failed', code: 'DEADLINE_EXCEEDED', message: 'no session id within 10 s' });
    });
    const first = await rest.next();
    timer.cancel();
    const wanted =
      first.done !== true && first.value.kind === 'open' ? this.waiting.get(first.value.sessionId) : undefined;
    if (wanted?.member !== member) {
      this.deps.metrics.refusals.inc({ reason: 'UnknownLogSession' });
      stream.close({ kind: 'failed', code: 'NOT_FOUND', message: 'nobody waits for this log session' });
      return;
    }
    wanted.settle(ok({ stream, rest }));
    await stream.closed;
  }

  refused(member: MemberName, message: Extract<AgentMessage, { kind: 'logRefusal' }>): void {
    const wanted = this.waiting.get(message.sessionId);
    if (wanted?.member !== member) return;
    wanted.settle(err({ kind: 'Refused', reason: message.reason, message: message.message }));
  }

  /** A new session id that is waited for until it is settled, the deadline passes or the reader leaves. */
  private expect(
    member: MemberName,
    signal: AbortSignal,
    resolve: (result: Result<Joined, LogFailure>) => void,
  ): string {
    const sessionId = this.deps.random.uuid();
    const noAnswer = (): void => {
      settle(err({ kind: 'NoAnswer', member }));
    };
    const timer = this.deps.clock.after(openTimeoutMs, noAnswer);
    const settle = (result: Result<Joined, LogFailure>): void => {
      timer.cancel();
      signal.removeEventListener('abort', noAnswer);
      this.waiting.delete(sessionId);
      resolve(result);
    };
    signal.addEventListener('abort', noAnswer, { once: true });
    this.waiting.set(sessionId, { member, settle });
    return sessionId;
  }

  private fail(failure: LogFailure): Result<never, LogFailure> {
    this.deps.metrics.logSessions.inc({ result: failure.kind === 'Refused' ? failure.reason : failure.kind });
    return err(failure);
  }

  private async *read(joined: Joined, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const leave = (): void => {
      joined.stream.send({ kind: 'closed' }, { lane: 'priority' });
      joined.stream.close();
    };
    signal.addEventListener('abort', leave, { once: true });
    this.active += 1;
    let unacknowledged = 0;
    joined.stream.send({ kind: 'window', bytes: windowBytes });
    try {
      for (;;) {
        const next = await joined.rest.next();
        if (next.done === true || next.value.kind !== 'chunk') return;
        yield next.value.bytes;
        unacknowledged += next.value.bytes.byteLength;
        if (unacknowledged >= windowBytes / 2) {
          joined.stream.send({ kind: 'window', bytes: unacknowledged });
          unacknowledged = 0;
        }
      }
    } finally {
      this.active -= 1;
      signal.removeEventListener('abort', leave);
      leave();
    }
  }
}
