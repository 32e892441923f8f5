import { describe, expect, it } from 'vitest';
import { ReportPump } from '../../../src/agent/session/report-pump.ts';
import { createAgentMetrics } from '../../../src/agent/telemetry/agent-metrics.ts';
import { clusterUid } from '../../../src/core/model/ids.ts';
import { seededRandom } from '../../../src/platform/clock/seeded-random.ts';
import { VirtualClock } from '../../../src/platform/clock/virtual-clock.ts';
import { silentLogger } from '../../../src/platform/log/logger.ts';
import { createMetrics } from '../../../src/platform/metrics/registry.ts';
import type { AgentMessage } from '../../../src/wire/session-messages.ts';
import { aRunReport, fakeInventory, fakeKeeper } from '../../support/agent-fakes.ts';

type Report = Extract<AgentMessage, { kind: 'report' }>;

function aPump() {
  const clock = new VirtualClock();
  const sent: Report[] = [];
  const slow = { waiting: 0, drain: (): void => undefined };
  const keeper = fakeKeeper();
  const inventory = fakeInventory();
  const pump = new ReportPump({
    stream: {
      send: (message) => {
        sent.push(message as Report);
        return true;
      },
      get queued() {
        return slow.waiting;
      },
      drained: () =>
        new Promise((resolve) => {
          slow.drain = () => {
            slow.waiting = 0;
            resolve();
          };
        }),
    },
    identity: { clusterUid: clusterUid('c'), agentVersion: '1', kubernetesVersion: '1' },
    epoch: 9,
    intervalMs: 5000,
    inventory,
    keeper,
    extraRuns: (known) => known,
    clock,
    random: seededRandom(1),
    logger: silentLogger(),
    metrics: createAgentMetrics(createMetrics()),
  });
  return { pump, clock, sent, slow, keeper, inventory };
}

describe('the report pump', () => {
  it('builds nothing for a slow peer until it has taken the report before, then the newest', async () => {
    const { pump, clock, sent, slow, keeper } = aPump();
    pump.start();
    clock.advance(0);
    expect(sent).toHaveLength(1);
    slow.waiting = 1;
    for (let i = 1; i <= 200; i += 1) {
      keeper.setRuns([aRunReport({}, { gpuSeconds: i })]);
      pump.runsChanged();
      await clock.advanceAsync(60);
    }
    expect(sent).toHaveLength(1);
    slow.drain();
    await clock.advanceAsync(0);
    expect(sent).toHaveLength(2);
    expect(sent[1]).toMatchObject({ report: { sequence: 2, runs: [{ gpuSeconds: 200 }] } });
    await clock.advanceAsync(5000);
    expect(sent).toHaveLength(3);
  });

  it('takes the lease reading when the report is made, not when a slow peer takes it', () => {
    const { pump, clock, keeper } = aPump();
    pump.start();
    clock.advance(0);
    clock.advance(1000);
    expect(pump.answered({ epoch: 9, sequence: 1, inventoryKnown: true })?.monotonicMs).toBe(0);
    expect(keeper.leases).toHaveLength(1);
  });

  it('sends changes of runs before changes of inventory', () => {
    const { pump, clock, sent } = aPump();
    pump.start();
    clock.advance(1000);
    pump.inventoryChanged();
    clock.advance(49);
    expect(sent).toHaveLength(1);
    clock.advance(1);
    expect(sent).toHaveLength(2);
    clock.advance(1000);
    pump.runsChanged();
    clock.advance(0);
    expect(sent).toHaveLength(3);
  });

  it('goes on after a report that could not be made', () => {
    const { pump, clock, sent, inventory } = aPump();
    const report = inventory.report([]);
    inventory.report = () => {
      throw new Error('a bug');
    };
    pump.start();
    clock.advance(100);
    expect(sent).toHaveLength(0);
    inventory.report = () => report;
    clock.advance(5000);
    expect(sent).toHaveLength(1);
  });

  it('holds a bounded number of reports that nobody answers', () => {
    const { pump, clock, keeper } = aPump();
    pump.start();
    clock.advance(5000 * 200);
    expect(pump.answered({ epoch: 9, sequence: 2, inventoryKnown: true })).toBeUndefined();
    expect(keeper.leases).toHaveLength(0);
    expect(pump.answered({ epoch: 9, sequence: 200, inventoryKnown: true })).toBeDefined();
  });

  it('sends nothing after it was stopped', () => {
    const { pump, clock, sent } = aPump();
    pump.start();
    clock.advance(0);
    pump.stop();
    pump.runsChanged();
    clock.advance(60_000);
    expect(sent).toHaveLength(1);
  });
});
