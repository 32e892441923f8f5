/**
 * Joining a federation: from the member's own key to a certificate that a hub issued for it.
 *
 * Invariants: the key is persisted before the token leaves the agent, so that asking again is asking with the same key; the
 * hub is trusted by the pinned fingerprint or the stored bundle, never by its word; nothing issued is used before it was checked
 * and persisted. Waits while the hub says Pending or cannot be reached; ends with an EnrolmentError when asking again cannot
 * help. A stored certificate that still holds is used without asking anybody.
 */
import type { Clock } from '../../platform/clock/clock.ts';
import type { Random } from '../../platform/clock/random.ts';
import { backoffMs } from '../../platform/clock/backoff.ts';
import { formatTimestamp } from '../../platform/clock/timestamp.ts';
import { isRpcError } from '../../platform/grpc/rpc-error.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { createKeyAndCsr } from '../../platform/pki/certificate-request.ts';
import { joinBundles, parseCertificate } from '../../platform/pki/certificate.ts';
import { isPkiError } from '../../platform/pki/pki-error.ts';
import { PROTOCOL_VERSION } from '../../wire/protocol-version.ts';
import { checkCertificate, type MemberIdentity } from './certificate-check.ts';
import { EnrolmentError, isEnrolmentError } from './enrolment-error.ts';
import type { EnrolmentPort } from './enrolment-port.ts';
import type { IdentityStore, StoredIdentity } from './identity-store.ts';

const BACKOFF = { baseMs: 1000, maxMs: 30_000 };
const LONGEST_PENDING_MS = 60_000;

export interface JoinDeps {
  readonly store: IdentityStore;
  readonly port: EnrolmentPort;
  readonly member: string;
  readonly clusterUid: string;
  readonly agentVersion: string;
  /** Read when it is needed, so that a token that was mounted later is found. Empty or undefined = none. */
  readonly token: () => Promise<string | undefined>;
  /** Of the hub's authority; from the invitation. */
  readonly caFingerprint?: string;
  /** As the owner states it, empty if it does not; shown to the pool operator before acceptance. */
  readonly jurisdiction: () => string;
  readonly clock: Clock;
  readonly random: Pick<Random, 'next'>;
  readonly logger: Logger;
}

/** The member's identity, joining first if there is none that holds. Undefined when `signal` aborted before. */
export async function join(deps: JoinDeps, signal: AbortSignal): Promise<MemberIdentity | undefined> {
  const stored = await deps.store.ensure();
  const held = storedIdentity(stored, deps);
  if (held !== undefined) return held;
  const token = await deps.token();
  if (token === undefined || token === '') throw new EnrolmentError('TokenMissing', missingToken(stored, deps));
  const { csrPem } = await createKeyAndCsr({ commonName: deps.member, keyPem: stored.keyPem });
  return new Joining(deps, stored, { token, csrPem }).run(signal);
}

function storedIdentity(stored: StoredIdentity, deps: JoinDeps): MemberIdentity | undefined {
  const { certificatePem, trustBundlePem, keyPem } = stored;
  if (certificatePem === undefined || trustBundlePem === undefined) return undefined;
  try {
    return checkCertificate(certificatePem, trustBundlePem, { ...deps, keyPem }, deps.clock.nowMs());
  } catch (error) {
    if (!isEnrolmentError(error)) throw error;
    deps.logger.warn('the stored certificate no longer holds; joining anew', { why: error.message });
    return undefined;
  }
}

function missingToken(stored: StoredIdentity, { member }: JoinDeps): string {
  if (stored.certificatePem === undefined) {
    return `this member has not joined and has no token; ask the pool operator for: lumbung member invite ${member}`;
  }
  const ended = formatTimestamp(parseCertificate(stored.certificatePem).notAfterMs);
  return `the certificate of this member ended or no longer fits (valid until ${ended}); ask the pool operator for: lumbung member invite ${member} --rejoin`;
}

class Joining {
  private readonly deps: JoinDeps;
  private readonly stored: StoredIdentity;
  private readonly credentials: { readonly token: string; readonly csrPem: string };
  private failures = 0;

  constructor(
    deps: JoinDeps,
    stored: StoredIdentity,
    credentials: { readonly token: string; readonly csrPem: string },
  ) {
    this.deps = deps;
    this.stored = stored;
    this.credentials = credentials;
  }

  async run(signal: AbortSignal): Promise<MemberIdentity | undefined> {
    const trustBundlePem = await this.untilReached(() => this.trust(signal), signal);
    while (trustBundlePem !== undefined && !signal.aborted) {
      const answer = await this.untilReached(() => this.ask(trustBundlePem, signal), signal);
      if (answer === undefined) break;
      switch (answer.kind) {
        case 'Issued':
          return this.take(answer.certificatePem, joinBundles(...answer.trustBundle));
        case 'Refused':
          throw new EnrolmentError('Refused', `the hub refused this member: ${answer.message}`);
        case 'Pending': {
          this.deps.logger.info('waiting to be accepted by the hub', { why: answer.message });
          const waitMs = Math.min(Math.max(answer.retryAfterSeconds, 1) * 1000, LONGEST_PENDING_MS);
          await this.deps.clock.sleep(waitMs, signal);
        }
      }
    }
    return undefined;
  }

  private async trust(signal: AbortSignal): Promise<string> {
    const { caFingerprint, port } = this.deps;
    if (caFingerprint === undefined) {
      if (this.stored.trustBundlePem !== undefined) return this.stored.trustBundlePem;
      throw new EnrolmentError('PinMissing', 'nothing says which hub to trust: the invitation names --hub-ca-sha256');
    }
    try {
      return await port.fetchTrustBundle(caFingerprint, signal);
    } catch (error) {
      if (isPkiError(error)) {
        throw new EnrolmentError('PinMismatch', `the hub is not the one that the invitation names: ${error.message}`);
      }
      throw error;
    }
  }

  private ask(trustBundlePem: string, signal: AbortSignal): ReturnType<EnrolmentPort['enrol']> {
    const { port, member, clusterUid, agentVersion, jurisdiction } = this.deps;
    const request = { protocolVersion: PROTOCOL_VERSION, member, clusterUid, agentVersion, ...this.credentials };
    return port.enrol({ ...request, jurisdiction: jurisdiction() }, trustBundlePem, signal);
  }

  private async take(certificatePem: string, trustBundlePem: string): Promise<MemberIdentity> {
    const { store, clock, logger } = this.deps;
    const { keyPem } = this.stored;
    const identity = checkCertificate(certificatePem, trustBundlePem, { ...this.deps, keyPem }, clock.nowMs());
    await store.update({ certificatePem, trustBundlePem });
    logger.info('this member has joined', {
      fingerprint: identity.fingerprint,
      jurisdiction: identity.jurisdiction,
      validUntil: formatTimestamp(identity.notAfterMs),
    });
    return identity;
  }

  /** Tries again, ever more slowly, as long as the hub cannot be reached. Undefined when told to stop. */
  private async untilReached<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    const { clock, random, logger } = this.deps;
    while (!signal.aborted) {
      try {
        const value = await attempt();
        this.failures = 0;
        return value;
      } catch (error) {
        if (!isWorthRepeating(error)) throw error;
        this.failures += 1;
        const delayMs = Math.round(backoffMs(BACKOFF, this.failures, random));
        logger.warn('the hub cannot be reached for joining', { error, againInMs: delayMs });
        await clock.sleep(delayMs, signal);
      }
    }
    return undefined;
  }
}

/** The hub may be there later. Anything that it said about the request itself is final. */
function isWorthRepeating(error: unknown): boolean {
  if (!isRpcError(error)) return false;
  return ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED', 'CANCELLED', 'INTERNAL', 'UNKNOWN'].includes(
    error.code,
  );
}
