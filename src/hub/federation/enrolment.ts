/**
 * Joining: redeems a one-use token with a CSR and issues the member's certificate once the pool operator accepted it.
 *
 * Invariants: a token is compared by hash and in constant time; it is bound to the first public key that presents it
 * (written by compare-and-swap before anything is issued), and redeeming is idempotent for that key. A stranger learns
 * nothing: unknown member, wrong, ended and taken token all get one answer. The certificate carries the name, cluster UID
 * and jurisdiction of the MemberCluster, never the caller's own words about itself.
 */
import {
  decodeMemberCluster,
  MEMBER_CLUSTER_RESOURCE,
  type MemberCluster,
  type MemberClusterStatus,
} from '../../api/v1alpha1/member-cluster.ts';
import type { Clock } from '../../platform/clock/clock.ts';
import { formatTimestamp, parseTimestamp } from '../../platform/clock/timestamp.ts';
import type { KubeClient } from '../../platform/kube/kube-client.ts';
import { isConflict } from '../../platform/kube/kube-error.ts';
import type { Logger } from '../../platform/log/logger.ts';
import { verifyCsr, type VerifiedCsr } from '../../platform/pki/certificate-request.ts';
import { isPkiError } from '../../platform/pki/pki-error.ts';
import { formatMemberSpiffeId, type MemberSpiffeId } from '../../platform/pki/spiffe-id.ts';
import { equalHex, sha256Hex } from '../../platform/pki/digest.ts';
import type { KubeObject } from '../../platform/kube/object.ts';
import type { Store } from '../../platform/kube/store.ts';
import type { EnrolAnswer, EnrolRequest } from '../../wire/enrolment-codec.ts';
import type { AuthorityStore } from './authority-store.ts';
import type { FederationMetrics } from './federation-metrics.ts';

const dayMs = 86_400_000;

export interface EnrolmentRequest extends Omit<EnrolRequest, 'protocolVersion'> {
  /** Of the peer, for logs and rate limits. */
  readonly address: string;
}

export interface EnrolmentDeps {
  readonly client: KubeClient;
  readonly members: Store<KubeObject>;
  readonly authority: AuthorityStore;
  readonly trustDomain: string;
  readonly certificateValidityMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: FederationMetrics;
}

/** Why it was refused; logged and counted, not told to the caller. */
type RefusalCause =
  | 'UnknownMember'
  | 'NotInvited'
  | 'WrongToken'
  | 'TokenEnded'
  | 'TokenTaken'
  | 'BadRequest'
  | 'Revoked'
  | 'OtherCluster';

const refusedText = 'the invitation is not valid: unknown, ended or already used; ask the pool operator for a new one';

export async function enrol(request: EnrolmentRequest, deps: EnrolmentDeps): Promise<EnrolAnswer> {
  const csr = await readCsr(request.csrPem);
  if (typeof csr === 'string') return refuse('BadRequest', request, deps, `certificate request: ${csr}`);
  const member = lookUp(request.member, deps);
  if (member === undefined) return refuse('UnknownMember', request, deps);
  const cause = checkInvitation(member, request, csr, deps.clock.nowMs());
  if (cause !== undefined) return refuse(cause, request, deps);
  if (!(await bindToken(member, request, csr, deps))) {
    deps.metrics.enrolments.inc({ result: 'Pending' });
    return { kind: 'Pending', message: 'the invitation is being recorded', retryAfterSeconds: 1 };
  }
  const { accepted, jurisdiction } = member.spec;
  if (!accepted || jurisdiction === undefined) {
    deps.metrics.enrolments.inc({ result: 'Pending' });
    const message = `waiting for the pool operator: lumbung member accept ${request.member}`;
    return { kind: 'Pending', message, retryAfterSeconds: 2 };
  }
  const id = { trustDomain: deps.trustDomain, member: request.member, clusterUid: request.clusterUid, jurisdiction };
  const certificatePem = await issueMemberCertificate(id, csr, deps);
  deps.metrics.enrolments.inc({ result: 'Issued' });
  deps.logger.info('member certificate issued', {
    member: request.member,
    clusterUid: request.clusterUid,
    jurisdiction,
  });
  return { kind: 'Issued', certificatePem, trustBundle: deps.authority.trustBundle };
}

/** A new certificate for the identity that the still valid old one proves. Jurisdiction follows the MemberCluster. */
export async function renewCertificate(
  peer: MemberSpiffeId,
  csrPem: string,
  deps: EnrolmentDeps,
): Promise<EnrolAnswer> {
  const csr = await readCsr(csrPem);
  if (typeof csr === 'string') return { kind: 'Refused', message: `certificate request: ${csr}` };
  const member = lookUp(peer.member, deps);
  const allowed =
    member?.spec.accepted === true &&
    !member.spec.revoked &&
    member.spec.jurisdiction === peer.jurisdiction &&
    (member.status?.clusterUid ?? peer.clusterUid) === peer.clusterUid;
  if (!allowed) {
    deps.metrics.enrolments.inc({ result: 'RenewalRefused' });
    return { kind: 'Refused', message: `member ${peer.member} is not accepted with this identity` };
  }
  const certificatePem = await issueMemberCertificate(peer, csr, deps);
  deps.metrics.enrolments.inc({ result: 'Renewed' });
  return { kind: 'Issued', certificatePem, trustBundle: deps.authority.trustBundle };
}

async function issueMemberCertificate(id: MemberSpiffeId, csr: VerifiedCsr, deps: EnrolmentDeps): Promise<string> {
  return deps.authority.authority.issueClientCertificate({
    publicKeySpki: csr.publicKeySpki,
    commonName: id.member,
    spiffeUri: formatMemberSpiffeId(id),
    validityMs: Math.min(deps.certificateValidityMs, 30 * dayMs),
  });
}

/** Undefined for a member that does not exist or whose object cannot be read: both are strangers. */
function lookUp(name: string, deps: EnrolmentDeps): MemberCluster | undefined {
  const raw = deps.members.get(undefined, name);
  if (raw === undefined) return undefined;
  const decoded = decodeMemberCluster(raw);
  return decoded.ok ? decoded.value : undefined;
}

async function readCsr(pem: string): Promise<VerifiedCsr | string> {
  try {
    return await verifyCsr(pem);
  } catch (error) {
    if (isPkiError(error)) return error.message;
    throw error;
  }
}

function checkInvitation(
  member: MemberCluster,
  request: EnrolmentRequest,
  csr: VerifiedCsr,
  nowMs: number,
): RefusalCause | undefined {
  const { invite, revoked } = member.spec;
  if (revoked) return 'Revoked';
  if (invite === undefined) return 'NotInvited';
  if (!equalHex(sha256Hex(request.token), invite.tokenSha256)) return 'WrongToken';
  if ((parseTimestamp(invite.expiresAt) ?? 0) <= nowMs) return 'TokenEnded';
  return checkFirstUse(member, request.clusterUid, csr.publicKeyFingerprint);
}

/**
 * Whether this key and cluster may use the token. A member that was never accepted is bound to no cluster: a new invitation
 * lets another one ask, e.g. because the first was made anew meanwhile.
 */
function checkFirstUse(member: MemberCluster, clusterUid: string, publicKey: string): RefusalCause | undefined {
  const usedBy = tokenUsedBy(member);
  if (usedBy !== undefined && usedBy !== publicKey) return 'TokenTaken';
  const { invite, accepted } = member.spec;
  const bound = accepted || invite?.rejoin === true || usedBy !== undefined;
  const knownCluster = member.status?.clusterUid;
  return !bound || knownCluster === undefined || knownCluster === clusterUid ? undefined : 'OtherCluster';
}

/** Fingerprint of the key that redeemed the current token; undefined: nobody yet. */
function tokenUsedBy({ spec, status }: MemberCluster): string | undefined {
  const seen = status?.invite;
  return seen !== undefined && seen.tokenSha256 === spec.invite?.tokenSha256 ? seen.usedBy : undefined;
}

/** Records who redeems the token. False: somebody else wrote the object meanwhile; the agent asks again. */
async function bindToken(
  member: MemberCluster,
  request: EnrolmentRequest,
  csr: VerifiedCsr,
  deps: EnrolmentDeps,
): Promise<boolean> {
  const { invite } = member.spec;
  if (invite === undefined) return false;
  const status = member.status;
  const already =
    status?.invite?.tokenSha256 === invite.tokenSha256 && status.invite.usedBy === csr.publicKeyFingerprint;
  if (already) return true;
  const stated = /^[A-Z]{2}$/.test(request.jurisdiction) ? { jurisdiction: request.jurisdiction } : {};
  const patch: Partial<MemberClusterStatus> = {
    clusterUid: request.clusterUid,
    invite: { tokenSha256: invite.tokenSha256, expiresAt: invite.expiresAt, usedBy: csr.publicKeyFingerprint },
    pendingRequest: {
      publicKeySha256: csr.publicKeyFingerprint,
      requestedAt: formatTimestamp(deps.clock.nowMs()),
      ...stated,
    },
  };
  const body = { metadata: { resourceVersion: member.metadata.resourceVersion }, status: patch };
  try {
    await deps.client.mergePatch({ type: MEMBER_CLUSTER_RESOURCE, name: request.member }, body, {
      subresource: 'status',
    });
    deps.logger.info('invitation redeemed', { member: request.member, address: request.address });
    // The store may still show the object without the binding: the next call sees it. Issue only after it does.
    return false;
  } catch (error) {
    if (isConflict(error)) return false;
    throw error;
  }
}

function refuse(cause: RefusalCause, request: EnrolmentRequest, deps: EnrolmentDeps, detail?: string): EnrolAnswer {
  deps.metrics.enrolments.inc({ result: cause });
  deps.logger.warn('join refused', { member: request.member.slice(0, 63), address: request.address, cause });
  return { kind: 'Refused', message: detail ?? refusedText };
}
