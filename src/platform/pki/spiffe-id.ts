/**
 * The identity of a member as it stands in its certificate's one URI SAN:
 * `spiffe://<trustDomain>/member/<name>/cluster/<uid>/jurisdiction/<J>`.
 *
 * Invariants: strict in both directions, so that a value and its text determine each other: no percent-encoding, no query,
 * no port, nothing trailing, and lower case where DNS wants it. Leaves out whether such a member exists (hub).
 */
import { PkiError } from './pki-error.ts';

export interface MemberSpiffeId {
  /** Lower-case DNS name, e.g. `research.lumbung.dev`. */
  readonly trustDomain: string;
  /** DNS-1123 subdomain: the MemberCluster's name. */
  readonly member: string;
  /** UID of the member's kube-system namespace. */
  readonly clusterUid: string;
  /** Two to eight capital letters, digits and dashes, e.g. `ID` or `US-CA`. */
  readonly jurisdiction: string;
}

interface Part {
  readonly field: keyof MemberSpiffeId;
  readonly pattern: RegExp;
  readonly longest: number;
  readonly allowed: string;
}

const dnsName = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const parts: readonly Part[] = [
  { field: 'trustDomain', pattern: dnsName, longest: 253, allowed: 'a lower-case DNS name' },
  { field: 'member', pattern: dnsName, longest: 253, allowed: 'a lower-case DNS name' },
  { field: 'clusterUid', pattern: /^[A-Za-z0-9][-A-Za-z0-9]*$/, longest: 64, allowed: 'letters, digits and dashes' },
  { field: 'jurisdiction', pattern: /^[A-Z]{2}(-[A-Z0-9]{1,5})?$/, longest: 8, allowed: 'a code such as ID or US-CA' },
];
const shape = /^spiffe:\/\/([^/]+)\/member\/([^/]+)\/cluster\/([^/]+)\/jurisdiction\/([^/]+)$/;

/** The URI. Throws PkiError `BadIdentity` naming the field that is not of its form. */
export function formatMemberSpiffeId(id: MemberSpiffeId): string {
  for (const part of parts) checkPart(part, id[part.field]);
  return `spiffe://${id.trustDomain}/member/${id.member}/cluster/${id.clusterUid}/jurisdiction/${id.jurisdiction}`;
}

/** The parts of a URI made by `formatMemberSpiffeId`. Throws PkiError `BadIdentity`. */
export function parseMemberSpiffeId(uri: string): MemberSpiffeId {
  const [, trustDomain, member, clusterUid, jurisdiction] = shape.exec(uri) ?? [];
  if (trustDomain === undefined || member === undefined || clusterUid === undefined || jurisdiction === undefined) {
    throw new PkiError(
      'BadIdentity',
      'SPIFFE ID is not of the form spiffe://DOMAIN/member/NAME/cluster/UID/jurisdiction/CODE',
    );
  }
  const id = { trustDomain, member, clusterUid, jurisdiction };
  for (const part of parts) checkPart(part, id[part.field]);
  return id;
}

/** The member of a certificate: exactly one URI SAN is allowed in it, and the trust domain must be ours. */
export function memberOfCertificate(
  certificate: { readonly uris: readonly string[] },
  trustDomain: string,
): MemberSpiffeId {
  const [uri, ...others] = certificate.uris;
  if (uri === undefined || others.length > 0) {
    throw new PkiError('BadIdentity', `certificate has ${certificate.uris.length} URI names, exactly 1 is allowed`);
  }
  const id = parseMemberSpiffeId(uri);
  if (id.trustDomain !== trustDomain) {
    throw new PkiError('BadIdentity', `certificate is of trust domain ${id.trustDomain}, not ${trustDomain}`);
  }
  return id;
}

function checkPart(part: Part, value: string): void {
  if (value.length <= part.longest && part.pattern.test(value)) return;
  const shown = JSON.stringify(value.slice(0, 80));
  throw new PkiError(
    'BadIdentity',
    `${part.field}: ${shown} is not ${part.allowed} of at most ${part.longest} characters`,
  );
}
