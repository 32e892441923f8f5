/**
 * The Kubernetes transport port: one HTTP request in, one streaming response out. Production speaks TLS by undici;
 * the sandbox offers its own handler in-process; tests put faults between.
 */
export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path with query, e.g. `/api/v1/pods?limit=500`. */
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
}

export interface KubeResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Must be consumed or returned (`body.return()`), else the connection stays busy. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface KubeTransport {
  /** Rejects only when no response arrived (refused, reset, aborted); any HTTP status resolves. */
  request(request: KubeRequest): Promise<KubeResponse>;
  close(): Promise<void>;
}
