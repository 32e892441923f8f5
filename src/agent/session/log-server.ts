/**
 * Serves one worker's log over a stream of its own, when the hub asks for it in the session.
 *
 * Invariants: never more bytes are sent than the hub has granted, never more than one chunk waits here; when the reader
 * leaves, the connection ends or the agent stops, reading from the cluster stops too. Every request leaves one line in the
 * member's own log with who asked for what and how it ended; the log's content never does. Leaves out which logs may be read (keeper).
 */
import type { Clock } from '../../platform/clock/clock.ts';
import type { MessageStream } from '../../platform/grpc/message-stream.ts';
import { isKubeError, isUnreachable } from '../../platform/kube/kube-error.ts';
import type { Logger } from '../../platform/log/logger.ts';
import type { LogAgentMessage, LogHubMessage, LogRefusalReason, LogRequest } from '../../wire/session-messages.ts';
import type { RunKeeper } from '../runs/run-keeper.ts';
import type { AgentMetrics } from '../telemetry/agent-metrics.ts';

const CHUNK_BYTES = 64 * 1024;
/** Requests served at once, whatever the keeper allows per run. */
const SESSIONS_MAX = 32;

export interface LogServerDeps {
  readonly keeper: Pick<RunKeeper, 'openLog'>;
  readonly openStream: () => MessageStream<LogHubMessage, LogAgentMessage>;
  readonly refuse: (sessionId: string, reason: LogRefusalReason, message: string) => void;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly logger: Logger;
  readonly metrics: Pick<AgentMetrics, 'logSessions'>;
}

export class LogServer {
  private readonly deps: LogServerDeps;
  private readonly open = new Set<string>();
  private readonly over = new AbortController();

  constructor(deps: LogServerDeps) {
    this.deps = deps;
  }

  /** Serves a request until it is over. Never rejects. */
  async serve(request: LogRequest): Promise<void> {
    const startedMs = this.deps.clock.monotonicMs();
    const { run, worker, sessionId, user, follow } = request;
    const audit = this.deps.logger.child({ jobUid: run.jobUid, fence: run.fence, worker, sessionId, user, follow });
    if (this.open.has(sessionId)) return;
    if (this.open.size >= SESSIONS_MAX) {
      this.refuse(request, 'TooManySessions', `at most ${SESSIONS_MAX} logs are read at once`);
      return;
    }
    this.open.add(sessionId);
    const reading = new LogReading(this.over.signal);
    try {
      const opened = await this.deps.keeper.openLog(request, reading.signal);
      if (!opened.ok) {
        this.refuse(request, opened.error.reason, opened.error.message);
        audit.info('log refused', { reason: opened.error.reason });
        return;
      }
      const bytes = await reading.send(this.deps.openStream(), sessionId, opened.value);
      this.deps.metrics.logSessions.inc({ result: 'served' });
      audit.info('log served', { bytes, durationMs: Math.round(this.deps.clock.monotonicMs() - startedMs) });
    } catch (error) {
      this.refuse(request, 'NotFound', describeFailure(error));
      audit.warn('log failed', { error });
    } finally {
      reading.end();
      this.open.delete(sessionId);
    }
  }

  /** The session is over: everything open ends. */
  stop(): void {
    this.over.abort();
  }

  private refuse(request: LogRequest, reason: LogRefusalReason, message: string): void {
    this.deps.metrics.logSessions.inc({ result: reason });
    this.deps.refuse(request.sessionId, reason, message);
  }
}

/** One log on its way: the window granted by the reader, and whether it is still there. */
class LogReading {
  readonly signal: AbortSignal;
  private readonly own = new AbortController();
  private granted = 0;
  private wake: () => void = () => undefined;

  constructor(outer: AbortSignal) {
    this.signal = AbortSignal.any([outer, this.own.signal]);
  }

  end(): void {
    this.own.abort();
    this.wake();
  }

  /** Sends the log within the window; returns the bytes sent. */
  async send(
    stream: MessageStream<LogHubMessage, LogAgentMessage>,
    sessionId: string,
    log: AsyncIterable<Uint8Array>,
  ): Promise<number> {
    const listening = this.listen(stream);
    const wake = (): void => {
      this.wake();
    };
    this.signal.addEventListener('abort', wake);
    stream.send({ kind: 'open', sessionId });
    let sent = 0;
    let message = '';
    try {
      for await (const part of log) {
        sent += await this.sendPart(stream, part);
        if (this.signal.aborted) break;
      }
    } catch (error) {
      // The reader has the lines so far; the reason why there are no more belongs at their end.
      message = describeFailure(error);
    } finally {
      this.signal.removeEventListener('abort', wake);
    }
    stream.send({ kind: 'end', message });
    stream.close();
    if (this.signal.aborted)
      stream.close({ kind: 'failed', code: 'CANCELLED', message: 'the agent stopped serving the log' });
    await Promise.race([listening, this.aborted()]);
    return sent;
  }

  private async sendPart(stream: MessageStream<LogHubMessage, LogAgentMessage>, part: Uint8Array): Promise<number> {
    let at = 0;
    while (at < part.byteLength && !this.signal.aborted) {
      if (this.granted === 0) {
        await this.moreGranted();
        continue;
      }
      const end = Math.min(part.byteLength, at + Math.min(this.granted, CHUNK_BYTES));
      if (!stream.send({ kind: 'chunk', bytes: part.slice(at, end) })) return at;
      this.granted -= end - at;
      at = end;
      await stream.drained();
    }
    return at;
  }

  private async listen(stream: MessageStream<LogHubMessage, LogAgentMessage>): Promise<void> {
    for await (const message of stream.incoming) {
      if (message.kind === 'closed') break;
      this.granted += message.bytes;
      this.wake();
    }
    // The reader left, or the stream is over in any other way.
    this.end();
  }

  private moreGranted(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }

  private aborted(): Promise<void> {
    if (this.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.signal.addEventListener(
        'abort',
        () => {
          resolve();
        },
        { once: true },
      );
    });
  }
}

function describeFailure(error: unknown): string {
  if (isKubeError(error)) return `the cluster refused the log: ${error.message}`;
  if (isUnreachable(error)) return `the cluster could not be asked for the log: ${error.message}`;
  return 'the log could not be read';
}
