/**
 * Leader election on a coordination.k8s.io/v1 Lease.
 *
 * Invariants: every write is a compare-and-swap on resourceVersion; terms (leaseTransitions) only grow, also when one
 * identity acquires twice; a candidate judges others by its own monotonic clock from when it saw their last sign of life,
 * never by their timestamps; the leader counts from when its last good renewal was *sent*, by the larger of monotonic and
 * boot time, so that it stops before anybody else may start, a suspended machine included. The lease is given back only
 * after `onStopped` has finished. Leaves out what a leader does.
 */
import type { Clock, ClockReading } from '../clock/clock.ts';
import type { Random } from '../clock/random.ts';
import { onAbort } from '../lifecycle/abort-link.ts';
import type { Runnable } from '../lifecycle/runnable.ts';
import type { Logger } from '../log/logger.ts';
import type { Gauge, MetricsRegistry } from '../metrics/registry.ts';
import { leases } from './builtin-resources.ts';
import type { CallOptions, KubeClient } from './kube-client.ts';
import { isAlreadyExists, isConflict, isKubeError, isNotFound, isUnreachable } from './kube-error.ts';
import {
  acquired,
  durationMsOf,
  holderOf,
  released,
  renewed,
  signOfLife,
  termOf,
  type LeaseClaim,
  type LeaseObject,
} from './lease-record.ts';

export interface LeaderElectorOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics?: MetricsRegistry;
  readonly namespace: string;
  readonly name: string;
  /** Unique per process start, e.g. pod name + uuid. */
  readonly identity: string;
  /** Whole seconds. leaseDurationMs > renewDeadlineMs > 1.2 x retryPeriodMs. */
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
  /** A term is always above this, e.g. a floor remembered elsewhere in case the Lease object was deleted. Default 0. */
  readonly termFloor?: () => number;
  /** Extra data kept in the Lease's annotations, rewritten at each acquisition and renewal. */
  readonly annotations?: () => Readonly<Record<string, string>>;
  /** Leadership began. `signal` aborts when it ends. A throw or rejection gives the lease back. */
  readonly onStarted: (term: number, signal: AbortSignal) => void | Promise<void>;
  /** Leadership ended and is not coming back under this term. Awaited before the lease is released. */
  readonly onStopped?: (term: number) => void | Promise<void>;
}

export interface LeaderElector extends Runnable {
  /** leaseTransitions of our current or last leadership; 0 = never led. Grows with every acquisition by anybody. */
  readonly term: number;
  /** Leading, and the lease is still provably ours by monotonic and boot time. */
  isLeader(): boolean;
  /** Identity of the holder as last seen, empty if none. */
  readonly observedHolder: string;
  /** When the lease that our last acquisition took over had been renewed: RFC 3339, by its holder's wall clock; undefined = there was none. */
  readonly predecessorRenewTime: string | undefined;
  /** Monotonic ms until which nobody else can have taken over; -Infinity when not leading. See `isLeader` for suspends. */
  readonly provablyValidUntilMonotonicMs: number;
}

/** An elector that stands for election once started. Throws RangeError for durations that cannot work together. */
export function createLeaderElector(options: LeaderElectorOptions): LeaderElector {
  requireDurations(options);
  return new LeaseElector(options);
}

interface Held {
  lease: LeaseObject;
  /** When the last good write was sent. */
  sentAt: ClockReading;
}

interface Observed {
  readonly sign: string;
  readonly atMonotonicMs: number;
}

class LeaseElector implements LeaderElector {
  readonly name: string;
  private readonly options: LeaderElectorOptions;
  private readonly gauge: Gauge<'name'> | undefined;
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private held: Held | undefined;
  private observed: Observed | undefined;
  private lastTerm = 0;
  private holder = '';
  private tookOverFrom: LeaseObject | undefined;

  constructor(options: LeaderElectorOptions) {
    this.name = `leader-election/${options.name}`;
    this.options = options;
    this.gauge = options.metrics?.gauge({
      name: 'leader_election_master_status',
      help: '1 while this process leads, 0 otherwise, by lease name.',
      labels: ['name'],
    });
    this.gauge?.set({ name: options.name }, 0);
  }

  get term(): number {
    return this.lastTerm;
  }

  get observedHolder(): string {
    return this.holder;
  }

  get predecessorRenewTime(): string | undefined {
    return this.tookOverFrom?.spec?.renewTime;
  }

  get provablyValidUntilMonotonicMs(): number {
    return this.held === undefined ? -Infinity : this.held.sentAt.monotonicMs + this.options.leaseDurationMs;
  }

  isLeader(): boolean {
    return this.held !== undefined && this.sinceSentMs(this.held) < this.options.leaseDurationMs;
  }

  start(signal: AbortSignal): Promise<void> {
    if (this.running !== undefined) return Promise.reject(new Error(`${this.name} was started before`));
    const unlink = onAbort(signal, () => {
      this.stopping.abort();
    });
    this.running = this.run().finally(() => {
      unlink();
    });
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { clock, random, retryPeriodMs } = this.options;
    while (!this.isStopping()) {
      const held = await this.tryAcquire();
      if (held !== undefined && this.isStopping()) await this.release(held);
      else if (held !== undefined) await this.lead(held);
      // Candidates that failed together should not try together again.
      await clock.sleep(retryPeriodMs * (1 + random.next() * 0.2), this.stopping.signal);
    }
  }

  private isStopping(): boolean {
    return this.stopping.signal.aborted;
  }

  /** One attempt: reads the lease and takes it if it is free, expired by our clock, or absent. Never throws. */
  private async tryAcquire(): Promise<Held | undefined> {
    try {
      const signal = this.stopping.signal;
      const current = await this.read({ signal });
      if (current !== undefined && !this.isFree(current)) return undefined;
      const term = Math.max(termOf(current), this.lastTerm, this.options.termFloor?.() ?? 0) + 1;
      const sentAt = this.options.clock.read();
      const lease = await this.write(acquired(current, this.claim(), term), current === undefined, { signal });
      this.tookOverFrom = current;
      return { lease, sentAt };
    } catch (error) {
      // Losing the race to another candidate is what elections are made of.
      if (!isConflict(error) && !isAlreadyExists(error)) this.logFailure('cannot stand for election', error);
      return undefined;
    }
  }

  private isFree(lease: LeaseObject): boolean {
    const { clock, logger, leaseDurationMs, name } = this.options;
    const holder = holderOf(lease);
    if (holder !== this.holder) logger.info('lease holder seen', { lease: name, holder, term: termOf(lease) });
    this.holder = holder;
    const sign = signOfLife(lease);
    const nowMs = clock.monotonicMs();
    if (this.observed?.sign !== sign) this.observed = { sign, atMonotonicMs: nowMs };
    // A lease that still names us was lost by us alone: nobody else can be leading under it.
    if (holder === '' || holder === this.options.identity) return true;
    return nowMs - this.observed.atMonotonicMs >= durationMsOf(lease, leaseDurationMs);
  }

  /** From acquisition to the end of leadership, callbacks included. */
  private async lead(held: Held): Promise<void> {
    const { logger, name, onStarted } = this.options;
    const term = termOf(held.lease);
    const leading = new AbortController();
    const stop = (): void => {
      leading.abort();
    };
    this.stopping.signal.addEventListener('abort', stop, { once: true });
    if (this.stopping.signal.aborted) stop();
    this.held = held;
    this.lastTerm = term;
    this.holder = this.options.identity;
    this.gauge?.set({ name }, 1);
    logger.info('leadership began', { lease: name, term });
    const started = settled(() => onStarted(term, leading.signal)).then((error) => {
      if (error === undefined) return;
      logger.error('leadership is given back because its start failed', { lease: name, term, error: error.cause });
      stop();
    });
    const why = await this.keepRenewing(held, leading.signal);
    stop();
    this.stopping.signal.removeEventListener('abort', stop);
    this.held = undefined;
    this.gauge?.set({ name }, 0);
    logger.info('leadership ended', { lease: name, term, why });
    await this.finish(held, term, started, why);
  }

  private async finish(held: Held, term: number, started: Promise<void>, why: 'stopped' | 'lost'): Promise<void> {
    const { logger, name, onStopped } = this.options;
    await started;
    const failure = await settled(() => onStopped?.(term));
    if (failure !== undefined) logger.error('ending leadership failed', { lease: name, term, error: failure.cause });
    if (why === 'stopped') await this.release(held);
  }

  /** Renews until told to stop, until another holds the lease, or until the renewal deadline has passed without success. */
  private async keepRenewing(held: Held, signal: AbortSignal): Promise<'stopped' | 'lost'> {
    const { clock, renewDeadlineMs, retryPeriodMs } = this.options;
    for (;;) {
      const untilDeadlineMs = renewDeadlineMs - this.sinceSentMs(held);
      await clock.sleep(Math.max(0, Math.min(retryPeriodMs, untilDeadlineMs)), signal);
      if (signal.aborted) return 'stopped';
      const leftMs = renewDeadlineMs - this.sinceSentMs(held);
      // Less than a millisecond is no time to renew in, and rounding could make such rests last for ever.
      if (leftMs < 1) return 'lost';
      const outcome = await this.renew(held, leftMs, signal);
      if (outcome === 'taken') return 'lost';
    }
  }

  private async renew(held: Held, timeoutMs: number, signal: AbortSignal): Promise<'renewed' | 'again' | 'taken'> {
    try {
      const sentAt = this.options.clock.read();
      held.lease = await this.write(renewed(held.lease, this.claim()), false, { timeoutMs, signal });
      held.sentAt = sentAt;
      return 'renewed';
    } catch (error) {
      if (isConflict(error) || isNotFound(error)) return this.afterConflict(held, timeoutMs, signal);
      if (!signal.aborted) this.logFailure('cannot renew the lease', error);
      return 'again';
    }
  }

  /** Somebody wrote: a bystander (or our own write, whose answer was lost), or a new holder. */
  private async afterConflict(
    held: Held,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<'renewed' | 'again' | 'taken'> {
    try {
      const current = await this.read({ timeoutMs, signal });
      if (current === undefined || !this.isOurs(current, held)) return 'taken';
      const sentAt = this.options.clock.read();
      held.lease = await this.write(renewed(current, this.claim()), false, { timeoutMs, signal });
      held.sentAt = sentAt;
      return 'renewed';
    } catch (error) {
      if (!signal.aborted) this.logFailure('cannot renew the lease', error);
      return 'again';
    }
  }

  /** Best effort: a lease that cannot be given back expires. Read first, since our last renewal may have been cut off. */
  private async release(held: Held): Promise<void> {
    const timeoutMs = this.options.retryPeriodMs;
    try {
      const current = await this.read({ timeoutMs });
      if (current === undefined || !this.isOurs(current, held)) return;
      await this.write(released(current, this.claim()), false, { timeoutMs });
      this.holder = '';
    } catch (error) {
      this.logFailure('cannot give the lease back; it will expire', error);
    }
  }

  private isOurs(lease: LeaseObject, held: Held): boolean {
    return holderOf(lease) === this.options.identity && termOf(lease) === termOf(held.lease);
  }

  private async read(options: CallOptions): Promise<LeaseObject | undefined> {
    const { client, namespace, name, renewDeadlineMs } = this.options;
    try {
      return await client.get<LeaseObject>(
        { type: leases, namespace, name },
        { timeoutMs: renewDeadlineMs, ...options },
      );
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  private write(lease: LeaseObject, create: boolean, options: CallOptions): Promise<LeaseObject> {
    const { client, renewDeadlineMs } = this.options;
    const timed = { timeoutMs: renewDeadlineMs, ...options };
    return create ? client.create(leases, lease, timed) : client.replace(leases, lease, timed);
  }

  private claim(): LeaseClaim {
    const { annotations, clock, identity, leaseDurationMs, name, namespace } = this.options;
    return { annotations: annotations?.() ?? {}, identity, leaseDurationMs, name, namespace, nowMs: clock.nowMs() };
  }

  private sinceSentMs(held: Held): number {
    const now = this.options.clock.read();
    return Math.max(now.monotonicMs - held.sentAt.monotonicMs, now.bootMs - held.sentAt.bootMs);
  }

  private logFailure(message: string, error: unknown): void {
    if (this.stopping.signal.aborted && isUnreachable(error)) return;
    const { logger, name } = this.options;
    const detail = isKubeError(error) ? { status: error.status, reason: error.reason } : {};
    logger.warn(message, { lease: name, ...detail, error });
  }
}

/** The failure of a callback, boxed; undefined when it went well. */
async function settled(run: () => void | Promise<void>): Promise<{ readonly cause: unknown } | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    return { cause: error };
  }
}

function requireDurations(options: LeaderElectorOptions): void {
  const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = options;
  const problems = [
    ...(leaseDurationMs >= 1000 && leaseDurationMs % 1000 === 0 ? [] : ['leaseDurationMs must be whole seconds']),
    ...(leaseDurationMs > renewDeadlineMs ? [] : ['leaseDurationMs must be above renewDeadlineMs']),
    ...(renewDeadlineMs > retryPeriodMs * 1.2 ? [] : ['renewDeadlineMs must be above 1.2 x retryPeriodMs']),
    ...(retryPeriodMs > 0 ? [] : ['retryPeriodMs must be above 0']),
  ];
  if (problems.length === 0) return;
  const given = JSON.stringify({ leaseDurationMs, renewDeadlineMs, retryPeriodMs });
  throw new RangeError(`leader election: ${problems.join('; ')} (given ${given})`);
}
