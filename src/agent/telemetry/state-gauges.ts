/**
 * What is, as metrics: filled from the agent's state at each scrape, so that nothing is counted twice and the series of
 * what is gone vanish with it. A standby pod of the agent shows its GPUs too, but no runs.
 */
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
  const sums = new Map<
    string,
    { readonly vendor: string; readonly gpu_model: string; readonly byState: Map<string, number> }
  >();
  for (const counts of inventory.report(keeper()?.bookings() ?? []).gpus) {
    const model = { vendor: counts.vendor, gpu_model: counts.gpuModel };
    const key = `${model.vendor}/${model.gpu_model}`;
    const sum = sums.get(key) ?? { ...model, byState: new Map<string, number>() };
    sums.set(key, sum);
    for (const state of [...GPU_STATES, 'offered'] as const) {
      sum.byState.set(state, (sum.byState.get(state) ?? 0) + counts[state]);
    }
  }
  for (const { byState, ...model } of sums.values()) {
    for (const state of GPU_STATES) families.gpus.set({ ...model, state }, byState.get(state) ?? 0);
    families.offeredGpus.set(model, byState.get('offered') ?? 0);
  }
  for (const [reason, nodes] of inventory.notLent()) families.nodesNotLent.set({ reason }, nodes);
}
