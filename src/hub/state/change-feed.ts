/**
 * Tells readers of hub state that something changed, never what: they read again. Decides how changes are coalesced.
 *
 * Invariants: a handler that throws is logged and stops neither the others nor the writer; several changes of one member's
 * desired state within one turn are one call. Leaves out what the changes mean.
 */
import type { JobUid, MemberName } from '../../core/model/ids.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { Logger } from '../../platform/log/logger.ts';

export type Unsubscribe = () => void;

interface Topics {
  /** Something that a reconcile of this job reads. */
  job: JobUid;
  /** Something that a reconcile of this member reads. */
  member: MemberName;
  /** Pools, their members or their jobs: every pool looks again. */
  pools: undefined;
  /** A cycle of the scheduler might decide something else. */
  schedulable: undefined;
  desired: MemberName;
  admission: MemberName;
}

type Topic = keyof Topics;
type Handler<T extends Topic> = (subject: Topics[T]) => void;

export class ChangeFeed {
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly handlers = new Map<Topic, Set<Handler<Topic>>>();
  private readonly waitingDesired = new Set<MemberName>();

  constructor(deps: { readonly clock: Clock; readonly logger: Logger }) {
    this.clock = deps.clock;
    this.logger = deps.logger;
  }

  subscribe<T extends Topic>(topic: T, handler: Handler<T>): Unsubscribe {
    const all = this.handlers.get(topic) ?? new Set();
    this.handlers.set(topic, all);
    all.add(handler as Handler<Topic>);
    return () => {
      all.delete(handler as Handler<Topic>);
    };
  }

  job(uid: JobUid): void {
    this.tell('job', uid);
  }

  member(name: MemberName): void {
    this.tell('member', name);
  }

  pools(): void {
    this.tell('pools', undefined);
  }

  schedulable(): void {
    this.tell('schedulable', undefined);
  }

  admission(name: MemberName): void {
    this.tell('admission', name);
  }

  /** Told once per member after the current turn, however often it is called within it. */
  desired(name: MemberName): void {
    if (this.waitingDesired.size === 0) {
      this.clock.after(0, () => {
        const names = [...this.waitingDesired].sort();
        this.waitingDesired.clear();
        for (const waiting of names) this.tell('desired', waiting);
      });
    }
    this.waitingDesired.add(name);
  }

  private tell<T extends Topic>(topic: T, subject: Topics[T]): void {
    for (const handler of this.handlers.get(topic) ?? []) {
      try {
        (handler as Handler<T>)(subject);
      } catch (error) {
        this.logger.error('a reader of hub state failed on a change', { topic, error });
      }
    }
  }
}
