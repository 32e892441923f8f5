/** KubeClient over a KubeTransport: signatures; the body follows. */
import type { Clock } from '../clock/clock.ts';
import type { Random } from '../clock/random.ts';
import type { Logger } from '../log/logger.ts';
import type { MetricsRegistry } from '../metrics/registry.ts';
import type { KubeClient } from './kube-client.ts';
import type { KubeTransport } from './transport.ts';

/** One HTTP request as sent, retries counted one by one. */
export interface KubeRequestRecord {
  /** As RBAC names it. */
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'raw';
  readonly group: string;
  /** Plural; the path's first segments for raw calls. */
  readonly resource: string;
  readonly subresource: string;
  /** HTTP status, 0 when no answer arrived. */
  readonly status: number;
  readonly durationMs: number;
}

export interface KubeClientOptions {
  readonly transport: KubeTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly userAgent: string;
  readonly logger?: Logger;
  /** Registers rest_client_requests_total and rest_client_request_duration_seconds. */
  readonly metrics?: MetricsRegistry;
  /** Value of the metrics' `host` label, e.g. the cluster's name; default empty. */
  readonly host?: string;
  /** Lower-case names. */
  readonly defaultHeaders?: Readonly<Record<string, string>>;
  readonly onRequest?: (record: KubeRequestRecord) => void;
}

export declare function createKubeClient(options: KubeClientOptions): KubeClient;
