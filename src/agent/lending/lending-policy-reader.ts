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
import { onAbort } from '../../platform/lifecycle/abort-link.ts';
import type { Runnable } from '../../platform/lifecycle/runnable.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { err, type Result } from '../../std/result.ts';
import { admitGuest, judgeGuest, type GuestFacts, type PolicyState } from './admission.ts';
import type { CalendarView } from './calendar.ts';
import { compilePolicy, type CompiledPolicy } from './compile-policy.ts';
import type { GuestRules, LendingReader, PolicyRefusal } from './lending-reader.ts';
import { templateImages } from './template-images.ts';

const RECHECK_MS = 60_000;
const CLOSED_VIEW: CalendarView = { open: false, edges: [] };
const NOT_READ = 'the LendingPolicy has not been read yet';
/** States in which the windows mean something. */
const READABLE: ReadonlySet<PolicyState['kind']> = new Set(['Paused', 'OutsideWindow', 'Lending']);

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
  return new WatchedPolicy(deps);
}

type Latest =
  | { readonly kind: 'problems'; readonly problems: string }
  | { readonly kind: 'policy'; readonly policy: CompiledPolicy };

class WatchedPolicy implements LendingPolicyReader {
  readonly name = 'lending-policy-reader';
  private readonly deps: LendingPolicyReaderDeps;
  private readonly handlers = new Set<() => void>();
  private seen: KubeObject | undefined;
  private latest: Latest | undefined;
  private lastValid: CompiledPolicy | undefined;
  private current: PolicyState = { kind: 'Absent', message: NOT_READ };
  private view: CalendarView = CLOSED_VIEW;
  private timer: Timer | undefined;
  private readonly unsubscribes: (() => void)[] = [];

  constructor(deps: LendingPolicyReaderDeps) {
    this.deps = deps;
  }

  get synced(): boolean {
    return this.deps.policies.synced;
  }

  start(signal: AbortSignal): Promise<void> {
    const look = (): void => {
      this.look();
    };
    this.unsubscribes.push(
      this.deps.policies.subscribe(look),
      onAbort(signal, () => void this.stop()),
    );
    look();
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.timer?.cancel();
    for (const unsubscribe of this.unsubscribes.splice(0)) unsubscribe();
    return Promise.resolve();
  }

  state(): PolicyState {
    return this.current;
  }

  calendar(): CalendarView {
    return this.view;
  }

  guestRules(): GuestRules | undefined {
    const { kind } = this.current;
    return kind === 'Absent' || kind === 'Invalid' ? undefined : policyOf(this.current)?.guestRules;
  }

  admits(order: RunOrder): Result<void, PolicyRefusal> {
    const facts = factsOf(order, templateImages(order.template));
    return admitGuest(this.current, facts, this.deps.certifiedJurisdiction());
  }

  mustEnd(run: RunTerms, images: readonly string[]): ReturnType<LendingReader['mustEnd']> {
    const verdict = judgeGuest(this.current, factsOf(run, images), this.deps.certifiedJurisdiction());
    return verdict.ok ? verdict : err({ ...verdict.error, graceMs: policyOf(this.current)?.reclaimGraceMs ?? 0 });
  }

  subscribe(handler: () => void): () => void {
    this.handlers.add(handler);
    return () => this.handlers.delete(handler);
  }

  private look(): void {
    const { clock, logger } = this.deps;
    this.timer?.cancel();
    const changed = this.refresh();
    const untilEdgeMs = (this.view.validUntilMs ?? Number.POSITIVE_INFINITY) - clock.nowMs();
    this.timer = clock.after(Math.max(1, Math.min(untilEdgeMs, RECHECK_MS)), () => {
      this.look();
    });
    if (!changed) return;
    for (const handler of this.handlers) {
      try {
        handler();
      } catch (error) {
        logger.error('a listener to the LendingPolicy failed', { error });
      }
    }
  }

  /** Reads everything anew; returns whether something that others rely on changed. */
  private refresh(): boolean {
    this.recompile(this.deps.policies.get(undefined, LENDING_POLICY_NAME));
    const before = { state: this.current, view: this.view };
    this.current = this.stateNow();
    const policy = 'policy' in this.current ? this.current.policy : undefined;
    this.view = READABLE.has(this.current.kind)
      ? (policy?.calendar.at(this.deps.clock.nowMs()) ?? CLOSED_VIEW)
      : CLOSED_VIEW;
    return !sameState(before.state, this.current) || !sameView(before.view, this.view);
  }

  private recompile(raw: KubeObject | undefined): void {
    const { seen } = this;
    const unchanged = raw === seen || (raw !== undefined && seen !== undefined && sameSpec(raw, seen));
    this.seen = raw;
    if (unchanged) return;
    if (raw === undefined) {
      this.latest = undefined;
      this.lastValid = undefined;
      return;
    }
    const compiled = compilePolicy(raw);
    if (compiled.ok) {
      this.latest = { kind: 'policy', policy: compiled.value };
      this.lastValid = compiled.value;
      return;
    }
    const problems = compiled.error.map(({ path, message }) => `${path}: ${message}`).join('; ');
    this.latest = { kind: 'problems', problems };
    this.deps.logger.warn('the LendingPolicy is invalid; nothing new is lent', { problems });
  }

  private stateNow(): PolicyState {
    const { latest, lastValid } = this;
    const kept = lastValid === undefined ? {} : { policy: lastValid };
    if (!this.deps.policies.synced) return { kind: 'Absent', message: NOT_READ };
    if (!this.deps.readable()) return { kind: 'Unreadable', message: 'the LendingPolicy cannot be read now', ...kept };
    if (latest === undefined)
      return { kind: 'Absent', message: `there is no LendingPolicy named ${LENDING_POLICY_NAME}` };
    if (latest.kind === 'problems') {
      return { kind: 'Invalid', message: `the LendingPolicy is invalid: ${latest.problems}`, ...kept };
    }
    const { policy } = latest;
    if (policy.paused) return { kind: 'Paused', policy };
    const { open, edges } = policy.calendar.at(this.deps.clock.nowMs());
    if (open) return { kind: 'Lending', policy };
    const opensAtMs = edges.find((edge) => edge.kind === 'opens')?.atMs;
    return { kind: 'OutsideWindow', policy, ...(opensAtMs === undefined ? {} : { opensAtMs }) };
  }
}

/** The policy that still says how guests must look, if any was ever valid. */
export function policyOf(state: PolicyState): CompiledPolicy | undefined {
  return state.kind === 'Absent' ? undefined : state.policy;
}

function sameState(a: PolicyState, b: PolicyState): boolean {
  const message = (state: PolicyState): string => ('message' in state ? state.message : '');
  return a.kind === b.kind && policyOf(a) === policyOf(b) && message(a) === message(b);
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
