/**
 * Brings a worker's log from the member to a reader on the hub: asks the agent in its session, and joins the stream that
 * the agent opens for it. Window per stream, so that one slow reader costs the others nothing.
 *
 * Invariants: a stream is accepted only for a session id that was given to that very member and is still waited for; at
 * most `windowBytes` wait unread per reader, and an agent that sends more is cut off; every pending request ends by its
 * deadline; a log that breaks off is an error to its reader, never a shorter log.
 */
import type { MemberName } from '../../core/model/ids.ts';
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

/** What the agent is asked, and whose log it is; the session is the broker's own. */
export interface LogQuery extends Omit<LogRequest, 'sessionId'> {
  readonly member: MemberName;
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
    const reading = new LogReading({
      member: query.member,
      joined: joined.value,
      onOver: (over) => this.active.delete(over),
      onExcess: () => {
        this.deps.metrics.refusals.inc({ reason: 'LogWindowExceeded' });
      },
    });
    this.active.add(reading);
    reading.start(signal);
    return ok(reading.chunks());
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

type ReadingEnd =
  { readonly kind: 'complete' } | { readonly kind: 'left' } | { readonly kind: 'broken'; readonly why: string };

interface ReadingParts {
  readonly member: MemberName;
  readonly joined: Joined;
  readonly onOver: (reading: LogReading) => void;
  readonly onExcess: () => void;
}

/**
 * One reader's log. Takes what arrives at once and counts it, so that an agent cannot make the hub hold more than the window;
 * grants as the reader takes; lets go of the agent's stream whichever way reading ends.
 */
class LogReading {
  private readonly parts: ReadingParts;
  private readonly unread: Uint8Array[] = [];
  private unreadBytes = 0;
  private ending: ReadingEnd | undefined;
  private wake: () => void = () => undefined;
  private unlink: () => void = () => undefined;

  constructor(parts: ReadingParts) {
    this.parts = parts;
  }

  get member(): MemberName {
    return this.parts.member;
  }

  /** The reader leaves when `signal` aborts, whether or not it ever began to read. */
  start(signal: AbortSignal): void {
    const leave = (): void => {
      this.end({ kind: 'left' });
    };
    signal.addEventListener('abort', leave, { once: true });
    this.unlink = () => {
      signal.removeEventListener('abort', leave);
    };
    if (signal.aborted) leave();
    else {
      this.parts.joined.stream.send({ kind: 'window', bytes: windowBytes });
      void this.pump();
    }
  }

  breakOff(why: string): void {
    this.end({ kind: 'broken', why });
  }

  /** Throws LogBrokenOff, after all that did arrive, when the log ended before the member said so. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    let unacknowledged = 0;
    try {
      for (;;) {
        const bytes = await this.next();
        if (bytes === undefined) return;
        yield bytes;
        unacknowledged += bytes.byteLength;
        if (unacknowledged < windowBytes / 2) continue;
        this.unreadBytes -= unacknowledged;
        this.parts.joined.stream.send({ kind: 'window', bytes: unacknowledged });
        unacknowledged = 0;
      }
    } finally {
      this.end({ kind: 'left' });
    }
  }

  private async pump(): Promise<void> {
    const { joined, onExcess } = this.parts;
    while (this.ending === undefined) {
      const next = await joined.rest.next();
      if (next.done === true) {
        const how = await joined.stream.closed;
        this.breakOff(how.kind === 'failed' ? `${how.code}: ${how.message}` : 'it ended early');
      } else if (next.value.kind === 'end') this.end({ kind: 'complete' });
      else if (next.value.kind === 'open') this.breakOff('it opened the session twice');
      else if (this.unreadBytes + next.value.bytes.byteLength > windowBytes) {
        onExcess();
        this.breakOff('it sent more than its window');
      } else {
        this.unreadBytes += next.value.bytes.byteLength;
        this.unread.push(next.value.bytes);
        this.wake();
      }
    }
  }

  /** Undefined: complete, or the reader has left. */
  private async next(): Promise<Uint8Array | undefined> {
    while (this.unread.length === 0 && this.ending === undefined) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    if (this.ending?.kind === 'left') return undefined;
    const bytes = this.unread.shift();
    if (bytes === undefined && this.ending?.kind === 'broken') throw new LogBrokenOff(this.member, this.ending.why);
    return bytes;
  }

  /** The first word counts. */
  private end(ending: ReadingEnd): void {
    if (this.ending !== undefined) return;
    this.ending = ending;
    const { joined, onOver } = this.parts;
    this.unlink();
    onOver(this);
    joined.stream.send({ kind: 'closed' }, { lane: 'priority' });
    joined.stream.close();
    this.wake();
  }
}
