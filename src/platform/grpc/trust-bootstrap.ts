/**
 * Learning a hub's authority from the fingerprint that an invitation carries.
 *
 * Invariants: nothing is trusted but the fingerprint: the presented chain must contain a certificate of exactly that
 * fingerprint, it must be a valid authority, and it must have signed the certificate whose key the server just proved to
 * hold. Nothing is sent before. Leaves out the server's name, which every later dial checks.
 */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import type { Clock } from '../clock/clock.ts';
import { isIssuer, parseCertificate, requireValid, type CertificateInfo } from '../pki/certificate.ts';
import { equalHex } from '../pki/digest.ts';
import { PkiError } from '../pki/pki-error.ts';
import { parseAddress } from './dial-address.ts';
import { RpcError } from './rpc-error.ts';

export interface FetchTrustBundleOptions {
  /** `host:port`. */
  readonly address: string;
  /** SHA-256 of the authority's DER: 64 hex digits, colons and case do not matter. */
  readonly caFingerprint: string;
  readonly clock: Clock;
  /** Default 10 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const defaultTimeoutMs = 10_000;
const longestChain = 8;

/**
 * The PEM of the one authority with that fingerprint. Throws PkiError `FingerprintMismatch`, `UnknownAuthority` or
 * `OutsideValidity`, RpcError `UNAVAILABLE`, `DEADLINE_EXCEEDED` or `CANCELLED` when nobody answers in time.
 */
export async function fetchTrustBundle(options: FetchTrustBundleOptions): Promise<string> {
  const wanted = parseFingerprint(options.caFingerprint);
  const chain = await presentedChain(options);
  const [leaf] = chain;
  const authority = chain.find((certificate) => equalHex(certificate.fingerprint, wanted));
  if (leaf === undefined || authority === undefined) {
    const seen = chain.map((certificate) => certificate.fingerprint.slice(0, 16)).join(', ');
    throw new PkiError(
      'FingerprintMismatch',
      `${options.address}: the fingerprint is in none of its certificates (${seen})`,
    );
  }
  if (!isIssuer(authority, new X509Certificate(leaf.pem))) {
    throw new PkiError(
      'UnknownAuthority',
      `${options.address}: its certificate was not issued by the pinned authority`,
    );
  }
  for (const certificate of [leaf, authority]) requireValid(certificate, options.clock.nowMs());
  return authority.pem;
}

/** 64 lower-case hex digits. Throws PkiError `Malformed`. */
function parseFingerprint(text: string): string {
  const hex = text.replaceAll(':', '').trim().toLowerCase();
  if (/^[0-9a-f]{64}$/.test(hex)) return hex;
  throw new PkiError('Malformed', `CA fingerprint of ${hex.length} characters; 64 hex digits (SHA-256) are wanted`);
}

function presentedChain(options: FetchTrustBundleOptions): Promise<readonly CertificateInfo[]> {
  const { address, clock, signal, timeoutMs = defaultTimeoutMs } = options;
  const { host, port } = parseAddress(address);
  return new Promise((resolve, reject) => {
    // The chain is looked at here before anything is trusted or sent, so the library must not judge it first.
    const socket = connect({
      host,
      port,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
      ALPNProtocols: ['h2'],
      ...(isIP(host) === 0 ? { servername: host } : {}),
    });
    const timer = clock.after(timeoutMs, () => {
      finish(() => {
        reject(new RpcError('DEADLINE_EXCEEDED', `${address}: no answer within ${timeoutMs} ms`));
      });
    });
    const onAbort = (): void => {
      finish(() => {
        reject(new RpcError('CANCELLED', `${address}: given up by the caller`));
      });
    };
    function finish(settle: () => void): void {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
      socket.destroy();
      settle();
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    socket.on('error', (error: NodeJS.ErrnoException) => {
      finish(() => {
        reject(new RpcError('UNAVAILABLE', `${address}: ${error.code ?? 'the connection failed'}`));
      });
    });
    socket.once('secureConnect', () => {
      try {
        const chain = chainOf(socket);
        finish(() => {
          resolve(chain);
        });
      } catch (error) {
        finish(() => {
          reject(error instanceof Error ? error : new PkiError('Malformed', `${address}: unreadable certificates`));
        });
      }
    });
  });
}

function chainOf(socket: TLSSocket): readonly CertificateInfo[] {
  const chain: CertificateInfo[] = [];
  // The types promise certificates that a chain does not always have.
  let at: Partial<DetailedPeerCertificate> | undefined = socket.getPeerCertificate(true);
  // A self-signed certificate names itself as its issuer.
  while (at?.raw !== undefined && chain.length < longestChain) {
    const info = parseCertificate(at.raw);
    if (chain.some((known) => known.fingerprint === info.fingerprint)) break;
    chain.push(info);
    at = at.issuerCertificate;
  }
  return chain;
}
