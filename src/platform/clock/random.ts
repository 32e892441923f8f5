/** The randomness port: jitter, tokens and names come through it, so that one seed gives one history. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Cryptographically strong in production. */
  bytes(count: number): Uint8Array;
  /** RFC 4122 version 4. */
  uuid(): string;
}
