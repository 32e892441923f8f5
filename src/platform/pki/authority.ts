/** A certificate authority and what it issues: signatures; the body follows. */
import type { Clock } from '../clock/clock.ts';
import type { Random } from '../clock/random.ts';

export interface PkiDeps {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly random: Pick<Random, 'bytes'>;
}

/** A certificate and the private key that belongs to it, both PEM. */
export interface KeyPair {
  readonly certificatePem: string;
  /** PKCS #8. */
  readonly keyPem: string;
}

export interface Authority {
  /** Self-signed, PEM with a trailing newline. */
  readonly certificatePem: string;
  /** SHA-256 of the certificate's DER, 64 lower-case hex digits: what an invitation pins. */
  readonly fingerprint: string;
  /** PKCS #8 PEM, to be kept in a Secret. */
  readonly keyPem: string;
  /** Server certificate with the authority appended, so that a pinning client sees it in the chain. Makes its own key. */
  issueServerCertificate(request: ServerCertificateRequest): Promise<KeyPair>;
  /** Client certificate for a key that stays with its owner. Returns the leaf alone, PEM. */
  issueClientCertificate(request: ClientCertificateRequest): Promise<string>;
}

export interface ServerCertificateRequest {
  readonly commonName: string;
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly validityMs: number;
}

export interface ClientCertificateRequest {
  /** SubjectPublicKeyInfo, DER: from `verifyCsr`. */
  readonly publicKeySpki: Uint8Array;
  readonly commonName: string;
  /** From `formatMemberSpiffeId`. */
  readonly spiffeUri: string;
  readonly validityMs: number;
  /** Hex; default random. */
  readonly serial?: string;
  /** Extra X.509 organisations (Kubernetes groups), for sandbox users; default none. */
  readonly organizations?: readonly string[];
}

export declare function createAuthority(
  request: { readonly commonName: string; readonly validityMs: number },
  deps: PkiDeps,
): Promise<Authority>;
/** From a Secret. Refuses a key that does not belong to the certificate. */
export declare function loadAuthority(pair: KeyPair, deps: PkiDeps): Promise<Authority>;
