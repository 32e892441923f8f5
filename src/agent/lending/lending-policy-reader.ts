/**
 * Reads the LendingPolicy named `default`, keeps it compiled, and tells the rest of the agent what it says now.
 *
 * Invariants: absent, invalid or unreadable lends nothing new and ends no running guest; `paused` and the end of a window
 * end every guest. At the edge of a window, not before: guests are told to stop when the window closes and are gone within
 * reclaimGrace after it. A tightening reaches running guests at once, through `subscribe`. The clock may jump, so the calendar is
 * looked at again every minute at least. A subscriber that throws is logged and stops nobody.
 * Leaves out the questions themselves (admission.ts), limits over many guests (enforce-limits.ts) and writing status.
 */
import { LENDING_POLICY_NAME } from '../../api/v1alpha1/lending-policy.ts';
import type { Jurisdiction } from '../../core/model/ids.ts';
import type { RunOrder, RunTerms } from '../../core/model/run.ts';
import type { Clock, Timer } from '../../platform/clock/clock.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import type { Store } from '../../platform/kube/store.ts';
import type { Runnable } from '../../platform/lifecycle/runnable.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { err } from '../../std/result.ts';
import { admitGuest, judgeGuest, type GuestFacts, type PolicyState } from './admission.ts';
import type { CalendarView } from './calendar.ts';
import { compilePolicy, type CompiledPolicy } from './compile-policy.ts';
import type { LendingReader } from './lending-reader.ts';
import { templateImages } from './template-images.ts';

const RECHECK_MS = 60_000;
const CLOSED_VIEW: CalendarView = { open: false, edges: [] };

export interface LendingPolicyReaderDeps {
  readonly policies: Store<KubeObject>;
  /** False while the cluster refuses or cannot answer reads of the policy. */
  readonly readable: () => boolean;
  /** The jurisdiction in the member's certificate; undefined before there is one. */
  readonly certifiedJurisdiction: () => Jurisdiction | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface LendingPolicyReader extends LendingReader, Runnable {
  /** The policy has been looked for at least once. */
  readonly synced: boolean;
  state(): PolicyState;
  /** The owner's windows now; closed when there is no policy to have any. */
  calendar(): CalendarView;
}

export function createLendingPolicyReader(deps: LendingPolicyReaderDeps): LendingPolicyReader {
  const { policies, clock, logger, certifiedJurisdiction } = deps;
  const handlers = new Set<() => void>();
  let seen: KubeObject | undefined;
  let latest: { readonly problems: string } | { readonly policy: CompiledPolicy } | undefined;
  let lastValid: CompiledPolicy | undefined;
  let state: PolicyState = { kind: 'Absent', message: 'the LendingPolicy has not been read yet' };
  let view: CalendarView = CLOSED_VIEW;
  let timer: Timer | undefined;
  let unsubscribe: (() => void) | undefined;

  function recompile(raw: KubeObject | undefined): void {
    const unchanged = raw === seen || (raw !== undefined && seen !== undefined && sameSpec(raw, seen));
    seen = raw;
    if (unchanged) return;
    if (raw === undefined) {
      latest = undefined;
      lastValid = undefined;
      return;
    }
    const compiled = compilePolicy(raw);
    if (compiled.ok) {
      latest = { policy: compiled.value };
      lastValid = compiled.value;
      return;
    }
    const problems = compiled.error.map(({ path, message }) => `${path}: ${message}`).join('; ');
    latest = { problems };
    logger.warn('the LendingPolicy is invalid; nothing new is lent', { problems });
  }

  /** Reads everything anew; returns whether something that others rely on changed. */
  function refresh(): boolean {
    recompile(policies.get(undefined, LENDING_POLICY_NAME));
    const [nextState, nextView] = stateNow();
    const changed =
      nextState.kind !== state.kind ||
      policyOf(nextState) !== policyOf(state) ||
      messageOf(nextState) !== messageOf(state) ||
      !sameView(nextView, view);
    state = nextState;
    view = nextView;
    return changed;
  }

  function stateNow(): [PolicyState, CalendarView] {
    const kept = lastValid === undefined ? {} : { policy: lastValid };
    if (!policies.synced) return [{ kind: 'Absent', message: 'the LendingPolicy has not been read yet' }, CLOSED_VIEW];
    if (!deps.readable())
      return [{ kind: 'Unreadable', message: 'the LendingPolicy cannot be read now', ...kept }, CLOSED_VIEW];
    if (latest === undefined)
      return [{ kind: 'Absent', message: `there is no LendingPolicy named ${LENDING_POLICY_NAME}` }, CLOSED_VIEW];
    if ('problems' in latest)
      return [{ kind: 'Invalid', message: `the LendingPolicy is invalid: ${latest.problems}`, ...kept }, CLOSED_VIEW];
    const { policy } = latest;
    const calendarNow = policy.calendar.at(clock.nowMs());
    if (policy.paused) return [{ kind: 'Paused', policy }, calendarNow];
    if (calendarNow.open) return [{ kind: 'Lending', policy }, calendarNow];
    const opensAtMs = calendarNow.edges.find((edge) => edge.kind === 'opens')?.atMs;
    return [{ kind: 'OutsideWindow', policy, ...(opensAtMs === undefined ? {} : { opensAtMs }) }, calendarNow];
  }

  function look(): void {
    timer?.cancel();
    const changed = refresh();
    const untilEdgeMs = (view.validUntilMs ?? Number.POSITIVE_INFINITY) - clock.nowMs();
    timer = clock.after(Math.max(1, Math.min(untilEdgeMs, RECHECK_MS)), look);
    if (!changed) return;
    for (const handler of handlers) {
      try {
        handler();
      } catch (error) {
        logger.error('a listener to the LendingPolicy failed', { error });
      }
    }
  }

  return {
    name: 'lending-policy-reader',
    get synced() {
      return policies.synced;
    },
    start: (signal) => {
      unsubscribe = policies.subscribe(look);
      look();
      signal.addEventListener('abort', stop, { once: true });
      return Promise.resolve();
    },
    stop: () => {
      stop();
      return Promise.resolve();
    },
    state: () => state,
    calendar: () => view,
    guestRules: () => (state.kind === 'Absent' || state.kind === 'Invalid' ? undefined : policyOf(state)?.guestRules),
    admits: (order) => admitGuest(state, factsOf(order, templateImages(order.template)), certifiedJurisdiction()),
    mustEnd: (run, images) => {
      const verdict = judgeGuest(state, factsOf(run, images), certifiedJurisdiction());
      return verdict.ok ? verdict : err({ ...verdict.error, graceMs: policyOf(state)?.reclaimGraceMs ?? 0 });
    },
    subscribe: (handler) => {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
  };

  function stop(): void {
    timer?.cancel();
    unsubscribe?.();
  }
}

/** The policy that still says how guests must look, if any was ever valid. */
export function policyOf(state: PolicyState): CompiledPolicy | undefined {
  return state.kind === 'Absent' ? undefined : state.policy;
}

function messageOf(state: PolicyState): string {
  return 'message' in state ? state.message : '';
}

/** Our own status writes come back as updates; only a new generation can carry a new spec. */
function sameSpec(a: KubeObject, b: KubeObject): boolean {
  return (
    a.metadata.uid === b.metadata.uid &&
    a.metadata.generation !== undefined &&
    a.metadata.generation === b.metadata.generation
  );
}

function sameView(a: CalendarView, b: CalendarView): boolean {
  const edges = (view: CalendarView): string => view.edges.map((edge) => edge.atMs).join();
  return a.open === b.open && a.availableUntilMs === b.availableUntilMs && edges(a) === edges(b);
}

function factsOf(run: RunTerms | RunOrder, images: readonly string[]): GuestFacts {
  return { tenant: run.tenant, images, ...('jurisdictions' in run ? { jurisdictions: run.jurisdictions } : {}) };
}
