/**
 * A tightened limit reaches guests that already run: node selector, reserve and cap, which no single guest can be judged by.
 *
 * Looks once whenever the policy itself has changed (and once when the agent starts), never because a node or a pod did: a node that
 * fails must not cost guests elsewhere because the cap in percent shrank with it. Guests on nodes that are no longer
 * selected end first; then whole gangs, those with the least work at risk first, until cap and reserve hold. Leaves out what
 * ends every guest (paused, windows) or one by itself (admission.ts).
 */
import { runKey, type RunId } from '../../core/model/ids.ts';
import { WHOLE_GPU_RESOURCES } from '../../core/model/gpu.ts';
import type { Resources } from '../../core/model/resources.ts';
import { onAbort } from '../../platform/lifecycle/abort-link.ts';
import type { Runnable } from '../../platform/lifecycle/runnable.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { compareBy, compareNumbers, compareStrings, sorted } from '../../std/ordering.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { notLentReason, selects, type NodeState } from '../inventory/node-state.ts';
import { capGpus } from '../inventory/offers.ts';
import type { RunKeeper } from '../runs/run-keeper.ts';
import type { AgentMetrics } from '../telemetry/agent-metrics.ts';
import type { CompiledPolicy } from './compile-policy.ts';
import type { LendingPolicyReader } from './lending-policy-reader.ts';

export interface LimitedGuest {
  readonly run: RunId;
  /** What it holds or has booked, by node. */
  readonly held: ReadonlyMap<string, Resources>;
  readonly gpuSecondsAtRisk: number;
}

export interface LimitBreach {
  readonly run: RunId;
  readonly limit: 'NodeSelector' | 'Cap' | 'Reserve';
  readonly message: string;
}

/** Which of the guests that are not ending already must end. `nodes` are states with all bookings taken off. */
export function limitBreaches(
  nodes: readonly NodeState[],
  guests: readonly LimitedGuest[],
  policy: CompiledPolicy,
): readonly LimitBreach[] {
  const labels = new Map(nodes.map((node) => [node.name, node.view.labels]));
  const misplaced = guests.flatMap((guest): LimitBreach[] => {
    const node = [...guest.held.keys()].find((name) => !selects(policy.nodeSelector, labels.get(name) ?? {}));
    if (node === undefined) return [];
    return [{ run: guest.run, limit: 'NodeSelector', message: `the owner no longer lends node ${node}` }];
  });
  const gone = new Set(misplaced.map((breach) => runKey(breach.run)));
  const standing = leastWorkFirst(guests.filter((guest) => !gone.has(runKey(guest.run))));
  const overCap = endUntil(standing, excessOverCap(nodes, standing, policy), {
    limit: 'Cap',
    message: 'the owner lowered the cap on lent GPUs',
  });
  for (const breach of overCap) gone.add(runKey(breach.run));
  const left = standing.filter((guest) => !gone.has(runKey(guest.run)));
  const intoReserve = endUntil(left, lackOfReserve(nodes, left, policy), {
    limit: 'Reserve',
    message: 'the owner raised the reserve',
  });
  return [...misplaced, ...overCap, ...intoReserve];
}

function leastWorkFirst(guests: readonly LimitedGuest[]): readonly LimitedGuest[] {
  return sorted(
    guests,
    compareBy<LimitedGuest>(
      (a, b) => compareNumbers(a.gpuSecondsAtRisk, b.gpuSecondsAtRisk),
      (a, b) => compareStrings(runKey(a.run), runKey(b.run)),
    ),
  );
}

function endUntil(
  guests: readonly LimitedGuest[],
  gpusToFree: number,
  why: Pick<LimitBreach, 'limit' | 'message'>,
): readonly LimitBreach[] {
  const breaches: LimitBreach[] = [];
  let left = gpusToFree;
  for (const guest of guests) {
    if (left <= 0) break;
    const gpus = gpusOf(guest);
    if (gpus === 0) continue;
    left -= gpus;
    breaches.push({ run: guest.run, ...why });
  }
  return breaches;
}

function excessOverCap(nodes: readonly NodeState[], guests: readonly LimitedGuest[], policy: CompiledPolicy): number {
  const healthy = lentNodes(nodes, policy).reduce((sum, node) => sum + node.view.healthyBoards, 0);
  return guests.reduce((sum, guest) => sum + gpusOf(guest), 0) - capGpus(policy.cap, healthy);
}

/** GPUs that guests hold of what should stay free, counted on lent nodes. What the owner itself holds is no reserve. */
function lackOfReserve(nodes: readonly NodeState[], guests: readonly LimitedGuest[], policy: CompiledPolicy): number {
  let withoutGuests = 0;
  let byGuests = 0;
  for (const node of lentNodes(nodes, policy)) {
    const resource = node.view.gpu?.resource ?? '';
    withoutGuests += Math.max(0, node.view.healthyBoards - (node.owner[resource] ?? 0));
    for (const guest of guests) byGuests += guest.held.get(node.name)?.[resource] ?? 0;
  }
  return Math.min(byGuests, policy.reserveGpus - (withoutGuests - byGuests));
}

function lentNodes(nodes: readonly NodeState[], policy: CompiledPolicy): readonly NodeState[] {
  return nodes.filter((node) => notLentReason(node, policy) === undefined);
}

function gpusOf(guest: LimitedGuest): number {
  let gpus = 0;
  for (const held of guest.held.values()) {
    for (const name of WHOLE_GPU_RESOURCES) gpus += held[name] ?? 0;
  }
  return gpus;
}

export interface LimitEnforcerDeps {
  readonly lending: LendingPolicyReader;
  readonly inventory: Inventory;
  readonly keeper: Pick<RunKeeper, 'guests' | 'end'>;
  readonly logger: Logger;
  readonly metrics: Pick<AgentMetrics, 'policyEnds'>;
}

/** Watches the policy and ends what its limits no longer cover. */
export function createLimitEnforcer(deps: LimitEnforcerDeps): Runnable {
  const { lending, inventory, keeper, logger, metrics } = deps;
  const unsubscribes: (() => void)[] = [];
  let enforced: CompiledPolicy | undefined;

  function look(): void {
    const state = lending.state();
    if (state.kind !== 'Lending' || state.policy === enforced) return;
    enforced = state.policy;
    const standing = keeper.guests().filter((guest) => !guest.stopping);
    const guests = standing.map((guest) => ({ ...guest, held: inventory.heldBy(guest.booking) }));
    const nodes = inventory.states(standing.map((guest) => guest.booking));
    for (const { run, limit, message } of limitBreaches(nodes, guests, state.policy)) {
      logger.info('guest ended by a tightened limit', { jobUid: run.jobUid, fence: run.fence, limit });
      metrics.policyEnds.inc({ limit });
      keeper.end([run], 'PolicyChanged', message);
    }
  }

  function stop(): void {
    for (const unsubscribe of unsubscribes.splice(0)) unsubscribe();
  }

  return {
    name: 'limit-enforcer',
    start: (signal) => {
      unsubscribes.push(lending.subscribe(look), onAbort(signal, stop));
      look();
      return Promise.resolve();
    },
    stop: () => {
      stop();
      return Promise.resolve();
    },
  };
}
