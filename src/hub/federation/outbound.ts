/**
 * Sends each connected member its whole desired state whenever it may have changed.
 *
 * Invariants: nothing is sent before the fleet is ready; one computation per member at a time, the newest wins; the
 * generation's counter rises with every message of this process. A run whose references cannot be read is left out and
 * handed to the fleet, which cancels it; other runs are not held up.
 */
import type { Desired } from '../../core/model/desired.ts';
import { runKey, type MemberName } from '../../core/model/ids.ts';
import type { RunOrder } from '../../core/model/run.ts';
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
  readonly logger: Logger;
  readonly metrics: FederationMetrics;
}

export interface Outbound {
  /** The member's desired state may have changed, or its session is new. */
  push(member: MemberName): void;
}

type PushState = 'idle' | 'busy' | 'busyAndStale';

export function createOutbound(deps: OutboundDeps): Outbound {
  const states = new Map<MemberName, PushState>();
  let counter = 0;

  async function sendOnce(session: OpenSession): Promise<void> {
    if (!deps.fleet.ready || !deps.leadership.provablyLeading()) return;
    const content = deps.fleet.desired(session.member);
    deps.attachments.retain(session.member, new Set(content.runs.map((run) => runKey(run.id))));
    const runs = await withAttachments(content.runs, session, deps);
    counter += 1;
    const generation = { incarnation: deps.incarnation, term: deps.leadership.term, counter };
    const desired: Desired = { ...content, runs, generation };
    if (session.send({ kind: 'desired', desired }, { key: 'desired' })) deps.metrics.desiredSent.inc({});
  }

  async function run(member: MemberName): Promise<void> {
    for (;;) {
      states.set(member, 'busy');
      const session = deps.sessions.get(member);
      try {
        if (session !== undefined) await sendOnce(session);
      } catch (error) {
        deps.logger.warn('desired state not sent; the next change or report sends it again', { member, error });
      }
      if (states.get(member) !== 'busyAndStale') break;
    }
    states.delete(member);
  }

  return {
    push: (member) => {
      if (states.has(member)) {
        states.set(member, 'busyAndStale');
        return;
      }
      void run(member);
    },
  };
}

async function withAttachments(
  orders: readonly RunOrder[],
  session: OpenSession,
  deps: OutboundDeps,
): Promise<readonly RunOrder[]> {
  const complete: RunOrder[] = [];
  for (const order of orders) {
    const resolved = await deps.attachments.resolve(order, session.sealingPublicKey);
    if (resolved.ok) complete.push(resolved.value.length === 0 ? order : { ...order, attachments: resolved.value });
    else deps.fleet.referenceProblem(order.id, resolved.error);
  }
  return complete;
}
