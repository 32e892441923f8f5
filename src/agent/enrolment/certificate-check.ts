/**
 * Whether a certificate is this member's: issued by a trusted authority, for our key, name and cluster, and valid now. Asked
 * of everything that a hub or the cluster hands us before it is used, so that a swapped or foreign certificate never is.
 */
import { jurisdiction, type Jurisdiction } from '../../core/model/ids.ts';
import { publicKeyFingerprintOf } from '../../platform/pki/certificate-request.ts';
import { verifyIssuedBy, type CertificateInfo } from '../../platform/pki/certificate.ts';
import { isPkiError } from '../../platform/pki/pki-error.ts';
import { parseMemberSpiffeId } from '../../platform/pki/spiffe-id.ts';
import { EnrolmentError } from './enrolment-error.ts';

/** Everything needed to speak as this member. */
export interface MemberIdentity {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly trustBundlePem: string;
  readonly fingerprint: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly jurisdiction: Jurisdiction;
}

export interface ExpectedIdentity {
  readonly member: string;
  readonly clusterUid: string;
  readonly keyPem: string;
}

/** Throws EnrolmentError `WrongCertificate` with the first thing that is wrong. */
export function checkCertificate(
  certificatePem: string,
  trustBundlePem: string,
  expected: ExpectedIdentity,
  nowMs: number,
): MemberIdentity {
  try {
    const info = verifyIssuedBy(certificatePem, trustBundlePem, nowMs);
    const id = readId(info);
    requireOurs(info, id, expected);
    return {
      certificatePem,
      keyPem: expected.keyPem,
      trustBundlePem,
      fingerprint: info.fingerprint,
      notBeforeMs: info.notBeforeMs,
      notAfterMs: info.notAfterMs,
      jurisdiction: jurisdiction(id.jurisdiction),
    };
  } catch (error) {
    if (isPkiError(error))
      throw new EnrolmentError('WrongCertificate', `the certificate cannot be used: ${error.message}`);
    throw error;
  }
}

function readId(info: CertificateInfo): ReturnType<typeof parseMemberSpiffeId> {
  const [uri, ...others] = info.uris;
  if (uri === undefined || others.length > 0) {
    throw new EnrolmentError(
      'WrongCertificate',
      `the certificate has ${info.uris.length} URI names, exactly 1 is allowed`,
    );
  }
  return parseMemberSpiffeId(uri);
}

function requireOurs(
  info: CertificateInfo,
  id: ReturnType<typeof parseMemberSpiffeId>,
  expected: ExpectedIdentity,
): void {
  if (id.member !== expected.member) {
    throw new EnrolmentError(
      'WrongCertificate',
      `the certificate is for member ${id.member}, this is ${expected.member}`,
    );
  }
  if (id.clusterUid !== expected.clusterUid) {
    throw new EnrolmentError(
      'WrongCertificate',
      `the certificate is for cluster ${id.clusterUid}, this is ${expected.clusterUid}`,
    );
  }
  if (info.publicKeyFingerprint !== publicKeyFingerprintOf(expected.keyPem)) {
    throw new EnrolmentError('WrongCertificate', 'the certificate is for another key than this member holds');
  }
}
