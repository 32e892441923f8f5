import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import type { Runnable } from '../../../src/platform/lifecycle/runnable.ts';
import { runUntilShutdown, type SignalSource } from '../../../src/platform/lifecycle/shutdown.ts';
import { silentLogger } from '../../../src/platform/log/logger.ts';

class FakeSignals implements SignalSource {
  private readonly handlers = new Set<(name: string) => void>();
  subscribe(handler: (name: string) => void): () => void {
    this.handlers.add(handler);
    return () => this.handlers.delete(handler);
  }
  send(name: string): void {
    for (const handler of [...this.handlers]) handler(name);
  }
  get listening(): number {
    return this.handlers.size;
  }
}

function anApp(behave: Partial<Pick<Runnable, 'start' | 'stop'>> = {}): Runnable & { stops: number } {
  const app = {
    name: 'app',
    stops: 0,
    start: behave.start ?? ((): Promise<void> => Promise.resolve()),
    stop: (): Promise<void> => {
      app.stops += 1;
      return behave.stop?.() ?? Promise.resolve();
    },
  };
  return app;
}

const clock = new VirtualClock();
const logger = silentLogger();

describe('runUntilShutdown', () => {
  it('stops at the first signal and says which', async () => {
    const signals = new FakeSignals();
    const app = anApp();
    const done = runUntilShutdown({ app, signals, clock, logger });
    await clock.settle();
    signals.send('SIGTERM');
    expect(await done).toEqual({ kind: 'clean', signalName: 'SIGTERM' });
    expect({ stops: app.stops, listening: signals.listening }).toEqual({ stops: 1, listening: 0 });
  });

  it('does not wait for a start to finish before it stops', async () => {
    const signals = new FakeSignals();
    const app = anApp({ start: () => new Promise(() => undefined) });
    const done = runUntilShutdown({ app, signals, clock, logger });
    await clock.settle();
    signals.send('SIGINT');
    expect(await done).toEqual({ kind: 'clean', signalName: 'SIGINT' });
  });

  it('gives up waiting at the second signal, or when stopping takes too long', async () => {
    const signals = new FakeSignals();
    const app = anApp({ stop: () => new Promise(() => undefined) });
    const impatient = runUntilShutdown({ app, signals, clock, logger });
    await clock.settle();
    signals.send('SIGTERM');
    signals.send('SIGINT');
    expect(await impatient).toEqual({ kind: 'forced', signalName: 'SIGINT' });
    const slow = runUntilShutdown({ app, signals, clock, logger, stopTimeoutMs: 5_000 });
    await clock.settle();
    signals.send('SIGTERM');
    await clock.advanceAsync(5_000);
    expect(await slow).toEqual({ kind: 'forced', signalName: 'SIGTERM' });
  });

  it('stops and says why when the application cannot start or cannot go on', async () => {
    const signals = new FakeSignals();
    const cause = new Error('no config');
    const unstartable = anApp({ start: () => Promise.reject(cause) });
    expect(await runUntilShutdown({ app: unstartable, signals, clock, logger })).toEqual({
      kind: 'failed',
      error: cause,
    });
    expect(unstartable.stops).toBe(1);
    const app = anApp({ stop: () => Promise.reject(new Error('and that too')) });
    expect(await runUntilShutdown({ app, signals, clock, logger, failure: Promise.reject(cause) })).toEqual({
      kind: 'failed',
      error: cause,
    });
  });
});
