import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/platform/clock/seeded-random.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { silentLogger } from '../../../src/platform/log/logger.ts';
import { createMetrics } from '../../../src/platform/metrics/registry.ts';
import { createController } from '../../../src/platform/queue/controller.ts';

describe('controller', () => {
  it('reconciles, looks again when asked, and counts results under the usual names', async () => {
    const clock = new VirtualClock();
    const metrics = createMetrics();
    const at: string[] = [];
    const controller = createController({
      name: 'jobs',
      clock,
      random: seededRandom(1),
      logger: silentLogger(),
      metrics,
      reconcile: (key) => {
        at.push(`${key}@${clock.monotonicMs()}`);
        if (key === 'bad') throw new Error('panic');
        return Promise.resolve(at.length === 1 ? { requeueAfterMs: 1_000 } : undefined);
      },
    });
    controller.enqueue('good');
    await controller.start(new AbortController().signal);
    await clock.advanceAsync(1_500);
    expect(at).toEqual(['good@0', 'good@1000']);
    controller.enqueueAfter('bad', 10);
    await clock.advanceAsync(20);
    const page = await metrics.expose();
    expect(page).toContain('controller_runtime_reconcile_total{controller="jobs",result="success"} 1');
    expect(page).toContain('controller_runtime_reconcile_total{controller="jobs",result="requeue_after"} 1');
    expect(page).toContain('controller_runtime_reconcile_errors_total{controller="jobs"} 1');
    expect(page).toContain('controller_runtime_reconcile_time_seconds_count{controller="jobs"} 3');
    expect(controller.idle).toBe(false);
    await controller.stop();
  });
});
