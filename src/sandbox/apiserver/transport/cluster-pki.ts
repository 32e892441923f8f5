/**
 * The certificates of one cluster: an authority for the server and its users, and another one for the front proxy, so
 * that a user's certificate can never pass for the proxy's. Made when first needed; lives as long as the server.
 */
import type { Clock } from '../../../platform/clock/clock.ts';
import type { Random } from '../../../platform/clock/random.ts';
import { type Authority, createAuthority, type KeyPair } from '../../../platform/pki/authority.ts';
import { createKeyAndCsr, verifyCsr } from '../../../platform/pki/certificate-request.ts';

const DAY_MS = 24 * 60 * 60_000;
const AUTHORITY_DAYS = 3650;
const LEAF_DAYS = 365;

/** Common name that aggregated servers are told to expect. */
export const FRONT_PROXY_NAME = 'front-proxy-client';

export interface ClusterPki {
  readonly caPem: string;
  readonly frontProxyCaPem: string;
  /** What the server shows aggregated API servers. */
  readonly frontProxy: KeyPair;
  serverCertificate(names: {
    readonly dnsNames: readonly string[];
    readonly ipAddresses: readonly string[];
  }): Promise<KeyPair>;
  userCertificate(user: string, groups: readonly string[]): Promise<KeyPair>;
}

async function clientPair(
  authority: Authority,
  commonName: string,
  organizations: readonly string[],
): Promise<KeyPair> {
  const { keyPem, csrPem } = await createKeyAndCsr({ commonName });
  const { publicKeySpki } = await verifyCsr(csrPem);
  const request = { publicKeySpki, commonName, organizations, validityMs: LEAF_DAYS * DAY_MS };
  return { keyPem, certificatePem: await authority.issueClientCertificate(request) };
}

export async function createClusterPki(deps: { readonly clock: Clock; readonly random: Random }): Promise<ClusterPki> {
  const validityMs = AUTHORITY_DAYS * DAY_MS;
  const [ca, proxyCa] = await Promise.all([
    createAuthority({ commonName: 'kubernetes', validityMs }, deps),
    createAuthority({ commonName: 'front-proxy-ca', validityMs }, deps),
  ]);
  return {
    caPem: ca.certificatePem,
    frontProxyCaPem: proxyCa.certificatePem,
    frontProxy: await clientPair(proxyCa, FRONT_PROXY_NAME, []),
    serverCertificate: (names) =>
      ca.issueServerCertificate({ commonName: 'kube-apiserver', ...names, validityMs: LEAF_DAYS * DAY_MS }),
    userCertificate: (user, groups) => clientPair(ca, user, groups),
  };
}
