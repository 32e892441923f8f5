/**
 * The life of this member in its federation: join, hold a session under a certificate that is renewed in time, join again if
 * it lapsed.
 *
 * Invariants: guests and owner-first reclaim go on whatever happens here; the process gives up only on a final word (revoked,
 * another agent took over, joining refused) and then only when no guest is left that it would have to look after. After a
 * revocation it waits until the guests are gone. Leaves out who may act (app.ts).
 */
import type { ClusterUid } from '../../core/model/ids.ts';
import type { Clock, ClockReading } from '../../platform/clock/clock.ts';
import type { Random } from '../../platform/clock/random.ts';
import type { Runnable } from '../../platform/lifecycle/runnable.ts';
import { onAbort } from '../../platform/lifecycle/abort-link.ts';
import type { Logger } from '../../platform/log/logger.ts';
import type { MemberIdentity } from '../enrolment/certificate-check.ts';
import { isEnrolmentError } from '../enrolment/enrolment-error.ts';
import type { EnrolmentPort } from '../enrolment/enrolment-port.ts';
import { createIdentityKeeper, type IdentityKeeper } from '../enrolment/identity-keeper.ts';
import type { IdentityStore } from '../enrolment/identity-store.ts';
import { join } from '../enrolment/join.ts';
import type { InventoryReader } from '../inventory/inventory-reader.ts';
import type { RunKeeper } from '../runs/run-keeper.ts';
import type { AgentMetrics } from '../telemetry/agent-metrics.ts';
import type { Epochs } from './epochs.ts';
import type { FederationLink } from './federation-link.ts';
import type { SessionExit } from './reconnect-rule.ts';
import { createSession, type Session } from './session.ts';

const JOIN_AGAIN_MS = 60_000;
const GUESTS_GONE_POLL_MS = 500;

/** Why this process cannot go on. The text says what to do. */
export class MembershipEnded extends Error {
  readonly kind = 'MembershipEnded';
  override readonly name = 'MembershipEnded';
  readonly why: 'Revoked' | 'Superseded' | 'NotJoined';

  constructor(why: MembershipEnded['why'], message: string) {
    super(message);
    this.why = why;
  }
}

export interface MembershipDeps {
  readonly store: IdentityStore;
  readonly enrolment: EnrolmentPort;
  readonly link: (identity: () => MemberIdentity) => FederationLink;
  readonly addresses: readonly string[];
  readonly member: string;
  readonly clusterUid: ClusterUid;
  readonly agentVersion: string;
  readonly kubernetesVersion: string;
  readonly token: () => Promise<string | undefined>;
  readonly caFingerprint?: string;
  readonly jurisdiction: () => string;
  readonly epochs: Epochs;
  readonly sealingPublicKey: Uint8Array;
  readonly inventory: InventoryReader;
  readonly keeper: RunKeeper;
  /** Called with each identity that becomes the member's. */
  readonly onIdentity: (identity: MemberIdentity) => void;
  /** The process cannot go on. Called once at most. */
  readonly onEnded: (end: MembershipEnded) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: AgentMetrics;
}

export interface Membership extends Runnable {
  readonly connected: boolean;
  /** When the last acknowledged report was sent. */
  lastLease(): ClockReading | undefined;
}

export function createMembership(deps: MembershipDeps): Membership {
  return new LivingMembership(deps);
}

class LivingMembership implements Membership {
  readonly name = 'membership';
  private readonly deps: MembershipDeps;
  private readonly stopping = new AbortController();
  private session: Session | undefined;
  private running: Promise<void> = Promise.resolve();
  private unlink: () => void = () => undefined;

  constructor(deps: MembershipDeps) {
    this.deps = deps;
  }

  get connected(): boolean {
    return this.session?.connected === true;
  }

  lastLease(): ClockReading | undefined {
    return this.session?.lastLease();
  }

  start(signal: AbortSignal): Promise<void> {
    this.unlink = onAbort(signal, () => {
      this.stopping.abort();
    });
    this.running = this.run(this.stopping.signal);
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.unlink();
    await this.running;
  }

  private async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const identity = await this.joined(signal);
      if (identity === undefined) continue;
      const exit = await this.live(identity, signal);
      if (exit !== undefined) {
        await this.end(exit, signal);
        return;
      }
      this.deps.logger.warn('the certificate lapsed; this member has to join again');
    }
  }

  /** Undefined: not now; the caller asks again unless told to stop. */
  private async joined(signal: AbortSignal): Promise<MemberIdentity | undefined> {
    const { enrolment, keeper, clock, logger, onEnded } = this.deps;
    try {
      return await join({ ...this.deps, port: enrolment }, signal);
    } catch (error) {
      logger.error('this member could not join', { error, why: isEnrolmentError(error) ? error.why : 'Unexpected' });
      const guests = keeper.guests().length;
      if (isEnrolmentError(error) && guests === 0) {
        onEnded(new MembershipEnded('NotJoined', error.message));
        await untilAborted(signal);
        return undefined;
      }
      // Guests that run here still need their owner's protection; an unreachable cluster may come back.
      await clock.sleep(isEnrolmentError(error) ? JOIN_AGAIN_MS : 1000, signal);
      return undefined;
    }
  }

  /** Until the session is over for good, or undefined when the certificate has lapsed. */
  private async live(initial: MemberIdentity, signal: AbortSignal): Promise<SessionExit | undefined> {
    const { link, onIdentity, clusterUid, agentVersion, kubernetesVersion } = this.deps;
    const identity = this.makeIdentityKeeper(initial);
    onIdentity(initial);
    const unsubscribe = identity.subscribe(() => {
      onIdentity(identity.current());
    });
    const session = createSession({
      ...this.deps,
      link: link(() => identity.current()),
      identity: { clusterUid, agentVersion, kubernetesVersion },
      certificate: () => identity.current(),
      onCertificate: (handler) => identity.subscribe(handler),
      onTrustBundle: (bundle) => {
        identity.trust(bundle);
      },
    });
    this.session = session;
    try {
      await identity.start(signal);
      await session.start(signal);
      return await Promise.race([session.finished, identity.lapsed.then(() => undefined)]);
    } finally {
      unsubscribe();
      await session.stop();
      await identity.stop();
    }
  }

  private makeIdentityKeeper(initial: MemberIdentity): IdentityKeeper {
    return createIdentityKeeper(initial, {
      ...this.deps,
      renew: () => {
        const connection = this.session?.connection();
        return connection === undefined ? undefined : (csrPem) => connection.renew(csrPem);
      },
    });
  }

  private async end(exit: SessionExit, signal: AbortSignal): Promise<void> {
    const { keeper, clock, onEnded } = this.deps;
    if (exit.kind === 'Stopped') return;
    if (exit.kind === 'Revoked') {
      while (!signal.aborted && keeper.guests().length > 0) await clock.sleep(GUESTS_GONE_POLL_MS, signal);
    }
    if (!signal.aborted) onEnded(new MembershipEnded(exit.kind, exit.message));
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    onAbort(signal, resolve);
  });
}
