/**
 * Does what the plan says: one action on the cluster, and what is then known about the run.
 *
 * Invariants: right before each write this process must still hold the agent's Lease; AlreadyExists and NotFound are answers,
 * not failures; every delete names its propagation, none forces; a definite refusal of the API server becomes a reason to
 * end the run, anything else is thrown and tried again. Writes of a run that goes well: one share of a batch of fence
 * memory, GuestRun, Job (a gang: Service and NetworkPolicy too), then the outcome's acknowledgement and one deletion.
 */
import { GUEST_RUN_RESOURCE } from '../../api/v1alpha1/guest-run.ts';
import { ANNOTATIONS } from '../../api/v1alpha1/labels.ts';
import type { NodeName, TenantName } from '../../core/model/ids.ts';
import type { RunEnd, RunPhase } from '../../core/model/run.ts';
import type { Reason, RunAction } from '../../core/run/agent-plan.ts';
import { countWorkers } from '../../core/run/worker-verdict.ts';
import { formatTimestamp } from '../../platform/clock/timestamp.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import * as types from '../../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { isAlreadyExists, isKubeError, isNotFound, type KubeError } from '../../platform/kube/kube-error.ts';
import type { KubeObject, OwnerReference, ResourceType } from '../../platform/kube/object.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { assertNever } from '../../std/assert-never.ts';
import { FenceTaken, type FenceMemory } from './fence-memory.ts';
import { copyObject } from './guest/copies.ts';
import { withNodeTerms } from './guest/node-terms.ts';
import { needsService } from './guest/rendezvous.ts';
import * as objects from './guest/run-objects.ts';
import { graceSecondsOf, type PreparedRun } from './start-gate.ts';
import type { TrackedRun } from './tracked-run.ts';

export interface ActDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly memory: FenceMemory;
  /** Token of this process, as in fence memory. */
  readonly token: string;
  readonly assertMayAct: () => void;
  /** Nodes of the run's class that are offered now. */
  readonly eligibleNodes: (run: TrackedRun) => readonly NodeName[];
  /** The tenant's namespace is gone. */
  readonly groundLost: (tenant: TenantName) => void;
  /** Longest grace that the owner allows now, ms. */
  readonly maxGraceMs: () => number;
}

/** Kept by the keeper between gate and Job. */
export type Preparations = Map<string, PreparedRun>;

type FinishingKind = 'beginStop' | 'stop' | 'close' | 'end' | 'recordEnd' | 'letGo';
type FinishingAction = Extract<RunAction, { kind: FinishingKind }>;
const FINISHING: readonly string[] = [
  'beginStop',
  'stop',
  'close',
  'end',
  'recordEnd',
  'letGo',
] satisfies FinishingKind[];

function isFinishing(action: RunAction): action is FinishingAction {
  return FINISHING.includes(action.kind);
}

const MOST_EXITS = 256;
const DELETIONS_AT_ONCE = 16;

export class RunActor {
  private readonly deps: ActDeps;
  readonly prepared: Preparations = new Map();

  constructor(deps: ActDeps) {
    this.deps = deps;
  }

  /** Throws what the cluster answered if it makes sense to try again. `drop` is the keeper's own. */
  async act(run: TrackedRun, action: Exclude<RunAction, { kind: 'drop' }>): Promise<void> {
    if (isFinishing(action)) return this.finish(run, action);
    switch (action.kind) {
      case 'remember':
        return this.remember(run);
      case 'makeRecord':
        return this.makeRecord(run);
      case 'makeParts':
        return this.makeParts(run);
      case 'makeJob':
        return this.makeJob(run, action.deadlineSeconds);
      case 'setDeadline':
        return this.setDeadline(run, action.deadlineSeconds);
      case 'recordPhase':
        return this.recordPhase(run, action.phase);
      default:
        assertNever(action, 'action');
    }
  }

  /** The actions that bring a run to its end. */
  private async finish(run: TrackedRun, action: FinishingAction): Promise<void> {
    switch (action.kind) {
      case 'beginStop':
        return this.beginStop(run, action.reason);
      case 'stop':
        return this.stop(run, action.pods, action.deleteJob);
      case 'close':
        return this.close(run, action.end);
      case 'end':
        this.end(run, action.end);
        return;
      case 'recordEnd':
        return this.recordEnd(run, action.acknowledged);
      case 'letGo':
        return this.letGo(run);
      default:
        assertNever(action, 'action');
    }
  }

  private async remember(run: TrackedRun): Promise<void> {
    try {
      await this.deps.memory.remember(run.order.id, 'started');
    } catch (error) {
      // Memory now says who holds it, and the next plan goes by that.
      if (error instanceof FenceTaken) return;
      throw error;
    }
    run.startedMs = this.deps.clock.monotonicMs();
    run.progress = 'Remembered';
  }

  private async close(run: TrackedRun, end: RunEnd): Promise<void> {
    try {
      await this.deps.memory.remember(run.order.id, 'closed');
    } catch (error) {
      if (!(error instanceof FenceTaken)) throw error;
      // Taken by a start: the next plan says what that means. By a higher fence: this one can never start either.
      if (error.held.fence === run.order.id.fence && error.held.kind === 'started') return;
    }
    this.end(run, end);
  }

  private end(run: TrackedRun, end: RunEnd): void {
    run.ended = { end, sinceMs: this.deps.clock.monotonicMs(), recorded: 'Nothing', reportAcked: false };
    this.prepared.delete(run.key);
  }

  private async makeRecord(run: TrackedRun): Promise<void> {
    const prepared = this.prepared.get(run.key);
    if (prepared === undefined) {
      run.ownWish ??= { cause: 'StaleOffer', message: 'what was prepared for the run is lost' };
      return;
    }
    const made = { nodes: run.nodes, graceSeconds: prepared.graceSeconds, startedBy: this.deps.token };
    const object = await this.create(run, GUEST_RUN_RESOURCE, objects.guestRunObject(run.order, made));
    if (object === undefined) return;
    const startedBy = object.metadata.annotations?.[ANNOTATIONS.startedBy];
    if (startedBy !== this.deps.token) {
      // Another process of the agent got here first. Only that one may go on.
      run.progress = 'Nothing';
      return;
    }
    run.made('record', object.metadata.uid, this.deps.clock.monotonicMs());
    run.progress = 'RecordMade';
  }

  private async makeParts(run: TrackedRun): Promise<void> {
    const owner = this.ownerOf(run);
    const attachments = this.prepared.get(run.key)?.attachments ?? [];
    for (const attachment of attachments) {
      const type = attachment.kind === 'Secret' ? types.secrets : types.configMaps;
      if ((await this.create(run, type, copyObject(run.order, owner, attachment))) === undefined) return;
    }
    if (needsService(run.order)) {
      const service = objects.guestServiceObject(run.order, owner);
      const policy = objects.sameRunPolicyObject(run.order, owner);
      const made = await Promise.all([
        this.create(run, types.services, service),
        this.create(run, types.networkPolicies, policy),
      ]);
      if (made.includes(undefined)) return;
    }
    run.progress = 'PartsMade';
  }

  private async makeJob(run: TrackedRun, deadlineSeconds: number): Promise<void> {
    const prepared = this.prepared.get(run.key);
    if (prepared === undefined) {
      run.ownWish ??= { cause: 'StaleOffer', message: 'what was prepared for the run is lost' };
      return;
    }
    const choice = { chosen: run.nodes.map((share) => share.node), eligible: this.deps.eligibleNodes(run) };
    const affinity = withNodeTerms(prepared.pod.spec['affinity'], choice);
    const pod = { ...prepared.pod, spec: { ...prepared.pod.spec, affinity } };
    const owner = this.ownerOf(run);
    try {
      const object = objects.guestJobObject(run.order, { owner, pod, deadlineSeconds });
      const made = await this.create(run, types.jobs, object);
      if (made === undefined) {
        run.jobUncertain = false;
        return;
      }
      run.made('job', made.metadata.uid, this.deps.clock.monotonicMs());
    } catch (error) {
      // No answer: the Job may exist. Until that is known the run cannot be said to have ended.
      run.jobUncertain = true;
      throw error;
    }
    run.progress = 'JobMade';
    this.prepared.delete(run.key);
    // The run's ciphertext has served; it is not kept.
    run.order = { ...run.order, attachments: [] };
  }

  /** The object as made or as found; undefined when the API server refused it for good, which ends the run. */
  private async create(
    run: TrackedRun,
    type: ResourceType,
    object: objects.MadeObject,
  ): Promise<KubeObject | undefined> {
    const { client } = this.deps;
    this.deps.assertMayAct();
    try {
      return await client.create<KubeObject>(type, object);
    } catch (error) {
      if (isAlreadyExists(error)) return this.found(type, object);
      if (!isKubeError(error) || !isDefinite(error.status)) throw error;
      this.refused(run, `${type.kind} ${object.metadata.name ?? ''}`, error);
      return undefined;
    }
  }

  /** Of the parts it is enough to know that they are there: Secrets are never read. */
  private async found(type: ResourceType, object: objects.MadeObject): Promise<KubeObject> {
    if (type !== GUEST_RUN_RESOURCE && type !== types.jobs) return object;
    const { name = '', namespace = '' } = object.metadata;
    return this.deps.client.get<KubeObject>({ type, namespace, name });
  }

  private refused(run: TrackedRun, what: string, error: KubeError): void {
    // Only a namespace that is gone answers 404: it is made again for the next run.
    const groundLost = isNotFound(error);
    if (groundLost) this.deps.groundLost(run.order.tenant);
    // The server's sentence may quote what it dislikes; of a Secret nobody may read it.
    const why = what.startsWith('Secret ') ? error.reason : error.message;
    const message = `the member's API server refuses ${what}: ${why}`;
    run.ownWish ??= { cause: groundLost ? 'StaleOffer' : 'AdmissionError', message };
  }

  private ownerOf(run: TrackedRun): OwnerReference {
    return objects.ownedBy(run.order, run.record.uid ?? '');
  }

  private async setDeadline(run: TrackedRun, seconds: number): Promise<void> {
    this.deps.assertMayAct();
    const ref = { type: types.jobs, namespace: run.namespace, name: run.name };
    await this.ignoringAbsence(this.deps.client.mergePatch(ref, { spec: { activeDeadlineSeconds: seconds } }));
    run.wroteDeadline(seconds, this.deps.clock.monotonicMs());
  }

  private async beginStop(run: TrackedRun, reason: Reason): Promise<void> {
    const status = {
      phase: 'Stopping',
      cause: reason.cause,
      message: reason.message.slice(0, 4096),
      ...this.counts(run),
    };
    const recorded = await this.writeStatus(run, status);
    run.stop = { ...reason, sinceMs: this.deps.clock.monotonicMs(), recorded };
    this.prepared.delete(run.key);
    run.recordedPhase = 'Stopping';
  }

  private async stop(run: TrackedRun, pods: readonly string[], deleteJob: boolean): Promise<void> {
    const { client, clock } = this.deps;
    const graceMs = Math.min(this.deps.maxGraceMs(), run.wishGraceMs ?? Number.POSITIVE_INFINITY);
    const gracePeriodSeconds = graceSecondsOf(run.order, graceMs);
    for (let from = 0; from < pods.length; from += DELETIONS_AT_ONCE) {
      this.deps.assertMayAct();
      await Promise.all(
        pods.slice(from, from + DELETIONS_AT_ONCE).map(async (name) => {
          const ref = { type: types.pods, namespace: run.namespace, name };
          await this.ignoringAbsence(client.delete(ref, { gracePeriodSeconds, propagationPolicy: 'Background' }));
          run.askedToStop(name, clock.monotonicMs());
        }),
      );
    }
    if (!deleteJob) return;
    this.deps.assertMayAct();
    const ref = { type: types.jobs, namespace: run.namespace, name: run.name };
    const existed = await this.ignoringAbsence(client.delete(ref, { propagationPolicy: 'Foreground' }));
    run.askedToDeleteJob(clock.monotonicMs(), existed);
  }

  private async recordEnd(run: TrackedRun, acknowledged: boolean): Promise<void> {
    const { ended } = run;
    if (ended === undefined) return;
    const { end } = ended;
    const failuresFirst = [...end.exits].sort(
      (a, b) => Number(a.exitCode === 0) - Number(b.exitCode === 0) || a.index - b.index,
    );
    const recorded = await this.writeStatus(run, {
      phase: 'Ended',
      cause: end.cause,
      message: end.message.slice(0, 4096),
      finishedAt: formatTimestamp(end.endedAtMs),
      exits: failuresFirst.slice(0, MOST_EXITS),
      ...this.counts(run),
      ...this.times(run),
      ...(acknowledged ? { outcomeAcknowledged: true } : {}),
    });
    // A record that cannot be written is not asked again: the outcome is still known here and in the pods.
    ended.recorded = acknowledged ? 'Acknowledged' : 'Outcome';
    if (!recorded) this.deps.logger.warn('the outcome of a run could not be written to its GuestRun', { run: run.key });
  }

  private async recordPhase(run: TrackedRun, phase: RunPhase): Promise<void> {
    await this.writeStatus(run, {
      phase,
      message: run.message.slice(0, 4096),
      ...this.counts(run),
      ...this.times(run),
    });
    run.recordedPhase = phase;
  }

  private counts(run: TrackedRun): { readonly workers: ReturnType<typeof countWorkers> } {
    return { workers: countWorkers(run.workers, run.order.workers) };
  }

  private times(run: TrackedRun): Readonly<Record<string, string>> {
    const nowMs = this.deps.clock.monotonicMs();
    const startedAt = formatTimestamp(this.deps.clock.nowMs() - (nowMs - run.startedMs));
    const running = run.allRunning;
    return { startedAt, ...(running === undefined ? {} : { allRunningAt: formatTimestamp(running.atWallMs) }) };
  }

  /** False when there is no GuestRun, or it does not take the status: nothing else depends on that. */
  private async writeStatus(run: TrackedRun, status: Readonly<Record<string, unknown>>): Promise<boolean> {
    if (run.record.uid === undefined) return false;
    this.deps.assertMayAct();
    const ref = { type: GUEST_RUN_RESOURCE, namespace: run.namespace, name: run.name };
    try {
      await this.deps.client.mergePatch(ref, { status }, { subresource: 'status' });
      return true;
    } catch (error) {
      if (!isKubeError(error) || !isDefinite(error.status)) throw error;
      if (!isNotFound(error)) this.deps.logger.warn('a GuestRun does not take its status', { run: run.key, error });
      return false;
    }
  }

  private async letGo(run: TrackedRun): Promise<void> {
    const { uid } = run.record;
    this.deps.assertMayAct();
    const ref = { type: GUEST_RUN_RESOURCE, namespace: run.namespace, name: run.name };
    const preconditions = uid === undefined ? {} : { preconditions: { uid } };
    await this.ignoringAbsence(this.deps.client.delete(ref, { propagationPolicy: 'Background', ...preconditions }));
    run.askedToLetGo();
  }

  /** Resolves with whether the object was there. */
  private async ignoringAbsence(call: Promise<unknown>): Promise<boolean> {
    try {
      await call;
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }
}

/** An answer that the same request will get again. Conflicts, throttling and server faults pass. */
function isDefinite(status: number): boolean {
  return status >= 400 && status < 500 && ![401, 408, 409, 429].includes(status);
}
