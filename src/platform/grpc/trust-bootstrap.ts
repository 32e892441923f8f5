/** Learning a hub's trust bundle from the fingerprint that an invitation carries: signatures; the body follows. */
import type { Clock } from '../clock/clock.ts';

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

/**
 * The PEM of the one authority with that fingerprint, after checking that it signed the certificate that the server holds
 * the key of. Throws PkiError `FingerprintMismatch` or `UnknownAuthority`, RpcError `UNAVAILABLE` when nobody answers.
 */
export declare function fetchTrustBundle(options: FetchTrustBundleOptions): Promise<string>;
