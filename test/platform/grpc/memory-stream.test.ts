import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { memoryStreamPair } from '../../../src/platform/grpc/memory-stream.ts';
import type { MessageStream } from '../../../src/platform/grpc/message-stream.ts';

async function collect<T>(stream: MessageStream<T, unknown>, into: T[]): Promise<void> {
  for await (const message of stream.incoming) into.push(message);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('memory stream pair', () => {
  it('carries messages both ways in order, priority first, the latest of each key', async () => {
    const { a, b } = memoryStreamPair<string, number>();
    const atB: string[] = [];
    const reading = collect(b, atB);
    a.send('one');
    a.send('old', { key: 'report' });
    a.send('two');
    a.send('new', { key: 'report' });
    a.send('first', { lane: 'priority' });
    b.send(7);
    a.close();
    await reading;
    expect(atB).toEqual(['first', 'one', 'new', 'two']);
    const atA: number[] = [];
    b.close();
    await collect(a, atA);
    expect(atA).toEqual([7]);
    expect([await a.closed, await b.closed]).toEqual([{ kind: 'ended' }, { kind: 'ended' }]);
  });

  it('ends the call for both when the server closes, and only one direction when the client does', async () => {
    const { a, b } = memoryStreamPair<string, string>();
    a.close();
    await turn();
    expect(b.send('still')).toBe(true);
    expect(a.send('more')).toBe(false);
    b.close();
    const seen: string[] = [];
    await collect(a, seen);
    expect(seen).toEqual(['still']);
    expect(await a.closed).toEqual({ kind: 'ended' });
  });

  it('takes the virtual time of its latency, however many messages are on their way', async () => {
    const clock = new VirtualClock();
    const { a, b } = memoryStreamPair<number, number>({ schedule: (deliver) => void clock.after(50, deliver) });
    const arrivals: [number, number][] = [];
    void (async () => {
      for await (const message of b.incoming) arrivals.push([message, clock.monotonicMs()]);
    })();
    a.send(1);
    a.send(2);
    await clock.advanceAsync(20);
    a.send(3);
    await clock.advanceAsync(200);
    expect(arrivals).toEqual([
      [1, 50],
      [2, 50],
      [3, 70],
    ]);
  });

  it('holds a sender back whose peer does not read, so that only the latest of a key waits', async () => {
    const { a, b } = memoryStreamPair<number, never>();
    for (let i = 0; i < 1_000; i += 1) {
      a.send(i, { key: 'report' });
      await turn();
    }
    expect(a.queued).toBe(1);
    const seen: number[] = [];
    const reading = collect(b, seen);
    await a.drained();
    a.close();
    await reading;
    expect(seen.length).toBeLessThan(40);
    expect(seen.at(-1)).toBe(999);
  });

  it('loses and changes messages as told, and breaks as a connection does', async () => {
    const pair = memoryStreamPair<number, number>({
      aToB: (message) => (message === 2 ? undefined : message * 10),
    });
    const { a, b } = pair;
    const seen: number[] = [];
    const reading = collect(b, seen);
    for (const message of [1, 2, 3]) a.send(message);
    await turn();
    pair.sever();
    await reading;
    expect(seen).toEqual([10, 30]);
    expect(await a.closed).toEqual({ kind: 'failed', code: 'UNAVAILABLE', message: 'connection lost' });
    expect(a.send(4)).toBe(false);
    await a.drained();
  });

  it('tells the other side of a refusal', async () => {
    const { a, b } = memoryStreamPair<number, number>();
    b.close({ kind: 'failed', code: 'PERMISSION_DENIED', message: 'revoked' });
    expect(await a.closed).toEqual({ kind: 'failed', code: 'PERMISSION_DENIED', message: 'revoked' });
    expect(await b.closed).toMatchObject({ code: 'PERMISSION_DENIED' });
  });

  it('can be read once, and lets what follows fall when the reader stops', async () => {
    const { a, b } = memoryStreamPair<number, number>();
    a.send(1);
    for await (const message of b.incoming) {
      expect(message).toBe(1);
      break;
    }
    for (let i = 0; i < 100; i += 1) a.send(i);
    await a.drained();
    expect(() => b.incoming[Symbol.asyncIterator]()).toThrow('once');
  });
});
