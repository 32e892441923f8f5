/**
 * A program's way to its API server, with the faults of that way: delays, refusals, answers that are lost after the write
 * was applied, watches that break.
 *
 * Invariants: without a fault every request takes a few milliseconds and is answered as the server says; a dead process
 * reaches nobody; a paused one gets its answers when it continues.
 */
import type { Clock } from '../../src/platform/clock/clock.ts';
import type { SeededRandom } from '../../src/platform/clock/seeded-random.ts';
import type { KubeRequest, KubeResponse, KubeTransport } from '../../src/platform/kube/transport.ts';
import type { SimHost } from './sim-host.ts';

/** `lostAnswer`: the write is applied and the connection breaks before the answer. */
export type ApiFault = 'none' | 'tooManyRequests' | 'serverError' | 'unreachable' | 'lostAnswer' | 'slow';

/** What is wrong with the way now; changed by the history while requests run. */
export class ApiTrouble {
  fault: ApiFault = 'none';
  /** Share of the requests that the fault hits. */
  share = 1;
  private readonly watches = new Set<() => void>();

  /** Every open watch breaks. */
  breakWatches(): void {
    for (const tell of [...this.watches]) tell();
  }

  onBreak(tell: () => void): () => void {
    this.watches.add(tell);
    return () => this.watches.delete(tell);
  }
}

export interface FaultyTransportDeps {
  readonly inner: KubeTransport;
  readonly host: SimHost;
  readonly trouble: ApiTrouble;
  /** The network's clock: it goes on while the process is paused. */
  readonly clock: Clock;
  readonly random: SeededRandom;
}

export function faultyTransport(deps: FaultyTransportDeps): KubeTransport {
  const { inner, host, trouble, random } = deps;
  return {
    request: async (request) => {
      await host.running();
      requireAlive(host);
      const fault = trouble.fault !== 'none' && random.next() < trouble.share ? trouble.fault : 'none';
      await travel(deps, request, fault === 'slow' ? 200 + random.next() * 4000 : 1 + random.next() * 6);
      requireAlive(host);
      request.signal?.throwIfAborted();
      switch (fault) {
        case 'none':
        case 'slow':
          return bringBack(await inner.request(request), request, deps);
        case 'tooManyRequests':
          return refusal(429, 'TooManyRequests', { 'retry-after': '1' });
        case 'serverError':
          return refusal(500, 'InternalError', {});
        case 'unreachable':
          throw new Error('connection refused');
        case 'lostAnswer':
          if (request.method !== 'GET') await consume(await inner.request(request));
          throw new Error('connection reset by peer');
      }
    },
    close: () => inner.close(),
  };
}

function requireAlive(host: SimHost): void {
  if (host.dead) throw new Error('the process is gone');
}

async function travel(deps: FaultyTransportDeps, request: KubeRequest, delayMs: number): Promise<void> {
  await deps.clock.sleep(Math.ceil(delayMs), request.signal);
}

async function bringBack(
  response: KubeResponse,
  request: KubeRequest,
  { host, trouble }: FaultyTransportDeps,
): Promise<KubeResponse> {
  await host.running();
  if (host.dead) {
    await response.body[Symbol.asyncIterator]().return?.();
    throw new Error('the process is gone');
  }
  const isWatch = request.method === 'GET' && request.path.includes('watch=');
  return { ...response, body: carried(response.body, host, isWatch ? trouble : undefined) };
}

/** The body as the process reads it: held back while paused, broken by death or, for a watch, by trouble. */
async function* carried(
  body: AsyncIterable<Uint8Array>,
  host: SimHost,
  trouble: ApiTrouble | undefined,
): AsyncGenerator<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  const state = { broken: false };
  let wake: () => void = () => undefined;
  const breaks = (): void => {
    state.broken = true;
    wake();
  };
  const off = [host.whenDead(breaks), trouble?.onBreak(breaks)];
  try {
    for (;;) {
      const end = new Promise<undefined>((resolve) => {
        wake = () => {
          resolve(undefined);
        };
      });
      if (state.broken) return;
      const next = await Promise.race([chunks.next(), end]);
      if (next === undefined || next.done === true) return;
      await host.running();
      if (host.dead) return;
      yield next.value;
    }
  } finally {
    for (const forget of off) forget?.();
    // Not awaited: a generator of the server that waits for its next event answers only after that.
    void chunks.return?.();
  }
}

function refusal(code: number, reason: string, headers: Readonly<Record<string, string>>): KubeResponse {
  const status = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, code, message: `injected ${code}` };
  return {
    status: code,
    headers: { 'content-type': 'application/json', ...headers },
    body: once(Buffer.from(JSON.stringify(status))),
  };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  yield bytes;
}

async function consume(response: KubeResponse): Promise<void> {
  const chunks = response.body[Symbol.asyncIterator]();
  while ((await chunks.next()).done !== true);
}
