/** The keeper of runs: signatures; the body follows. */
import type { Cause } from '../../core/model/cause.ts';
import type { MemberName, RunId } from '../../core/model/ids.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { Random } from '../../platform/clock/random.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import type { Logger } from '../../platform/log/logger.ts';
import type { MetricsRegistry } from '../../platform/metrics/registry.ts';
import type { Sealer } from '../../platform/pki/sealing.ts';
import type { InventoryReader } from '../inventory/inventory-reader.ts';
import type { LendingReader } from '../lending/lending-reader.ts';
import type { RunKeeper } from './run-keeper.ts';

/** Why an order or a Desired was turned away by fences or terms; label of a counter. */
export type FenceRejection = 'LowerFence' | 'AlreadyStarted' | 'ChangedTerms' | 'LowerTerm' | 'OldGeneration';

/** For metrics: called synchronously, must not throw. */
export interface RunObserver {
  fenceRejected(reason: FenceRejection): void;
  started(run: RunId): void;
  ended(run: RunId, cause: Cause): void;
}

export interface RunKeeperDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** For the work queue's own families. */
  readonly metrics?: MetricsRegistry;
  readonly inventory: InventoryReader;
  readonly lending: LendingReader;
  readonly sealer: Pick<Sealer, 'open'>;
  /** The name this agent's certificate gives it; an order for another member is refused. */
  readonly member: MemberName;
  /** The agent's own namespace: fence memory lives here. */
  readonly namespace: string;
  /** ServiceAccount of the agent in `namespace`; when given, it is bound to ClusterRole `lumbung-guest` in each guest namespace. */
  readonly serviceAccountName?: string;
  /** Network ranges that guests never reach, whatever the policy allows: the API server's, for instance. */
  readonly protectedCidrs?: readonly string[];
  /** Asked right before every write: true only while this process provably holds the agent's Lease. */
  readonly mayAct: () => boolean;
  readonly observer?: RunObserver;
}

/** Owns its reflectors over GuestRuns, guest Jobs and guest Pods; start it after inventory and lending. */
export declare function createRunKeeper(deps: RunKeeperDeps): RunKeeper;
