/**
 * Brings a worker's log from the member to a reader on the hub: asks the agent in its session, and joins the stream that
 * the agent opens for it. Window per stream, so that one slow reader costs the others nothing.
 *
 * Invariants: a stream is accepted only for a session id that was given to that very member and is still waited for; at
 * most `windowBytes` wait unread per reader, and an agent that sends more is cut off; every pending request ends by its
 * deadline; a log that breaks off is an error to its reader, never a shorter log.
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
  /** Ends what the member serves: it may no longer speak. */
  drop(member: MemberName): void;
}

/** The log ended before the member said that it ends. */
export class LogBrokenOff extends Error {
  readonly kind = 'LogBrokenOff';
  override readonly name = 'LogBrokenOff';
  readonly member: MemberName;

  constructor(member: MemberName, why: string) {
    super(`the log from member ${member} broke off: ${why}`);
    this.member = member;
  }
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
  private readonly active = new Set<LogReading>();

  constructor(deps: LogBrokerDeps) {
    this.deps = deps;
  }

  async open(query: LogQuery, signal: AbortSignal): Promise<Result<AsyncIterable<Uint8Array>, LogFailure>> {
    if (signal.aborted) return this.fail({ kind: 'NoAnswer', member: query.member });
    const session = this.deps.sessions.get(query.member);
    if (session === undefined) return this.fail({ kind: 'MemberNotConnected', member: query.member });
    if (this.active.size + this.waiting.size >= maxSessions) return this.fail({ kind: 'TooManySessions' });
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
    const reading = new LogReading(query.member, joined.value, (over) => this.active.delete(over));
    this.active.add(reading);
    reading.endWith(signal);
    return ok(reading.chunks(() => this.deps.metrics.refusals.inc({ reason: 'LogWindowExceeded' })));
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

  drop(member: MemberName): void {
    for (const wanted of [...this.waiting.values()]) {
      if (wanted.member === member) wanted.settle(err({ kind: 'MemberNotConnected', member }));
    }
    for (const reading of [...this.active]) if (reading.member === member) reading.breakOff('the member was refused');
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
    this.waiting.set(sessionId, { member, settle });
    signal.addEventListener('abort', noAnswer, { once: true });
    return sessionId;
  }

  private fail(failure: LogFailure): Result<never, LogFailure> {
    this.deps.metrics.logSessions.inc({ result: failure.kind === 'Refused' ? failure.reason : failure.kind });
    return err(failure);
  }
}

/** One reader's log: grants the window, and lets go of the agent's stream whichever way reading ends. */
class LogReading {
  readonly member: MemberName;
  private readonly joined: Joined;
  private readonly onOver: (reading: LogReading) => void;
  private ending: 'none' | 'left' | 'broken' = 'none';
  private why = '';
  private wake: () => void = () => undefined;
  private unlink: () => void = () => undefined;

  constructor(member: MemberName, joined: Joined, onOver: (reading: LogReading) => void) {
    this.member = member;
    this.joined = joined;
    this.onOver = onOver;
  }

  /** The reader leaves when `signal` aborts, whether or not it ever began to read. */
  endWith(signal: AbortSignal): void {
    const leave = (): void => {
      this.end('left');
    };
    signal.addEventListener('abort', leave, { once: true });
    this.unlink = () => {
      signal.removeEventListener('abort', leave);
    };
    if (signal.aborted) leave();
  }

  breakOff(why: string): void {
    this.why = why;
    this.end('broken');
  }

  async *chunks(onExcess: () => void): AsyncGenerator<Uint8Array> {
    const { stream } = this.joined;
    let granted = windowBytes;
    let unacknowledged = 0;
    stream.send({ kind: 'window', bytes: windowBytes });
    try {
      for (;;) {
        const message = await this.next();
        if (message === undefined || message.kind === 'end') return;
        if (message.kind === 'open') throw new LogBrokenOff(this.member, 'it opened the session twice');
        granted -= message.bytes.byteLength;
        if (granted < 0) {
          onExcess();
          throw new LogBrokenOff(this.member, 'it sent more than its window');
        }
        yield message.bytes;
        unacknowledged += message.bytes.byteLength;
        if (unacknowledged < windowBytes / 2) continue;
        stream.send({ kind: 'window', bytes: unacknowledged });
        granted += unacknowledged;
        unacknowledged = 0;
      }
    } finally {
      this.end('left');
    }
  }

  /** Undefined: the reader has left. Throws LogBrokenOff when the stream ended without an `end`. */
  private async next(): Promise<LogAgentMessage | undefined> {
    if (this.ending === 'none') {
      // Woken by hand rather than raced: a race with a promise that lives as long as the log would grow with it.
      const next = await new Promise<IteratorResult<LogAgentMessage> | undefined>((resolve, reject) => {
        this.wake = () => {
          resolve(undefined);
        };
        this.joined.rest.next().then(resolve, reject);
      });
      if (next !== undefined && next.done !== true) return next.value;
    }
    if (this.ending === 'left') return undefined;
    if (this.ending === 'broken') throw new LogBrokenOff(this.member, this.why);
    const how = await this.joined.stream.closed;
    throw new LogBrokenOff(this.member, how.kind === 'failed' ? `${how.code}: ${how.message}` : 'it ended early');
  }

  private end(ending: 'left' | 'broken'): void {
    if (this.ending !== 'none') return;
    this.ending = ending;
    this.unlink();
    this.onOver(this);
    this.joined.stream.send({ kind: 'closed' }, { lane: 'priority' });
    this.joined.stream.close();
    this.wake();
  }
}
