/**
 * The client that hub, agent, sandbox controllers and CLI use: raw JSON over a KubeTransport, with retries of what is
 * safe to retry. It decides how a call looks on the wire and which answers are retried; it knows no kinds.
 */
import type { KubeList, KubeObject, ResourceType } from './object.ts';

export interface ObjectRef {
  readonly type: ResourceType;
  readonly namespace?: string;
  readonly name: string;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Whole-call deadline, retries included; default 30 s. */
  readonly timeoutMs?: number;
}

export interface ListOptions extends CallOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
}

export interface WriteOptions extends CallOptions {
  readonly dryRun?: boolean;
  readonly fieldManager?: string;
  readonly fieldValidation?: 'Strict' | 'Warn' | 'Ignore';
}

export interface PatchOptions extends WriteOptions {
  /** Patch this subresource, e.g. `status`. */
  readonly subresource?: string;
  /** Server-side apply only: take over fields that others own. */
  readonly force?: boolean;
}

export interface DeleteOptions extends CallOptions {
  /** Always named: a Job deleted without it orphans its pods. */
  readonly propagationPolicy: 'Foreground' | 'Background' | 'Orphan';
  readonly gracePeriodSeconds?: number;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly dryRun?: boolean;
}

/** RFC 6902. A leading `test` of /metadata/resourceVersion or of a field makes a patch a compare-and-swap. */
export type JsonPatchOp =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

export interface WatchOptions extends CallOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly resourceVersion?: string;
  readonly timeoutSeconds?: number;
}

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string }
  | { readonly type: 'ERROR'; readonly code: number; readonly reason: string; readonly message: string };

export interface LogOptions extends CallOptions {
  readonly container?: string;
  readonly follow?: boolean;
  readonly tailLines?: number;
  readonly sinceSeconds?: number;
  readonly timestamps?: boolean;
  readonly limitBytes?: number;
}

/**
 * Every method throws KubeError (kube-error.ts) for an HTTP answer >= 400 and KubeUnreachable when none arrived.
 * Retries with back-off and Retry-After: 429 and 503 always; 500, 502, 504 and lost connections only where the verb is
 * idempotent (get, list, apply, merge patch and json patch with a `test`, delete with a uid precondition); create never,
 * unless the caller's name makes AlreadyExists an answer.
 */
export interface KubeClient {
  get<T extends KubeObject>(ref: ObjectRef, options?: CallOptions): Promise<T>;
  /** One page. */
  list<T extends KubeObject>(type: ResourceType, options?: ListOptions): Promise<KubeList<T>>;
  create<T extends KubeObject>(type: ResourceType, object: KubeObject, options?: WriteOptions): Promise<T>;
  /** PUT; carries resourceVersion in the object when optimistic locking is wanted. */
  replace<T extends KubeObject>(type: ResourceType, object: KubeObject, options?: PatchOptions): Promise<T>;
  /** Server-side apply; `fieldManager` required. */
  apply<T extends KubeObject>(
    type: ResourceType,
    object: KubeObject,
    options: PatchOptions & { readonly fieldManager: string },
  ): Promise<T>;
  mergePatch<T extends KubeObject>(ref: ObjectRef, patch: unknown, options?: PatchOptions): Promise<T>;
  jsonPatch<T extends KubeObject>(ref: ObjectRef, ops: readonly JsonPatchOp[], options?: PatchOptions): Promise<T>;
  /** 404 throws; callers that do not mind catch `isNotFound`. */
  delete(ref: ObjectRef, options: DeleteOptions): Promise<void>;
  /** One watch request; ends when the server ends it. Parse failures surface as an ERROR event, never silently. */
  watch<T extends KubeObject>(type: ResourceType, options?: WatchOptions): AsyncIterable<WatchEvent<T>>;
  logs(
    ref: { readonly namespace: string; readonly pod: string },
    options?: LogOptions,
  ): Promise<AsyncIterable<Uint8Array>>;
  /** Escape hatch for paths without a resource type, e.g. `/version` or an aggregated API. Returns parsed JSON. */
  raw<T>(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    options?: CallOptions,
  ): Promise<T>;
  /** As `raw`, with the response's bytes as they arrive. */
  rawStream(path: string, options?: CallOptions): Promise<AsyncIterable<Uint8Array>>;
  close(): Promise<void>;
}
