import { describe, expect, it } from 'vitest';
import { createAgentMetrics } from '../../../src/agent/telemetry/agent-metrics.ts';
import { observeAgentState } from '../../../src/agent/telemetry/state-gauges.ts';
import type { Inventory } from '../../../src/agent/inventory/inventory.ts';
import type { RunKeeper } from '../../../src/agent/runs/run-keeper.ts';
import { gpuModel } from '../../../src/core/model/ids.ts';
import type { GpuCounts } from '../../../src/core/model/member.ts';
import type { ClockReading } from '../../../src/platform/clock/clock.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { createMetrics } from '../../../src/platform/metrics/registry.ts';
import { aRunReport, fakeInventory, fakeKeeper } from '../../support/agent-fakes.ts';

const counts = (model: string, memory: number, lent: number): GpuCounts => ({
  vendor: 'nvidia',
  gpuModel: gpuModel(model),
  gpuMemoryBytes: memory,
  total: 8,
  owner: 2,
  parked: 0,
  idle: 6 - lent,
  lent,
  unhealthy: 0,
  unknown: 0,
  offered: 1,
});

describe('what the agent shows of its state', () => {
  function aScrape() {
    const metrics = createMetrics();
    const clock = new VirtualClock();
    const fake = fakeInventory();
    const world = {
      synced: true,
      keeper: fakeKeeper() as RunKeeper | undefined,
      lease: undefined as ClockReading | undefined,
    };
    const inventory = {
      ...fake,
      get synced() {
        return world.synced;
      },
      report: () => fake.report([]),
      notLent: () => new Map([['NodeCordoned', 2]]),
    } as unknown as Inventory;
    observeAgentState({
      metrics,
      families: createAgentMetrics(metrics),
      inventory,
      keeper: () => world.keeper,
      lastLease: () => world.lease,
      clock,
    });
    return { metrics, clock, fake, world };
  }

  it('sums boards of one model over memory sizes, and runs by phase', async () => {
    const { metrics, fake, world } = aScrape();
    fake.setReport({ gpus: [counts('A100', 40, 1), counts('A100', 80, 2)] });
    (world.keeper as ReturnType<typeof fakeKeeper>).setRuns([
      aRunReport({ uid: 'a' }),
      aRunReport({ uid: 'b' }, { phase: 'Ended' }),
    ]);
    const page = await metrics.expose();
    expect(page).toContain('lumbung_agent_gpus{vendor="nvidia",gpu_model="A100",state="lent"} 3');
    expect(page).toContain('lumbung_agent_gpus{vendor="nvidia",gpu_model="A100",state="parked"} 0');
    expect(page).toContain('lumbung_agent_offered_gpus{vendor="nvidia",gpu_model="A100"} 2');
    expect(page).toContain('lumbung_agent_runs{phase="Running"} 1');
    expect(page).toContain('lumbung_agent_runs{phase="Starting"} 0');
    expect(page).toContain('lumbung_agent_nodes_not_lent{reason="NodeCordoned"} 2');
  });

  it('drops what is gone, and shows nothing from half a list or a pod that stands by', async () => {
    const { metrics, fake, world } = aScrape();
    fake.setReport({ gpus: [counts('A100', 40, 1)] });
    await metrics.expose();
    fake.setReport({ gpus: [] });
    expect(await metrics.expose()).not.toContain('A100');
    fake.setReport({ gpus: [counts('A100', 40, 1)] });
    world.synced = false;
    world.keeper = undefined;
    const page = await metrics.expose();
    expect(page).not.toContain('A100');
    expect(page).not.toContain('lumbung_agent_runs{');
  });

  it('shows how long ago the last acknowledged report was sent, and nothing before one was', async () => {
    const { metrics, clock, world } = aScrape();
    expect(await metrics.expose()).not.toMatch(/^lumbung_agent_report_lag_seconds /m);
    world.lease = clock.read();
    clock.advance(2500);
    expect(await metrics.expose()).toMatch(/^lumbung_agent_report_lag_seconds 2.5$/m);
  });
});
