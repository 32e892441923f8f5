/**
 * Fence memory: the highest fence that was ever started or turned away here, for every job that the hub has not declared
 * gone. It lives in ConfigMaps of the agent's own namespace, because a GuestRun may be deleted by its owner at any time,
 * with the agent dead too, and the fence must still not start a second time.
 *
 * How it stays cheap: starts that come together share one write (group commit), whichever jobs they belong to. A batch goes
 * to one shard; a job may have entries in several, and the highest counts. Forgetting waits for the next write or a pause.
 * Invariants: `remember` resolves only when the entry is durable; every write is a compare-and-swap on the shard's
 * resourceVersion; each entry carries the token of the process that wrote it, so that a write whose answer was lost is
 * recognised, and a fence that another process started is refused; an entry never goes down except by `forget`.
 */
import type { JobUid, RunId } from '../../core/model/ids.ts';
import type { RememberedFence } from '../../core/run/agent-plan.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { configMaps } from '../../platform/kube/builtin-resources.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../platform/kube/kube-error.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { LABELS, MANAGED_BY_VALUE } from '../../api/v1alpha1/labels.ts';

export const SHARD_COUNT = 16;
/** Entries are about 60 bytes and a ConfigMap holds 1 MiB. */
export const SHARD_CAPACITY = 8_000;
/** Starts within this time share a write. */
const GATHER_MS = 15;
/** Forgetting is in no hurry. */
const FORGET_DELAY_MS = 5_000;
const SHARD_LABEL = 'lumbung.dev/fence-memory';
const ENTRY = /^([1-9][0-9]{0,15}):(started|closed):([a-z0-9]{1,32})$/;

/** Another process of the agent started this fence, or a higher one. */
export class FenceTaken extends Error {
  readonly kind = 'FenceTaken';
  override readonly name = 'FenceTaken';
  readonly held: RememberedFence;

  constructor(run: RunId, held: RememberedFence) {
    super(`fence ${run.fence} of job ${run.jobUid} is taken: fence ${held.fence} was ${held.kind} by another process`);
    this.held = held;
  }
}

export interface FenceMemoryDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly namespace: string;
  /** Lower-case letters and digits, new with every process. */
  readonly token: string;
  /** Throws unless this process may write now. */
  readonly assertMayAct: () => void;
}

interface Entry extends RememberedFence {
  readonly token: string;
}

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

interface Shard {
  readonly name: string;
  resourceVersion: string | undefined;
  readonly entries: Map<string, Entry>;
}

type Fresh = readonly (readonly [job: string, entry: Entry])[];

interface Pending {
  readonly run: RunId;
  readonly kind: RememberedFence['kind'];
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

export class FenceMemory {
  private readonly deps: FenceMemoryDeps;
  private readonly shards: readonly Shard[];
  private pending: Pending[] = [];
  private readonly forgetting = new Set<string>();
  private flushing: Promise<void> | undefined;
  private timer: { readonly dueMs: number; cancel(): void } | undefined;
  private closed = false;

  constructor(deps: FenceMemoryDeps) {
    this.deps = deps;
    this.shards = Array.from({ length: SHARD_COUNT }, (_unused, index) => ({
      name: `lumbung-fences-${index}`,
      resourceVersion: undefined,
      entries: new Map<string, Entry>(),
    }));
  }

  /** Reads all shards; call once before anything else. */
  async load(): Promise<void> {
    const { client, namespace } = this.deps;
    const list = await client.list<ConfigMap>(configMaps, { namespace, labelSelector: SHARD_LABEL });
    for (const object of list.items) {
      const shard = this.shards.find((one) => one.name === object.metadata.name);
      if (shard !== undefined) this.take(shard, object);
    }
  }

  /** The highest durable entry of a job. */
  highest(job: JobUid): RememberedFence | undefined {
    return this.best(job);
  }

  /**
   * Resolves once it is durable that `run.fence` was started (or turned away) by this process. Rejects with FenceTaken if
   * another process was there first or a higher fence is known, and with what the cluster answered if it cannot be written.
   */
  remember(run: RunId, kind: RememberedFence['kind']): Promise<void> {
    return new Promise((resolve, reject) => {
      this.pending.push({ run, kind, done: resolve, failed: reject });
      this.schedule(GATHER_MS);
    });
  }

  /** The hub confirms that the job is gone: its fences can come no more. Durable soon, not now. */
  forget(job: JobUid): void {
    if (!this.shards.some((shard) => shard.entries.has(job)) || this.forgetting.has(job)) return;
    this.forgetting.add(job);
    this.schedule(FORGET_DELAY_MS);
  }

  /** No write begins after this; those who wait are told so. */
  close(): void {
    this.closed = true;
    this.timer?.cancel();
    this.timer = undefined;
    const waiting = this.pending;
    this.pending = [];
    for (const one of waiting) one.failed(new Error('the agent is stopping'));
  }

  private schedule(delayMs: number): void {
    if (this.closed || this.flushing !== undefined) return;
    const dueMs = this.deps.clock.monotonicMs() + delayMs;
    if (this.timer !== undefined && this.timer.dueMs <= dueMs) return;
    this.timer?.cancel();
    const timer = this.deps.clock.after(delayMs, () => {
      this.timer = undefined;
      this.flushing = this.flush().finally(() => {
        this.flushing = undefined;
        if (this.pending.length > 0) this.schedule(GATHER_MS);
        else if (this.forgetting.size > 0) this.schedule(FORGET_DELAY_MS);
      });
    });
    this.timer = {
      dueMs,
      cancel: () => {
        timer.cancel();
      },
    };
  }

  private async flush(): Promise<void> {
    const batch = this.pending.splice(0);
    if (batch.length > 0) {
      await this.commit(batch);
      return;
    }
    // One shard per pause: a wave of finished jobs is forgotten in a few writes.
    const shard = this.shards.find((one) => [...this.forgetting].some((job) => one.entries.has(job)));
    try {
      if (shard === undefined) this.forgetting.clear();
      else await this.write(shard, new Map());
    } catch (error) {
      this.deps.logger.warn('fences of jobs that are gone could not be forgotten yet', { error });
    }
  }

  private async commit(batch: readonly Pending[]): Promise<void> {
    try {
      const open = this.refuseTaken(batch);
      if (open.length === 0) return;
      const shard = this.shards.find((one) => one.entries.size + open.length <= SHARD_CAPACITY);
      if (shard === undefined) throw new Error(`fence memory is full: ${SHARD_COUNT} x ${SHARD_CAPACITY} jobs`);
      // Asked again after a lost answer: what is known here may be old, and nothing new would be written against it.
      if (open.some(({ run }) => shard.entries.get(run.jobUid)?.fence === run.fence)) await this.reload(shard);
      const entries = new Map<string, Entry>();
      for (const { run, kind } of open) {
        if ((entries.get(run.jobUid)?.fence ?? 0) >= run.fence) continue;
        entries.set(run.jobUid, { fence: run.fence, kind, token: this.deps.token });
      }
      await this.write(shard, entries);
      // After a conflict the shard was read again: another process may have been first with one of them.
      for (const one of this.refuseTaken(open)) one.done();
    } catch (error) {
      for (const one of batch) one.failed(error);
    }
  }

  /** Rejects those that another process holds; returns the others. A promise settles once, so that repeats are harmless. */
  private refuseTaken(batch: readonly Pending[]): readonly Pending[] {
    return batch.filter((one) => {
      const held = this.best(one.run.jobUid);
      if (held === undefined || held.fence < one.run.fence) return true;
      if (held.fence === one.run.fence && held.token === this.deps.token && held.kind === one.kind) return true;
      one.failed(new FenceTaken(one.run, held));
      return false;
    });
  }

  /** One compare-and-swap of one shard, retried on conflict with what is there then. */
  private async write(shard: Shard, entries: ReadonlyMap<string, Entry>): Promise<void> {
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const forgotten = [...this.forgetting].filter((job) => shard.entries.has(job) && !entries.has(job));
      const fresh = [...entries].filter(([job, entry]) => (shard.entries.get(job)?.fence ?? 0) < entry.fence);
      if (fresh.length === 0 && forgotten.length === 0) return;
      if (await this.swap(shard, fresh, forgotten)) return;
      await this.reload(shard);
    }
    throw new Error(`fence memory ${shard.name}: another writer was first, five times in a row`);
  }

  /** False = another writer was first. */
  private async swap(shard: Shard, fresh: Fresh, forgotten: readonly string[]): Promise<boolean> {
    try {
      this.deps.assertMayAct();
      this.take(shard, await this.send(shard, fresh, forgotten));
    } catch (error) {
      if (isConflict(error) || isAlreadyExists(error) || isNotFound(error)) return false;
      throw error;
    }
    for (const job of forgotten) if (!this.shards.some((one) => one.entries.has(job))) this.forgetting.delete(job);
    return true;
  }

  private send(shard: Shard, fresh: Fresh, forgotten: readonly string[]): Promise<ConfigMap> {
    const { client, namespace } = this.deps;
    const written = fresh.map(([job, { fence, kind, token }]) => [job, `${fence}:${kind}:${token}`] as const);
    if (shard.resourceVersion === undefined) {
      const labels = { [SHARD_LABEL]: 'true', [LABELS.managedBy]: MANAGED_BY_VALUE };
      const object: ConfigMap = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: shard.name, namespace, labels },
      };
      // A shard that somebody deleted is written back whole.
      const kept = [...shard.entries].filter(([job]) => !forgotten.includes(job));
      const known = kept.map(([job, { fence, kind, token }]) => [job, `${fence}:${kind}:${token}`] as const);
      return client.create<ConfigMap>(configMaps, {
        ...object,
        data: Object.fromEntries([...known, ...written]),
      } as ConfigMap);
    }
    const data = Object.fromEntries([...written, ...forgotten.map((job) => [job, null] as const)]);
    const patch = { metadata: { resourceVersion: shard.resourceVersion }, data };
    return client.mergePatch<ConfigMap>({ type: configMaps, namespace, name: shard.name }, patch);
  }

  private async reload(shard: Shard): Promise<void> {
    const { client, namespace } = this.deps;
    try {
      this.take(shard, await client.get<ConfigMap>({ type: configMaps, namespace, name: shard.name }));
    } catch (error) {
      if (!isNotFound(error)) throw error;
      shard.resourceVersion = undefined;
      this.deps.logger.error('a shard of the fence memory was deleted; it is written back', { shard: shard.name });
    }
  }

  private take(shard: Shard, object: ConfigMap): void {
    shard.resourceVersion = object.metadata.resourceVersion;
    shard.entries.clear();
    for (const [job, text] of Object.entries(object.data ?? {})) {
      const entry = parseEntry(text);
      if (entry === undefined)
        this.deps.logger.warn('an entry of the fence memory cannot be read', { shard: shard.name, job });
      // What cannot be read must not let a fence start again: it counts as the highest there is.
      shard.entries.set(job, entry ?? { fence: Number.MAX_SAFE_INTEGER, kind: 'closed', token: '' });
    }
  }

  private best(job: string): Entry | undefined {
    let best: Entry | undefined;
    for (const shard of this.shards) {
      const entry = shard.entries.get(job);
      if (entry !== undefined && entry.fence > (best?.fence ?? 0)) best = entry;
    }
    return best;
  }
}

function parseEntry(text: string): Entry | undefined {
  const [, fence, kind, token] = ENTRY.exec(text) ?? [];
  if (fence === undefined || kind === undefined || token === undefined) return undefined;
  const value = Number(fence);
  return Number.isSafeInteger(value)
    ? { fence: value, kind: kind === 'started' ? 'started' : 'closed', token }
    : undefined;
}
