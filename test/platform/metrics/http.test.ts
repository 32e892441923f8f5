import { afterEach, describe, expect, it } from 'vitest';
import { createSinkLogger } from '../../../src/platform/log/logger.ts';
import {
  createHttpServer,
  healthHandler,
  metricsHandler,
  type HttpHandler,
  type HttpServer,
} from '../../../src/platform/metrics/http.ts';
import { createMetrics } from '../../../src/platform/metrics/registry.ts';

let server: HttpServer | undefined;
const logged: string[] = [];

afterEach(async () => {
  await server?.stop();
  server = undefined;
  logged.length = 0;
});

async function serve(
  handlers: Record<string, HttpHandler>,
): Promise<(path: string, init?: RequestInit) => Promise<{ status: number; text: string; type: string | null }>> {
  const made = createHttpServer({
    host: '127.0.0.1',
    port: 0,
    handlers,
    logger: createSinkLogger('error', (_level, message) => logged.push(message)),
  });
  await made.start(new AbortController().signal);
  server = made;
  return async (path, init) => {
    const response = await fetch(`http://127.0.0.1:${made.port}${path}`, init);
    return { status: response.status, text: await response.text(), type: response.headers.get('content-type') };
  };
}

describe('HTTP server', () => {
  it('serves metrics in the Prometheus text format', async () => {
    const metrics = createMetrics();
    metrics.counter({ name: 'lumbung_x_total', help: 'X.', labels: [] }).inc({});
    const get = await serve({ '/metrics': metricsHandler(metrics) });
    const page = await get('/metrics');
    expect(page.status).toBe(200);
    expect(page.type).toContain('text/plain; version=0.0.4');
    expect(page.text).toContain('lumbung_x_total 1');
  });

  it('tells health in one word, or each check by name when asked or ill', async () => {
    let synced = true;
    const get = await serve({
      '/readyz': healthHandler('readyz', {
        caches: () => {
          if (!synced) throw new Error('pods not synced');
        },
        store: () => Promise.resolve(),
      }),
    });
    expect(await get('/readyz')).toMatchObject({ status: 200, text: 'ok' });
    expect((await get('/readyz?verbose')).text).toBe('[+]caches ok\n[+]store ok\nreadyz check passed\n');
    synced = false;
    expect(await get('/readyz')).toMatchObject({
      status: 500,
      text: '[-]caches failed: pods not synced\n[+]store ok\nreadyz check failed\n',
    });
  });

  it('refuses other paths and methods, and hides why a handler failed', async () => {
    const get = await serve({
      '/boom': () => {
        throw new Error('secret detail');
      },
    });
    expect(await get('/nope')).toMatchObject({ status: 404, text: 'there are: /boom\n' });
    expect(await get('/__proto__')).toMatchObject({ status: 404 });
    expect(await get('/boom', { method: 'POST' })).toMatchObject({ status: 405 });
    const failed = await get('/boom');
    expect(failed.status).toBe(500);
    expect(failed.text).not.toContain('secret');
    expect(logged).toEqual(['an HTTP handler failed']);
  });

  it('stops although a client keeps its connection, and rejects a port that is taken', async () => {
    const get = await serve({ '/x': (_request, response) => void response.end('ok') });
    await get('/x', { headers: { connection: 'keep-alive' } });
    const taken = createHttpServer({
      host: '127.0.0.1',
      port: server!.port,
      handlers: {},
      logger: createSinkLogger('error', () => undefined),
    });
    await expect(taken.start(new AbortController().signal)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await server!.stop();
    await expect(get('/x')).rejects.toThrow();
  });

  it('ends with the signal it was started with', async () => {
    const controller = new AbortController();
    const made = createHttpServer({
      host: '127.0.0.1',
      port: 0,
      handlers: {},
      logger: createSinkLogger('error', () => undefined),
    });
    await made.start(controller.signal);
    controller.abort();
    await expect(fetch(`http://127.0.0.1:${made.port}/`)).rejects.toThrow();
  });
});
