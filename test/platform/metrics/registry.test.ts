import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../../src/platform/metrics/registry.ts';

describe('metrics registry', () => {
  it('exposes typed families, lists them, and belongs to nobody else', async () => {
    const metrics = createMetrics();
    const jobs = metrics.gauge({ name: 'lumbung_jobs', help: 'Jobs.', labels: ['pool', 'phase'] });
    jobs.set({ pool: 'p', phase: 'Running' }, 3);
    jobs.add({ pool: 'p', phase: 'Running' }, -1);
    metrics.counter({ name: 'lumbung_done_total', help: 'Done.', labels: [] }).inc({}, 2);
    metrics
      .histogram({ name: 'lumbung_wait_seconds', help: 'Wait.', labels: ['pool'], buckets: [1, 10] })
      .observe({ pool: 'p' }, 5);
    const page = await metrics.expose();
    expect(page).toContain('lumbung_jobs{pool="p",phase="Running"} 2');
    expect(page).toContain('lumbung_done_total 2');
    expect(page).toContain('lumbung_wait_seconds_bucket{le="10",pool="p"} 1');
    expect(metrics.definitions().map(({ name, kind }) => `${kind} ${name}`)).toEqual([
      'counter lumbung_done_total',
      'gauge lumbung_jobs',
      'histogram lumbung_wait_seconds',
    ]);
    jobs.remove({ pool: 'p', phase: 'Running' });
    expect(await metrics.expose()).not.toContain('phase="Running"');
    expect(await createMetrics().expose()).not.toContain('lumbung');
  });

  it('gives the same family for the same definition and refuses a different one', async () => {
    const metrics = createMetrics();
    const definition = { name: 'lumbung_x_total', help: 'X.', labels: ['a'] } as const;
    metrics.counter(definition).inc({ a: '1' });
    metrics.counter({ ...definition }).inc({ a: '1' });
    expect(await metrics.expose()).toContain('lumbung_x_total{a="1"} 2');
    expect(() => metrics.gauge(definition)).toThrow('lumbung_x_total');
    expect(() => metrics.counter({ ...definition, labels: ['b'] })).toThrow('already registered');
    expect(() => metrics.counter({ ...definition, help: 'Y.' })).toThrow('already registered');
    expect(() => metrics.counter({ name: 'bad name', help: 'x', labels: [] })).toThrow();
  });

  it('fills gauges at scrape time and fails the scrape when that fails', async () => {
    const metrics = createMetrics();
    const gauge = metrics.gauge({ name: 'lumbung_now', help: 'Now.', labels: [] });
    let value = 1;
    metrics.onScrape(() => {
      gauge.reset();
      gauge.set({}, value);
    });
    expect(await metrics.expose()).toContain('lumbung_now 1');
    value = 2;
    expect(await metrics.expose()).toContain('lumbung_now 2');
    metrics.onScrape(() => {
      throw new Error('no state');
    });
    await expect(metrics.expose()).rejects.toThrow('no state');
  });

  it('adds process metrics only when asked', async () => {
    const metrics = createMetrics();
    metrics.addProcessMetrics();
    const page = await metrics.expose();
    expect(page).toContain('process_resident_memory_bytes');
    expect(page).toContain('nodejs_eventloop_lag_seconds');
  });
});
