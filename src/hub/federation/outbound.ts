/**
 * Sends each connected member its whole desired state whenever it may have changed.
 *
 * Invariants: nothing is sent before the fleet is ready; one computation per member at a time, the newest wins; the
 * generation's counter rises with every message of this process. A run whose references cannot be had is left out and handed
 * to the fleet, which cancels it; one whose references cannot be read for now is left out until they can; neither holds up
 * the others, nor cancels and acks. What changed while references were read is not sent as it was before. A message stays within what an agent takes: runs beyond that wait for room.
 */
import type { Desired } from '../../core/model/desired.ts';
import { runKey, type MemberName } from '../../core/model/ids.ts';
import type { RunOrder } from '../../core/model/run.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import type { Logger } from '../../platform/log/logger.ts';
import type { Fleet } from '../state/fleet.ts';
import type { AttachmentResolver } from './attachments.ts';
import type { FederationMetrics } from './federation-metrics.ts';
import type { Leadership } from './leadership.ts';
import type { OpenSession, SessionRegistry } from './session-registry.ts';

export interface OutboundDeps {
  readonly fleet: Fleet;
  readonly sessions: SessionRegistry;
  readonly attachments: AttachmentResolver;
  readonly leadership: Leadership;
  readonly incarnation: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: FederationMetrics;
}

export interface Outbound {
  /** The member's desired state may have changed, or its session is new. */
  push(member: MemberName): void;
}

/** After a failure. Short and constant: the client that reads has backed off already. */
const retryMs = 2_000;
/** Templates and attachments of one message; agents take 16 MiB, and the rest of a message needs some of it. */
const maxOrderBytes = 12 * 1024 * 1024;

export function createOutbound(deps: OutboundDeps): Outbound {
  return new Pusher(deps);
}

class Pusher implements Outbound {
  private readonly deps: OutboundDeps;
  private readonly states = new Map<MemberName, 'busy' | 'busyAndStale'>();
  private readonly retrying = new Set<MemberName>();
  private readonly templateBytes = new WeakMap<object, number>();
  private counter = 0;

  constructor(deps: OutboundDeps) {
    this.deps = deps;
  }

  push(member: MemberName): void {
    if (this.states.has(member)) {
      this.states.set(member, 'busyAndStale');
      return;
    }
    void this.run(member);
  }

  private async run(member: MemberName): Promise<void> {
    do {
      this.states.set(member, 'busy');
      const session = this.deps.sessions.get(member);
      try {
        if (session === undefined) this.letGo(member);
        else await this.sendOnce(session);
      } catch (error) {
        this.deps.logger.warn('desired state not sent; trying again', { member, error });
        this.retryLater(member);
      }
    } while (this.states.get(member) === 'busyAndStale');
    this.states.delete(member);
  }

  private retryLater(member: MemberName): void {
    if (this.retrying.has(member)) return;
    this.retrying.add(member);
    this.deps.clock.after(retryMs, () => {
      this.retrying.delete(member);
      this.push(member);
    });
  }

  /** Nobody to tell: what is kept for the member is only what it will be told when it is back. */
  private letGo(member: MemberName): void {
    const { fleet, attachments } = this.deps;
    if (!attachments.holdsFor(member)) return;
    attachments.retain(member, keysOf(fleet.desired(member).runs));
  }

  private async sendOnce(session: OpenSession): Promise<void> {
    const { fleet, leadership, attachments, incarnation, metrics } = this.deps;
    const { member } = session;
    if (!fleet.ready || !leadership.provablyLeading()) return;
    const before = fleet.desired(member);
    attachments.retain(member, keysOf(before.runs));
    const complete = await this.withAttachments(before.runs, session);
    if (!leadership.provablyLeading()) return;
    // An order that was called off meanwhile must not go out: its fence may be released by now. What came meanwhile is next.
    const waited = complete.length < before.runs.length || complete.some((order) => order.attachments.length > 0);
    const content = waited && this.states.get(member) === 'busyAndStale' ? fleet.desired(member) : before;
    const wanted = keysOf(content.runs);
    const runs = this.withinBounds(
      complete.filter((order) => wanted.has(runKey(order.id))),
      member,
    );
    this.counter += 1;
    const generation = { incarnation, term: leadership.term, counter: this.counter };
    const desired: Desired = { ...content, runs, generation };
    if (session.send({ kind: 'desired', desired }, { key: 'desired' })) metrics.desiredSent.inc({});
  }

  private async withAttachments(orders: readonly RunOrder[], session: OpenSession): Promise<readonly RunOrder[]> {
    const { attachments, fleet, logger } = this.deps;
    const complete: RunOrder[] = [];
    for (const order of orders) {
      try {
        const resolved = await attachments.resolve(order, session.sealingPublicKey);
        if (resolved.ok) complete.push(resolved.value.length === 0 ? order : { ...order, attachments: resolved.value });
        else fleet.referenceProblem(order.id, resolved.error);
      } catch (error) {
        logger.warn('references of a run cannot be read now; it is sent later', { run: order.id, error });
        this.retryLater(session.member);
      }
    }
    return complete;
  }

  /** In the hub's order; a run that has no room is sent once others are over. Absence never stops a run. */
  private withinBounds(orders: readonly RunOrder[], member: MemberName): readonly RunOrder[] {
    let total = 0;
    const taken = orders.filter((order) => {
      const bytes = this.bytesOf(order);
      if (total + bytes > maxOrderBytes) return false;
      total += bytes;
      return true;
    });
    if (taken.length < orders.length) {
      const held = orders.length - taken.length;
      this.deps.logger.warn('runs wait: templates and attachments exceed one message', { member, held });
    }
    return taken;
  }

  private bytesOf(order: RunOrder): number {
    return order.attachments.reduce((sum, { sealed }) => sum + sealed.byteLength, this.templateSize(order.template));
  }

  /** Remembered by the object, which is the same from push to push. */
  private templateSize(template: unknown): number {
    if (typeof template !== 'object' || template === null) return 0;
    const known = this.templateBytes.get(template);
    if (known !== undefined) return known;
    const bytes = Buffer.byteLength(JSON.stringify(template));
    this.templateBytes.set(template, bytes);
    return bytes;
  }
}

function keysOf(orders: readonly RunOrder[]): ReadonlySet<string> {
  return new Set(orders.map((order) => runKey(order.id)));
}
