import { describe, expect, it, vi } from 'vitest';
import { LogServer } from '../../../src/agent/session/log-server.ts';
import { createAgentMetrics } from '../../../src/agent/telemetry/agent-metrics.ts';
import { fence, jobUid } from '../../../src/core/model/ids.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { memoryStreamPair, type MemoryPair } from '../../../src/platform/grpc/memory-stream.ts';
import { createSinkLogger } from '../../../src/platform/log/logger.ts';
import { createMetrics } from '../../../src/platform/metrics/registry.ts';
import { err, ok } from '../../../src/std/result.ts';
import type { LogAgentMessage, LogHubMessage, LogRequest } from '../../../src/wire/session-messages.ts';
import { fakeKeeper } from '../../support/agent-fakes.ts';

const request = (sessionId = 's1'): LogRequest => ({
  sessionId,
  run: { jobUid: jobUid('j'), fence: fence(1) },
  worker: 0,
  container: '',
  follow: true,
  timestamps: false,
  user: 'alice',
});

function aServer() {
  const keeper = fakeKeeper();
  const pairs: MemoryPair<LogAgentMessage, LogHubMessage>[] = [];
  const received: LogAgentMessage[] = [];
  const refusals: { sessionId: string; reason: string; message: string }[] = [];
  const lines: { message: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const server = new LogServer({
    keeper,
    openStream: () => {
      const pair = memoryStreamPair<LogAgentMessage, LogHubMessage>();
      pairs.push(pair);
      void (async () => {
        for await (const message of pair.b.incoming) received.push(message);
      })();
      return pair.a;
    },
    refuse: (sessionId, reason, message) => refusals.push({ sessionId, reason, message }),
    clock: new VirtualClock(),
    logger: createSinkLogger('info', (_level, message, fields) => lines.push({ message, fields })),
    metrics: createAgentMetrics(createMetrics()),
  });
  const bytes = (): number =>
    received.reduce((sum, message) => sum + (message.kind === 'chunk' ? message.bytes.byteLength : 0), 0);
  return { server, keeper, pairs, received, refusals, lines, bytes };
}

async function* parts(...sizes: number[]): AsyncGenerator<Uint8Array> {
  for (const size of sizes) {
    await Promise.resolve();
    yield new Uint8Array(size).fill(65);
  }
}

describe('the log server', () => {
  it('sends what the reader grants and no byte more', async () => {
    const { server, keeper, pairs, received, bytes, lines } = aServer();
    keeper.log = () => Promise.resolve(ok(parts(100_000, 50_000)));
    const served = server.serve(request());
    await vi.waitFor(() => {
      expect(received[0]).toEqual({ kind: 'open', sessionId: 's1' });
    });
    expect(bytes()).toBe(0);
    pairs[0]!.b.send({ kind: 'window', bytes: 70_000 });
    await vi.waitFor(() => {
      expect(bytes()).toBe(70_000);
    });
    pairs[0]!.b.send({ kind: 'window', bytes: 30_001 });
    await vi.waitFor(() => {
      expect(bytes()).toBe(100_001);
    });
    pairs[0]!.b.send({ kind: 'window', bytes: 1_000_000 });
    await vi.waitFor(() => {
      expect(received.at(-1)).toEqual({ kind: 'end', message: '' });
    });
    pairs[0]!.b.close();
    await served;
    expect(bytes()).toBe(150_000);
    for (const message of received)
      if (message.kind === 'chunk') expect(message.bytes.byteLength).toBeLessThanOrEqual(65_536);
    expect(lines).toMatchObject([
      { message: 'log served', fields: { user: 'alice', jobUid: 'j', worker: 0, bytes: 150_000 } },
    ]);
  });

  it('stops reading from the cluster when the reader leaves in the middle of following', async () => {
    const { server, keeper, pairs, received } = aServer();
    const seen = { aborted: false };
    keeper.log = (_request, signal) =>
      Promise.resolve(
        ok(
          (async function* () {
            yield new Uint8Array(10);
            await new Promise<void>((resolve) => {
              signal.addEventListener('abort', () => {
                seen.aborted = true;
                resolve();
              });
            });
          })(),
        ),
      );
    const served = server.serve(request());
    await vi.waitFor(() => {
      expect(received).toHaveLength(1);
    });
    pairs[0]!.b.send({ kind: 'window', bytes: 1000 });
    await vi.waitFor(() => {
      expect(received).toHaveLength(2);
    });
    pairs[0]!.b.send({ kind: 'closed' });
    await served;
    expect(seen.aborted).toBe(true);
  });

  it('ends with the session', async () => {
    const { server, keeper, received } = aServer();
    keeper.log = () => Promise.resolve(ok(parts(10)));
    const served = server.serve(request());
    await vi.waitFor(() => {
      expect(received).toHaveLength(1);
    });
    server.stop();
    await served;
  });

  it('passes the keeper’s refusal on and leaves a line about it', async () => {
    const { server, keeper, refusals, lines, pairs } = aServer();
    keeper.log = () => Promise.resolve(err({ reason: 'ForbiddenByOwner', message: 'the owner forbids logs' }));
    await server.serve(request());
    expect(refusals).toEqual([{ sessionId: 's1', reason: 'ForbiddenByOwner', message: 'the owner forbids logs' }]);
    expect(lines).toMatchObject([{ message: 'log refused', fields: { reason: 'ForbiddenByOwner', user: 'alice' } }]);
    expect(pairs).toEqual([]);
  });

  it('tells the reader at the end why a log broke off', async () => {
    const { server, keeper, pairs, received } = aServer();
    keeper.log = () =>
      Promise.resolve(
        ok(
          (async function* () {
            yield new Uint8Array(5);
            await Promise.resolve();
            throw new Error('secret detail');
          })(),
        ),
      );
    const served = server.serve(request());
    await vi.waitFor(() => {
      expect(received).toHaveLength(1);
    });
    pairs[0]!.b.send({ kind: 'window', bytes: 100 });
    await vi.waitFor(() => {
      expect(received.at(-1)).toEqual({ kind: 'end', message: 'the log could not be read' });
    });
    pairs[0]!.b.close();
    await served;
  });

  it('refuses when opening fails, and more than 32 at once', async () => {
    const { server, keeper, refusals } = aServer();
    keeper.log = () => Promise.reject(new Error('boom'));
    await server.serve(request());
    expect(refusals).toMatchObject([{ reason: 'NotFound' }]);
    keeper.log = () => new Promise(() => undefined);
    for (let i = 0; i < 32; i += 1) void server.serve(request(`many-${i}`));
    await server.serve(request('one-more'));
    expect(refusals.at(-1)).toMatchObject({ sessionId: 'one-more', reason: 'TooManySessions' });
    server.stop();
  });
});
