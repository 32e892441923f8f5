/**
 * Writes the LendingPolicy's status: what the owner sees of its own word.
 *
 * Invariants: a change of a condition, of the blocked pods or of the observed generation is written within half a second, numbers
 * alone at most every 60 s, nothing when nothing changed; writes are compare-and-swap, so that conditions of other writers
 * are never lost; a write that fails is tried again and stops nobody. Leaves out what the numbers mean (inventory, reclaim).
 */
import {
  LENDING_POLICY_NAME,
  LENDING_POLICY_RESOURCE,
  type LendingPolicyStatus,
} from '../../api/v1alpha1/lending-policy.ts';
import { setConditions, type ApiCondition, type ConditionUpdate } from '../../api/v1alpha1/conditions.ts';
import { FIELD_MANAGERS } from '../../api/v1alpha1/labels.ts';
import type { GpuCounts } from '../../core/model/member.ts';
import type { Clock, Timer } from '../../platform/clock/clock.ts';
import { formatTimestamp } from '../../platform/clock/timestamp.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { isConflict, isNotFound } from '../../platform/kube/kube-error.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import type { Store } from '../../platform/kube/store.ts';
import { onAbort } from '../../platform/lifecycle/abort-link.ts';
import type { Runnable } from '../../platform/lifecycle/runnable.ts';
import type { Logger } from '../../platform/log/logger.ts';
import type { PolicyState } from './admission.ts';
import { policyMessage } from './policy-summary.ts';

const SETTLE_MS = 250;
const NUMBERS_EVERY_MS = 60_000;
const RETRY_MS = 5000;

export type BlockedOwnerPods = NonNullable<LendingPolicyStatus['blockedOwnerPods']>;

export interface PolicyStatusDeps {
  readonly client: Pick<KubeClient, 'mergePatch'>;
  readonly policies: Store<KubeObject>;
  readonly state: () => PolicyState;
  readonly gpus: () => readonly GpuCounts[];
  readonly blocked: () => BlockedOwnerPods;
  /** Anything above may have changed; each returns its unsubscribe. */
  readonly sources: readonly ((handler: () => void) => () => void)[];
  /** Only the agent that holds the Lease writes. */
  readonly mayAct: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The status that should stand there, from what stands there now. Pure. */
export function policyStatus(
  current: LendingPolicyStatus | undefined,
  facts: {
    readonly state: PolicyState;
    readonly gpus: readonly GpuCounts[];
    readonly blocked: BlockedOwnerPods;
    readonly generation: number;
    readonly now: string;
  },
): LendingPolicyStatus {
  const { state, gpus, blocked, generation, now } = facts;
  const offeredGpus = gpus.reduce((sum, counts) => sum + counts.offered, 0);
  const lentGpus = gpus.reduce((sum, counts) => sum + counts.lent, 0);
  const updates = [validCondition(state), lendingCondition(state, offeredGpus + lentGpus)].map((update) => ({
    ...update,
    observedGeneration: generation,
  }));
  return {
    observedGeneration: generation,
    conditions: setConditions(current?.conditions, updates, now),
    offeredGpus,
    lentGpus,
    blockedOwnerPods: blocked,
  };
}

function validCondition(state: PolicyState): ConditionUpdate {
  switch (state.kind) {
    case 'Invalid':
      return { type: 'Valid', status: 'False', reason: 'PolicyInvalid', message: state.message };
    case 'Absent':
    case 'Unreadable':
      return { type: 'Valid', status: 'Unknown', reason: 'PolicyInvalid', message: state.message };
    case 'Paused':
    case 'OutsideWindow':
    case 'Lending':
      return { type: 'Valid', status: 'True', reason: 'PolicyValid', message: 'the policy is obeyed as it stands' };
  }
}

function lendingCondition(state: PolicyState, lendable: number): ConditionUpdate {
  const message = policyMessage(state);
  switch (state.kind) {
    case 'Invalid':
    case 'Absent':
    case 'Unreadable':
      return { type: 'Lending', status: 'False', reason: 'PolicyInvalid', message };
    case 'Paused':
    case 'OutsideWindow':
      return { type: 'Lending', status: 'False', reason: state.kind, message };
    case 'Lending':
      return lendable > 0
        ? { type: 'Lending', status: 'True', reason: 'Lending', message }
        : { type: 'Lending', status: 'False', reason: 'NothingIdle', message: 'no GPU is idle inside the policy' };
  }
}

/** Whether anything but numbers differs. */
export function differsInWords(a: LendingPolicyStatus | undefined, b: LendingPolicyStatus): boolean {
  const words = (status: LendingPolicyStatus | undefined): string =>
    JSON.stringify([
      status?.observedGeneration,
      (status?.conditions ?? []).map((one: ApiCondition) => [one.type, one.status, one.reason, one.message]),
      status?.blockedOwnerPods ?? [],
    ]);
  return words(a) !== words(b);
}

export function createPolicyStatusWriter(deps: PolicyStatusDeps): Runnable {
  return new PolicyStatusWriter(deps);
}

class PolicyStatusWriter implements Runnable {
  readonly name = 'policy-status';
  private readonly deps: PolicyStatusDeps;
  private readonly unsubscribes: (() => void)[] = [];
  private timer: Timer | undefined;
  private dueMs = Number.POSITIVE_INFINITY;
  private lastWriteMs = Number.NEGATIVE_INFINITY;
  private writing: Promise<void> | undefined;
  /** The version that the last write replaced: until the store shows a newer one there is nothing to compare with. */
  private replacedVersion: string | undefined;
  private notBeforeMs = Number.NEGATIVE_INFINITY;
  private running = false;

  constructor(deps: PolicyStatusDeps) {
    this.deps = deps;
  }

  start(signal: AbortSignal): Promise<void> {
    this.running = true;
    const changed = (): void => {
      this.lookWithin(SETTLE_MS);
    };
    this.unsubscribes.push(
      onAbort(signal, () => void this.stop()),
      this.deps.policies.subscribe(changed),
      ...this.deps.sources.map((source) => source(changed)),
    );
    this.lookWithin(SETTLE_MS);
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.running = false;
    this.timer?.cancel();
    for (const unsubscribe of this.unsubscribes.splice(0)) unsubscribe();
    await this.writing;
  }

  private lookWithin(delayMs: number): void {
    const dueMs = this.deps.clock.monotonicMs() + delayMs;
    if (!this.running || dueMs >= this.dueMs) return;
    this.dueMs = dueMs;
    this.timer?.cancel();
    this.timer = this.deps.clock.after(delayMs, () => {
      this.dueMs = Number.POSITIVE_INFINITY;
      this.look();
    });
  }

  private look(): void {
    const { policies, clock, mayAct } = this.deps;
    const policy = policies.get(undefined, LENDING_POLICY_NAME);
    if (policy === undefined || this.writing !== undefined || !mayAct()) return;
    const { resourceVersion } = policy.metadata;
    if (resourceVersion !== undefined && resourceVersion === this.replacedVersion) return;
    const current = (policy as KubeObject & { readonly status?: LendingPolicyStatus }).status;
    const wanted = this.wantedStatus(policy, current);
    const dueMs = this.writeDueMs(current, wanted);
    if (dueMs === undefined) return;
    if (dueMs > clock.monotonicMs()) {
      this.lookWithin(dueMs - clock.monotonicMs());
      return;
    }
    this.writing = this.write(policy, wanted).finally(() => {
      this.writing = undefined;
      // What changed meanwhile was not looked at; a look that finds nothing new costs nothing.
      this.lookWithin(SETTLE_MS);
    });
  }

  private wantedStatus(policy: KubeObject, current: LendingPolicyStatus | undefined): LendingPolicyStatus {
    return policyStatus(current, {
      state: this.deps.state(),
      gpus: this.deps.gpus(),
      blocked: this.deps.blocked(),
      generation: policy.metadata.generation ?? 0,
      now: formatTimestamp(this.deps.clock.nowMs()),
    });
  }

  /** From when the status may be written, monotonic; undefined when there is nothing to write. */
  private writeDueMs(current: LendingPolicyStatus | undefined, wanted: LendingPolicyStatus): number | undefined {
    if (differsInWords(current, wanted)) return this.notBeforeMs;
    if (current?.offeredGpus === wanted.offeredGpus && current?.lentGpus === wanted.lentGpus) return undefined;
    return Math.max(this.notBeforeMs, this.lastWriteMs + NUMBERS_EVERY_MS);
  }

  private async write(policy: KubeObject, status: LendingPolicyStatus): Promise<void> {
    const { client, clock, logger } = this.deps;
    this.lastWriteMs = clock.monotonicMs();
    try {
      await client.mergePatch(
        { type: LENDING_POLICY_RESOURCE, name: LENDING_POLICY_NAME },
        { metadata: { resourceVersion: policy.metadata.resourceVersion }, status },
        { subresource: 'status', fieldManager: FIELD_MANAGERS.agent },
      );
      this.replacedVersion = policy.metadata.resourceVersion;
    } catch (error) {
      // Gone or changed: the store tells when there is something new to look at.
      if (isNotFound(error) || isConflict(error)) return;
      logger.warn('the status of the LendingPolicy could not be written', { error });
      this.notBeforeMs = clock.monotonicMs() + RETRY_MS;
    }
  }
}
