/**
 * Holds the member's identity while the agent runs, and renews it in good time.
 *
 * Invariants: readers always see one whole identity; a renewed one is checked and persisted before anybody sees it; renewal
 * begins at half of the certificate's life over the open session's connection, and is tried again with growing pauses until it
 * succeeds or the certificate has ended; the open stream is not touched. A trust bundle from the hub replaces the stored one.
 */
import { backoffMs } from '../../platform/clock/backoff.ts';
import type { Clock, Timer } from '../../platform/clock/clock.ts';
import type { Random } from '../../platform/clock/random.ts';
import { formatTimestamp } from '../../platform/clock/timestamp.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { createKeyAndCsr } from '../../platform/pki/certificate-request.ts';
import { joinBundles, parseBundle } from '../../platform/pki/certificate.ts';
import { onAbort } from '../../platform/lifecycle/abort-link.ts';
import type { Runnable } from '../../platform/lifecycle/runnable.ts';
import type { RenewAnswer } from '../../wire/enrolment-codec.ts';
import type { AgentMetrics } from '../telemetry/agent-metrics.ts';
import { checkCertificate, type MemberIdentity } from './certificate-check.ts';
import type { IdentityStore } from './identity-store.ts';

/** Authorities date certificates this far back against clocks that are behind. */
const BACKDATED_MS = 300_000;
const RETRY = { baseMs: 1000, maxMs: 300_000 };
/** A retry never waits for more than this part of what is left. */
const RETRY_PART = 10;

export interface IdentityKeeperDeps {
  readonly store: IdentityStore;
  readonly member: string;
  readonly clusterUid: string;
  /** The open session's connection, if any. */
  readonly renew: () => ((csrPem: string) => Promise<RenewAnswer>) | undefined;
  readonly clock: Clock;
  readonly random: Pick<Random, 'next'>;
  readonly logger: Logger;
  readonly metrics: Pick<AgentMetrics, 'certificateExpiry' | 'certificateRenewals'>;
}

export interface IdentityKeeper extends Runnable {
  current(): MemberIdentity;
  /** Called after `current` has changed. Returns the unsubscribe. */
  subscribe(handler: () => void): () => void;
  /** Resolves when the certificate has ended without being renewed; never while it is. */
  readonly lapsed: Promise<void>;
  /** PEM certificates that the hub wants to be trusted from now on. */
  trust(bundle: readonly string[]): void;
}

export function createIdentityKeeper(initial: MemberIdentity, deps: IdentityKeeperDeps): IdentityKeeper {
  return new RenewingIdentity(initial, deps);
}

/** When to begin renewing: half-way through the life, and at once when that has passed. Wall clock. */
export function renewalDueMs(identity: Pick<MemberIdentity, 'notBeforeMs' | 'notAfterMs'>, nowMs: number): number {
  const issuedMs = Math.min(identity.notBeforeMs + BACKDATED_MS, identity.notAfterMs);
  const halfLifeMs = issuedMs + (identity.notAfterMs - issuedMs) / 2;
  // Issued by an authority that does not date back: never later than half of what is left.
  return Math.max(nowMs, Math.min(halfLifeMs, nowMs + (identity.notAfterMs - nowMs) / 2));
}

class RenewingIdentity implements IdentityKeeper {
  readonly name = 'identity-keeper';
  readonly lapsed: Promise<void>;
  private settleLapsed: () => void = () => undefined;
  private identity: MemberIdentity;
  private readonly deps: IdentityKeeperDeps;
  private readonly handlers = new Set<() => void>();
  private timer: Timer | undefined;
  private failures = 0;
  private running = false;
  private work: Promise<void> = Promise.resolve();
  private unlink: () => void = () => undefined;

  constructor(initial: MemberIdentity, deps: IdentityKeeperDeps) {
    this.identity = initial;
    this.deps = deps;
    this.lapsed = new Promise((resolve) => {
      this.settleLapsed = resolve;
    });
  }

  current(): MemberIdentity {
    return this.identity;
  }

  subscribe(handler: () => void): () => void {
    this.handlers.add(handler);
    return () => this.handlers.delete(handler);
  }

  start(signal: AbortSignal): Promise<void> {
    this.running = true;
    this.unlink = onAbort(signal, () => void this.stop());
    this.deps.metrics.certificateExpiry.set({}, this.identity.notAfterMs / 1000);
    this.scheduleAt(renewalDueMs(this.identity, this.deps.clock.nowMs()));
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.running = false;
    this.unlink();
    this.timer?.cancel();
    await this.work;
  }

  trust(bundle: readonly string[]): void {
    this.enqueue(async () => {
      const trustBundlePem = joinBundles(...bundle);
      const authorities = parseBundle(trustBundlePem).filter((certificate) => certificate.isAuthority);
      if (authorities.length === 0) {
        this.deps.logger.warn('a trust bundle without an authority was ignored', { certificates: bundle.length });
        return;
      }
      await this.deps.store.update({ trustBundlePem });
      this.replace({ ...this.identity, trustBundlePem });
      this.deps.logger.info('the trusted authorities of the hub were updated', { authorities: authorities.length });
    });
  }

  private scheduleAt(wallMs: number): void {
    if (!this.running) return;
    this.timer?.cancel();
    const delayMs = Math.max(0, wallMs - this.deps.clock.nowMs());
    // Timers hold about 24 days at most, and the wall clock may jump: look again every hour.
    this.timer = this.deps.clock.after(Math.min(delayMs, 3_600_000), () => {
      if (this.deps.clock.nowMs() < wallMs) this.scheduleAt(wallMs);
      else this.enqueue(() => this.renew());
    });
  }

  /** One change at a time; a failure is logged and costs only itself. */
  private enqueue(change: () => Promise<void>): void {
    this.work = this.work.then(change).catch((error: unknown) => {
      this.deps.logger.error('the identity could not be changed', { error });
    });
  }

  private async renew(): Promise<void> {
    if (!this.running) return;
    const { clock, metrics, logger } = this.deps;
    try {
      const renewed = await this.askForRenewal();
      if (renewed === undefined) return;
      this.failures = 0;
      metrics.certificateRenewals.inc({ result: 'renewed' });
      this.replace(renewed);
      logger.info('the certificate was renewed', { validUntil: formatTimestamp(renewed.notAfterMs) });
      this.scheduleAt(renewalDueMs(renewed, clock.nowMs()));
    } catch (error) {
      metrics.certificateRenewals.inc({ result: 'failed' });
      this.again(error);
    }
  }

  private async askForRenewal(): Promise<MemberIdentity | undefined> {
    const { store, member, clusterUid, clock } = this.deps;
    const renew = this.deps.renew();
    if (renew === undefined) {
      this.again(undefined);
      return undefined;
    }
    const { keyPem } = this.identity;
    const { csrPem } = await createKeyAndCsr({ commonName: member, keyPem });
    const answer = await renew(csrPem);
    const trustBundlePem = joinBundles(...answer.trustBundle);
    const expected = { member, clusterUid, keyPem };
    const renewed = checkCertificate(answer.certificatePem, trustBundlePem, expected, clock.nowMs());
    await store.update({ certificatePem: renewed.certificatePem, trustBundlePem });
    return renewed;
  }

  private again(error: unknown): void {
    const { clock, random, logger } = this.deps;
    this.failures += 1;
    const leftMs = Math.max(0, this.identity.notAfterMs - clock.nowMs());
    if (leftMs === 0) {
      logger.error('the certificate ended and could not be renewed', { error });
      this.settleLapsed();
      return;
    }
    const delayMs = Math.max(500, Math.min(backoffMs(RETRY, this.failures, random), leftMs / RETRY_PART));
    const fields = { againInMs: Math.round(delayMs), validForMs: leftMs };
    if (error === undefined) logger.debug('no session to renew the certificate over', fields);
    else logger.warn('the certificate could not be renewed', { ...fields, error });
    this.scheduleAt(clock.nowMs() + delayMs);
  }

  private replace(next: MemberIdentity): void {
    this.identity = next;
    this.deps.metrics.certificateExpiry.set({}, next.notAfterMs / 1000);
    for (const handler of this.handlers) {
      try {
        handler();
      } catch (error) {
        this.deps.logger.error('a listener to the identity failed', { error });
      }
    }
  }
}
