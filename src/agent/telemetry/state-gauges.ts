/**
 * What is, as metrics: filled from the agent's state at each scrape, so that nothing is counted twice and the series of
 * what is gone vanish with it. A standby pod of the agent shows its GPUs too, but no runs.
 */
import type { GpuCounts } from '../../core/model/member.ts';
import type { RunPhase } from '../../core/model/run.ts';
import type { Clock, ClockReading } from '../../platform/clock/clock.ts';
import type { MetricsRegistry } from '../../platform/metrics/registry.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { RunKeeper } from '../runs/run-keeper.ts';
import type { AgentMetrics } from './agent-metrics.ts';

const GPU_STATES = ['owner', 'parked', 'idle', 'lent', 'unhealthy', 'unknown'] as const;
const RUN_PHASES: readonly RunPhase[] = ['Accepted', 'Starting', 'Running', 'Stopping', 'Unknown', 'Ended'];

export interface StateGaugesDeps {
  readonly metrics: MetricsRegistry;
  readonly families: AgentMetrics;
  readonly inventory: Inventory;
  /** Undefined while another pod of the agent acts. */
  readonly keeper: () => RunKeeper | undefined;
  /** When the last acknowledged report was sent. */
  readonly lastLease: () => ClockReading | undefined;
  readonly clock: Clock;
}

export function observeAgentState(deps: StateGaugesDeps): void {
  deps.metrics.onScrape(() => {
    fillRuns(deps);
    fillGpus(deps);
    const sentAt = deps.lastLease();
    // Nothing acknowledged yet is not the same as no lag.
    if (sentAt === undefined) deps.families.reportLagSeconds.remove({});
    else deps.families.reportLagSeconds.set({}, (deps.clock.monotonicMs() - sentAt.monotonicMs) / 1000);
  });
}

function fillRuns({ families, keeper }: StateGaugesDeps): void {
  families.runs.reset();
  const reports = keeper()?.reports();
  if (reports === undefined) return;
  for (const phase of RUN_PHASES) {
    families.runs.set({ phase }, reports.filter((report) => report.phase === phase).length);
  }
}

function fillGpus({ families, inventory, keeper }: StateGaugesDeps): void {
  families.gpus.reset();
  families.offeredGpus.reset();
  families.nodesNotLent.reset();
  // Half a list would look like lost GPUs.
  if (!inventory.synced) return;
  for (const { model, counts } of byModel(inventory.report(keeper()?.bookings() ?? []).gpus)) {
    const sumOf = (state: (typeof GPU_STATES)[number] | 'offered'): number =>
      counts.reduce((sum, one) => sum + one[state], 0);
    for (const state of GPU_STATES) families.gpus.set({ ...model, state }, sumOf(state));
    families.offeredGpus.set(model, sumOf('offered'));
  }
  for (const [reason, nodes] of inventory.notLent()) families.nodesNotLent.set({ reason }, nodes);
}

interface ModelCounts {
  readonly model: { readonly vendor: string; readonly gpu_model: string };
  readonly counts: GpuCounts[];
}

/** Memory sizes of one model are one series. */
function byModel(all: readonly GpuCounts[]): Iterable<ModelCounts> {
  const models = new Map<string, ModelCounts>();
  for (const counts of all) {
    const key = `${counts.vendor}/${counts.gpuModel}`;
    const known = models.get(key);
    if (known === undefined) {
      models.set(key, { model: { vendor: counts.vendor, gpu_model: counts.gpuModel }, counts: [counts] });
    } else known.counts.push(counts);
  }
  return models.values();
}
