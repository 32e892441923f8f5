/**
 * What this replica does only while it leads, started and ended with each term.
 *
 * Invariants: a term begins only after the caches have synced, so that nothing that was issued before is forgotten; when it
 * ends, sessions are told first (agents look for the new leader at once), then the loops stop, then the state forgets what it
 * assumed. The elector gives the lease back only after that.
 */
import type { Clock } from '../platform/clock/clock.ts';
import type { LeaderElector } from '../platform/kube/lease-elector.ts';
import { createRunnableGroup } from '../platform/lifecycle/group.ts';
import type { Runnable } from '../platform/lifecycle/runnable.ts';
import type { Logger } from '../platform/log/logger.ts';
import type { Leadership } from './federation/leadership.ts';
import type { SessionRegistry } from './federation/session-registry.ts';
import type { HubState } from './state/hub-state.ts';

export interface LeaderDutiesDeps {
  readonly state: HubState;
  readonly sessions: SessionRegistry;
  /** Made anew for each term: a stopped loop is not started again. */
  readonly makeLoops: () => readonly Runnable[];
  /** Wall clock at which the leader before this term last renewed, as the store showed it; undefined = there was none. */
  readonly predecessorRenewedMs: () => number | undefined;
  /** The elector's own word, by its clocks. */
  readonly isLeader: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface LeaderDuties {
  begin(term: number, signal: AbortSignal): Promise<void>;
  end(term: number): Promise<void>;
}

export function createLeaderDuties(deps: LeaderDutiesDeps): LeaderDuties {
  let loops: Runnable | undefined;
  return {
    begin: async (term, signal) => {
      await deps.state.whenSynced(signal);
      const renewedMs = deps.predecessorRenewedMs();
      const since = renewedMs === undefined ? {} : { sincePredecessorMs: Math.max(0, deps.clock.nowMs() - renewedMs) };
      deps.state.lead({ term, isLeader: deps.isLeader, ...since });
      const { clock, logger } = deps;
      loops = createRunnableGroup({ name: 'leader', stages: [deps.makeLoops()], clock, logger });
      await loops.start(signal);
      logger.info('leading', { term });
    },
    end: async (term) => {
      deps.sessions.endAll('NotLeader', 'this hub replica no longer leads', 500);
      await loops?.stop();
      loops = undefined;
      deps.state.follow();
      deps.logger.info('no longer leading', { term });
    },
  };
}

/** The federation's view of the elector: leading counts only once the state is in charge. */
export function leadershipOf(elector: LeaderElector, state: HubState): Leadership {
  return {
    get isLeader() {
      return elector.isLeader() && state.leading;
    },
    get term() {
      return elector.term;
    },
    provablyLeading: () => elector.isLeader() && state.leading,
  };
}
