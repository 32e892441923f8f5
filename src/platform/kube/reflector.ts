/**
 * A live, indexed copy of one resource type, kept by list and watch.
 *
 * Invariants: exactly one of the states below holds at any time; it never gives up while it runs, whatever the server
 * answers; a list replaces the store only when all of its pages are in; the watch resumes from the last version heard
 * (bookmarks included); 410 lists again; a connection that is silent for longer than the server was asked to keep it is
 * given up. After a lost connection the cluster's newest version is compared with ours: a cluster restored from a backup has
 * gone back in history, and resuming would wait for ever. Leaves out periodic resync: levels are the controllers' business.
 */
import { backoffMs } from '../clock/backoff.ts';
import type { Clock } from '../clock/clock.ts';
import type { Random } from '../clock/random.ts';
import { onAbort } from '../lifecycle/abort-link.ts';
import type { Runnable } from '../lifecycle/runnable.ts';
import type { Logger } from '../log/logger.ts';
import { prepareIncoming } from './incoming-object.ts';
import type { KubeClient, WatchEvent } from './kube-client.ts';
import { isGone, isKubeError, isUnreachable } from './kube-error.ts';
import type { KubeList, KubeObject, ResourceType } from './object.ts';
import { ObjectStore, type Indexers } from './object-store.ts';
import type { Store } from './store.ts';
import { parseErrorReason } from './watch-stream.ts';

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly type: ResourceType;
  /** One namespace; absent = all. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Fixed when made. An index function that throws indexes the object under nothing and is logged. */
  readonly indexers?: Indexers<T>;
  /** Default 500. */
  readonly pageSize?: number;
  /** Makes stored objects smaller, e.g. drops fields; managedFields are dropped in any case. Must be pure. */
  readonly transform?: (object: T) => T;
  /** Deep-freezes stored objects so that a writer is found out; for tests. Default false: objects are shared, never change them. */
  readonly freeze?: boolean;
}

export type ReflectorState =
  | { readonly kind: 'Empty' }
  | { readonly kind: 'Listing'; readonly received: number }
  | { readonly kind: 'Watching'; readonly resourceVersion: string }
  | { readonly kind: 'Backoff'; readonly failures: number; readonly untilMonotonicMs: number }
  | { readonly kind: 'Stopped' };

export interface Reflector<T extends KubeObject> extends Runnable {
  readonly store: Store<T>;
  readonly state: ReflectorState;
}

const defaultPageSize = 500;
const backoffRange = { baseMs: 500, maxMs: 30_000 };
const shortestWatchSeconds = 290;
const longestWatchSeconds = 590;
/** How much longer than asked a silent watch may last before it counts as dead. */
const silenceAllowanceMs = 30_000;
/** A watch that a server closes sooner than this is no normal end, or reconnecting would become a storm. */
const shortestHealthyWatchMs = 1_000;

/** How one watch request ended. */
type WatchEnd =
  | { readonly kind: 'closed' }
  /** Our version is too old, or what came cannot be trusted: list again. */
  | { readonly kind: 'stale'; readonly why: string }
  | { readonly kind: 'failed'; readonly error: unknown };

/** A reflector whose store fills once started. */
export function createReflector<T extends KubeObject>(options: ReflectorOptions<T>): Reflector<T> {
  return new ListWatchReflector(options);
}

class ListWatchReflector<T extends KubeObject> implements Reflector<T> {
  readonly name: string;
  readonly store: ObjectStore<T>;
  private readonly options: ReflectorOptions<T>;
  private current: ReflectorState = { kind: 'Empty' };
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  /** Version to watch from; undefined = list first. */
  private position: string | undefined;
  /** Failures since the last sign that all is well. */
  private failures = 0;
  /** The connection was lost: see whether the cluster's history went back before resuming. */
  private suspicious = false;

  constructor(options: ReflectorOptions<T>) {
    this.name = `reflector/${options.type.plural}`;
    this.options = options;
    this.store = new ObjectStore({
      name: options.type.plural,
      clock: options.clock,
      logger: options.logger,
      indexers: options.indexers ?? {},
    });
  }

  get state(): ReflectorState {
    return this.current;
  }

  start(signal: AbortSignal): Promise<void> {
    if (this.running !== undefined) return Promise.reject(new Error(`${this.name} was started before`));
    const unlink = onAbort(signal, () => {
      this.stopping.abort();
    });
    this.running = this.run().finally(() => {
      unlink();
      this.current = { kind: 'Stopped' };
    });
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.isStopping()) {
      try {
        const end = await this.step();
        if (!this.isStopping()) await this.afterEnd(end);
      } catch (error) {
        if (!this.isStopping()) await this.backOff(error);
      }
    }
  }

  private isStopping(): boolean {
    return this.stopping.signal.aborted;
  }

  /** One list, or one watch. Throws what a list failed with. */
  private async step(): Promise<WatchEnd> {
    if (this.position !== undefined && this.suspicious) await this.checkHistory(this.position);
    this.position ??= await this.list(true);
    this.suspicious = false;
    return this.watch(this.position);
  }

  private async afterEnd(end: WatchEnd): Promise<void> {
    switch (end.kind) {
      case 'closed':
        return;
      case 'stale':
        this.options.logger.info('listing again', { type: this.options.type.plural, why: end.why });
        this.position = undefined;
        // Once is normal; a server that keeps calling fresh versions old gets time.
        this.failures += 1;
        if (this.failures > 1) await this.pause();
        return;
      case 'failed':
        await this.backOff(end.error);
    }
  }

  private async backOff(error: unknown): Promise<void> {
    this.failures += 1;
    this.suspicious ||= isUnreachable(error);
    const { type, logger } = this.options;
    // The first failure is daily life (a restarted API server); a person hears of it when it goes on.
    const level = this.failures > 2 ? 'warn' : 'debug';
    logger[level]('list or watch failed', { type: type.plural, failures: this.failures, ...describe(error) });
    await this.pause(isKubeError(error) ? error.retryAfterSeconds : undefined);
  }

  private async pause(retryAfterSeconds = 0): Promise<void> {
    const { clock, random } = this.options;
    const delayMs = backoffMs(backoffRange, this.failures, random) + retryAfterSeconds * 1000;
    this.current = { kind: 'Backoff', failures: this.failures, untilMonotonicMs: clock.monotonicMs() + delayMs };
    await clock.sleep(delayMs, this.stopping.signal);
  }

  /** Fills the store from a complete list; returns the version to watch from. */
  private async list(trustVersions: boolean): Promise<string> {
    const { objects, version } = await this.allPages();
    if (version === undefined || version === '') throw new Error('the list has no resourceVersion');
    this.store.replaceAll(objects, trustVersions);
    return version;
  }

  private async allPages(): Promise<{ readonly objects: readonly T[]; readonly version: string | undefined }> {
    const { pageSize = defaultPageSize } = this.options;
    const objects: T[] = [];
    this.current = { kind: 'Listing', received: 0 };
    let page = await this.page({ limit: pageSize });
    for (;;) {
      this.collect(page, objects);
      const next = page.metadata.continue;
      if (next === undefined || next === '') return { objects, version: page.metadata.resourceVersion };
      try {
        page = await this.page({ limit: pageSize, continue: next });
      } catch (error) {
        if (!isGone(error)) throw error;
        // The server forgot the snapshot while we were reading it: once, everything in one piece.
        objects.length = 0;
        page = await this.page({});
      }
    }
  }

  private collect(page: KubeList<T>, into: T[]): void {
    for (const object of page.items) into.push(prepareIncoming(object, this.options));
    this.current = { kind: 'Listing', received: into.length };
    this.store.heard();
  }

  private page(paging: { readonly limit?: number; readonly continue?: string }): Promise<KubeList<T>> {
    const { client, type } = this.options;
    return client.list<T>(type, { ...this.selection(), ...paging, signal: this.stopping.signal });
  }

  /** Lists again, trusting no version, if the cluster's newest version is older than the one we know. */
  private async checkHistory(position: string): Promise<void> {
    const { client, type, logger } = this.options;
    const head = await client.list(type, { ...this.selection(), limit: 1, signal: this.stopping.signal });
    const newest = head.metadata.resourceVersion;
    if (newest === undefined || !isOlder(newest, position)) return;
    logger.warn("the cluster's history went back; listing again", { type: type.plural, newest, known: position });
    this.position = undefined;
    this.position = await this.list(false);
  }

  private async watch(from: string): Promise<WatchEnd> {
    const { clock, client, type, random } = this.options;
    const timeoutSeconds = Math.round(
      shortestWatchSeconds + random.next() * (longestWatchSeconds - shortestWatchSeconds),
    );
    const startedMs = clock.monotonicMs();
    const silence = new SilenceGuard(clock, timeoutSeconds * 1000 + silenceAllowanceMs, this.stopping.signal);
    this.current = { kind: 'Watching', resourceVersion: from };
    try {
      const options = { ...this.selection(), resourceVersion: from, timeoutSeconds, signal: silence.signal };
      for await (const event of client.watch<T>(type, options)) {
        silence.heard();
        const end = this.take(event);
        if (end !== undefined) return end;
      }
      if (clock.monotonicMs() - startedMs >= shortestHealthyWatchMs) this.failures = 0;
      else return { kind: 'failed', error: new Error('the server closed the watch at once') };
      return { kind: 'closed' };
    } catch (error) {
      if (isGone(error)) return { kind: 'stale', why: 'the version is too old' };
      return { kind: 'failed', error };
    } finally {
      silence.release();
    }
  }

  /** Applies one event; tells the end of the watch if the event is one. */
  private take(event: WatchEvent<T>): WatchEnd | undefined {
    this.store.heard();
    switch (event.type) {
      case 'ADDED':
      case 'MODIFIED':
        this.store.put(prepareIncoming(event.object, this.options));
        break;
      case 'DELETED':
        this.store.remove(prepareIncoming(event.object, this.options));
        break;
      case 'BOOKMARK':
        break;
      case 'ERROR':
        return endOfError(event);
    }
    this.failures = 0;
    const version = event.type === 'BOOKMARK' ? event.resourceVersion : event.object.metadata.resourceVersion;
    if (version !== undefined) {
      this.position = version;
      this.current = { kind: 'Watching', resourceVersion: version };
    }
    return undefined;
  }

  private selection(): { namespace?: string; labelSelector?: string; fieldSelector?: string } {
    const { namespace, labelSelector, fieldSelector } = this.options;
    return {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    };
  }
}

function endOfError(event: WatchEvent<never> & { readonly type: 'ERROR' }): WatchEnd {
  if (event.code === 410) return { kind: 'stale', why: event.message };
  if (event.reason === parseErrorReason) return { kind: 'stale', why: event.message };
  return { kind: 'failed', error: new Error(`the watch ended with ${event.code} ${event.reason}`) };
}

/** Aborts its signal after a time without a sign of life, or with its parent. */
class SilenceGuard {
  private readonly clock: Clock;
  private readonly limitMs: number;
  private readonly parent: AbortSignal;
  private readonly controller = new AbortController();
  private heardMs: number;
  private cancelTimer: () => void = () => undefined;

  constructor(clock: Clock, limitMs: number, parent: AbortSignal) {
    this.clock = clock;
    this.limitMs = limitMs;
    this.parent = parent;
    this.heardMs = clock.monotonicMs();
    parent.addEventListener('abort', this.abort);
    if (parent.aborted) this.abort();
    else this.arm(limitMs);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  heard(): void {
    this.heardMs = this.clock.monotonicMs();
  }

  release(): void {
    this.cancelTimer();
    this.parent.removeEventListener('abort', this.abort);
    this.controller.abort();
  }

  /** One timer that looks again when it was too early is cheaper than a new timer per event. */
  private arm(delayMs: number): void {
    const timer = this.clock.after(delayMs, () => {
      const leftMs = this.heardMs + this.limitMs - this.clock.monotonicMs();
      if (leftMs > 0) this.arm(leftMs);
      else this.abort();
    });
    this.cancelTimer = () => {
      timer.cancel();
    };
  }

  private readonly abort = (): void => {
    this.controller.abort();
  };
}

function describe(error: unknown): Record<string, unknown> {
  if (isKubeError(error)) return { status: error.status, reason: error.reason, detail: error.message };
  if (isUnreachable(error)) return { why: error.why, code: error.code, detail: error.message };
  return { error };
}

/** Versions of one cluster are decimal integers that grow; anything else cannot be compared and counts as not older. */
function isOlder(version: string, than: string): boolean {
  if (!/^\d+$/.test(version) || !/^\d+$/.test(than)) return false;
  return BigInt(version) < BigInt(than);
}
