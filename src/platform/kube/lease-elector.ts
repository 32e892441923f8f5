/** Leader election on a Lease: signatures; the body follows. */
import type { Clock } from '../clock/clock.ts';
import type { Random } from '../clock/random.ts';
import type { Runnable } from '../lifecycle/runnable.ts';
import type { Logger } from '../log/logger.ts';
import type { MetricsRegistry } from '../metrics/registry.ts';
import type { KubeClient } from './kube-client.ts';

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
  /** Leadership began. `signal` aborts when it ends. A throw gives the lease back. */
  readonly onStarted: (term: number, signal: AbortSignal) => void | Promise<void>;
  /** Leadership ended and is not coming back under this term. Awaited before the lease is released. */
  readonly onStopped?: (term: number) => void | Promise<void>;
}

export interface LeaderElector extends Runnable {
  /** leaseTransitions of our current or last leadership; 0 = never led. Grows by at least 1 with every acquisition by anybody. */
  readonly term: number;
  /** Leading, and the lease is still provably ours by monotonic and boot time. */
  isLeader(): boolean;
  /** Identity of the holder as last seen, empty if none. */
  readonly observedHolder: string;
  /** Monotonic ms until which no other can have taken over: counted from when the last good renewal was *sent*. -Infinity if not leading. */
  readonly provablyValidUntilMonotonicMs: number;
}

export declare function createLeaderElector(options: LeaderElectorOptions): LeaderElector;
