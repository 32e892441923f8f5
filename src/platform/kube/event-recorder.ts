/**
 * Records core/v1 Events, so that `kubectl describe` tells the story of an object.
 *
 * Invariants: recording never throws and never waits; the same event about the same object becomes a count, not a new
 * object; an object that floods has only its own tokens to spend; when too much waits, the newest is dropped and counted.
 * Events are for people: nothing depends on one arriving.
 */
import type { Clock } from '../clock/clock.ts';
import { onAbort } from '../lifecycle/abort-link.ts';
import type { Runnable } from '../lifecycle/runnable.ts';
import type { Logger } from '../log/logger.ts';
import type { Counter, MetricsRegistry } from '../metrics/registry.ts';
import { events } from './builtin-resources.ts';
import { bumpPatch, eventKey, newEvent, type EventInput, type EventObject } from './event-object.ts';
import type { KubeClient } from './kube-client.ts';
import { isKubeError, isNotFound } from './kube-error.ts';
import type { KubeObject } from './object.ts';
import { TokenBuckets } from './token-buckets.ts';

export type { EventInput } from './event-object.ts';

export interface EventRecorderOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  /** `source.component`, e.g. `lumbung-hub`. */
  readonly component: string;
  /** `reportingInstance`, e.g. the pod's name; part of event names. */
  readonly instance: string;
  readonly logger: Logger;
  readonly metrics?: MetricsRegistry;
  /** Waiting events; above it the newest are dropped and counted. Default 1000. */
  readonly queueLimit?: number;
  /** Tokens per object; default 25, one back per 60 s. */
  readonly burstPerObject?: number;
}

export interface EventRecorder extends Runnable {
  /** Never throws, never waits. */
  record(event: EventInput): void;
  /** Events dropped so far, by rate, full queue or refusal of the server. */
  readonly dropped: number;
}

const defaultQueueLimit = 1_000;
const defaultBurst = 25;
const refillMs = 60_000;
/** After this long without a repetition the same event is told anew. */
const aggregationMs = 10 * 60_000;
const mostAggregates = 4_096;
const flushTimeoutMs = 3_000;

type DropReason = 'rate' | 'queue_full' | 'refused';

/** What is waiting to be written for one key. */
interface Pending {
  readonly input: EventInput;
  readonly firstMs: number;
  lastMs: number;
  count: number;
}

interface Written {
  readonly namespace: string;
  readonly name: string;
  count: number;
  lastMs: number;
}

/** A recorder that writes once started; events may be recorded before. */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  return new AggregatingRecorder(options);
}

class AggregatingRecorder implements EventRecorder {
  readonly name = 'events';
  private readonly options: EventRecorderOptions;
  private readonly buckets: TokenBuckets;
  private readonly droppedCounter: Counter<'reason'> | undefined;
  private readonly pending = new Map<string, Pending>();
  /** Least recently written first. */
  private readonly written = new Map<string, Written>();
  private readonly stopping = new AbortController();
  private sequence = 0;
  private droppedCount = 0;
  private running: Promise<void> | undefined;
  private unlink: () => void = () => undefined;
  private wake: () => void = () => undefined;

  constructor(options: EventRecorderOptions) {
    this.options = options;
    this.buckets = new TokenBuckets(options.clock, options.burstPerObject ?? defaultBurst, refillMs);
    this.droppedCounter = options.metrics?.counter({
      name: 'lumbung_events_dropped_total',
      help: 'Kubernetes events that were not written, by reason: rate, queue_full or refused.',
      labels: ['reason'],
    });
  }

  get dropped(): number {
    return this.droppedCount;
  }

  record(event: EventInput): void {
    if (this.stopping.signal.aborted) return;
    const nowMs = this.options.clock.nowMs();
    const key = eventKey(event);
    const waiting = this.pending.get(key);
    if (waiting !== undefined) {
      waiting.count += 1;
      waiting.lastMs = nowMs;
      return;
    }
    if (this.pending.size >= (this.options.queueLimit ?? defaultQueueLimit)) {
      this.drop('queue_full');
      return;
    }
    if (!this.buckets.take(objectKey(event.regarding))) {
      this.drop('rate');
      return;
    }
    this.pending.set(key, { input: event, firstMs: nowMs, lastMs: nowMs, count: 1 });
    this.wake();
  }

  start(signal: AbortSignal): Promise<void> {
    if (this.running !== undefined) return Promise.reject(new Error('the event recorder was started before'));
    this.running = this.run();
    this.unlink = onAbort(signal, () => void this.stop());
    return Promise.resolve();
  }

  /** Writes what waits, for at most 3 s. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.unlink();
    this.wake();
    if (this.running === undefined) return;
    const enough = new AbortController();
    await Promise.race([this.running, this.options.clock.sleep(flushTimeoutMs, enough.signal)]);
    enough.abort();
    this.pending.clear();
  }

  private async run(): Promise<void> {
    for (;;) {
      const [next] = this.pending;
      if (next === undefined) {
        if (this.stopping.signal.aborted) return;
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
        continue;
      }
      const [key, pending] = next;
      this.pending.delete(key);
      await this.write(key, pending);
    }
  }

  private async write(key: string, pending: Pending): Promise<void> {
    try {
      const known = this.recent(key);
      if (known === undefined || !(await this.bump(known, pending))) await this.create(key, pending);
    } catch (error) {
      // An event is for people; the operation that it tells of must not suffer.
      this.drop('refused');
      const detail = isKubeError(error) ? { status: error.status, reason: error.reason } : { error };
      this.options.logger.debug('an event was not written', { event: pending.input.reason, ...detail });
    }
  }

  private recent(key: string): Written | undefined {
    const known = this.written.get(key);
    return known !== undefined && this.options.clock.nowMs() - known.lastMs <= aggregationMs ? known : undefined;
  }

  /** False if the event is gone (events expire) and must be told anew. */
  private async bump(known: Written, pending: Pending): Promise<boolean> {
    const count = known.count + pending.count;
    const ref = { type: events, namespace: known.namespace, name: known.name };
    try {
      await this.options.client.mergePatch(ref, bumpPatch(count, pending.lastMs), { timeoutMs: 10_000 });
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
    known.count = count;
    known.lastMs = pending.lastMs;
    return true;
  }

  private async create(key: string, pending: Pending): Promise<void> {
    const { client, component, instance } = this.options;
    const event: EventObject = newEvent({ ...pending, component, instance, sequence: (this.sequence += 1) });
    await client.create(events, event, { timeoutMs: 10_000 });
    this.written.delete(key);
    this.written.set(key, {
      namespace: event.metadata.namespace,
      name: event.metadata.name,
      count: pending.count,
      lastMs: pending.lastMs,
    });
    const [oldest] = this.written.keys();
    if (this.written.size > mostAggregates && oldest !== undefined) this.written.delete(oldest);
  }

  private drop(reason: DropReason): void {
    this.droppedCount += 1;
    this.droppedCounter?.inc({ reason });
  }
}

function objectKey(object: KubeObject): string {
  return object.metadata.uid ?? `${object.kind ?? ''}/${object.metadata.namespace ?? ''}/${object.metadata.name ?? ''}`;
}
