/**
 * Gathers the facts about one run and asks core for the next step. The start gate is asked only while an order waits that
 * nothing else speaks against, because asking it may cost a dry run.
 */
import { planRun, type RunPlan, type StartGate } from '../../core/run/agent-plan.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { InventoryReader } from '../inventory/inventory-reader.ts';
import type { LendingReader } from '../lending/lending-reader.ts';
import type { FenceMemory } from './fence-memory.ts';
import type { GuestStores } from './guest-stores.ts';
import type { Roster } from './roster.ts';
import { askGate, type PreparedRun, type StartGateDeps } from './start-gate.ts';
import type { TrackedRun } from './tracked-run.ts';

/** While the policy cannot be read, finished pods stay for as long as it says by default. */
const DEFAULT_RETENTION_MS = 3_600_000;

export interface RunPlannerDeps {
  readonly clock: Clock;
  readonly inventory: InventoryReader;
  readonly lending: LendingReader;
  readonly gate: StartGateDeps;
  readonly roster: Roster;
  readonly stores: GuestStores;
  readonly memory: FenceMemory;
}

export interface Planned {
  readonly plan: RunPlan;
  /** What making the run needs, when the gate is open. */
  readonly prepared?: PreparedRun;
  /** The gate could not be asked, and the plan waits for nothing else: ask again after a pause. */
  readonly problem?: Error;
}

interface GateOutcome {
  readonly gate: StartGate;
  readonly prepared?: PreparedRun;
  readonly problem?: Error;
}

export class RunPlanner {
  private readonly deps: RunPlannerDeps;

  constructor(deps: RunPlannerDeps) {
    this.deps = deps;
  }

  async plan(run: TrackedRun): Promise<Planned> {
    const { clock, inventory, lending, memory, roster, stores } = this.deps;
    this.askPolicy(run);
    const outcome = await this.gateOf(run);
    const now = clock.read();
    run.observe({ now, stores, unreachableNodes: inventory.unreachableNodes() });
    const around = roster.surroundings(run, {
      now,
      gate: outcome.gate,
      remembered: memory.highest(run.order.id.jobUid),
      retentionMs: lending.guestRules()?.finishedRetentionMs ?? DEFAULT_RETENTION_MS,
    });
    const plan = planRun(run.facts(around));
    const { prepared, problem } = outcome;
    const waits = plan.action === undefined && plan.phase === 'Accepted';
    return {
      plan,
      ...(prepared === undefined ? {} : { prepared }),
      ...(problem === undefined || !waits ? {} : { problem }),
    };
  }

  private async gateOf(run: TrackedRun): Promise<GateOutcome> {
    const { memory, roster } = this.deps;
    const remembered = memory.highest(run.order.id.jobUid)?.fence ?? 0;
    if (!roster.isWanted(run) || remembered >= run.order.id.fence) {
      return { gate: { kind: 'wait', message: 'not asked for' } };
    }
    const question = {
      run,
      cordoned: roster.cordoned,
      earlier: roster.earlierOf(run),
      bookings: () => roster.bookings(run),
    };
    try {
      return await askGate(question, this.deps.gate);
    } catch (error) {
      const problem = error instanceof Error ? error : new Error('the start could not be checked', { cause: error });
      return { gate: { kind: 'wait', message: `waits for the API server: ${problem.message}` }, problem };
    }
  }

  /** The owner's word holds for running guests too. */
  private askPolicy(run: TrackedRun): void {
    if (!run.isHere || run.ended !== undefined || run.stop !== undefined || run.ownWish !== undefined) return;
    const verdict = this.deps.lending.mustEnd(run.order, run.images);
    if (verdict.ok) return;
    run.ownWish = { cause: 'PolicyChanged', message: verdict.error.message };
    run.wishGraceMs = verdict.error.graceMs;
  }
}
