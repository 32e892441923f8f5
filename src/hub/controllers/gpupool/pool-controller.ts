/**
 * Reconciles GpuPools: writes what a pool has and who waits in it. A change of a condition is written at once, numbers at most
 * once a minute.
 */
import { GPU_POOL_RESOURCE, gpuPoolStatus, type GpuPoolStatus } from '../../../api/v1alpha1/gpu-pool.ts';
import { poolName, type PoolName } from '../../../core/model/ids.ts';
import type { PoolRules } from '../../../core/model/pool.ts';
import type { KubeClient } from '../../../platform/kube/kube-client.ts';
import { isConflict, isNotFound } from '../../../platform/kube/kube-error.ts';
import type { Controller, ReconcileResult } from '../../../platform/queue/controller.ts';
import { createFeedController, type FeedControllerDeps } from '../../reconcile/feed-controller.ts';
import type { HubState } from '../../state/hub-state.ts';
import type { RawObject } from '../../state/job-record.ts';
import { readinessOf } from '../../state/member-readiness.ts';
import { sameJson } from '../../state/merge-patch.ts';
import type { PoolRecord } from '../../state/pool-record.ts';
import { isWaiting } from '../../state/snapshot-of.ts';
import { tenantOf } from '../../state/tenancy.ts';
import { refOf, swapStatus } from '../../writes/compare-and-swap.ts';
import { belongsTo, poolStatus, type PoolFacts, type PoolTenantFacts } from './pool-status.ts';

export interface PoolControllerDeps extends FeedControllerDeps {
  readonly state: HubState;
  readonly client: KubeClient;
}

const NUMBERS_EVERY_MS = 60_000;
/** Jobs come and go in floods; one look serves many changes. */
const GATHER_MS = 500;

export function createPoolController(deps: PoolControllerDeps): Controller {
  const { state } = deps;
  const reconciler = new PoolReconciler(deps);
  return createFeedController(
    {
      name: 'gpupool',
      reconcile: (key, signal) => reconciler.reconcile(poolName(key), signal),
      follow: (enqueue) =>
        state.feed.subscribe('pools', () => {
          for (const name of state.pools.keys()) enqueue(name, GATHER_MS);
        }),
      keys: () => state.pools.keys(),
    },
    deps,
  );
}

class PoolReconciler {
  private readonly deps: PoolControllerDeps;
  private readonly writtenAtMs = new Map<PoolName, number>();

  constructor(deps: PoolControllerDeps) {
    this.deps = deps;
  }

  async reconcile(name: PoolName, signal: AbortSignal): Promise<ReconcileResult | undefined> {
    const { state, clock } = this.deps;
    const record = state.pools.get(name);
    if (record === undefined) this.writtenAtMs.delete(name);
    if (record === undefined || !state.leading) return undefined;
    const before = statusOf(record);
    const status = poolStatus(factsOf(record, before, state, clock.nowMs()));
    if (sameJson(before, status)) return undefined;
    const sinceLastMs = clock.monotonicMs() - (this.writtenAtMs.get(name) ?? -NUMBERS_EVERY_MS);
    const urgent = !sameJson(
      [before.conditions, before.observedGeneration, before.members],
      [status.conditions, status.observedGeneration, status.members],
    );
    if (!urgent && sinceLastMs < NUMBERS_EVERY_MS) return { requeueAfterMs: NUMBERS_EVERY_MS - sinceLastMs };
    await this.write(record, before, status, signal);
    return undefined;
  }

  private async write(
    record: PoolRecord,
    before: GpuPoolStatus,
    status: GpuPoolStatus,
    signal: AbortSignal,
  ): Promise<void> {
    const { client, state, clock } = this.deps;
    const { object } = record;
    try {
      const answer = await swapStatus(client, { type: GPU_POOL_RESOURCE, object, before }, status, signal);
      this.writtenAtMs.set(record.name, clock.monotonicMs());
      if (answer !== undefined) state.poolWritten(answer);
    } catch (error) {
      if (isNotFound(error)) return;
      if (!isConflict(error)) throw error;
      state.poolWritten(await client.get<RawObject>(refOf(GPU_POOL_RESOURCE, object), { signal }));
      state.feed.pools();
    }
  }
}

/** A status that cannot be read is written anew: nothing in it is remembered, all of it is counted. */
function statusOf(record: PoolRecord): GpuPoolStatus {
  const parsed = gpuPoolStatus.safeParse(record.object.status ?? {});
  return parsed.success ? parsed.data : {};
}

function factsOf(record: PoolRecord, before: GpuPoolStatus, state: HubState, nowMs: number): PoolFacts {
  const rules = state.poolRules(record.name);
  const members = (state.membership.byPool.get(record.name) ?? []).flatMap((name) => state.members.get(name) ?? []);
  const ready = members.filter((member) => readinessOf(member, { kind: 'assigned', pool: record.name }) === 'Ready');
  const gpus = members.flatMap((member) => member.report?.gpus ?? []);
  return {
    record,
    before,
    members: members.length,
    readyMembers: ready.length,
    conflicts: state.membership.conflictsByPool.get(record.name) ?? [],
    gpus: rules === undefined ? [] : gpus.filter((gpu) => belongsTo(rules, gpu)),
    tenants: rules === undefined ? new Map() : tenantsOf(record.name, rules, state),
    guard: state.liveness.guardReason(),
    nowMs,
  };
}

function tenantsOf(pool: PoolName, rules: PoolRules, state: HubState): ReadonlyMap<string, PoolTenantFacts> {
  const tenants = new Map<string, PoolTenantFacts>();
  const factsOfTenant = (name: string, weight: number): PoolTenantFacts => {
    const known = tenants.get(name) ?? { weight, pending: 0, running: 0, gpus: 0 };
    tenants.set(name, known);
    return known;
  };
  for (const entry of state.jobs.unfinished()) {
    const { run, reading, key } = entry.record;
    if (run?.terms.pool === pool) {
      const weight =
        rules.tenants.find((one) => one.name === run.terms.tenant)?.weight ?? rules.defaultTenantWeight ?? 1;
      const facts = factsOfTenant(run.terms.tenant, weight);
      facts.running += 1;
      facts.gpus += run.terms.workers * run.terms.gpusPerWorker;
    } else if (isWaiting(entry) && reading.kind === 'valid' && reading.spec.pool === pool) {
      const tenant = tenantOf(rules, key.namespace);
      if (tenant !== undefined) factsOfTenant(tenant.name, tenant.weight).pending += 1;
    }
  }
  return tenants;
}
